/**
 * Messages of the "8A/80" lock boards: the group query `80 bb 00 33`, its reply, the unlock of one lock, and what boards
 * say by themselves.
 *
 * The reply brings the highest group of channels first; bit 0 of a byte is its lowest channel. What a bit means depends
 * on the lock's switch: sources contradict each other, so polarity is commissioned and none of this room's business.
 */
import type { ChannelState } from '../../contracts/reading.ts';
import type { Message, Unlocking, UnlockReply } from '../board-family.ts';
import { ownBytes, replyTiming } from '../unlock-reply.ts';
import { bcc, GROUP_FRAME_BYTES, GROUP_MARK, QUERY, SHORT_BYTES } from './frames.ts';

const UNLOCK = 0x8a;

/** Spontaneous state report: 81 in most documents, 82 in one. */
const SPONTANEOUS: ReadonlySet<number> = new Set([0x81, 0x82]);
const STATES: ReadonlySet<number> = new Set([0x00, 0x11]);

export interface XorBoard {
  readonly address: number;
  readonly channels: number;
}

export function stateBytes(channels: number): number {
  return Math.ceil(channels / 8);
}

export function groupQuery(address: number): Uint8Array {
  const head = Uint8Array.of(QUERY, address, 0x00, GROUP_MARK);
  return Uint8Array.of(...head, bcc(head));
}

export interface XorUnlock {
  /** Last byte before the check value: 11 in most documents, 33 in one of 2025. */
  readonly param: number;
  /** Sent where given: boards that know no such byte take the frame for damage. */
  readonly pulseS?: number;
  readonly reply: UnlockReply;
}

/**
 * The reply `8A bb cc ST` says 00 or 11, and the documents contradict each other on which of them is "opened"; so either
 * means only that the board heard. With param 11 it can also be the request itself, echoed.
 */
export function unlocking(board: XorBoard, { param, pulseS, reply }: XorUnlock): Unlocking {
  const frame = (channel: number): Uint8Array => {
    const head = [UNLOCK, board.address, channel, param, ...(pulseS === undefined ? [] : [pulseS])];
    return Uint8Array.of(...head, bcc(Uint8Array.from(head)));
  };
  return {
    frame,
    ...replyTiming(reply, reply === 'echo' && pulseS !== undefined ? SHORT_BYTES + 1 : SHORT_BYTES),
    interpret(answer, channel) {
      const own = ownBytes(answer, frame(channel), reply);
      if (own !== undefined) return own;
      const [command, address, of, state = 0] = answer;
      if (command !== UNLOCK || answer.length !== SHORT_BYTES) return interpretFrame(answer, board);
      const ours = address === board.address && of === channel && STATES.has(state);
      return ours ? { kind: 'unlock', accepted: true } : { kind: 'foreign' };
    },
  };
}

export function interpretFrame(frame: Uint8Array, board: XorBoard): Message {
  const [command = 0, address = 0, channel, param = 0] = frame;
  if (command === QUERY && frame.length > SHORT_BYTES) return interpretGroup(frame, address, board);
  if (SPONTANEOUS.has(command) && STATES.has(param)) return { kind: 'hint', address };
  const query = command === QUERY && channel === 0x00 && param === GROUP_MARK;
  return { kind: query && address === board.address ? 'echo' : 'foreign' };
}

function interpretGroup(frame: Uint8Array, address: number, board: XorBoard): Message {
  if (address !== board.address) return { kind: 'other_board', address };
  const states = frame.subarray(2, frame.length - (GROUP_FRAME_BYTES - 2));
  if (states.length !== stateBytes(board.channels)) return { kind: 'wrong_channels', channels: states.length * 8 };
  const channels: ChannelState[] = [];
  for (let index = 0; index < board.channels; index += 1) {
    const group = states[states.length - 1 - Math.floor(index / 8)] ?? 0;
    channels.push({ channel: index + 1, feedback: ((group >> (index % 8)) & 1) === 1 ? 1 : 0 });
  }
  return { kind: 'states', channels };
}
