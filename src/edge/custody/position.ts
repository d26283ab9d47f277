/**
 * Where the locker stands, as a verdict: inside its geofence, outside, or unknown. Pure.
 *
 * A verdict changes when several fixes in a row say so, and between inside and outside lies the receiver's own accuracy: a
 * locker at the edge must not flutter. No fix for a while is `unknown`, never the verdict of before.
 */
import type { PositionReading } from '../contracts/reading.ts';

export const FIXES_TO_CHANGE = 3;
/** For receivers that do not tell their accuracy. */
const ACCURACY_DEFAULT_M = 25;
const EARTH_RADIUS_M = 6_371_009;

export interface Geofence {
  /** Degrees. */
  readonly latitude: number;
  readonly longitude: number;
  readonly radiusM: number;
}

export interface PositionPolicy {
  readonly geofence: Geofence | undefined;
  /** Least time between two that are told while the verdict stays. */
  readonly everyMs: number;
  /** A fix older than this is none. */
  readonly staleMs: number;
}

export type Verdict = 'inside' | 'outside' | 'unknown';

export interface PositionState {
  readonly verdict: Verdict;
  readonly candidate: { readonly verdict: Verdict; readonly fixes: number } | undefined;
  readonly lastFixMs: number | undefined;
  readonly said: { readonly verdict: Verdict; readonly atMs: number } | undefined;
  readonly startedMs: number | undefined;
}

export const NO_POSITION: PositionState = {
  verdict: 'unknown',
  candidate: undefined,
  lastFixMs: undefined,
  said: undefined,
  startedMs: undefined,
};

export interface PositionTold {
  readonly verdict: Verdict;
  readonly latitude?: number;
  readonly longitude?: number;
  readonly accuracyM?: number;
  readonly distanceM?: number;
  readonly fixAgeMs?: number;
}

export interface PositionStep {
  readonly state: PositionState;
  readonly told?: PositionTold;
}

/** `isClockTrusted`: the box's own clock can tell an old fix from a new one. */
export function takePosition(
  before: PositionState,
  reading: PositionReading,
  policy: PositionPolicy,
  isClockTrusted: boolean,
): PositionStep {
  const { fix, observed } = reading;
  const nowMs = observed.upMs;
  const isOld = isClockTrusted && fix?.wallMs !== undefined && Math.abs(observed.wallMs - fix.wallMs) > policy.staleMs;
  if (fix === undefined || isOld) return passTime({ ...before, candidate: undefined }, nowMs, policy);
  const distanceM = policy.geofence === undefined ? undefined : distance(policy.geofence, fix.latitude, fix.longitude);
  const seen = judge(before.verdict, distanceM, fix.accuracyM ?? ACCURACY_DEFAULT_M, policy.geofence?.radiusM ?? 0);
  const state = vote({ ...before, lastFixMs: nowMs, startedMs: before.startedMs ?? nowMs }, seen);
  // The first verdict is waited for, so that a start does not tell `unknown` a moment before it knows.
  const isFirst = state.said === undefined && state.candidate !== undefined;
  if (isFirst || !isDue(state, nowMs, policy)) return { state };
  const { accuracyM } = fix;
  const told: PositionTold = {
    verdict: state.verdict,
    latitude: fix.latitude,
    longitude: fix.longitude,
    ...(accuracyM === undefined ? {} : { accuracyM }),
    ...(distanceM === undefined ? {} : { distanceM }),
  };
  return { state: { ...state, said: { verdict: state.verdict, atMs: nowMs } }, told };
}

/** Time alone, or the receiver is lost: without a fix for long enough the verdict is unknown. */
export function passTime(before: PositionState, nowMs: number, policy: PositionPolicy): PositionStep {
  const startedMs = before.startedMs ?? nowMs;
  const sinceMs = before.lastFixMs ?? startedMs;
  const state: PositionState = { ...before, startedMs };
  if (nowMs - sinceMs < policy.staleMs) return { state };
  const unknown: PositionState = { ...state, verdict: 'unknown', candidate: undefined };
  if (!isDue(unknown, nowMs, policy)) return { state: unknown };
  const age = before.lastFixMs === undefined ? {} : { fixAgeMs: nowMs - before.lastFixMs };
  return { state: { ...unknown, said: { verdict: 'unknown', atMs: nowMs } }, told: { verdict: 'unknown', ...age } };
}

function judge(current: Verdict, distanceM: number | undefined, accuracyM: number, radiusM: number): Verdict {
  if (distanceM === undefined) return 'unknown';
  if (distanceM <= radiusM) return 'inside';
  return distanceM - accuracyM > radiusM ? 'outside' : current;
}

function vote(state: PositionState, seen: Verdict): PositionState {
  if (seen === state.verdict) return { ...state, candidate: undefined };
  const fixes = state.candidate?.verdict === seen ? state.candidate.fixes + 1 : 1;
  if (fixes < FIXES_TO_CHANGE) return { ...state, candidate: { verdict: seen, fixes } };
  return { ...state, verdict: seen, candidate: undefined };
}

function isDue({ said, verdict }: PositionState, nowMs: number, policy: PositionPolicy): boolean {
  return said === undefined || said.verdict !== verdict || nowMs - said.atMs >= policy.everyMs;
}

/** Great-circle distance in metres. */
function distance(fence: Geofence, latitude: number, longitude: number): number {
  const radians = Math.PI / 180;
  const lat1 = fence.latitude * radians;
  const lat2 = (latitude / 1e6) * radians;
  const halfLat = (lat2 - lat1) / 2;
  const halfLon = ((longitude / 1e6 - fence.longitude) * radians) / 2;
  const a = Math.sin(halfLat) ** 2 + Math.cos(lat1) * Math.cos(lat2) * Math.sin(halfLon) ** 2;
  return Math.round(2 * EARTH_RADIUS_M * Math.asin(Math.min(1, Math.sqrt(a))));
}
