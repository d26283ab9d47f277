/**
 * When the next checkpoint is anchored. Pure: time is an input.
 *
 * Right after a parcel event, at most once in 10 s; every 15 minutes with other new entries; those that only say that
 * the gateway lives, or that an anchor was made, wait six hours; at start and at a clean stop. All within the wear
 * budget.
 */
import { type AnchorUrgency, type WearSettings, type WearState, waitForToken } from './wear-budget.ts';

export interface AnchorPace {
  /** Parcel events within this time share an anchor. */
  readonly parcelGapMs: number;
  readonly entriesGapMs: number;
  readonly idleGapMs: number;
  readonly wear: WearSettings;
}

export const PACE_DEFAULTS = { parcelGapMs: 10_000, entriesGapMs: 900_000, idleGapMs: 21_600_000 } as const;

/** What the newest checkpoint holds beyond the last anchored one: the weightiest of it. */
export type Unanchored = 'parcel' | 'entries' | 'idle';

export interface AnchorAsk {
  /** Undefined when the newest checkpoint is anchored, or may not be anchored yet. */
  readonly unanchored: Unanchored | undefined;
  /** A start or a stop asks for an anchor now. */
  readonly edge: 'start' | 'stop' | undefined;
  /** Monotonic, of the last anchor of this run; undefined before the first. */
  readonly lastMs: number | undefined;
  /** Monotonic, of this start. */
  readonly startMs: number;
  readonly wear: WearState;
  readonly nowMs: number;
}

export type AnchorDue =
  | { readonly kind: 'now' }
  | { readonly kind: 'in'; readonly ms: number; readonly because: 'pace' | 'wear' }
  /** Nothing to anchor: asked again when the log has grown. */
  | { readonly kind: 'none' };

export function anchorDue(pace: AnchorPace, ask: AnchorAsk): AnchorDue {
  const { unanchored, edge, nowMs } = ask;
  if (unanchored === undefined) return { kind: 'none' };
  const urgency: AnchorUrgency = unanchored === 'parcel' || edge !== undefined ? 'urgent' : 'routine';
  const paceMs = edge === undefined ? Math.max(0, dueAtMs(pace, ask, unanchored) - nowMs) : 0;
  const wearMs = waitForToken(pace.wear, ask.wear, urgency, nowMs);
  if (paceMs === 0 && wearMs === 0) return { kind: 'now' };
  return wearMs > paceMs ? { kind: 'in', ms: wearMs, because: 'wear' } : { kind: 'in', ms: paceMs, because: 'pace' };
}

function dueAtMs(pace: AnchorPace, ask: AnchorAsk, unanchored: Unanchored): number {
  const { lastMs, startMs } = ask;
  switch (unanchored) {
    case 'parcel':
      return lastMs === undefined ? startMs : lastMs + pace.parcelGapMs;
    case 'entries':
      return (lastMs ?? startMs) + pace.entriesGapMs;
    case 'idle':
      return (lastMs ?? startMs) + pace.idleGapMs;
  }
}
