/**
 * Two equal reads before a change counts, and the interval in which it happened.
 *
 * Checksums of lock boards are weak (two states of a KERONG board carry the same sum), so one read alone changes
 * nothing. A poll never claims an instant: the old value was last seen true, the new one first seen, and the change lies
 * between.
 */
import type { Seen } from '../../evidence/event/event.ts';

/** When a value was last known to hold: the poll was asked then, so the board answered later. */
export interface Look {
  readonly boot: number;
  readonly upMs: number;
}

export interface Debounced {
  /** Undefined until two equal reads. */
  readonly value: boolean | undefined;
  readonly look: Look | undefined;
  /** A read that differs from `value`, once; `atMs` is when it came. */
  readonly candidate: { readonly value: boolean; readonly atMs: number } | undefined;
  /** The device could not be read for a while since `look`. */
  readonly unwatched: boolean;
}

export const UNREAD: Debounced = { value: undefined, look: undefined, candidate: undefined, unwatched: false };

export interface Read {
  readonly value: boolean;
  readonly boot: number;
  readonly askedMs: number;
  readonly atMs: number;
}

export interface Change {
  readonly value: boolean;
  /** Nothing was known before: this is a state, not a change. */
  readonly first: boolean;
  /** Absent for a first look, and when the last look's start cannot be named in this log. */
  readonly seen: Seen | undefined;
  readonly unwatched: boolean;
  /** The last look was in another start of the daemon. */
  readonly restarted: boolean;
}

export function debounce(state: Debounced, read: Read): { readonly state: Debounced; readonly change?: Change } {
  const look = { boot: read.boot, upMs: read.askedMs };
  if (read.value === state.value) return { state: { value: read.value, look, candidate: undefined, unwatched: false } };
  if (state.candidate?.value !== read.value) {
    return { state: { ...state, candidate: { value: read.value, atMs: read.atMs } } };
  }
  const change: Change = {
    value: read.value,
    first: state.value === undefined,
    seen: state.look === undefined ? undefined : interval(state.look, read.boot, state.candidate.atMs),
    unwatched: state.unwatched,
    restarted: state.look !== undefined && state.look.boot !== read.boot,
  };
  return { state: { value: read.value, look, candidate: undefined, unwatched: false }, change };
}

/** The device went away: what comes next is not consecutive to what came before. */
export function interrupted(state: Debounced): Debounced {
  return { ...state, candidate: undefined, unwatched: state.value !== undefined };
}

/** Starts are numbered from 1 within one log; this stands for a start that this log cannot name. */
export const UNNAMED_BOOT = 0;

function interval(from: Look, boot: number, toMs: number): Seen | undefined {
  if (from.boot === boot) return { from_ms: Math.min(from.upMs, toMs), to_ms: toMs };
  return from.boot === UNNAMED_BOOT ? undefined : { from_boot: from.boot, from_ms: from.upMs, to_ms: toMs };
}
