/**
 * What a scale says, and what of it may be told. Pure.
 *
 * One reading alone is no weight: scales without a checksum turn one digit into another. A weight stands when two readings
 * in a row were stable and equal, and it stands for the time in which the later of them was measured.
 */
import type { WeightReading } from '../contracts/reading.ts';

/** A weight of before a door opened is told when it is not older than this: what was shut since then is still there. */
export const WEIGHT_FRESH_MS = 60_000;

export interface StandingWeight {
  readonly grams: number;
  /** It was measured between these. */
  readonly sinceMs: number;
  readonly atMs: number;
}

export interface Scale {
  /** The stable reading before, when nothing else came since. */
  readonly candidate: number | undefined;
  readonly standing: StandingWeight | undefined;
  readonly said: { readonly grams: number; readonly atMs: number } | undefined;
}

export const UNREAD_SCALE: Scale = { candidate: undefined, standing: undefined, said: undefined };

export function weigh(scale: Scale, reading: WeightReading): Scale {
  const { state, grams, observed, sinceUpMs } = reading;
  if (state !== 'stable' || grams === undefined) return { ...scale, candidate: undefined };
  if (scale.candidate !== grams) return { ...scale, candidate: grams };
  return { ...scale, standing: { grams, sinceMs: sinceUpMs, atMs: observed.upMs } };
}

/** The scale went away: what it says next is not consecutive to what it said before. */
export function loseScale(scale: Scale): Scale {
  return { ...scale, candidate: undefined, standing: undefined };
}

export interface WeightPolicy {
  /** Smaller changes are not told. */
  readonly stepG: number;
  /** Least time between two that are told. */
  readonly gapMs: number;
}

/** The weight that is to be told now, if there is one. */
export function dueWeight(scale: Scale, nowMs: number, policy: WeightPolicy): StandingWeight | undefined {
  const { standing, said } = scale;
  if (standing === undefined) return undefined;
  if (said === undefined) return standing;
  if (Math.abs(standing.grams - said.grams) < policy.stepG || nowMs - said.atMs < policy.gapMs) return undefined;
  return standing;
}

/** What stood at a moment in which the door was seen shut. */
export function weightWhileShut(scale: Scale, lookedMs: number): StandingWeight | undefined {
  const { standing } = scale;
  return standing !== undefined && standing.atMs <= lookedMs ? standing : undefined;
}

/** What stands since the door was shut: measured wholly afterwards. */
export function weightSince(scale: Scale, shutMs: number): number | undefined {
  const { standing, candidate } = scale;
  const isQuiet = standing !== undefined && candidate === standing.grams;
  return isQuiet && standing.sinceMs >= shutMs ? standing.grams : undefined;
}

export type WeightContradiction = 'weight_unchanged' | 'weight_gone' | 'weight_added';

/** Where the weights say another thing than the episode was judged to be. */
export function weightContradictions(
  type: string,
  beforeG: number | undefined,
  afterG: number | undefined,
  toleranceG: number,
): readonly WeightContradiction[] {
  if (beforeG === undefined || afterG === undefined) return [];
  const change = afterG - beforeG;
  const isIn = type === 'parcel.deposited' || type === 'parcel.returned';
  const isOut = type === 'parcel.collected' || type === 'parcel.removed';
  if (Math.abs(change) <= toleranceG) return isIn || isOut ? ['weight_unchanged'] : [];
  if (change < 0) return isOut ? [] : ['weight_gone'];
  return isIn ? [] : ['weight_added'];
}
