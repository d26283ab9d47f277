/**
 * Messages of KERONG CU24 and CU48 boards: the status request (60), its reply (75), and the unlock of one lock (61).
 */
import { equalBytes } from '../../../base/bytes.ts';
import type { ChannelState } from '../../contracts/reading.ts';
import type { Message, Unlocking, UnlockReply } from '../board-family.ts';
import { bitAt } from '../describing.ts';
import { ownBytes, replyTiming } from '../unlock-reply.ts';
import { FRAME_BYTES_B, type Layout, REPLY, REPLY_A_BYTES, request, STATE_BYTES_A, STATUS, UNLOCK } from './frames.ts';

/** LOCK byte that stands for all locks of a board. */
export const ALL_LOCKS = 0x30;
const DATA_AT_A = 4;
const DATA_AT_B = 5;

export interface Cu48Profile {
  readonly address: number;
  readonly channels: 24 | 48;
  readonly layout: Layout;
  /** LOCK byte of the status request. */
  readonly statusLock: 0 | 48;
  readonly itemSensors: boolean;
}

export function statusRequest(board: Pick<Cu48Profile, 'address' | 'statusLock'>): Uint8Array {
  return request(board.address, board.statusLock, STATUS);
}

export function replyBytes({ layout, channels }: Cu48Profile): number {
  return layout === 'a' ? REPLY_A_BYTES : FRAME_BYTES_B + (2 * channels) / 8;
}

export function unlocking(board: Cu48Profile, reply: UnlockReply): Unlocking {
  const frame = (channel: number): Uint8Array => request(board.address, channel - 1, UNLOCK);
  const replied = board.layout === 'a' ? REPLY_A_BYTES : FRAME_BYTES_B;
  return {
    frame,
    ...replyTiming(reply, reply === 'echo' ? FRAME_BYTES_B : replied),
    interpret(answer, channel) {
      const own = ownBytes(answer, frame(channel), reply);
      if (own !== undefined) return own;
      const ours = answer[1] === board.address && answer[3] === REPLY;
      // Layout B names the lock; a reply of states is the status that some boards answer with.
      const named = answer.length === FRAME_BYTES_B ? answer[2] === channel - 1 : true;
      if (ours && named && reply !== 'none') return { kind: 'unlock', accepted: true };
      return interpretFrame(answer, board);
    },
  };
}

export function interpretFrame(frame: Uint8Array, board: Cu48Profile): Message {
  const [, address = 0, lock = 0, command] = frame;
  if (command !== REPLY) return { kind: equalBytes(frame, statusRequest(board)) ? 'echo' : 'foreign' };
  // A reply about one lock, or to an unlock, is about no status question of ours.
  if ((lock !== 0 && lock !== ALL_LOCKS) || frame.length === FRAME_BYTES_B) return { kind: 'foreign' };
  if (address !== board.address) return { kind: 'other_board', address };
  const data = board.layout === 'a' ? frame.subarray(DATA_AT_A, -2) : frame.subarray(DATA_AT_B, -1);
  const lockBytes = board.layout === 'a' ? STATE_BYTES_A : board.channels / 8;
  const withItems = data.length === 2 * lockBytes;
  // Layout B with or without item bytes; a board without sensors may send them all the same.
  const fits = withItems || (board.layout === 'b' && data.length === lockBytes && !board.itemSensors);
  if (!fits) return { kind: 'wrong_channels', channels: data.length * 8 };
  const items = board.itemSensors && withItems ? data.subarray(lockBytes) : undefined;
  return { kind: 'states', channels: channelsOf(data, items, board.channels) };
}

function channelsOf(locks: Uint8Array, items: Uint8Array | undefined, channels: number): readonly ChannelState[] {
  return Array.from({ length: channels }, (_, index) => {
    const state: ChannelState = { channel: index + 1, feedback: bitAt(locks, index) };
    return items === undefined ? state : { ...state, item: bitAt(items, index) };
  });
}
