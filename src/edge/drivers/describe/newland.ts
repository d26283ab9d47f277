/**
 * One frame between a host and a Newland scanner: commands as text (`7E 01 0000 @|# tag data ; 03`, answered by
 * `02 01 0000 @|# tag data 06|15|05 ; 03`), and the binary form of EM30 engines, `7E 00` asked and `02 00` answered: types,
 * lens, data, and CRC-CCITT from types to data, which begins with 0.
 */
import { utf8Text } from '../../../base/bytes.ts';
import { accept } from '../../../base/result.ts';
import { badCheck, badLength, badShape, hexByte } from '../describing.ts';
import type { Described } from '../frame-description.ts';
import { crcCcitt, hex4 } from './crc-ccitt.ts';

const ASKED = 0x7e;
const ANSWERED = 0x02;
const BINARY_HEAD_BYTES = 4;
const FCS_BYTES = 2;
/** Asked in place of a check value: an engine takes it without checking. */
const FCS_UNCHECKED = 0xabcd;
const ANSWERS: ReadonlyMap<number, string> = new Map([
  [0x00, 'ok'],
  [0x01, 'check_value_wrong'],
]);
/** `AAAA` queries of the text form read: their tag begins with QRY, or asks for the present setting with `*` or `&`. */
const READS = /^(?:QRY|[A-Z0-9]{6}[*&^])/;
const TEXT = /^0000[@#]([A-Z0-9]{3,}.*)$/s;

export function describeNewland(frame: Uint8Array): Described {
  const [first, second] = frame;
  if (first !== ASKED && first !== ANSWERED)
    return badShape(`expected 7E or 02 at the beginning, found ${hexByte(first)}`);
  if (second === 0x00) return describeBinary(frame);
  if (second === 0x01) return describeText(frame);
  return badShape(`expected 00 (binary) or 01 (text) in the second byte, found ${hexByte(second)}`);
}

function describeBinary(frame: Uint8Array): Described {
  const [first, , types = 0, lens = 0] = frame;
  const isRequest = first === ASKED;
  // A request names an address of two bytes between its length and its data.
  const size = BINARY_HEAD_BYTES + (isRequest ? 2 : 0) + lens + FCS_BYTES;
  if (frame.length !== size) return badLength('this Newland frame', `${size}`, frame.length);
  const expected = crcCcitt(frame.subarray(2, size - FCS_BYTES), 0);
  const found = ((frame[size - 2] ?? 0) << 8) | (frame[size - 1] ?? 0);
  if (found !== expected && !(isRequest && found === FCS_UNCHECKED))
    return badCheck('FCS', hex4(expected), hex4(found));
  const data = frame.subarray(size - FCS_BYTES - lens, size - FCS_BYTES);
  const address = ((frame[4] ?? 0) << 8) | (frame[5] ?? 0);
  const registers = Array.from(data, (value, at) => ({ ...(isRequest && { address: address + at }), value }));
  if (!isRequest) {
    const command = ANSWERS.get(types) ?? `answer_${hexByte(types)}`;
    return accept({ direction: 'reply', effect: 'reads', command, registers });
  }
  const command = types === 0x07 ? 'read' : types === 0x08 ? 'write' : types === 0x09 ? 'save' : hexByte(types);
  return accept({ direction: 'request', effect: types === 0x07 ? 'reads' : 'sets', command, registers });
}

function describeText(frame: Uint8Array): Described {
  const end = frame.subarray(-2);
  if (frame.length < 10 || end[0] !== 0x3b || end[1] !== 0x03) {
    return badShape('expected 3B 03 at the end of a command of at least ten bytes');
  }
  const isRequest = frame[0] === ASKED;
  const status = frame.at(-3);
  const isStatus = status === 0x06 || status === 0x15 || status === 0x05;
  if (!isRequest && !isStatus)
    return badShape(`expected 06, 15 or 05 before 3B 03 of an answer, found ${hexByte(status)}`);
  const text = utf8Text(frame.subarray(2, isRequest ? -2 : -3)) ?? '';
  const tag = TEXT.exec(text)?.[1];
  if (tag === undefined) return badShape('expected 0000, @ or #, and a tag');
  if (isRequest) return accept({ direction: 'request', effect: READS.test(tag) ? 'reads' : 'sets', command: tag });
  const word = status === 0x06 ? 'ok' : status === 0x15 ? 'refused' : 'unknown_tag';
  return accept({ direction: 'reply', effect: 'reads', command: word, registers: [{ value: tag }] });
}
