/**
 * Frames of the "WKLY" lock boards: `57 4B 4C 59 LEN BOARD CMD DATA XOR`, LEN the size of the whole frame, XOR over every
 * byte before it, header included. Some boards begin their replies with 53 instead of 57.
 */
import { FrameCutter, type Look } from '../frame-cutter.ts';
import { firstSound } from '../shapes.ts';

/** "WKLY" in ASCII. */
const HEADER = [0x57, 0x4b, 0x4c, 0x59] as const;
const REPLY_HEADER = 0x53;
export const LENGTH_AT = HEADER.length;
/** Header, LEN, BOARD, CMD, XOR. */
export const FRAME_BYTES_MIN = 8;
/** A reply about 48 locks, with status and count. */
export const FRAME_BYTES_MAX = FRAME_BYTES_MIN + 2 + 48;

export function xor(bytes: Uint8Array): number {
  let value = 0;
  for (const byte of bytes) value ^= byte;
  return value;
}

export function frameOf(board: number, command: number, ...data: readonly number[]): Uint8Array {
  const bytes = [...HEADER, FRAME_BYTES_MIN + data.length, board, command, ...data];
  return Uint8Array.of(...bytes, xor(Uint8Array.from(bytes)));
}

export function wklyCutter(): FrameCutter {
  return new FrameCutter(lookAt, FRAME_BYTES_MAX);
}

/** Index of the first byte that is no header; the header's size when all of it is there. */
export function headerBytes(frame: Uint8Array): number {
  const wrong = HEADER.findIndex((byte, index) => {
    const found = frame[index];
    return found !== byte && !(index === 0 && found === REPLY_HEADER);
  });
  return wrong === -1 ? HEADER.length : wrong;
}

function lookAt(window: Uint8Array, last: boolean): Look {
  const right = headerBytes(window);
  if (right < HEADER.length) return right < window.length ? { kind: 'skip', reason: 'noise' } : { kind: 'more' };
  const sizeBytes = window[LENGTH_AT];
  if (sizeBytes === undefined) return { kind: 'more' };
  if (sizeBytes < FRAME_BYTES_MIN || sizeBytes > FRAME_BYTES_MAX) return { kind: 'skip', reason: 'length' };
  return firstSound(window, last, [{ sizeBytes, flaw }]);
}

function flaw(frame: Uint8Array): 'checksum' | undefined {
  return xor(frame) === 0 ? undefined : 'checksum';
}
