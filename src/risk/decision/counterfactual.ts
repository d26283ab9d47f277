/**
 * What would change the answer: single changes of the facts, each tried by deciding again. Only changes that could
 * happen are tried: evidence that arrives, a contradiction that is explained, time that passes.
 */
import { CONTRADICTIONS } from './contradictions.ts';
import { outcomeUnder, type Verdict } from './decide.ts';
import type { Facts, ParcelFacts, Signal } from './facts.ts';
import { legOf } from './leg-of.ts';
import { OUTCOMES, type Outcome } from './outcome.ts';
import type { Parameters } from './ruleset.ts';
import { SIGNAL_NAMES, SIGNALS } from './signals.ts';

export interface Counterfactual {
  readonly outcome: Outcome;
  readonly text: string;
}

interface Change {
  readonly text: string;
  readonly facts: Facts;
}

const COUNTERFACTUALS_MAX = 5;
const DAY_MS = 86_400_000;

/** The changes that make the answer milder, the mildest answers first. */
export function counterfactuals(facts: Facts, parameters: Parameters, verdict: Verdict): readonly Counterfactual[] {
  const rank = (outcome: Outcome): number => OUTCOMES.indexOf(outcome);
  if (verdict.outcome === 'PAY') return [];
  const changed = changesOf(facts, verdict)
    .map(({ text, facts: other }) => ({ text, outcome: outcomeUnder(other, parameters) }))
    .filter(({ outcome }) => rank(outcome) < rank(verdict.outcome));
  return changed.sort((a, b) => rank(a.outcome) - rank(b.outcome)).slice(0, COUNTERFACTUALS_MAX);
}

function changesOf(facts: Facts, verdict: Verdict): readonly Change[] {
  return [
    ...facts.parcels.flatMap((parcel, at) => evidenceFor(facts, parcel, at)),
    ...facts.parcels.flatMap((parcel, at) => explained(facts, parcel, at)),
    ...(verdict.until_ms === undefined
      ? []
      : [{ text: 'when the time that runs has passed', facts: { ...facts, as_of_ms: verdict.until_ms } }]),
    { text: 'if it were asked for a day later', facts: later(facts) },
    {
      text: 'if it went to the original instrument',
      facts: { ...facts, refund: { ...facts.refund, destination: 'original' } },
    },
  ];
}

function evidenceFor(facts: Facts, parcel: ParcelFacts, at: number): readonly Change[] {
  const leg = legOf(facts.refund.kind);
  const arrivals = SIGNAL_NAMES.map((name): Change => {
    const signal: Signal = { name, says: 'supports', level: 'A2', clock: 'synced', event: 'if:it came' };
    const changed = { ...parcel, [leg]: { ...parcel[leg], signals: [...parcel[leg].signals, signal] } };
    return { text: `if ${SIGNALS[name].text} confirmed it`, facts: replace(facts, at, changed) };
  });
  if (facts.refund.kind !== 'return') return arrivals;
  const inspected = { ...parcel, return: { ...parcel.return, state: 'R_INSPECTED_OK' as const } };
  return [
    { text: 'if the warehouse inspected it and found it sound', facts: replace(facts, at, inspected) },
    ...arrivals,
  ];
}

function explained(facts: Facts, parcel: ParcelFacts, at: number): readonly Change[] {
  return parcel.contradictions.flatMap((one, index) => {
    const { innocent, name } = CONTRADICTIONS[one.code];
    const [cause] = innocent;
    if (cause === undefined || one.innocent !== undefined) return [];
    const contradictions = parcel.contradictions.with(index, { ...one, innocent: cause });
    const changed = replace(facts, at, { ...parcel, contradictions });
    return [{ text: `if ${one.code} (${name}) were explained: ${cause}`, facts: changed }];
  });
}

function later(facts: Facts): Facts {
  const refund = { ...facts.refund, requested_at_ms: facts.refund.requested_at_ms + DAY_MS };
  return { ...facts, as_of_ms: facts.as_of_ms + DAY_MS, refund };
}

function replace(facts: Facts, at: number, parcel: ParcelFacts): Facts {
  return { ...facts, parcels: facts.parcels.with(at, parcel) };
}
