/** A decision of a bundle, decided again with the ruleset of this version: whether its facts lead to its answer. */
import { isDeepStrictEqual } from 'node:util';
import type { BundleDecision } from '../evidence/verify/bundle.ts';
import type { DecidedAgain } from '../evidence/verify/bundle-decisions.ts';
import { nodeCrypto } from '../platform/node-crypto.ts';
import { type Decision, decide } from '../risk/decision/decision.ts';
import { parseFacts } from '../risk/decision/facts-schema.ts';
import { makeRuleset, rulesetSchema } from '../risk/decision/ruleset.ts';

export function decideAgain({ answer, facts, parameters }: BundleDecision): DecidedAgain {
  try {
    const said = JSON.parse(answer) as Partial<Decision>;
    const known = parseFacts(JSON.parse(facts));
    const given = rulesetSchema.safeParse(JSON.parse(parameters));
    if (!known.ok || !given.success) return { result: 'unknown' };
    const ruleset = makeRuleset(nodeCrypto, given.data);
    if (ruleset.version !== said.ruleset) return { result: 'unknown' };
    const again = decide(nodeCrypto, known.value, ruleset);
    if (JSON.stringify(again) === answer) return { result: 'same', outcome: again.outcome };
    return { result: isReworded(said, again) ? 'reworded' : 'other', outcome: again.outcome };
  } catch {
    // Facts of a maker, which a bundle does not bind to any shape but that of JSON.
    return { result: 'unknown' };
  }
}

/** Everything that is done is the same; texts for people may be those of another version. */
function isReworded(said: Partial<Decision>, again: Decision): boolean {
  return isDeepStrictEqual(actedOn(said), actedOn(again));
}

function actedOn({ outcome, pay_now, approvals, blocked, deadline_at_ms, reasons }: Partial<Decision>): object {
  const codes = reasons?.map(({ code, outcome: each, events }) => ({ code, each, events }));
  return { outcome, pay_now, approvals, blocked, deadline_at_ms, codes };
}
