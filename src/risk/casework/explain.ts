/**
 * A kept decision, told whole: each rule with what it saw and what would have made it fire, also those that did not, out of
 * the facts that were kept with it and of nothing newer.
 */
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { RULES } from '../decision/decide.ts';
import { type Decision, decide } from '../decision/decision.ts';
import type { Facts } from '../decision/facts.ts';
import { makeRuleset, type RulesetSettings } from '../decision/ruleset.ts';
import type { HoldDetail } from './hold-book.ts';

export interface RuleExplanation {
  readonly code: string;
  readonly title: string;
  readonly fired: boolean;
  readonly observed: string;
  /** At which it fires. */
  readonly threshold: string;
  /** One sentence: why it fired, or why not. */
  readonly why: string;
}

export interface Explanation {
  readonly decision: Decision;
  readonly rules: readonly RuleExplanation[];
  readonly facts: Facts;
  readonly parameters: RulesetSettings;
  /** Deciding again from these facts gives these very bytes. */
  readonly replays: boolean;
}

/** With what became of it since: what was ordered about its refund, and its cases. */
export type ToldWhole = Explanation & Pick<HoldDetail, 'actions' | 'cases'>;

export interface KeptDecision {
  readonly decision: Decision;
  readonly facts: Facts;
  readonly parameters: RulesetSettings;
}

export function explainDecision(crypto: Pick<EvidenceCrypto, 'sha256'>, kept: KeptDecision): Explanation {
  const { decision, facts, parameters } = kept;
  const again = decide(crypto, facts, makeRuleset(crypto, parameters));
  // As it was decided then: rules of today may look otherwise at the same facts, and `replays` tells so.
  const rules = decision.rules.map(({ code, hit, observed, threshold, blind, error }) => {
    const rule = RULES.find((one) => one.code === code);
    const title = rule?.title ?? code;
    const why = whyOf({ hit, observed, threshold, blind: blind === true, error: error === true });
    return { code, title, fired: hit, observed, threshold, why };
  });
  const replays = JSON.stringify(again) === JSON.stringify(decision);
  return { decision, rules, facts, parameters, replays };
}

function whyOf(look: {
  readonly hit: boolean;
  readonly observed: string;
  readonly threshold: string;
  readonly blind: boolean;
  readonly error: boolean;
}): string {
  const { hit, observed, threshold, blind, error } = look;
  if (error) return 'it failed, which counts as if it had fired';
  if (hit) return `it fired: seen was ${observed}; it fires at: ${threshold}`;
  if (blind) return `it did not fire, since the facts that it needs were not there; it fires at: ${threshold}`;
  return `it did not fire: seen was ${observed}; it fires at: ${threshold}`;
}
