/**
 * Messages of the "WKLY" lock boards: the query of all locks (84), its reply, the unlock of one (82), and the report of a
 * door by itself (85).
 */
import { equalBytes } from '../../../base/bytes.ts';
import type { ChannelState } from '../../contracts/reading.ts';
import type { Message, Unlocking, UnlockReply } from '../board-family.ts';
import { ownBytes, replyTiming } from '../unlock-reply.ts';
import { FRAME_BYTES_MIN, frameOf } from './frames.ts';

export const UNLOCK = 0x82;
export const QUERY_ALL = 0x84;
export const REPORT = 0x85;
/** Second byte of every reply. */
export const STATUS_OK = 0x00;
/** In the reply to 84: status, count, and one byte a lock. */
const STATES_AT = 9;
const UNLOCK_REPLY_BYTES = FRAME_BYTES_MIN + 3;
const UNLOCK_REQUEST_BYTES = FRAME_BYTES_MIN + 1;

export interface WklyProfile {
  readonly address: number;
  readonly channels: number;
}

export function replyBytes(board: WklyProfile): number {
  return FRAME_BYTES_MIN + 2 + board.channels;
}

export function unlocking(board: WklyProfile, reply: UnlockReply): Unlocking {
  const frame = (channel: number): Uint8Array => frameOf(board.address, UNLOCK, channel);
  return {
    frame,
    ...replyTiming(reply, reply === 'echo' ? UNLOCK_REQUEST_BYTES : UNLOCK_REPLY_BYTES),
    interpret(answer, channel) {
      const own = ownBytes(answer, frame(channel), reply);
      if (own !== undefined) return own;
      const [, , , , size, address, command, status, of] = answer;
      if (command !== UNLOCK || size !== UNLOCK_REPLY_BYTES) return interpretFrame(answer, board);
      if (address !== board.address || of !== channel) return { kind: 'foreign' };
      return { kind: 'unlock', accepted: status === STATUS_OK };
    },
  };
}

export function interpretFrame(frame: Uint8Array, board: WklyProfile): Message {
  const [, , , , size = 0, address = 0, command, status, count = 0] = frame;
  // The layout behind 85 is assumed by every source: that it came is what counts.
  if (command === REPORT) return { kind: 'hint', address };
  if (command !== QUERY_ALL) return { kind: 'foreign' };
  if (size === FRAME_BYTES_MIN) {
    return { kind: equalBytes(frame, frameOf(board.address, QUERY_ALL)) ? 'echo' : 'foreign' };
  }
  if (status !== STATUS_OK || size !== FRAME_BYTES_MIN + 2 + count) return { kind: 'foreign' };
  if (address !== board.address) return { kind: 'other_board', address };
  if (count !== board.channels) return { kind: 'wrong_channels', channels: count };
  return { kind: 'states', channels: [...frame.subarray(STATES_AT, -1)].flatMap(channelOf) };
}

/** FF says that the board cannot read this lock; so would any byte but 00 and 01. Then nothing is said of it. */
function channelOf(state: number, index: number): readonly ChannelState[] {
  return state === 0 || state === 1 ? [{ channel: index + 1, feedback: state }] : [];
}
