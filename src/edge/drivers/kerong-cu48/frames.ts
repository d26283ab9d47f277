/**
 * Frames of KERONG CU24 and CU48 boards: requests `02 ADDR LOCK CMD 03 SUM`, and replies in one of two layouts that
 * exclude each other, by generation of the board:
 *
 *     A  02 ADDR LOCK 75 [6 lock bytes] [6 item bytes] 03 SUM
 *     B  02 ADDR LOCK 75 LEN [LEN bytes] SUM
 *
 * SUM is the low byte of the arithmetic sum of all bytes before it. `03` and `02` are legal data bytes.
 */
import { FrameCutter, type Look } from '../frame-cutter.ts';
import { ETX, flawOf, STX, sum } from '../kerong-cu16/frames.ts';
import { firstSound, type Shape } from '../shapes.ts';

export type Layout = 'a' | 'b';

export const STATUS = 0x60;
export const UNLOCK = 0x61;
export const REPLY = 0x75;
export const REQUEST_BYTES = 6;
/** Layout A: 48 locks and 48 item sensors, whatever is fitted. */
export const STATE_BYTES_A = 6;
export const REPLY_A_BYTES = 18;
/** Beside the data: STX, ADDR, LOCK, 75, LEN, SUM. */
export const FRAME_BYTES_B = 6;
/** Locks and items of 48 compartments. */
const DATA_BYTES_MAX = 12;

const REQUEST: Shape = { sizeBytes: REQUEST_BYTES, flaw: flawOf };
const REPLY_A: Shape = { sizeBytes: REPLY_A_BYTES, flaw: flawOf };

/** The layout of a configured board; every layout is tried for others. */
export function cu48Cutter(layoutOf: (address: number) => Layout | undefined): FrameCutter {
  return new FrameCutter((window, last) => lookAt(window, last, layoutOf), REPLY_A_BYTES);
}

export function withSum(...bytes: readonly number[]): Uint8Array {
  return Uint8Array.of(...bytes, sum(Uint8Array.from(bytes)));
}

export function request(address: number, lock: number, command: number): Uint8Array {
  return withSum(STX, address, lock, command, ETX);
}

/** Layout B says itself how long it is; no data stand in the reply to an unlock. */
export function shapeB(lengthByte: number): Shape {
  return { sizeBytes: FRAME_BYTES_B + lengthByte, flaw: sumFlaw };
}

function lookAt(window: Uint8Array, last: boolean, layoutOf: (address: number) => Layout | undefined): Look {
  if (window[0] !== STX) return { kind: 'skip', reason: 'noise' };
  const [, address, , command, length] = window;
  if (address === undefined || command === undefined) return { kind: 'more' };
  if (command === STATUS || command === UNLOCK) return firstSound(window, last, [REQUEST]);
  if (command !== REPLY) return { kind: 'skip', reason: 'noise' };
  if (length === undefined) return { kind: 'more' };
  const long = length <= DATA_BYTES_MAX ? [shapeB(length)] : [];
  switch (layoutOf(address)) {
    case 'a':
      // What these boards say to an unlock is printed nowhere: the short form of the others is heard too.
      return firstSound(window, last, length === 0 ? [REPLY_A, shapeB(0)] : [REPLY_A]);
    case 'b':
      return firstSound(window, last, long);
    case undefined:
      return firstSound(window, last, [...long, REPLY_A]);
  }
}

function sumFlaw(frame: Uint8Array): 'checksum' | undefined {
  return frame[frame.length - 1] === sum(frame.subarray(0, -1)) ? undefined : 'checksum';
}
