/**
 * The decision: a pure function of the facts and the ruleset. The same two give the same bytes, on any machine, at any
 * time; nothing here reads a clock.
 *
 * Order: guards (dependencies, arithmetic), hard contradictions, custody against value, rules. All of them are looked
 * at and all that fired are reasons; the strictest outcome counts.
 */
import { hex, utf8 } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import { canonicalJson } from '../../evidence/event/json.ts';
import { actionOf, CONTRADICTIONS, type ContradictionRow } from './contradictions.ts';
import { withDoubt } from './courier-lift.ts';
import { type Entitlement, entitlements, legEvidence } from './eligibility.ts';
import type { Contradiction, Dependency, Facts, UsdRate } from './facts.ts';
import { type Evidence, type Grade, isHard } from './grade.ts';
import { legOf } from './leg-of.ts';
import { isMilder, type Outcome, pays, stricter } from './outcome.ts';
import {
  contradictionReason,
  dependencyReason,
  entitlementReason,
  errorReason,
  type Reason,
  ruleReason,
} from './reasons.ts';
import type { Finding, Rule } from './rule.ts';
import { OPERATOR_RULES } from './rules-operator.ts';
import { PARCEL_RULES } from './rules-parcel.ts';
import type { Parameters } from './ruleset.ts';

export const RULES: readonly Rule[] = [...OPERATOR_RULES, ...PARCEL_RULES].sort((a, b) => (a.code < b.code ? -1 : 1));

/** How one rule looked at the facts, whether or not it fired: the answer to "why not". */
export interface RuleTrace {
  readonly code: string;
  readonly hit: boolean;
  readonly observed: string;
  readonly threshold: string;
  readonly blind?: true;
  readonly error?: true;
}

export interface Verdict {
  readonly outcome: Outcome;
  readonly reasons: readonly Reason[];
  readonly rules: readonly RuleTrace[];
  /** Somebody finds out who had the parcel, whatever the customer gets. */
  readonly investigate: boolean;
  readonly approvals: number;
  /** It can never be paid as it stands: no deadline releases it. */
  readonly blocked: boolean;
  readonly until_ms?: number;
  readonly release_when: readonly string[];
  readonly evidence: readonly ParcelEvidence[];
}

export interface ParcelEvidence extends Evidence {
  readonly parcel: string;
  /** What it would be without doubt about a courier (R10), where that is another: what is counted, lest doubt feed itself. */
  readonly before_doubt?: Grade;
}

export interface JudgeOptions {
  /** The rules to ask: all of them, unless a test breaks one. */
  readonly rules?: readonly Rule[];
}

/** What of the facts speaks, before it is put into words. */
interface Weighed {
  readonly missing: readonly Dependency[];
  readonly looked: readonly Looked[];
  readonly findings: readonly { readonly one: Contradiction; readonly action: Action }[];
  readonly claims: readonly Entitlement[];
  readonly outcome: Outcome;
}

/** The strictest of all that speaks: what `judge` answers, without its words. */
export function outcomeUnder(facts: Facts, parameters: Parameters): Outcome {
  return weigh(facts, parameters, RULES).outcome;
}

/**
 * The same where it is milder than another, and else undefined. Most changes leave what the goods are owed as it was, which is
 * soon seen: for those no rule is asked.
 */
export function milderUnder(asked: Facts, parameters: Parameters, than: Outcome): Outcome | undefined {
  const facts = withDoubt(asked, parameters);
  const missing = missingOf(facts, parameters);
  if (missing.length > 0 && !isMilder('HOLD', than)) return undefined;
  if (claimsOf(facts, parameters, missing).some((claim) => !isMilder(claim.outcome, than))) return undefined;
  const outcome = outcomeUnder(asked, parameters);
  return isMilder(outcome, than) ? outcome : undefined;
}

/** Without the ledger or the rates nothing is said of the goods. */
function claimsOf(facts: Facts, parameters: Parameters, missing: readonly Dependency[]): readonly Entitlement[] {
  return missing.includes('ledger') || missing.includes('usd_rate') ? [] : entitlements(facts, parameters);
}

