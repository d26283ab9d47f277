/**
 * Reports a scan that is held before the scanner once, and counts the rest. Pure.
 *
 * Only a repetition of the scan reported last is suppressed: A, B, A are three scans. Damaged texts of one kind count as
 * repetitions of each other, or line noise would fill the journal.
 */
import type { ScanReading } from '../contracts/reading.ts';

export interface Debounce {
  readonly lastKey: string;
  readonly lastAtMs: number;
  readonly suppressed: number;
}

export const INITIAL_DEBOUNCE: Debounce = { lastKey: '', lastAtMs: Number.NEGATIVE_INFINITY, suppressed: 0 };

export interface DebounceStep {
  readonly state: Debounce;
  /** Undefined when this one is not reported; otherwise how many before it were not. */
  readonly suppressed: number | undefined;
}

export function debounce(state: Debounce, key: string, atMs: number, windowMs: number): DebounceStep {
  if (key === state.lastKey && atMs - state.lastAtMs < windowMs) {
    return { state: { ...state, suppressed: state.suppressed + 1 }, suppressed: undefined };
  }
  return { state: { lastKey: key, lastAtMs: atMs, suppressed: 0 }, suppressed: state.suppressed };
}

/** What two scans must share to be one. */
export function scanKey(text: string, quarantined: ScanReading['quarantined']): string {
  const damaged = quarantined === 'incomplete' || quarantined === 'too_long';
  return damaged ? quarantined : `scan ${quarantined ?? ''} ${text}`;
}
