/**
 * Messages of the "8A/80" lock boards: the group query `80 bb 00 33`, its reply, and what boards say by themselves.
 *
 * The reply brings the highest group of channels first; bit 0 of a byte is its lowest channel. What a bit means depends
 * on the lock's switch: sources contradict each other, so polarity is commissioned and none of this room's business.
 */
import type { ChannelState } from '../../contracts/reading.ts';
import type { Message } from '../board-family.ts';
import { bcc, GROUP_FRAME_BYTES, GROUP_MARK, QUERY, SHORT_BYTES } from './frames.ts';

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
  const channels = Array.from({ length: board.channels }, (_, index): ChannelState => {
    const group = states[states.length - 1 - Math.floor(index / 8)] ?? 0;
    return { channel: index + 1, feedback: ((group >> (index % 8)) & 1) === 1 ? 1 : 0 };
  });
  return { kind: 'states', channels };
}
