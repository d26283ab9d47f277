/** A stored decision told whole: each rule with what it saw, fired or not, and each contradiction, found or not. */
import type { StoredDecision } from '../casework/refund-desk.ts';
import { CONTRADICTION_CODES, CONTRADICTIONS } from '../decision/contradictions.ts';
import { RULES, type RuleTrace } from '../decision/decide.ts';
import type { ParcelFacts } from '../decision/facts.ts';

export function explanationOf({ decision, facts, parameters }: StoredDecision): object {
  const { rules, ...view } = decision;
  return {
    decision: view,
    rules: rules.map(lookOf),
    contradictions: CONTRADICTION_CODES.flatMap((code) => findingsOf(code, facts.parcels, decision.reasons)),
    facts,
    parameters,
  };
}

function lookOf({ code, hit, observed, threshold, blind, error }: RuleTrace): object {
  const rule = RULES.find((one) => one.code === code);
  return {
    code,
    title: rule?.title ?? 'a rule of another version',
    fired: hit,
    asks_for: rule?.outcome ?? 'REVIEW',
    observed,
    threshold,
    why: whyOf({ code, hit, observed, threshold, ...(blind && { blind }), ...(error && { error }) }),
    ...(blind === true && { blind }),
    ...(error === true && { error }),
  };
}

function whyOf({ hit, observed, threshold, blind, error }: RuleTrace): string {
  if (error === true) return 'It failed, which counts as if it had fired.';
  if (blind === true) return `It did not fire: the facts that it needs are not known. It fires at: ${threshold}.`;
  if (hit) return `It fired: seen were ${observed}. It fires at: ${threshold}.`;
  return `It did not fire: seen were ${observed}. It fires at: ${threshold}.`;
}

function findingsOf(
  code: (typeof CONTRADICTION_CODES)[number],
  parcels: readonly ParcelFacts[],
  reasons: StoredDecision['decision']['reasons'],
): readonly object[] {
  const { name } = CONTRADICTIONS[code];
  const inLedgers = parcels.flatMap(({ ref, contradictions }) =>
    contradictions
      .filter((one) => one.code === code)
      .map(({ severity, innocent, events }) => ({
        code,
        name,
        found: true,
        parcel: ref,
        severity,
        ...(innocent !== undefined && { explained_by: innocent }),
        events,
      })),
  );
  if (inLedgers.length > 0) return inLedgers;
  // Found in the request against the ledger, which no ledger alone could know.
  const reason = reasons.find((one) => one.code === code);
  return [{ code, name, found: reason !== undefined, events: reason?.events ?? [] }];
}
