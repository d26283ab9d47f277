/** What one frame of a "WKLY" lock board says, in either direction. */
import { accept } from '../../../base/result.ts';
import { badCheck, badLength, badShape, hexByte } from '../describing.ts';
import type { Described, DescribedLock, FrameDescription, FrameEffect } from '../frame-description.ts';
import { FRAME_BYTES_MIN, headerBytes, LENGTH_AT, xor } from './frames.ts';

interface Row {
  readonly command: string;
  readonly effect: FrameEffect;
  /** Data of the request: none, a lock, or a count and as many locks. */
  readonly asks: 'none' | 'lock' | 'locks' | 'never';
}

const ROWS: ReadonlyMap<number, Row> = new Map<number, Row>([
  [0x80, { command: 'unlock_several', effect: 'opens', asks: 'locks' }],
  [0x81, { command: 'flash_led', effect: 'sets', asks: 'lock' }],
  [0x82, { command: 'unlock', effect: 'opens', asks: 'lock' }],
  [0x83, { command: 'status', effect: 'reads', asks: 'lock' }],
  [0x84, { command: 'status_all', effect: 'reads', asks: 'none' }],
  [0x85, { command: 'report', effect: 'reads', asks: 'never' }],
  [0x86, { command: 'unlock_all', effect: 'opens', asks: 'none' }],
  [0x87, { command: 'unlock_in_turn', effect: 'opens', asks: 'locks' }],
  [0x88, { command: 'hold_on', effect: 'opens', asks: 'lock' }],
  [0x89, { command: 'hold_off', effect: 'opens', asks: 'lock' }],
]);

export function describe(frame: Uint8Array): Described {
  if (headerBytes(frame) < LENGTH_AT) return badShape('expected the header 57 4B 4C 59 (or 53 4B 4C 59)');
  const [first, , , , size = 0, board = 0, code] = frame;
  if (size !== frame.length || size < FRAME_BYTES_MIN) {
    return badLength('the frame', `${size} (its fifth byte; at least ${FRAME_BYTES_MIN})`, frame.length);
  }
  const own = xor(frame.subarray(0, -1));
  if (frame[frame.length - 1] !== own) return badCheck('XOR', hexByte(own), hexByte(frame[frame.length - 1]));
  const row = ROWS.get(code ?? 0);
  if (row === undefined) return badShape(`expected a command 80 to 89 as seventh byte, found ${hexByte(code)}`);
  const data = [...frame.subarray(7, -1)];
  const asked = first === 0x57 ? channelsAsked(row, data) : undefined;
  if (asked !== undefined) {
    const request: FrameDescription = { direction: 'request', effect: row.effect, board, command: row.command };
    return accept(asked.length === 0 ? request : { ...request, channels: asked });
  }
  const locks = locksIn(code ?? 0, data);
  const reply: FrameDescription = { direction: 'reply', effect: 'reads', board, command: row.command };
  return accept(locks.length === 0 ? reply : { ...reply, locks });
}

/** The locks of a request; undefined when these data are no request's. */
function channelsAsked({ asks }: Row, data: readonly number[]): readonly number[] | undefined {
  switch (asks) {
    case 'none':
      return data.length === 0 ? [] : undefined;
    case 'lock':
      return data.length === 1 ? data : undefined;
    case 'locks':
      return data.length > 1 && data.length === (data[0] ?? 0) + 1 ? data.slice(1) : undefined;
    case 'never':
      return undefined;
  }
}

/** FF, "error", is no state. */
function locksIn(code: number, data: readonly number[]): readonly DescribedLock[] {
  if (code === 0x84) return data.slice(2).flatMap((state, index) => lockOf(index + 1, state));
  // The layout of 85 is assumed: lock and state.
  if (code === 0x85) return data.length === 2 ? lockOf(data[0] ?? 0, data[1]) : [];
  return data.length === 3 ? lockOf(data[1] ?? 0, data[2]) : [];
}

function lockOf(lock: number, state: number | undefined): readonly DescribedLock[] {
  return lock > 0 && (state === 0 || state === 1) ? [{ lock, feedback: state }] : [];
}
