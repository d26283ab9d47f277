/**
 * Frames of KERONG KR-CU12 and KR-CU16 boards: `02 ADDR CMD [DATA] 03 SUM`.
 *
 * Cut by the length that the command implies, never by searching for the end mark: `03` is a legal data byte.
 * SUM is the low byte of the arithmetic sum of all bytes before it.
 */
import { FrameCutter, type Look } from '../frame-cutter.ts';

export const STX = 0x02;
export const ETX = 0x03;
/** Reply to 30, and the longest frame here. */
export const STATUS_REPLY_BYTES = 9;

/** Whole frame sizes by command. Requests and replies, since the gateway hears both on a half-duplex line. */
const FRAME_BYTES: ReadonlyMap<number, number> = new Map([
  [0x30, 5], // status of one board
  [0x31, 5], // unlock one
  [0x32, 5], // status of all boards
  [0x33, 5], // unlock all locks of one board
  [0x35, STATUS_REPLY_BYTES],
  [0x36, STATUS_REPLY_BYTES], // reply to 32, layout assumed
  [0x38, 7], // reply to 37
  [0x39, 6], // delayed unlock
  [0x40, 6], // set the speed
]);

export function sum(bytes: Uint8Array): number {
  let total = 0;
  for (const byte of bytes) total = (total + byte) & 0xff;
  return total;
}

export function kerongCutter(): FrameCutter {
  return new FrameCutter(lookAt, STATUS_REPLY_BYTES);
}

function lookAt(window: Uint8Array): Look {
  if (window[0] !== STX) return { kind: 'skip', reason: 'noise' };
  const command = window[2];
  if (command === undefined) return { kind: 'more' };
  const sizeBytes = FRAME_BYTES.get(command);
  if (sizeBytes === undefined) return { kind: 'skip', reason: 'noise' };
  if (window.length < sizeBytes) return { kind: 'more' };
  const reason = flawOf(window.subarray(0, sizeBytes));
  return reason === undefined ? { kind: 'frame', sizeBytes } : { kind: 'skip', reason };
}

/** What is wrong with a frame of this size. Also of the larger boards, whose frames end alike. */
export function flawOf(frame: Uint8Array): 'length' | 'checksum' | undefined {
  if (frame[frame.length - 2] !== ETX) return 'length';
  return frame[frame.length - 1] === sum(frame.subarray(0, -1)) ? undefined : 'checksum';
}
