/**
 * One frame of OSDP (IEC 60839-11-5), as goToMain/libosdp reads it (`src/osdp_phy.c`, `src/osdp_common.h`):
 * `[FF] 53 ADDR LEN_L LEN_H CTRL [security block] ID DATA [MAC] CRC_L CRC_H`, or a sum of one byte.
 *
 * Read only: this gateway drives no OSDP reader. What a reader or a keypad sent is counted, never shown: it is a credential.
 */
import { accept } from '../../../base/result.ts';
import { badCheck, badLength, badShape, hexByte } from '../describing.ts';
import type { Described, FrameDescription, FrameEffect } from '../frame-description.ts';
import { crcCcitt, hex4 } from './crc-ccitt.ts';

const MARK = 0xff;
const SOM = 0x53;
const REPLY = 0x80;
const CTRL_CRC = 0x04;
const CTRL_SECURE = 0x08;
const CRC_INITIAL = 0x1d0f;
const HEAD_BYTES = 5;
const MAC_BYTES = 4;
/** SCS_15 to 18 carry a MAC; in 17 and 18 the data is encrypted. */
const SCS_MAC_FIRST = 0x15;
const SCS_ENCRYPTED_FIRST = 0x17;
const SCS_LAST = 0x18;
const SCS_FIRST = 0x11;

const COMMANDS: ReadonlyMap<number, readonly [string, FrameEffect]> = new Map([
  [0x60, ['poll', 'reads']],
  [0x61, ['identity', 'reads']],
  [0x62, ['capabilities', 'reads']],
  [0x64, ['local_status', 'reads']],
  [0x65, ['input_status', 'reads']],
  [0x66, ['output_status', 'reads']],
  // Outputs are what door strikes hang on.
  [0x68, ['set_output', 'opens']],
  [0x69, ['led', 'sets']],
  [0x6a, ['buzzer', 'sets']],
  [0x6e, ['set_speed', 'sets']],
  [0x75, ['set_key', 'sets']],
  [0x76, ['challenge', 'sets']],
  [0x77, ['server_cryptogram', 'sets']],
]);

const REPLIES: ReadonlyMap<number, string> = new Map([
  [0x40, 'ack'],
  [0x41, 'nak'],
  [0x45, 'identity'],
  [0x46, 'capabilities'],
  [0x48, 'local_status'],
  [0x49, 'input_status'],
  [0x4a, 'output_status'],
  [0x50, 'raw'],
  [0x53, 'keypad'],
  [0x76, 'client_cryptogram'],
  [0x78, 'initial_mac'],
  [0x79, 'busy'],
]);

export function describeOsdp(bytes: Uint8Array): Described {
  const frame = bytes[0] === MARK ? bytes.subarray(1) : bytes;
  if (frame[0] !== SOM) return badShape(`expected 53 at the beginning (after a mark FF), found ${hexByte(frame[0])}`);
  const [, address = 0, low = 0, high = 0, control = 0] = frame;
  const isCrc = (control & CTRL_CRC) !== 0;
  const checkBytes = isCrc ? 2 : 1;
  const least = HEAD_BYTES + 1 + checkBytes;
  if (frame.length < least) return badLength('an OSDP frame', `at least ${least}`, frame.length);
  const size = low | (high << 8);
  if (size !== frame.length) return badLength('this OSDP frame', `${size}`, frame.length);
  const covered = frame.subarray(0, size - checkBytes);
  const refused = isCrc ? checkCrc(covered, frame) : checkSum(covered, frame);
  if (refused !== undefined) return refused;
  return describeBody(covered, address, control);
}

function checkCrc(covered: Uint8Array, frame: Uint8Array): Described | undefined {
  const found = (frame.at(-2) ?? 0) | ((frame.at(-1) ?? 0) << 8);
  const expected = crcCcitt(covered, CRC_INITIAL);
  return found === expected ? undefined : badCheck('CRC', hex4(expected), hex4(found));
}

function checkSum(covered: Uint8Array, frame: Uint8Array): Described | undefined {
  const expected = -covered.reduce((total, byte) => total + byte, 0) & 0xff;
  const found = frame.at(-1);
  return found === expected ? undefined : badCheck('sum', hexByte(expected), hexByte(found));
}

function describeBody(covered: Uint8Array, address: number, control: number): Described {
  const isReply = (address & REPLY) !== 0;
  const secureBytes = (control & CTRL_SECURE) === 0 ? 0 : (covered[HEAD_BYTES] ?? 0);
  const type = secureBytes === 0 ? undefined : covered[HEAD_BYTES + 1];
  if ((control & CTRL_SECURE) !== 0) {
    if (secureBytes < 2 || type === undefined || type < SCS_FIRST || type > SCS_LAST) {
      return badShape(`expected a security block of type 11 to 18, found ${hexByte(type)} in ${secureBytes} bytes`);
    }
  }
  const macBytes = type !== undefined && type >= SCS_MAC_FIRST ? MAC_BYTES : 0;
  const id = covered[HEAD_BYTES + secureBytes];
  const end = covered.length - macBytes;
  if (id === undefined || HEAD_BYTES + secureBytes >= end) return badShape('expected a command or a reply, found none');
  const known = isReply ? REPLIES.get(id) : COMMANDS.get(id);
  if (known === undefined) return badShape(`expected a known ${isReply ? 'reply' : 'command'}, found ${hexByte(id)}`);
  const [command, effect] = typeof known === 'string' ? [known, 'reads' as const] : known;
  const data = covered.subarray(HEAD_BYTES + secureBytes + 1, end);
  const encrypted = type !== undefined && type >= SCS_ENCRYPTED_FIRST;
  const registers = [
    { value: `sequence ${control & 3}` },
    ...(type === undefined ? [] : [{ value: `secure channel SCS_${hexByte(type)}` }]),
    ...(encrypted ? [{ value: `${data.length} encrypted bytes` }] : valuesOf(isReply, id, data)),
  ];
  return accept({ direction: isReply ? 'reply' : 'request', effect, board: address & 0x7f, command, registers });
}

type Registers = NonNullable<FrameDescription['registers']>;

function valuesOf(isReply: boolean, id: number, data: Uint8Array): Registers {
  if (!isReply && id === 0x6e && data.length === 5) {
    const [address = 0, ...speed] = data;
    return [{ value: `address ${address}` }, { value: speed.reduceRight((total, byte) => total * 256 + byte, 0) }];
  }
  if (isReply && id === 0x50) return [{ value: `${(data[2] ?? 0) | ((data[3] ?? 0) << 8)} bits of a credential` }];
  if (isReply && id === 0x53) return [{ value: `${data[1] ?? 0} keys` }];
  // Keys and cryptograms are nobody's to read.
  if (id >= 0x75 && id <= 0x78) return [{ value: `${data.length} bytes` }];
  return Array.from(data, (value, address) => ({ address, value }));
}
