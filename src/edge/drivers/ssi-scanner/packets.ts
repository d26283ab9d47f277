/**
 * Packets of Symbol's Simple Serial Interface: length, opcode, source, status, data, 16-bit checksum.
 *
 * The length counts all bytes but the checksum; the checksum is the two's complement of their sum, high byte first.
 */
import { FrameCutter, type Look } from '../frame-cutter.ts';

export const OPCODE = {
  MULTIPACKET_SEGMENT: 0x73,
  MULTIPACKET_ACK: 0x74,
  MANAGEMENT: 0x80,
  REQUEST_REVISION: 0xa3,
  REPLY_REVISION: 0xa4,
  IMAGE_DATA: 0xb1,
  PARAM_SEND: 0xc6,
  PARAM_REQUEST: 0xc7,
  CMD_ACK: 0xd0,
  CMD_NAK: 0xd1,
  FLUSH_QUEUE: 0xd2,
  START_SESSION: 0xe4,
  STOP_SESSION: 0xe5,
  BEEP: 0xe6,
  LED_ON: 0xe7,
  LED_OFF: 0xe8,
  SCAN_ENABLE: 0xe9,
  SCAN_DISABLE: 0xea,
  DECODE_DATA: 0xf3,
  EVENT: 0xf6,
} as const;

export const SOURCE_DECODER = 0x00;
export const SOURCE_HOST = 0x04;
export const STATUS_RETRANSMIT = 0x01;
export const STATUS_CONTINUED = 0x02;

export const NAK_RESEND = 0x01;
export const NAK_CONTEXT = 0x02;

const HEADER_BYTES = 4;
const CHECKSUM_BYTES = 2;
export const PACKET_BYTES_MAX = 0xff + CHECKSUM_BYTES;

/** What a scanner sends, and its host: with anything else a length and a zero are no beginning of a packet. */
const OPCODES: ReadonlySet<number> = new Set(Object.values(OPCODE));

export interface Packet {
  readonly opcode: number;
  /** First byte after the opcode. Newer units put 2 there in the first segment of a multi-packet. */
  readonly source: number;
  readonly status: number;
  readonly data: Uint8Array;
}

export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return -sum & 0xffff;
}

export function formatPacket(opcode: number, source: number, status: number, data: readonly number[] = []): Uint8Array {
  const length = HEADER_BYTES + data.length;
  const packet = Uint8Array.of(length, opcode, source, status, ...data, 0, 0);
  const sum = checksum(packet.subarray(0, length));
  packet[length] = sum >> 8;
  packet[length + 1] = sum & 0xff;
  return packet;
}

/** `frame` came whole and sound from the cutter. */
export function parsePacket(frame: Uint8Array): Packet {
  const [, opcode = 0, source = 0, status = 0] = frame;
  return { opcode, source, status, data: frame.slice(HEADER_BYTES, frame.length - CHECKSUM_BYTES) };
}

export function packetCutter(): FrameCutter {
  return new FrameCutter(lookAt, PACKET_BYTES_MAX);
}

export type PacketFlaw = 'length' | 'checksum' | 'shape';

/** What is wrong with bytes that should be one whole packet. */
export function packetFlaw(frame: Uint8Array): PacketFlaw | undefined {
  const [length = 0, opcode = 0, source = 0] = frame;
  if (frame.length < HEADER_BYTES + CHECKSUM_BYTES || frame.length !== length + CHECKSUM_BYTES) return 'length';
  if (!OPCODES.has(opcode) || !isSource(opcode, source)) return 'shape';
  return storedChecksum(frame) === checksum(frame.subarray(0, length)) ? undefined : 'checksum';
}

export function storedChecksum(frame: Uint8Array): number {
  return ((frame[frame.length - 2] ?? 0) << 8) | (frame[frame.length - 1] ?? 0);
}

function lookAt(window: Uint8Array, last: boolean): Look {
  const [length = 0, opcode, source] = window;
  if (length < HEADER_BYTES) return { kind: 'skip', reason: 'noise' };
  if (opcode !== undefined && !OPCODES.has(opcode)) return { kind: 'skip', reason: 'noise' };
  if (opcode !== undefined && source !== undefined && !isSource(opcode, source))
    return { kind: 'skip', reason: 'noise' };
  const sizeBytes = length + CHECKSUM_BYTES;
  if (window.length < sizeBytes) {
    if (!last) return { kind: 'more' };
    return { kind: 'skip', reason: source === undefined ? 'noise' : 'length' };
  }
  const isSound = packetFlaw(window.subarray(0, sizeBytes)) === undefined;
  return isSound ? { kind: 'frame', sizeBytes } : { kind: 'skip', reason: 'checksum' };
}

function isSource(opcode: number, source: number): boolean {
  if (source === SOURCE_DECODER || source === SOURCE_HOST) return true;
  return opcode === OPCODE.MULTIPACKET_SEGMENT && source === STATUS_CONTINUED;
}
