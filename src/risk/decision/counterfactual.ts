/**
 * What would change the answer: changes of the facts, each tried by deciding again. Single ones that bring evidence first;
 * where none of them is enough, the fewest that are enough together. So none is left that does not pay and does not say what
 * would: only what is blocked for good has none.
 */
import { type Change, singleChanges, wideChanges } from './changes.ts';
import { milderUnder, outcomeUnder, type Verdict } from './decide.ts';
import type { Facts } from './facts.ts';
import { OUTCOMES, type Outcome } from './outcome.ts';
import type { Parameters } from './ruleset.ts';

export interface Counterfactual {
  readonly outcome: Outcome;
  readonly text: string;
}

const COUNTERFACTUALS_MAX = 5;

/** The changes that make the answer milder, the mildest answers first. */
export function counterfactuals(facts: Facts, parameters: Parameters, verdict: Verdict): readonly Counterfactual[] {
  if (verdict.outcome === 'PAY') return [];
  const single = singleChanges(facts, verdict.until_ms)
    .map(({ text, apply }) => ({ text, outcome: milderUnder(apply(facts), parameters, verdict.outcome) }))
    .filter((one): one is Counterfactual => one.outcome !== undefined);
  if (facts.wording !== 3) return mildest(single);
  if (single.length === 0) return together(facts, parameters, verdict);
  // Of two parcels, the same change may be enough in either.
  return mildest([...new Map(single.map((one) => [`${one.outcome} ${one.text}`, one])).values()]);
}

function mildest(all: readonly Counterfactual[]): readonly Counterfactual[] {
  return [...all].sort((a, b) => rank(a.outcome) - rank(b.outcome)).slice(0, COUNTERFACTUALS_MAX);
}

/** All of them that could happen at once, but for those without which the answer is as mild. */
function together(facts: Facts, parameters: Parameters, verdict: Verdict): readonly Counterfactual[] {
  const wide = wideChanges(facts, verdict.until_ms);
  const under = (changes: readonly Change[]): Outcome =>
    outcomeUnder(
      changes.reduce((of, { apply }) => apply(of), facts),
      parameters,
    );
  const outcome = under(wide);
  if (rank(outcome) >= rank(verdict.outcome)) return [];
  const needed = wide.reduce((kept: readonly Change[], one) => {
    const without = kept.filter((other) => other !== one);
    return rank(under(without)) <= rank(outcome) ? without : kept;
  }, wide);
  return [{ outcome: under(needed), text: needed.map(({ text }, i) => (i === 0 ? text : bare(text))).join(' and ') }];
}

/** Behind the first one, without its `if`. */
function bare(text: string): string {
  return text.replace(/^if /, '');
}

function rank(outcome: Outcome): number {
  return OUTCOMES.indexOf(outcome);
}
