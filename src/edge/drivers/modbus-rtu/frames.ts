/**
 * Frames of Modbus RTU (Modbus over Serial Line 1.02, 2.5.1): `ADDR FUNC DATA CRC`, and nothing that says where a frame
 * begins. The standard cuts by silence of 3.5 characters, which adapters and serial servers do not keep; so frames are
 * cut by the sizes that a function can have, each tried with its CRC, the reply that is expected first.
 */
import { FrameCutter, type Look } from '../frame-cutter.ts';
import { firstSound, type Shape } from '../shapes.ts';

export const READ_COILS = 0x01;
export const READ_INPUTS = 0x02;
export const READ_HOLDING = 0x03;
export const READ_INPUT_REGISTERS = 0x04;
export const WRITE_COIL = 0x05;
export const WRITE_REGISTER = 0x06;
export const WRITE_COILS = 0x0f;
export const WRITE_REGISTERS = 0x10;
/** Set in the function of a reply that refuses. */
export const EXCEPTION = 0x80;

export const SHORT_BYTES = 8;
export const EXCEPTION_BYTES = 5;
/** A reply to a reading: address, function, count, CRC. */
export const READ_REPLY_BYTES = 5;
/** A writing of several: address, function, start, quantity, count, CRC. */
const WRITE_SEVERAL_BYTES = 9;
/** 256 coils or 16 registers: more than any board here is asked for. The standard allows 250. */
export const DATA_BYTES_MAX = 32;
const FRAME_BYTES_MAX = WRITE_SEVERAL_BYTES + DATA_BYTES_MAX;
const ADDRESS_MAX = 247;

const READS: ReadonlySet<number> = new Set([READ_COILS, READ_INPUTS, READ_HOLDING, READ_INPUT_REGISTERS]);
const WRITES: ReadonlySet<number> = new Set([WRITE_COIL, WRITE_REGISTER]);
const WRITES_SEVERAL: ReadonlySet<number> = new Set([WRITE_COILS, WRITE_REGISTERS]);

/** CRC-16/MODBUS: polynomial A001 reflected, begins with FFFF. */
export function crc16(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
  }
  return crc;
}

/** Low byte of the CRC first. */
export function withCrc(...bytes: readonly number[]): Uint8Array {
  const crc = crc16(Uint8Array.from(bytes));
  return Uint8Array.of(...bytes, crc & 0xff, crc >> 8);
}

/** Requests of two 16-bit words: a start and a quantity, or a place and a value. */
export function request(address: number, func: number, first: number, second: number): Uint8Array {
  return withCrc(address, func, first >> 8, first & 0xff, second >> 8, second & 0xff);
}

export function word(frame: Uint8Array, at: number): number {
  return ((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0);
}

export function hasCrc(frame: Uint8Array): boolean {
  const crc = crc16(frame.subarray(0, -2));
  return frame[frame.length - 2] === (crc & 0xff) && frame[frame.length - 1] === crc >> 8;
}

/** `dataBytesOf` says how many data bytes the reply to a reading of a configured board has. */
export function modbusCutter(dataBytesOf: (address: number, func: number) => number | undefined): FrameCutter {
  return new FrameCutter((window, last) => lookAt(window, last, dataBytesOf), FRAME_BYTES_MAX);
}

function lookAt(
  window: Uint8Array,
  last: boolean,
  dataBytesOf: (address: number, func: number) => number | undefined,
): Look {
  const [address = 0, func, third] = window;
  // Address 0 is a broadcast, which this master never sends and no board answers.
  if (address === 0 || address > ADDRESS_MAX) return { kind: 'skip', reason: 'noise' };
  if (func === undefined) return { kind: 'more' };
  const known = func & ~EXCEPTION;
  if (!READS.has(known) && !WRITES.has(known) && !WRITES_SEVERAL.has(known)) return { kind: 'skip', reason: 'noise' };
  if (func !== known) return firstSound(window, last, [shape(EXCEPTION_BYTES)]);
  if (WRITES.has(func)) return firstSound(window, last, [shape(SHORT_BYTES)]);
  if (WRITES_SEVERAL.has(func)) return lookAtSeveral(window, last);
  if (third === undefined) return { kind: 'more' };
  const reply = third > 0 && third <= DATA_BYTES_MAX ? [shape(READ_REPLY_BYTES + third)] : [];
  const isExpected = third === dataBytesOf(address, func);
  return firstSound(window, last, isExpected ? [...reply, shape(SHORT_BYTES)] : [shape(SHORT_BYTES), ...reply]);
}

/** A reply of eight bytes, or a request whose seventh says how many data follow. */
function lookAtSeveral(window: Uint8Array, last: boolean): Look {
  const count = window[6];
  if (count === undefined) return { kind: 'more' };
  const whole = count > 0 && count <= DATA_BYTES_MAX ? [shape(WRITE_SEVERAL_BYTES + count)] : [];
  return firstSound(window, last, [shape(SHORT_BYTES), ...whole]);
}

function shape(sizeBytes: number): Shape {
  return { sizeBytes, flaw: (frame) => (hasCrc(frame) ? undefined : 'checksum') };
}
