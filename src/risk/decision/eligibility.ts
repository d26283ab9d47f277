/**
 * What the custody of the goods says about a refund of this kind, before any rule: whether it is owed now, later, or
 * only after a person looked.
 *
 * Two questions are kept apart: whether the customer is paid, and who had the parcel when it vanished. A parcel that
 * somebody else took is paid and investigated.
 */
import { CONTRADICTIONS } from './contradictions.ts';
import type { AlikeRefund, Contradiction, EventRef, Facts, ForwardState, ParcelFacts } from './facts.ts';
import { atLeast, type Evidence, type Grade, gradeOf } from './grade.ts';
import { compareUsd } from './money.ts';
import type { Outcome } from './outcome.ts';
import type { Parameters } from './ruleset.ts';

export interface Entitlement {
  readonly outcome: Outcome;
  /** Stable word, and a row of the catalogue of reasons. */
  readonly code: EntitlementCode;
  readonly events: readonly EventRef[];
  /** When time alone changes the answer. */
  readonly until_ms?: number;
  /** Events that would change it. */
  readonly release_when?: readonly string[];
  /** Other refunds that it is about. */
  readonly refunds?: readonly string[];
}

export type EntitlementCode =
  | 'recalled'
  | 'small_amount'
  | 'return_confirmed'
  | 'return_inspected'
  | 'return_found_wanting'
  | 'return_awaited'
  | 'evidence_below_value'
  | 'no_custody_link'
  | 'collected'
  | 'collected_unconfirmed'
  | 'still_in_locker'
  | 'never_collected'
  | 'taken_by_somebody'
  | 'on_its_way'
  | 'overdue'
  | 'went_back'
  | 'needs_inspection'
  | 'goodwill_small'
  | 'goodwill_large'
  | 'refunded_by_other_payment'
  | 'refunded_in_parts';

/** The same goods are refunded out of another payment. */
export const OTHER_PAYMENT = 'refunded_by_other_payment' satisfies EntitlementCode;

/** The grade that a value asks for; undefined where the value alone pays (instant credit). */
export function gradeWanted(facts: Facts, parameters: Parameters): Grade | undefined {
  const amount = { ...facts.refund, ...(facts.rate !== undefined && { rate: facts.rate }) };
  if (compareUsd(amount, parameters.instant_usd_minor) !== 1) return undefined;
  if (compareUsd(amount, parameters.weak_usd_minor) !== 1) return 'WEAK';
  return compareUsd(amount, parameters.moderate_usd_minor) !== 1 ? 'MODERATE' : 'STRONG';
}

/**
 * A door that was forced, or opened again, after a deposit says who had the parcel later: it takes nothing from the
 * evidence that the parcel was put there.
 */
export function legEvidence(parcel: ParcelFacts, leg: 'forward' | 'return'): Evidence {
  const known = WEIGHED[leg].get(parcel);
  if (known !== undefined) return known;
  const evidence = gradeOf(parcel[leg].signals, againstLeg(parcel, leg));
  WEIGHED[leg].set(parcel, evidence);
  return evidence;
}

/** Facts do not change, and what would change an answer is tried with most of them as they are. */
const WEIGHED = {
  forward: new WeakMap<ParcelFacts, Evidence>(),
  return: new WeakMap<ParcelFacts, Evidence>(),
} as const;

export function againstLeg({ contradictions }: ParcelFacts, leg: 'forward' | 'return'): readonly Contradiction[] {
  const other = leg === 'forward' ? 'return' : 'forward';
  return contradictions.filter((one) => one.leg !== other && CONTRADICTIONS[one.code].action !== 'investigate');
}

/** Of the custody of the goods, and of other refunds for the same goods. */
export function entitlements(facts: Facts, parameters: Parameters): readonly Entitlement[] {
  return [...ofCustody(facts, parameters), ...ofOtherRefunds(facts)];
}

/**
 * Goods are given money back for once. Of one payment what was captured bounds all refunds together, and parts are usual:
 * it is paid, and somebody looks. Of another payment nothing bounds them, and a person tells an order that was paid in two
 * from goods that are paid twice.
 */
