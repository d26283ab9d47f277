/**
 * Messages of Winnsen lock boards: one lock is asked (12) or unlocked (05) at a time. Lock and status stand in the
 * replies in another order: `85 ST LK STATUS` to an unlock, `92 ST STATUS LK` to a question.
 */
import { equalBytes } from '../../../base/bytes.ts';
import type { Message, Poll, Unlocking, UnlockReply } from '../board-family.ts';
import { ownBytes, replyTiming } from '../unlock-reply.ts';
import { REPLIED, REPLY_BYTES, REQUEST_BYTES, request, STATUS, UNLOCK } from './frames.ts';

const UNLOCKED = 0x01;

export function statusPoll(station: number, lock: number): Poll {
  return {
    request: request(STATUS, station, lock),
    replyBytes: REPLY_BYTES,
    interpret: (frame) => interpretFrame(frame, station, lock),
  };
}

export function unlocking(station: number, reply: UnlockReply): Unlocking {
  const frame = (channel: number): Uint8Array => request(UNLOCK, station, channel);
  return {
    frame,
    ...replyTiming(reply, reply === 'echo' ? REQUEST_BYTES : REPLY_BYTES),
    interpret(answer, channel) {
      const own = ownBytes(answer, frame(channel), reply);
      if (own !== undefined) return own;
      const [, , func, from, lock, status] = answer;
      if (func !== (UNLOCK | REPLIED)) return interpretFrame(answer, station, channel);
      if (from !== station || lock !== channel) return { kind: 'foreign' };
      return { kind: 'unlock', accepted: status === UNLOCKED };
    },
  };
}

function interpretFrame(frame: Uint8Array, station: number, asked: number): Message {
  const [, , func, address = 0, status, lock = 0] = frame;
  if (func !== (STATUS | REPLIED)) {
    return { kind: equalBytes(frame, request(STATUS, station, asked)) ? 'echo' : 'foreign' };
  }
  if (status !== 0 && status !== 1) return { kind: 'foreign' };
  // Also when it is of this board, about another lock: it answers another question than the open one.
  if (address !== station || lock !== asked) return { kind: 'other_board', address };
  return { kind: 'states', channels: [{ channel: lock, feedback: status }] };
}