function weigh(asked: Facts, parameters: Parameters, rules: readonly Rule[]): Weighed {
  const facts = withDoubt(asked, parameters);
  const missing = missingOf(facts, parameters);
  const looked = rules.map((rule) => lookAt(rule, facts, parameters));
  const claims = claimsOf(facts, parameters, missing);
  const findings = [...facts.parcels.flatMap(({ contradictions }) => contradictions), ...ofTheClaim(facts, looked)]
    .filter((one) => counts(one, facts))
    .map((one) => ({ one, action: actionOf(one, facts.edition) }));
  const outcomes: readonly Outcome[] = [
    missing.length > 0 ? 'HOLD' : 'PAY',
    ...findings.map(({ action }) => outcomeOf(action)),
    ...looked.filter(({ fired }) => fired).map(({ rule }) => rule.outcome),
    ...claims.map(({ outcome }) => outcome),
  ];
  return { missing, looked, findings, claims, outcome: outcomes.reduce(stricter, 'PAY') };
}

/** Everything but the identity of the answer and what would change it. */
export function judge(facts: Facts, parameters: Parameters, { rules = RULES }: JudgeOptions = {}): Verdict {
  const { missing, looked, findings, claims, outcome } = weigh(facts, parameters, rules);
  const fired = looked.filter((one) => one.fired);
  const reasons = [
    ...(missing.length > 0 ? [dependencyReason(missingNames(missing, facts, parameters))] : []),
    ...findings.map(({ one, action }) => contradictionReason(one.code, outcomeOf(action), one.events, facts.wording)),
    ...fired.map(reasonOf),
    ...claims.map((claim) => entitlementReason(claim, facts.refund.refund_id)),
  ];
  const large =
    fired.some(({ rule }) => rule.approvals === true) || claims.some(({ code }) => code === 'goodwill_large');
  return {
    outcome,
    reasons: reasons.filter((reason) => pays(outcome) || reason.outcome !== 'PAY'),
    rules: looked.map(({ trace }) => trace),
    investigate:
      fired.some(({ rule }) => rule.investigate === true) ||
      findings.some(({ action }) => action === 'investigate') ||
      // Refunds in parts are looked at by somebody, and are no cause to freeze what was paid out.
      claims.some(({ outcome: of, refunds }) => of === 'PAY_AND_INVESTIGATE' && refunds === undefined),
    approvals: large ? parameters.approvals : 0,
    blocked: looked.some(({ finding }) => finding?.blocks === true),
    ...untilOf(claims),
    release_when: [...new Set(claims.flatMap(({ release_when }) => release_when ?? []))],
    evidence: evidenceOf(facts, parameters),
  };
}

function evidenceOf(facts: Facts, parameters: Parameters): readonly ParcelEvidence[] {
  const leg = legOf(facts.refund.kind);
  const seen = withDoubt(facts, parameters);
  return facts.parcels.map((parcel, i) => {
    const { grade } = legEvidence(parcel, leg);
    const evidence = legEvidence(seen.parcels[i] ?? parcel, leg);
    return { parcel: parcel.ref, ...evidence, ...(grade !== evidence.grade && { before_doubt: grade }) };
  });
}

export function sha256Json(crypto: Pick<EvidenceCrypto, 'sha256'>, value: object): string {
  return hex(crypto.sha256(utf8(canonicalJson(value as JsonObject))));
}

interface Looked {
  readonly rule: Rule;
  readonly trace: RuleTrace;
  readonly fired: boolean;
  /** Absent when the rule failed. */
  readonly finding?: Finding;
}

function lookAt(rule: Rule, facts: Facts, parameters: Parameters): Looked {
  let finding: Finding;
  try {
    finding = rule.look(facts, parameters);
  } catch {
    const trace = { code: rule.code, hit: true, observed: 'the rule failed', threshold: 'none', error: true } as const;
    return { rule, trace, fired: true };
  }
  const { hit, observed, threshold, blind } = finding;
  const trace = { code: rule.code, hit, observed, threshold, ...(blind === true && { blind }) };
  return { rule, trace, fired: hit, finding };
}

function reasonOf({ rule, finding }: Looked): Reason {
  return finding === undefined ? errorReason(rule) : ruleReason(rule, finding);
}

type Action = ContradictionRow['action'];

