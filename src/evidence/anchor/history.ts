/**
 * What a verifier holds of a gateway's anchors, of one AK and one counter, across logs: the input of `judgeContinuity`.
 * All of it was verified before: notes signed, entries at their places, anchor lines to their last field.
 */
import type { Anchor } from './anchor.ts';

export interface EntryPlace {
  readonly log: string;
  readonly index: number;
}

/** A verified anchor, with the checkpoint that it is over. */
export interface SeenAnchor extends Anchor {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** Where its `anchor.made` stands, also as carried; empty when only a note bore it. */
  readonly places: readonly EntryPlace[];
  /** Whether the held tree of `origin` has this root at this size. */
  readonly tree: 'same' | 'other' | 'unknown';
}

/** Entry 0 of a log. */
export interface SeenOpening {
  readonly log: string;
  readonly after?: { readonly log: string; readonly cause: string; readonly size?: number };
  readonly counter?: { readonly expected?: number; readonly found: number };
}

/** A `gateway.started`. */
export interface SeenStart extends EntryPlace {
  readonly clean: boolean;
  /** By the entries before it: nothing but `anchor.made` after a `gateway.stopped`. Undefined when they are not held. */
  readonly endedCleanly?: boolean;
  readonly resets?: number;
  readonly restarts?: number;
}

/** A GetTime of the AK at a start. */
export interface SeenTime extends EntryPlace {
  readonly time: bigint;
  readonly clock: bigint;
  readonly resetCount: number;
  readonly restartCount: number;
}

/** The entries of one log that were looked at, one by one: [first, end). Absence is judged only inside of it. */
export interface HeldRange {
  readonly first: number;
  readonly end: number;
}

export interface LogHistory {
  readonly origin: string;
  readonly held: HeldRange;
  readonly anchors: readonly SeenAnchor[];
  readonly opening?: SeenOpening;
  readonly starts: readonly SeenStart[];
  readonly times: readonly SeenTime[];
}