function ofOtherRefunds({ refund: { alike = [] } }: Facts): readonly Entitlement[] {
  const of = (payment: AlikeRefund['payment']) =>
    alike.filter((one) => one.payment === payment).map(({ refund_id }) => refund_id);
  const [others, parts] = [of('other'), of('same')];
  return [
    ...(others.length === 0 ? [] : [{ ...one('REVIEW', OTHER_PAYMENT), refunds: others }]),
    ...(parts.length === 0 ? [] : [{ ...one('PAY_AND_INVESTIGATE', 'refunded_in_parts'), refunds: parts }]),
  ];
}

/** One for each parcel, or one in all where no parcel is asked about. */
function ofCustody(facts: Facts, parameters: Parameters): readonly Entitlement[] {
  const { kind, recall } = facts.refund;
  const wanted = gradeWanted(facts, parameters);
  if (recall === true || kind === 'recall') return [one('PAY', 'recalled')];
  if (kind === 'goodwill')
    return [wanted === undefined ? one('PAY', 'goodwill_small') : one('STEP_UP', 'goodwill_large')];
  if (facts.parcels.length === 0) return [one('REVIEW', 'no_custody_link')];
  return facts.parcels.map((parcel) => {
    if (kind === 'return') return returned(parcel, wanted);
    if (kind === 'not_received') return notReceived(parcel, facts.as_of_ms);
    return inspectionNeeded(parcel, wanted);
  });
}

function returned(parcel: ParcelFacts, wanted: Grade | undefined): Entitlement {
  const { state, events } = parcel.return;
  if (state === 'R_INSPECTED_OK') return one('PAY', 'return_inspected', events);
  if (state.startsWith('R_INSPECTED')) return one('REVIEW', 'return_found_wanting', events);
  if (wanted === undefined) return one('PAY', 'small_amount', events);
  const release_when = ['return_deposited', 'return_received', 'return_inspected'];
  if (state === 'NONE' || state === 'RMA_OPEN') return { ...one('HOLD', 'return_awaited', events), release_when };
  const { grade } = legEvidence(parcel, 'return');
  if (atLeast(grade, wanted)) return one('PAY', 'return_confirmed', events);
  return { ...one('HOLD', 'evidence_below_value', events), release_when: release_when.slice(1) };
}

const TAKEN: ReadonlySet<ForwardState> = new Set(['DISTURBED', 'MISSING']);
const WENT_BACK: ReadonlySet<ForwardState> = new Set(['RETRIEVED', 'RETURN_TO_SENDER']);

function notReceived(parcel: ParcelFacts, asOfMs: number): Entitlement {
  const { state, certainty, events } = parcel.forward;
  if (state === 'COLLECTED')
    return one('REVIEW', certainty === 'confirmed' ? 'collected' : 'collected_unconfirmed', events);
  if (TAKEN.has(state)) return one('PAY_AND_INVESTIGATE', 'taken_by_somebody', events);
  if (WENT_BACK.has(state)) return one('PAY', 'went_back', events);
  if (state === 'EXPIRED') return one('PAY', 'never_collected', events);
  if (state === 'IN_LOCKER' || state === 'PICKUP_OPEN') {
    return awaited(parcel.collect_by_ms, asOfMs, ['PAY', 'never_collected'], 'still_in_locker', events);
  }
  return awaited(parcel.promised_by_ms, asOfMs, ['PAY_AND_INVESTIGATE', 'overdue'], 'on_its_way', events);
}

function awaited(
  untilMs: number | undefined,
  asOfMs: number,
  after: readonly [Outcome, EntitlementCode],
  before: EntitlementCode,
  events: readonly EventRef[],
): Entitlement {
  if (untilMs !== undefined && asOfMs >= untilMs) return one(after[0], after[1], events);
  const release_when = ['parcel_collected', 'parcel_missing'];
  return { ...one('HOLD', before, events), release_when, ...(untilMs !== undefined && { until_ms: untilMs }) };
}

function inspectionNeeded(parcel: ParcelFacts, wanted: Grade | undefined): Entitlement {
  const { state, events } = parcel.return;
  const damaged = state === 'R_INSPECTED_DAMAGED' || state === 'R_INSPECTED_OK';
  if (damaged) return one('PAY', 'return_inspected', events);
  if (wanted === undefined) return one('PAY', 'small_amount', parcel.forward.events);
  return { ...one('REVIEW', 'needs_inspection', parcel.forward.events), release_when: ['return_inspected'] };
}

function one(outcome: Outcome, code: EntitlementCode, events: readonly EventRef[] = []): Entitlement {
  return { outcome, code, events };
}
