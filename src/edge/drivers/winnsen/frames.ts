/**
 * Frames of Winnsen lock boards: `90 LEN FUNC .. 03`, LEN the size of the whole frame. There is no check value: only
 * shape, length and end mark speak for a frame.
 */
import { FrameCutter, type Look } from '../frame-cutter.ts';

export const START = 0x90;
export const END = 0x03;
export const REPLY_BYTES = 7;
export const REQUEST_BYTES = 6;

export const UNLOCK = 0x05;
export const STATUS = 0x12;
/** Added to the function in a reply. */
export const REPLIED = 0x80;

/** Whole frame sizes by function. */
export const FRAME_BYTES: ReadonlyMap<number, number> = new Map([
  [UNLOCK, REQUEST_BYTES],
  [STATUS, REQUEST_BYTES],
  [UNLOCK | REPLIED, REPLY_BYTES],
  [STATUS | REPLIED, REPLY_BYTES],
]);

export function request(func: number, station: number, lock: number): Uint8Array {
  return Uint8Array.of(START, REQUEST_BYTES, func, station, lock, END);
}

export function winnsenCutter(): FrameCutter {
  return new FrameCutter(lookAt, REPLY_BYTES);
}

function lookAt(window: Uint8Array): Look {
  const [start, length, func] = window;
  if (start !== START) return { kind: 'skip', reason: 'noise' };
  if (func === undefined) return { kind: 'more' };
  const sizeBytes = FRAME_BYTES.get(func);
  if (sizeBytes === undefined) return { kind: 'skip', reason: 'noise' };
  if (length !== sizeBytes) return { kind: 'skip', reason: 'length' };
  if (window.length < sizeBytes) return { kind: 'more' };
  return window[sizeBytes - 1] === END ? { kind: 'frame', sizeBytes } : { kind: 'skip', reason: 'length' };
}