/** Soft contradictions with a cause of their own weigh in the grade alone; those of the other leg do not concern it. */
function counts(one: Contradiction, facts: Facts): boolean {
  const { action } = CONTRADICTIONS[one.code];
  if (one.innocent !== undefined || action === 'note') return false;
  const leg = legOf(facts.refund.kind);
  return (one.leg === leg || one.leg === 'both') && (isHard(one) || action !== 'hold');
}

function outcomeOf(action: Action): Outcome {
  if (action === 'hold') return 'HOLD';
  return action === 'review' ? 'REVIEW' : 'PAY_AND_INVESTIGATE';
}

/** What the refund itself contradicts, or is contradicted by: no ledger of a parcel can know it. */
function ofTheClaim(facts: Facts, looked: readonly Looked[]): readonly Contradiction[] {
  const { kind, self_dealing } = facts.refund;
  const found: Contradiction[] = [];
  const phantom = looked.find(({ rule, fired }) => rule.code === 'R05' && fired);
  if (phantom !== undefined)
    found.push({ code: 'C18', leg: 'return', severity: 'hard', events: phantom.finding?.events ?? [] });
  const collected = facts.parcels.map(({ forward }) => forward).filter(isCollectedByCode);
  if (kind === 'not_received' && collected.length > 0) {
    found.push({ code: 'C22', leg: 'forward', severity: 'hard', events: collected.flatMap(({ events }) => events) });
  }
  if (self_dealing === true) found.push({ code: 'C24', leg: 'both', severity: 'hard', events: [] });
  return found;
}

function isCollectedByCode({ state, certainty, signals }: Facts['parcels'][number]['forward']): boolean {
  return (
    state === 'COLLECTED' &&
    certainty === 'confirmed' &&
    signals.some(({ name, says }) => name === 'code' && says === 'supports')
  );
}

/** What failed, and what a decision about this refund cannot do without. */
function missingOf(facts: Facts, parameters: Parameters): readonly Dependency[] {
  const missing = new Set<Dependency>(facts.failed);
  if (facts.payment === undefined) missing.add('payment');
  if (facts.operator === undefined) missing.add('operator');
  if (withoutRate(facts, parameters).length > 0) missing.add('usd_rate');
  return [...missing].sort();
}

interface Unrated {
  readonly currency: string;
  readonly at_ms: number;
}

/** This refund, those that count with it, and orders of its customer once they are enough, whose value in dollars nobody told. */
function withoutRate(facts: Facts, parameters: Parameters): readonly Unrated[] {
  const { currency: own, requested_at_ms: at_ms } = facts.refund;
  const windowMs = Math.max(parameters.velocity_window_ms, parameters.consecutive_window_ms);
  const others = (facts.operator?.recent ?? []).filter((each) => each.at_ms > at_ms - windowMs);
  const { orders = 0, unrated = [] } = facts.patterns?.customer ?? {};
  const ofOrders =
    orders < parameters.customer_orders ? [] : unrated.map((currency) => ({ currency, at_ms, rate: undefined }));
  const all: readonly (Unrated & { readonly rate?: UsdRate | undefined })[] = [
    { currency: own, at_ms, rate: facts.rate },
    ...others,
    ...ofOrders,
  ];
  return all.filter(({ currency, rate }) => currency !== 'USD' && rate === undefined);
}

const RATES_MAX = 8;

/** Which rate it is that somebody has to import: of which currency, and of which day. */
function missingNames(missing: readonly Dependency[], facts: Facts, parameters: Parameters): readonly string[] {
  if (facts.wording === undefined) return missing;
  const rates = withoutRate(facts, parameters).map(({ currency, at_ms }) => {
    return `${currency} of ${new Date(at_ms).toISOString().slice(0, 10)}`;
  });
  const distinct = [...new Set(rates)].sort();
  const more = distinct.length > RATES_MAX ? ` and ${distinct.length - RATES_MAX} more` : '';
  const named = distinct.length === 0 ? 'usd_rate' : `usd_rate (${distinct.slice(0, RATES_MAX).join(', ')}${more})`;
  return missing.map((name) => (name === 'usd_rate' ? named : name));
}

/** The earliest moment at which time alone changes what custody says. */
function untilOf(claims: readonly Entitlement[]): { readonly until_ms?: number } {
  const times = claims.flatMap(({ until_ms }) => until_ms ?? []);
  return times.length === 0 ? {} : { until_ms: Math.min(...times) };
}
