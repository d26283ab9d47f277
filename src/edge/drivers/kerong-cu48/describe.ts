/** What one frame of a KERONG CU24 or CU48 says, in either direction and either layout. */
import { accept } from '../../../base/result.ts';
import { badCheck, badLength, badShape, hexByte, locksOf } from '../describing.ts';
import type { Described, FrameDescription } from '../frame-description.ts';
import { ETX, STX, sum } from '../kerong-cu16/frames.ts';
import { FRAME_BYTES_B, REPLY, REPLY_A_BYTES, REQUEST_BYTES, STATE_BYTES_A, STATUS, UNLOCK } from './frames.ts';
import { ALL_LOCKS } from './messages.ts';

export function describe(frame: Uint8Array): Described {
  const [start, board = 0, lock = 0, command, length] = frame;
  if (start !== STX) return badShape(`expected STX 02 at the beginning, found ${hexByte(start)}`);
  if (command !== STATUS && command !== UNLOCK && command !== REPLY) {
    return badShape(`expected a command 60, 61 or 75 as fourth byte, found ${hexByte(command)}`);
  }
  const isReply = command === REPLY;
  const isB = isReply && frame.length === FRAME_BYTES_B + (length ?? -1);
  const isA = isReply && frame.length === REPLY_A_BYTES && frame[REPLY_A_BYTES - 2] === ETX;
  if (isReply && !isA && !isB) {
    return badLength(
      'a reply',
      `18 with ETX, or ${FRAME_BYTES_B} and as many as the fifth says (${hexByte(length)})`,
      frame.length,
    );
  }
  if (!isReply && frame.length !== REQUEST_BYTES) return badLength('a request', String(REQUEST_BYTES), frame.length);
  if (!isReply && length !== ETX) return badShape(`expected ETX 03 before the sum, found ${hexByte(length)}`);
  const own = sum(frame.subarray(0, -1));
  if (frame[frame.length - 1] !== own) return badCheck('SUM', hexByte(own), hexByte(frame[frame.length - 1]));
  if (isReply)
    return accept({ direction: 'reply', effect: 'reads', board, command: 'status', ...stateOf(frame, isA, isB) });
  const unlocks = command === UNLOCK;
  const all = lock === ALL_LOCKS;
  const request: FrameDescription = {
    direction: 'request',
    effect: unlocks ? 'opens' : 'reads',
    board,
    command: unlocks ? (all ? 'unlock_all' : 'unlock') : 'status',
  };
  // LOCK 00 of a status request is lock 1 to some sources, and "detect", the whole board, to others.
  return accept(unlocks && !all ? { ...request, channels: [lock + 1] } : request);
}

function stateOf(frame: Uint8Array, isA: boolean, isB: boolean): Partial<FrameDescription> {
  const data = isB ? frame.subarray(5, -1) : frame.subarray(4, -2);
  if (isB && data.length === 0) return { command: 'unlock', channels: [(frame[2] ?? 0) + 1] };
  // 18 bytes with 0C in the fifth and 03 before the last read both ways, and only the board's profile tells which.
  if (isA && isB) return {};
  if (isA) return { locks: locksOf(data.subarray(0, STATE_BYTES_A), data.subarray(STATE_BYTES_A)) };
  // 6 bytes are 48 locks, or 24 and their items: as above.
  if (data.length === STATE_BYTES_A) return {};
  const items = data.length > STATE_BYTES_A && data.length % 2 === 0 ? data.subarray(data.length / 2) : undefined;
  return { locks: items === undefined ? locksOf(data) : locksOf(data.subarray(0, items.length), items) };
}
