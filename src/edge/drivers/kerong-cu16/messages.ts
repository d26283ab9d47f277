/**
 * Messages of KERONG KR-CU12 and KR-CU16 boards: the status request (30), its reply (35), and the unlock of one lock (31).
 *
 * ADDR is `board << 4 | lock`, with lock 0 in frames about a whole board. The reply carries HOOK (feedback of locks 1-8
 * and 9-16) and IR (item sensors, likewise), bit 0 the lowest lock.
 */
import { equalBytes } from '../../../base/bytes.ts';
import type { ChannelState } from '../../contracts/reading.ts';
import type { Message, Unlocking, UnlockReply } from '../board-family.ts';
import { ownBytes, replyTiming } from '../unlock-reply.ts';
import { ETX, STATUS_REPLY_BYTES, STX, sum } from './frames.ts';

const STATUS = 0x30;
const UNLOCK = 0x31;
const STATUS_REPLY = 0x35;

export interface KerongBoard {
  readonly address: number;
  readonly channels: 12 | 16;
  /** The board has item sensors. Without them the IR bytes are 00, which would read as "empty". */
  readonly itemSensors: boolean;
}

export function statusRequest(address: number): Uint8Array {
  return request(address << 4, STATUS);
}

/**
 * Most masters expect no reply and ask for the status. One field note shows a status reply, with an odd address; like
 * every frame of that kind it can be of an older question, and it proves nothing.
 */
export function unlocking(board: KerongBoard, reply: UnlockReply): Unlocking {
  const frame = (channel: number): Uint8Array => request((board.address << 4) | (channel - 1), UNLOCK);
  return {
    frame,
    ...replyTiming(reply, STATUS_REPLY_BYTES),
    interpret(answer, channel) {
      const [, from = 0, command] = answer;
      const own = command === STATUS_REPLY && from >> 4 === board.address;
      if (own && reply !== 'none') return { kind: 'unlock', accepted: true };
      return ownBytes(answer, frame(channel), reply) ?? interpretFrame(answer, board);
    },
  };
}

function request(address: number, command: number): Uint8Array {
  const head = Uint8Array.of(STX, address, command, ETX);
  return Uint8Array.of(...head, sum(head));
}

export function interpretFrame(frame: Uint8Array, board: KerongBoard): Message {
  const [, from = 0, command, hookLow = 0, hookHigh = 0, irLow = 0, irHigh = 0] = frame;
  if (command === STATUS_REPLY) {
    // The low nibble names a lock, and a reply about a whole board names none.
    if ((from & 0x0f) !== 0) return { kind: 'foreign' };
    if (from >> 4 !== board.address) return { kind: 'other_board', address: from >> 4 };
    return { kind: 'states', channels: channelsOf(hookLow | (hookHigh << 8), irLow | (irHigh << 8), board) };
  }
  return { kind: equalBytes(frame, statusRequest(board.address)) ? 'echo' : 'foreign' };
}

function channelsOf(hook: number, ir: number, board: KerongBoard): readonly ChannelState[] {
  return Array.from({ length: board.channels }, (_, index) => {
    const state: ChannelState = { channel: index + 1, feedback: bit(hook, index) };
    return board.itemSensors ? { ...state, item: bit(ir, index) } : state;
  });
}

function bit(bits: number, index: number): 0 | 1 {
  return ((bits >> index) & 1) === 1 ? 1 : 0;
}
