/**
 * What every simulated lock board has in common, whatever it speaks.
 */
import type { Cell, LockerBank } from './bank.ts';

export interface BoardSettings {
  readonly name: string;
  /** As set with the board's DIP switch. Two boards with one address are a fault that happens. */
  readonly address: number;
  readonly channels: number;
  /** The feedback bit of a shut door: how the lock's switch is wired, which no protocol fixes. */
  readonly shutReads: 0 | 1;
  /** What channels without a lock report. "Closed" and "not wired" read alike on real boards. */
  readonly unwiredReads: 0 | 1;
  /** Item sensors are wired (KERONG boards only); boards without report 0. */
  readonly itemSensors: boolean;
  /** What the board says to an unlock command; every one of these is seen in the field. */
  readonly unlockReply: 'none' | 'immediate' | 'late' | 'echo';
  /** Time between the end of a request and the start of the reply. */
  readonly turnaroundMs: number;
  /** First byte (of "8A/80") or command (of "WKLY") of a frame that the board sends by itself when a door changes. */
  readonly reports?: 0x81 | 0x82 | 0x85;
  /** It hears and says nothing for so long after an unlock. */
  readonly busyMs?: number;
  /** Generation of a KERONG CU24 or CU48: how it replies. */
  readonly layout?: 'a' | 'b';
  /** What function 05 of a CU48 with Modbus firmware must write to let a lock open. */
  readonly unlockValue?: 0xff00 | 0x0000;
  /** How a relay of a Modbus board is made to pull for a moment. A latching one stays on. */
  readonly relay?: 'flash' | 'momentary' | 'self_resetting' | 'latching';
  /** First byte of the replies of a "WKLY" board. */
  readonly replyHeader?: 0x57 | 0x53;
}

/** Something that a board says, counted from the end of the request on the wire. */
export interface Utterance {
  readonly afterMs: number;
  readonly bytes: Uint8Array;
}

export type RequestCut =
  | { readonly kind: 'request'; readonly sizeBytes: number }
  /** These bytes begin no request of this family. */
  | { readonly kind: 'skip'; readonly sizeBytes: number }
  | { readonly kind: 'more' };

/** One wire family: how its requests are told apart, and its boards. */
export interface BoardFamily {
  readonly name: string;
  readonly defaultBaud: number;
  cut(bytes: Uint8Array): RequestCut;
  /** What a board does about a sound request that it hears; nothing when it is meant for another board. */
  hear(board: BoardSettings, bank: LockerBank, request: Uint8Array): readonly Utterance[];
  /** True for a sound request that moves locks of this board. */
  unlocks(board: BoardSettings, request: Uint8Array): boolean;
  /** The frame with which a board reports a door by itself, when it does that. */
  report(board: BoardSettings, cell: Cell): Uint8Array | undefined;
  /** True when the byte that ends a frame of this family also stands inside the data of this one. */
  hasEndInside(frame: Uint8Array): boolean;
}

/** A late unlock reply comes after about a second on real boards. */
export const LATE_UNLOCK_MS = 1_000;

export function feedbackBit(board: BoardSettings, bank: LockerBank, channel: number): 0 | 1 {
  const cell = bank.sensedAt(board.name, channel);
  if (cell === undefined) return board.unwiredReads;
  return doorBit(board, cell);
}

export function doorBit(board: BoardSettings, cell: Cell): 0 | 1 {
  return cell.door === 'shut' ? board.shutReads : board.shutReads === 1 ? 0 : 1;
}

export function itemBit(board: BoardSettings, bank: LockerBank, channel: number): 0 | 1 {
  return board.itemSensors && bank.sensedAt(board.name, channel)?.item === true ? 1 : 0;
}

/** Eight channels from `firstChannel` as one byte, bit 0 the lowest channel. */
export function octet(firstChannel: number, bitOf: (channel: number) => 0 | 1): number {
  let byte = 0;
  for (let bit = 0; bit < 8; bit += 1) byte |= bitOf(firstChannel + bit) << bit;
  return byte;
}

/** The lock's solenoid pulls: the door springs open. Channels without a lock stay silent. */
export function unlock(board: BoardSettings, bank: LockerBank, channel: number): void {
  const cell = bank.at(board.name, channel);
  if (cell !== undefined) bank.open(cell.name, 'lock');
}

export function channelsUpTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** When the unlock reply comes by the board's habit, or undefined when it never does. */
export function unlockReplyAfterMs(board: BoardSettings): number | undefined {
  if (board.unlockReply === 'none') return undefined;
  return board.unlockReply === 'late' ? LATE_UNLOCK_MS : board.turnaroundMs;
}
