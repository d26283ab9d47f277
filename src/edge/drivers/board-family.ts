/**
 * What a family of lock boards gives to the bus master: one folder per family, and no family knows the bus.
 *
 * A later family is a folder with its settings schema, its boards and its cutter, and one row in `families.ts`.
 */
import type { z } from 'zod';
import type { ChannelState } from '../contracts/reading.ts';
import type { FrameCutter } from './frame-cutter.ts';

/** A sound frame, as it looks to whoever asked one board. */
export type Message =
  | { readonly kind: 'states'; readonly channels: readonly ChannelState[] }
  /** The board's answer, with another number of channels than configured. */
  | { readonly kind: 'wrong_channels'; readonly channels: number }
  /** The request itself, heard back on a half-duplex line. */
  | { readonly kind: 'echo' }
  /** An answer to a status poll, of another board. */
  | { readonly kind: 'other_board'; readonly address: number }
  /** A board spoke by itself: a reason to ask it soon, and no more than that. */
  | { readonly kind: 'hint'; readonly address: number }
  /** Sound, and nothing that this gateway asked for. */
  | { readonly kind: 'foreign' };

/** One configured board on a line. */
export interface Board {
  readonly device: string;
  /** Name of its family, as in `driver:`. */
  readonly family: string;
  readonly address: number;
  /** The status poll, to the byte. Reads only: no bytes that move a lock are ever made here. */
  readonly request: Uint8Array;
  /** Size of a sound answer. */
  readonly replyBytes: number;
  /** `frame` came from the cutter of this board's family. Pure. */
  interpret(frame: Uint8Array): Message;
}

export interface LineDefaults {
  readonly baud: number;
}

export interface BoardFamily {
  readonly name: string;
  readonly lineDefaults: LineDefaults;
  /** Of one entry of `devices:`; its `driver` is the literal name of the family. */
  readonly settingsSchema: z.ZodObject;
  /** `settings` passed `settingsSchema`; throws otherwise. */
  board(settings: unknown): Board;
  /** For all boards of this family on one line: frame sizes may depend on what is configured. */
  cutter(boards: readonly Board[]): FrameCutter;
}
