/**
 * Couriers and operators who meet too often in refunds with little evidence (R10), in whole numbers alone.
 *
 * What is expected of a pair is the most that any innocent explanation gives: that both merely have many such refunds; that
 * the refunds of the pair are like those of all; that the courier has as many with others (a site without sensors), or the
 * operator (somebody who takes what nobody else can prove). So a depot in which few people meet each other daily is no ring.
 * Rounded so that a finding is rather too small than too large.
 */
import { poissonTail } from '../decision/poisson.ts';

/** Refunds of an operator, of parcels that a courier had in hands; each counts once for each courier of its parcels. */
export interface PairCount {
  readonly operator: string;
  readonly courier: string;
  readonly refunds: number;
  /** Those with little evidence. */
  readonly weak: number;
}

export interface PairLift extends PairCount {
  /** Of `weak`. */
  readonly expected_milli: number;
  readonly lift_milli: number;
  /** That so many, or more, came by chance: adjusted for all pairs that were looked at (Benjamini-Hochberg). */
  readonly p_micro: number;
}

/** Pairs with fewer cannot have so many with little evidence, and are not looked at: nobody is chosen by the outcome. */
const PAIR_REFUNDS_MIN = 5;
/** With fewer refunds elsewhere a share says nothing. */
const ELSEWHERE_MIN = 10;
const MILLI = 1_000;
/** Of one: finer than the least that counts among as many pairs as there can be, and exact as a number. */
const PARTS = 1_000_000_000_000_000;
const PARTS_OF_MICRO = BigInt(PARTS / 1_000_000);

interface Margin {
  refunds: number;
  weak: number;
}

/** Those with enough refunds together, the least likely first. */
export function pairLifts(all: readonly PairCount[]): readonly PairLift[] {
  const fleet = { refunds: 0, weak: 0 };
  const operators = new Map<string, Margin>();
  const couriers = new Map<string, Margin>();
  for (const { operator, courier, refunds, weak } of all) {
    for (const margin of [fleet, marginOf(operators, operator), marginOf(couriers, courier)]) {
      margin.refunds += refunds;
      margin.weak += weak;
    }
  }
  const looked = all
    .filter(({ refunds }) => refunds >= PAIR_REFUNDS_MIN)
    .map((pair) => {
      const margins = {
        operator: marginOf(operators, pair.operator),
        courier: marginOf(couriers, pair.courier),
        fleet,
      };
      const expected_milli = expectedMilli(pair, margins);
      return { pair, expected_milli, p: tailOf(pair.weak, expected_milli) };
    })
    .sort((a, b) => a.p - b.p || b.pair.weak - a.pair.weak);
  const adjusted = adjust(looked.map(({ p }) => p));
  return looked.map(({ pair, expected_milli }, i) => ({
    ...pair,
    expected_milli,
    lift_milli: Math.floor((pair.weak * 1_000_000) / expected_milli),
    p_micro: Number(((adjusted[i] ?? BigInt(PARTS)) + PARTS_OF_MICRO - 1n) / PARTS_OF_MICRO),
  }));
}

function expectedMilli(
  { refunds, weak }: PairCount,
  { operator, courier, fleet }: { readonly operator: Margin; readonly courier: Margin; readonly fleet: Margin },
): number {
  if (fleet.weak === 0) return 1;
  const met = ceilDiv(operator.weak * courier.weak * MILLI, fleet.weak);
  const elsewhere = [operator, courier]
    .map((one) => ({ refunds: one.refunds - refunds, weak: one.weak - weak }))
    .filter((one) => one.refunds >= ELSEWHERE_MIN);
  const alike = [fleet, ...elsewhere].map((one) => ceilDiv(refunds * one.weak * MILLI, one.refunds));
  return Math.max(1, met, ...alike);
}

/**
 * Once is not often, and what is within one deviation of what was expected is no sign: its chance is above a tenth, and
 * that matters to the adjusted chance of nothing below it.
 */
function tailOf(weak: number, expected_milli: number): number {
  const beyond_milli = weak * MILLI - expected_milli;
  if (weak < 2 || beyond_milli <= 0 || beyond_milli * beyond_milli <= expected_milli * MILLI) return PARTS;
  return Number(poissonTail(weak, expected_milli, BigInt(PARTS))) + 1;
}

/** Benjamini and Hochberg 1995, of chances in ascending order, in parts of `one`. */
export function adjust(ascending: readonly number[], one = PARTS): readonly bigint[] {
  const adjusted = ascending.map(() => BigInt(one));
  let least = BigInt(one);
  for (let i = ascending.length - 1; i >= 0; i -= 1) {
    const rank = BigInt(i + 1);
    const raised = (BigInt(ascending[i] ?? one) * BigInt(ascending.length) + rank - 1n) / rank;
    if (raised < least) least = raised;
    adjusted[i] = least;
  }
  return adjusted;
}

function marginOf(margins: Map<string, Margin>, name: string): Margin {
  const known = margins.get(name);
  if (known !== undefined) return known;
  const margin = { refunds: 0, weak: 0 };
  margins.set(name, margin);
  return margin;
}

/** Exact: products of counts of so few refunds are integers below 2^53, and then so is the floor of their quotient. */
function ceilDiv(a: number, b: number): number {
  return Math.floor((a + b - 1) / b);
}
