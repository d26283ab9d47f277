/**
 * What keys amount to: a pure machine over the bytes of a keypad. Keys outside of letters, digits, `-` and `_` count for
 * nothing; an entry that grew too long is no code, however it ends.
 */
import type { KeypadSettings } from './settings.ts';

export interface Entry {
  readonly typed: string;
  /** Too long: everything up to the next end or clearing is taken back. */
  readonly isSpoilt: boolean;
}

export const NOTHING_TYPED: Entry = { typed: '', isSpoilt: false };

export interface EntryStep {
  readonly state: Entry;
  /** Entries that were ended, in order; an empty one is none. */
  readonly entries: readonly string[];
  /** Bytes that are no keys. */
  readonly noiseBytes: number;
}

const KEY = /^[A-Za-z0-9_-]$/;

export function typed(
  before: Entry,
  bytes: Uint8Array,
  keys: Pick<KeypadSettings, 'enter' | 'clear' | 'back' | 'length_max'>,
): EntryStep {
  const entries: string[] = [];
  let state = before;
  let noiseBytes = 0;
  for (const byte of bytes) {
    const key = String.fromCharCode(byte);
    if (keys.enter.includes(key)) {
      if (state.typed !== '' && !state.isSpoilt) entries.push(state.typed);
      state = NOTHING_TYPED;
    } else if (keys.clear.includes(key)) state = NOTHING_TYPED;
    else if (keys.back.includes(key)) state = state.isSpoilt ? state : { ...state, typed: state.typed.slice(0, -1) };
    else if (!KEY.test(key)) noiseBytes += 1;
    else if (state.typed.length >= keys.length_max) state = { typed: '', isSpoilt: true };
    else if (!state.isSpoilt) state = { ...state, typed: state.typed + key };
  }
  return { state, entries, noiseBytes };
}
