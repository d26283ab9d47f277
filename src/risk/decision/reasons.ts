/**
 * Reasons in three wordings: for the customer, who is told nothing about how fraud is found; for the analyst, with what
 * was seen; and for the regulator, with the rule and where its threshold stands.
 */
import { CONTRADICTIONS, type ContradictionCode } from './contradictions.ts';
import type { Entitlement, EntitlementCode } from './eligibility.ts';
import type { EventRef, Facts } from './facts.ts';
import type { Outcome } from './outcome.ts';
import type { Finding, Rule } from './rule.ts';

export interface Wording {
  readonly customer: string;
  readonly analyst: string;
  readonly regulator: string;
}

export interface Reason {
  /** A rule (`R01`), a contradiction (`C18`), or a word for what custody says. */
  readonly code: string;
  readonly outcome: Outcome;
  /** The analyst's wording: the one that people who decide read. */
  readonly text: string;
  readonly wording: Wording;
  readonly events: readonly EventRef[];
  /** Refunds that count with this one, itself among them. */
  readonly refunds?: readonly string[];
}

const ENTITLEMENTS: Readonly<Record<EntitlementCode, readonly [customer: string, analyst: string]>> = {
  recalled: ['The product was recalled.', 'Recall: paid without evidence of a return'],
  small_amount: ['A small amount is refunded at once.', 'Below the value that asks for evidence'],
  return_confirmed: ['We saw your return arrive.', 'The return is confirmed as well as its value asks for'],
  return_inspected: ['Your return was inspected.', 'Inspected at the warehouse'],
  return_found_wanting: ['We need to talk about what arrived.', 'The inspection found it empty, wrong or damaged'],
  return_awaited: ['We are waiting for your return.', 'No deposit of the return is known'],
  evidence_below_value: [
    'We are waiting for your return to reach our warehouse.',
    'The evidence of the return is below what its value asks for',
  ],
  no_custody_link: ['A person will look at your request.', 'No parcel is linked to this refund'],
  collected: ['Our records show that the parcel was collected.', 'A confirmed collection stands against the claim'],
  collected_unconfirmed: [
    'Our records show that the parcel was collected.',
    'A collection is claimed, and not confirmed by a second kind of evidence',
  ],
  still_in_locker: ['Your parcel is waiting in the locker.', 'Deposited and not collected; the time to collect runs'],
  never_collected: ['Your parcel was not collected in time.', 'The time to collect is over and nobody collected it'],
  taken_by_somebody: [
    'Your parcel was taken by somebody else.',
    'The compartment was disturbed after the deposit, and the parcel is not there',
  ],
  on_its_way: ['Your parcel is still on its way.', 'No deposit is known; the promised time has not passed'],
  overdue: ['Your parcel is late.', 'The promised time has passed and no deposit is known'],
  went_back: ['Your parcel went back to the sender.', 'It was taken out and goes back'],
  needs_inspection: ['A person will look at what you received.', 'Only an inspection can tell what was inside'],
  goodwill_small: ['A small amount is refunded at once.', 'Goodwill below the value that asks for a second person'],
  goodwill_large: ['This refund needs another person to look at it.', 'Goodwill of this size asks for approvals'],
  refunded_by_other_payment: [
    'This refund needs another person to look at it.',
    'The same parcel is refunded out of another payment. Innocent causes to rule out: an order that was paid in two payments; parts of its value that are refunded one by one',
  ],
  refunded_in_parts: [
    'Your refund is not affected.',
    'The same parcel is refunded by another refund of this payment. Innocent causes to rule out: a refund in parts, no more than the parcel was worth together',
  ],
};

export function entitlementReason({ code, outcome, events, refunds }: Entitlement, refundId: string): Reason {
  const [customer, words] = ENTITLEMENTS[code];
  const analyst = refunds === undefined ? words : `${words}. Refunds: ${refunds.join(', ')}`;
  const regulator = `${analyst}. Custody of the goods is judged before any rule; the outcome of this finding is ${outcome}.`;
  const made = reason(code, outcome, { customer, analyst, regulator }, events);
  return refunds === undefined ? made : { ...made, refunds: [refundId, ...refunds] };
}

export function contradictionReason(
  code: ContradictionCode,
  outcome: Outcome,
  events: readonly EventRef[],
  wording?: Facts['wording'],
): Reason {
  const { customer, analyst, innocent } = CONTRADICTIONS[code];
  const causes =
    innocent.length === 0 ? 'No innocent cause is known.' : `Innocent causes to rule out: ${innocent.join('; ')}.`;
  const regulator = `${analyst}. ${wording === undefined ? SIGNED : basisOf(events)} ${causes}`;
  return reason(code, outcome, { customer, analyst: `${analyst}. ${causes}`, regulator }, events);
}

const SIGNED = 'Signed records contradict what was claimed.';
/** `<origin>#<n>`: an entry of a log, and not the word of a source. */
const ENTRY = /#[0-9]+$/;

/** What the finding stands on; a phantom return may well stand on no record at all. */
function basisOf(events: readonly EventRef[]): string {
  if (events.length === 0) return 'This rests on what was claimed; no signed record stands behind it.';
  return events.some((ref) => ENTRY.test(ref)) ? SIGNED : 'What sources declared contradicts what was claimed.';
}

export function ruleReason(rule: Rule, finding: Finding): Reason {
  const analyst = `${rule.title}: ${finding.observed} (threshold: ${finding.threshold})`;
  const regulator = `Rule ${rule.code}, ${rule.title}. Seen: ${finding.observed}. It fires at: ${finding.threshold}. It asks for ${rule.outcome}, which a person can change.`;
  const { events, refunds } = finding;
  const made = reason(rule.code, rule.outcome, { customer: rule.customer, analyst, regulator }, events);
  return refunds === undefined ? made : { ...made, refunds };
}

export function errorReason(rule: Rule): Reason {
  const analyst = `${rule.title}: the rule failed, which counts as if it had fired`;
  const regulator = `Rule ${rule.code} could not be evaluated. It then counts as fired, so that no fault pays; a person can change it.`;
  return reason(rule.code, rule.outcome, { customer: rule.customer, analyst, regulator }, []);
}

export function dependencyReason(names: readonly string[]): Reason {
  const analyst = `Not readable or not there: ${names.join(', ')}`;
  const wording: Wording = {
    customer: 'We could not finish checking your refund. We will try again shortly.',
    analyst,
    regulator: `${analyst}. Nothing is paid on missing facts; the refund is decided again within a short time.`,
  };
  return reason('DEPENDENCY_DOWN', 'HOLD', wording, []);
}

function reason(code: string, outcome: Outcome, wording: Wording, events: readonly EventRef[]): Reason {
  return { code, outcome, text: wording.analyst, wording, events };
}
