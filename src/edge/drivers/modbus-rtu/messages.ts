/**
 * Messages of Modbus RTU as a master of lock and input boards sees them: bits read by function 01 or 02, and one write
 * that moves a lock. Replies to readings do not say what they are about, so only function and size tie them to a
 * question.
 */
import { equalBytes } from '../../../base/bytes.ts';
import type { ChannelState } from '../../contracts/reading.ts';
import type { Message, Poll, Unlocking, UnlockMessage, UnlockReply } from '../board-family.ts';
import { bitAt } from '../describing.ts';
import { ownBytes, replyTiming } from '../unlock-reply.ts';
import {
  EXCEPTION,
  EXCEPTION_BYTES,
  READ_COILS,
  READ_INPUTS,
  READ_REPLY_BYTES,
  request,
  SHORT_BYTES,
} from './frames.ts';

export interface BitQuestion {
  readonly address: number;
  readonly func: typeof READ_COILS | typeof READ_INPUTS;
  /** As on the wire, from 0. */
  readonly start: number;
  readonly quantity: number;
  /** Channels that are handed on, of those read. */
  readonly channels: readonly number[];
}

export function bitPoll(question: BitQuestion): Poll {
  const asked = request(question.address, question.func, question.start, question.quantity);
  return {
    request: asked,
    replyBytes: READ_REPLY_BYTES + dataBytes(question.quantity),
    interpret: (frame) => interpretFrame(frame, asked, question),
  };
}

/** `write` makes the whole request that moves the lock of a channel; its reply has the same bytes. */
export function writeUnlock(poll: Poll, write: (channel: number) => Uint8Array, reply: UnlockReply): Unlocking {
  return {
    frame: write,
    ...replyTiming(reply, SHORT_BYTES),
    interpret(answer, channel): UnlockMessage {
      const sent = write(channel);
      const own = ownBytes(answer, sent, reply);
      if (own !== undefined) return own;
      const refused =
        answer.length === EXCEPTION_BYTES && answer[0] === sent[0] && answer[1] === ((sent[1] ?? 0) | EXCEPTION);
      return refused ? { kind: 'unlock', accepted: false } : poll.interpret(answer);
    },
  };
}

function dataBytes(quantity: number): number {
  return Math.ceil(quantity / 8);
}

function interpretFrame(frame: Uint8Array, asked: Uint8Array, question: BitQuestion): Message {
  const [address = 0, func, count = 0] = frame;
  if (equalBytes(frame, asked)) return { kind: 'echo' };
  const isReply = (func === READ_COILS || func === READ_INPUTS) && frame.length === READ_REPLY_BYTES + count;
  if (!isReply) return { kind: 'foreign' };
  if (address !== question.address || func !== question.func) return { kind: 'other_board', address };
  if (count !== dataBytes(question.quantity)) return { kind: 'wrong_channels', channels: count * 8 };
  const bits = frame.subarray(3, -2);
  const channels = question.channels.map((channel): ChannelState => {
    return { channel, feedback: bitAt(bits, channel - 1) };
  });
  return { kind: 'states', channels };
}
