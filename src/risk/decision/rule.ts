/**
 * What a rule is: a pure look at the facts that says whether it fires, what it saw and what would have made it fire.
 */
import type { EventRef, Facts } from './facts.ts';
import type { Outcome } from './outcome.ts';
import type { Parameters } from './ruleset.ts';

export type RuleCode =
  | 'R01'
  | 'R01b'
  | 'R02'
  | 'R03'
  | 'R04'
  | 'R05'
  | 'R06'
  | 'R07'
  | 'R08'
  | 'R09'
  | 'R10'
  | 'R11'
  | 'R12'
  | 'R13'
  | 'R14'
  | 'R15'
  | 'R16';

export interface Finding {
  readonly hit: boolean;
  /** For people, and the same for the same facts. */
  readonly observed: string;
  readonly threshold: string;
  readonly events: readonly EventRef[];
  /** Refunds of the same operator that count with this one. */
  readonly refunds?: readonly string[];
  /** The facts that this rule needs are not there, so it could not fire. */
  readonly blind?: boolean;
  /** The refund can never be paid as it stands, whatever becomes of a hold. */
  readonly blocks?: boolean;
}

export interface Rule {
  readonly code: RuleCode;
  readonly title: string;
  /** What a hit asks for; also what an error in the rule asks for. */
  readonly outcome: Outcome;
  readonly approvals?: boolean;
  readonly investigate?: boolean;
  readonly customer: string;
  look(facts: Facts, parameters: Parameters): Finding;
}

export function seen(hit: boolean, observed: string, threshold: string, events: readonly EventRef[] = []): Finding {
  return { hit, observed, threshold, events };
}

export function unseen(threshold: string): Finding {
  return { hit: false, observed: 'not known', threshold, events: [], blind: true };
}
