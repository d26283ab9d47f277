/**
 * The clocks of holds and cases, as pure functions of times: what falls due when, and what a passed deadline does.
 *
 * A hold has two ends. By `answer_by` somebody, or another look, must have answered; passing it tells people and pays
 * nothing. `deadline_at` is where the law or the policy ends the waiting: there, a refund that may not be withheld any
 * longer is paid without a person's word and says so (`deadline_paid`); one that may be withheld, that can never be paid as
 * it stands, that only a person may answer, or about which facts are missing, is told to people instead and stays held.
 */
import type { Decision } from '../decision/decision.ts';
import { legEvidence, OTHER_PAYMENT } from '../decision/eligibility.ts';
import type { Facts, RefundKind } from '../decision/facts.ts';
import { atLeast } from '../decision/grade.ts';
import { type LegalPolicy, type LegalTerm, termOf } from './legal-policy.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const EVIDENCE_DUE_MS = DAY_MS;
const EVIDENCE_LATE_MS = 2 * DAY_MS;
/** A look at a hold never follows another sooner. */
const CHECK_LEAST_MS = 60_000;
/** After the deadline, what still holds is looked at once a day, and more often where facts are missing. */
const CHECK_MOST_MS = DAY_MS;

export interface HoldClocks {
  readonly started_at: Date;
  readonly next_check_at: Date;
  readonly answer_by: Date;
  readonly deadline_at: Date;
  readonly on_deadline: LegalTerm['on_deadline'];
  readonly basis: string;
}

/** `startedMs`: when the refund was asked for. */
export function holdClocks(
  decision: Decision,
  kind: RefundKind,
  startedMs: number,
  region: string,
  policy: LegalPolicy,
): HoldClocks {
  const term = termOf(policy, region, kind);
  const { as_of_ms, deadline_at_ms = as_of_ms + DAY_MS } = decision;
  return {
    started_at: new Date(startedMs),
    next_check_at: new Date(nextCheck(decision)),
    answer_by: new Date(deadline_at_ms),
    deadline_at: new Date(startedMs + term.days * DAY_MS),
    on_deadline: personOnly(decision) === undefined ? term.on_deadline : 'escalate',
    basis: term.basis,
  };
}

export function nextCheck({ as_of_ms, next_check_at_ms = as_of_ms + HOUR_MS }: Decision): number {
  return Math.min(Math.max(next_check_at_ms, as_of_ms + CHECK_LEAST_MS), as_of_ms + CHECK_MOST_MS);
}

/** In their order: half and four fifths of the legal time, the answer that is due, another look, the deadline. */
export type HoldStep = 'half' | 'late' | 'unanswered' | 'check' | 'deadline';

export interface HoldTimes {
  readonly started_at: Date;
  readonly next_check_at: Date;
  readonly answer_by: Date;
  readonly deadline_at: Date;
  /** Done for good; another look is never done for good. */
  readonly steps: readonly string[];
}

function holdStepTimes(hold: HoldTimes): readonly (readonly [HoldStep, number])[] {
  const startMs = hold.started_at.getTime();
  const spanMs = hold.deadline_at.getTime() - startMs;
  const once: readonly (readonly [HoldStep, number])[] = [
    ['half', startMs + spanMs * 0.5],
    ['late', startMs + spanMs * 0.8],
    ['unanswered', hold.answer_by.getTime()],
    ['deadline', hold.deadline_at.getTime()],
  ];
  return [...once.filter(([step]) => !hold.steps.includes(step)), ['check', hold.next_check_at.getTime()]];
}

export function holdStepsDue(hold: HoldTimes, nowMs: number): readonly HoldStep[] {
  return holdStepTimes(hold).flatMap(([step, atMs]) => (atMs <= nowMs ? [step] : []));
}

export function nextHoldStep(hold: HoldTimes): Date {
  return new Date(Math.min(...holdStepTimes(hold).map(([, atMs]) => atMs)));
}

export type DeadlineEffect =
  | { readonly pays: true }
  | {
      readonly pays: false;
      readonly why: 'blocked' | 'facts_missing' | 'self_dealing' | 'refunded_before' | 'policy' | 'goods_awaited';
    };

/**
 * Whose answer no time gives. What an operator asks for the own household is denied by control: the law's end finds people
 * told, and another person answers. And what is refunded out of another payment is not owed twice by the passing of time.
 */
