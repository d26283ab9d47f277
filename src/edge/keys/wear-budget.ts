/**
 * How often the anchor counter may be incremented. Each increment wears the TPM's memory, which is rated for some
 * 500,000 writes (ST33 data brief), so anchors are paid from a token bucket.
 *
 * The bucket runs on monotonic time and is kept over restarts without a refill for the time between them: a box in a
 * crash loop, or one whose clock jumps, cannot wear its TPM out.
 */
import { assert } from '../../base/assert.ts';

const YEAR_MS = 365 * 24 * 3_600_000;

/** Increments that a chip is rated for. */
export const RATED_INCREMENTS = 500_000;

export interface WearSettings {
  /** Increments a year, on average. */
  readonly perYear: number;
  /** Most that a quiet time saves up. */
  readonly bucketMax: number;
}

export const WEAR_DEFAULTS: WearSettings = { perYear: 50_000, bucketMax: 1_000 };

/** `urgent`: a parcel, a start, a stop. `routine`: the timer, which leaves the last half of the bucket to the others. */
export type AnchorUrgency = 'urgent' | 'routine';

export interface WearState {
  readonly tokens: number;
  readonly atMs: number;
}

export function fullBucket(settings: WearSettings, nowMs: number): WearState {
  return { tokens: settings.bucketMax, atMs: nowMs };
}

/** The bucket of an earlier run: what was left in it, counted on from now. */
export function keptBucket(settings: WearSettings, tokens: number, nowMs: number): WearState {
  return { tokens: Math.max(0, Math.min(tokens, settings.bucketMax)), atMs: nowMs };
}

export function tokensAt(settings: WearSettings, state: WearState, nowMs: number): number {
  const gained = (Math.max(0, nowMs - state.atMs) * settings.perYear) / YEAR_MS;
  return Math.min(settings.bucketMax, state.tokens + gained);
}

/** Milliseconds until an anchor of that urgency may be paid; 0 when now. */
export function waitForToken(settings: WearSettings, state: WearState, urgency: AnchorUrgency, nowMs: number): number {
  const needed = urgency === 'urgent' ? 1 : settings.bucketMax / 2 + 1;
  const missing = needed - tokensAt(settings, state, nowMs);
  return missing <= 0 ? 0 : Math.ceil((missing * YEAR_MS) / settings.perYear);
}

export function spend(settings: WearSettings, state: WearState, nowMs: number): WearState {
  const tokens = tokensAt(settings, state, nowMs) - 1;
  assert(tokens >= 0, 'an increment is paid before it is made');
  return { tokens, atMs: nowMs };
}

/** Years until the rating is used up, at this pace: increments so far, over the time that they took. */
export function expectedLifeYears(increments: number, overMs: number): number {
  if (increments <= 0 || overMs <= 0) return Number.POSITIVE_INFINITY;
  const perYear = (increments * YEAR_MS) / overMs;
  return Math.max(0, RATED_INCREMENTS - increments) / perYear;
}
