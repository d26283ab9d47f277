/**
 * What a family of lock boards gives to the bus master: one folder per family, and no family knows the bus.
 *
 * A later family is a folder with its settings schema, its boards and its cutter, and one row in `families.ts`.
 */
import type { z } from 'zod';
import type { ChannelState, InputKind } from '../contracts/reading.ts';
import type { FrameCutter } from './frame-cutter.ts';
import type { DescribeFrame } from './frame-description.ts';

/** A sound frame, as it looks to whoever asked one board. */
export type Message =
  /** All channels that the open poll asks for, each once. */
  | { readonly kind: 'states'; readonly channels: readonly ChannelState[] }
  /** The board's answer, with another number of channels than configured. */
  | { readonly kind: 'wrong_channels'; readonly channels: number }
  /** The request itself, heard back on a half-duplex line. */
  | { readonly kind: 'echo' }
  /** An answer to a status poll: of another board, or of this one to another of its polls. */
  | { readonly kind: 'other_board'; readonly address: number }
  /** A board spoke by itself: a reason to ask it soon, and no more than that. */
  | { readonly kind: 'hint'; readonly address: number }
  /** Sound, and nothing that this gateway asked for. */
  | { readonly kind: 'foreign' };

/** One status question. A board has one or several; a living board is asked all of them in a cycle. */
export interface Poll {
  /** To the byte. Reads only. */
  readonly request: Uint8Array;
  /** Size of a sound answer. */
  readonly replyBytes: number;
  /** `frame` came from the cutter of this board's family, while this poll was the last one asked. Pure. */
  interpret(frame: Uint8Array): Message;
}

/**
 * What a board says to an unlock: nothing, or something at once, after a second or so, or the request's own bytes. The
 * last cannot be told from an echo of the line. No reply proves that a door opened.
 */
export type UnlockReply = 'none' | 'at_once' | 'late' | 'echo';

export type UnlockMessage = Message | { readonly kind: 'unlock'; readonly accepted: boolean };

/** How a board is told to open one lock. Only the bus's `unlock` calls it. */
export interface Unlocking {
  /** Lets one lock open, once. `channel` is one of the board's. */
  frame(channel: number): Uint8Array;
  readonly reply: UnlockReply;
  /** Size of a sound reply; 0 with `none`. */
  readonly replyBytes: number;
  /** How late the reply may be, transmission apart. */
  readonly replyTimeoutMs: number;
  /** `frame` came from the cutter of this board's family, while the unlock of `channel` was open. Pure. */
  interpret(frame: Uint8Array, channel: number): UnlockMessage;
}

/** One configured board on a line. */
export interface Board {
  readonly device: string;
  /** Name of its family, as in `driver:`. */
  readonly family: string;
  readonly address: number;
  /** Channels 1 to this number can be unlocked and have feedback. */
  readonly channels: number;
  readonly polls: readonly [Poll, ...Poll[]];
  /** Absent: the board has no locks. */
  readonly unlock?: Unlocking;
  /** Channels that report something else than a door, in its answers like doors. Made readings of their own behind the bus. */
  readonly inputs?: readonly BoardInput[];
  /** Its frames carry no check value: an answer counts when the one before it, to the same question, said the same. */
  readonly equalReads?: true;
}

export interface BoardInput {
  readonly channel: number;
  /** As in events. */
  readonly name: string;
  readonly what: InputKind;
  /** The bit while something is wrong: tampered with, or the power is away. */
  readonly active: 0 | 1;
}

export interface LineDefaults {
  readonly baud: number;
}

/** A request that only reads, and by which a board shows itself. */
export interface ProbeRequest {
  readonly baud: number;
  /** The address that it asks; absent where it asks whoever is there. */
  readonly address?: number;
  readonly request: Uint8Array;
  /** The answer holds as many channels as were asked for, whatever the board has. */
  readonly channelsAsAsked?: true;
}

export interface BoardFamily {
  readonly name: string;
  /** Families that say the same share their addresses on a line; the own name unless given. */
  readonly wire?: string;
  readonly lineDefaults: LineDefaults;
  /** Of one entry of `devices:`; its `driver` is the literal name of the family. */
  readonly settingsSchema: z.ZodObject;
  /** `settings` passed `settingsSchema`; throws otherwise. */
  board(settings: unknown): Board;
  /** For all boards of this family on one line: frame sizes may depend on what is configured. */
  cutter(boards: readonly Board[]): FrameCutter;
  /** What one frame says, in either direction. */
  readonly describe?: DescribeFrame;
  /**
   * For `latchkey probe`: in the order in which they are worth asking, the likeliest speed and the lowest addresses first.
   * An answer is whatever `describe` takes for a reply; every request is one of effect `reads`.
   */
  probes?(): readonly ProbeRequest[];
}