function personOnly(decision: Decision): 'self_dealing' | 'refunded_before' | undefined {
  const codes = new Set(decision.reasons.map(({ code }) => code));
  if (codes.has('C24')) return 'self_dealing';
  return codes.has(OTHER_PAYMENT) ? 'refunded_before' : undefined;
}

/**
 * A return that C18 contradicts, neither back nor shown to be sent: a word that nothing confirms is no evidence of having
 * sent the goods. What a warehouse took in, which says so under its signature, is back, however little else speaks for it;
 * and what a courier took over was sent, whatever became of it.
 */
function isUnsent({ refund, parcels }: Facts, codes: ReadonlySet<string>): boolean {
  if (refund.kind !== 'return' || !codes.has('C18')) return false;
  return parcels.some(
    (parcel) => !isBackOrSent(parcel.return) && !atLeast(legEvidence(parcel, 'return').grade, 'WEAK'),
  );
}

function isBackOrSent({ state, signals }: Facts['parcels'][number]['return']): boolean {
  if (state === 'R_RECEIVED') return signals.some(({ name, level }) => name === 'received' && level !== 'unsigned');
  // Only an entry of a log makes it so.
  return state === 'R_WITH_COURIER' || state.startsWith('R_INSPECTED');
}

/** What the deadline does to a refund that another look, at that moment, still does not pay. */
export function deadlineEffect(decision: Decision, facts: Facts, onDeadline: LegalTerm['on_deadline']): DeadlineEffect {
  const codes = new Set(decision.reasons.map(({ code }) => code));
  if (decision.blocked) return { pays: false, why: 'blocked' };
  if (codes.has('DEPENDENCY_DOWN')) return { pays: false, why: 'facts_missing' };
  const why = personOnly(decision);
  if (why !== undefined) return { pays: false, why };
  if (onDeadline === 'escalate') return { pays: false, why: 'policy' };
  // Directive 2011/83/EU Art. 13(3): withheld until the goods are back, or evidence of having sent them is there.
  if (codes.has('return_awaited') || isUnsent(facts, codes)) return { pays: false, why: 'goods_awaited' };
  return { pays: true };
}

export type CaseStep = 'containment_half' | 'containment_late' | 'evidence_due' | 'evidence_late';

export interface CaseTimes {
  readonly contain_by: Date;
  readonly contained_at: Date | null;
  readonly evidence_due_at: Date;
  readonly evidence_by: Date;
  readonly evidence_at: Date | null;
  readonly steps: readonly string[];
}

export function caseClocks(
  openedMs: number,
  containmentMs: number,
): Pick<CaseTimes, 'contain_by' | 'evidence_due_at' | 'evidence_by'> {
  return {
    contain_by: new Date(openedMs + containmentMs),
    evidence_due_at: new Date(openedMs + EVIDENCE_DUE_MS),
    evidence_by: new Date(openedMs + EVIDENCE_LATE_MS),
  };
}

function caseStepTimes(one: CaseTimes & { readonly opened_at?: Date }): readonly (readonly [CaseStep, number])[] {
  const byMs = one.contain_by.getTime();
  const openedMs = one.evidence_due_at.getTime() - EVIDENCE_DUE_MS;
  const all: readonly (readonly [CaseStep, number])[] = [
    ...(one.contained_at === null
      ? ([
          ['containment_half', openedMs + (byMs - openedMs) / 2],
          ['containment_late', byMs],
        ] as const)
      : []),
    ...(one.evidence_at === null
      ? ([
          ['evidence_due', one.evidence_due_at.getTime()],
          ['evidence_late', one.evidence_by.getTime()],
        ] as const)
      : []),
  ];
  return all.filter(([step]) => !one.steps.includes(step));
}

export function caseStepsDue(one: CaseTimes, nowMs: number): readonly CaseStep[] {
  return caseStepTimes(one).flatMap(([step, atMs]) => (atMs <= nowMs ? [step] : []));
}

/** Null when nothing is left to watch. */
export function nextCaseStep(one: CaseTimes): Date | null {
  const times = caseStepTimes(one).map(([, atMs]) => atMs);
  return times.length === 0 ? null : new Date(Math.min(...times));
}
