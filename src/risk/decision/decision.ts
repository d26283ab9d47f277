/**
 * The answer as it leaves the room: the verdict, what would change it, until when it holds, and what it was made of.
 */
import { hex, utf8 } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import { canonicalJson } from '../../evidence/event/json.ts';
import { type Counterfactual, counterfactuals } from './counterfactual.ts';
import { judge, sha256Json, type Verdict } from './decide.ts';
import type { Assumption, Facts, ParcelFacts } from './facts.ts';
import { type Outcome, pays } from './outcome.ts';
import type { Parameters, Ruleset } from './ruleset.ts';

export interface Decision extends Verdict {
  readonly v: 1;
  /** Of the facts and the ruleset: deciding again gives the same. */
  readonly decision_id: string;
  readonly refund_id: string;
  readonly pay_now: boolean;
  readonly counterfactuals: readonly Counterfactual[];
  /** What it takes on an operator's word about gateways. */
  readonly assumptions?: readonly Assumption[];
  /** By then somebody, or another look, must have answered. Absent when it is paid. */
  readonly deadline_at_ms?: number;
  readonly next_check_at_ms?: number;
  /** SHA-256 of the facts (RFC 8785), hex. */
  readonly facts_hash: string;
  /** Highest version of the ledgers it saw. */
  readonly ledger_version: number;
  /** What it saw of each parcel, in the order of the request. Absent in what was decided before it was said. */
  readonly ledgers?: readonly LedgerPin[];
  readonly ruleset: string;
  readonly as_of_ms: number;
}

/** One state of a parcel's ledger: the same entries and claims, each counting as much, fold into it as of the same time. */
export interface LedgerPin {
  readonly parcel: string;
  /** Entries and claims that were folded. */
  readonly version: number;
  /** SHA-256 of the parcel's facts (RFC 8785), hex: also how much each entry counts is in it. */
  readonly digest: string;
}

/** As they are kept and hashed. */
export function factsText(facts: Facts): string {
  return canonicalJson(facts as unknown as JsonObject);
}

/** `text` is that of the facts, where the caller has it already. */
export function decide(
  crypto: Pick<EvidenceCrypto, 'sha256'>,
  facts: Facts,
  ruleset: Ruleset,
  text = factsText(facts),
): Decision {
  const { parameters, version } = ruleset;
  const verdict = judge(facts, parameters);
  const facts_hash = hex(crypto.sha256(utf8(text)));
  const digest = sha256Json(crypto, { facts: facts_hash, ruleset: version });
  return {
    v: 1,
    decision_id: `d-${digest.slice(0, 32)}`,
    refund_id: facts.refund.refund_id,
    ...verdict,
    pay_now: isPaid(verdict),
    counterfactuals: counterfactuals(facts, parameters, verdict),
    ...assumptionsOf(facts),
    ...deadlines(facts, parameters, verdict),
    facts_hash,
    ledger_version: Math.max(0, ...facts.parcels.map(({ ledger_version }) => ledger_version)),
    ...(facts.pinned === true && { ledgers: facts.parcels.map((parcel) => ledgerPin(crypto, parcel)) }),
    ruleset: version,
    as_of_ms: facts.as_of_ms,
  };
}

export function ledgerPin(crypto: Pick<EvidenceCrypto, 'sha256'>, parcel: ParcelFacts): LedgerPin {
  return { parcel: parcel.ref, version: parcel.ledger_version, digest: sha256Json(crypto, parcel) };
}

function assumptionsOf({ parcels }: Facts): Pick<Decision, 'assumptions'> {
  const all = parcels.flatMap(({ assumptions }) => assumptions ?? []);
  const distinct = [...new Map(all.map((one) => [one.gateway, one])).values()];
  return distinct.length === 0 ? {} : { assumptions: distinct };
}

function isPaid({ outcome, approvals }: { readonly outcome: Outcome; readonly approvals: number }): boolean {
  return pays(outcome) && approvals === 0;
}

function deadlines(
  facts: Facts,
  parameters: Parameters,
  verdict: Verdict,
): { readonly deadline_at_ms?: number; readonly next_check_at_ms?: number } {
  if (isPaid(verdict)) return {};
  const codes = new Set(verdict.reasons.map(({ code }) => code));
  const spanMs = codes.has('DEPENDENCY_DOWN')
    ? parameters.dependency_deadline_ms
    : codes.has('R15')
      ? parameters.arrival_deadline_ms
      : parameters.hold_deadline_ms;
  const deadline_at_ms = facts.as_of_ms + spanMs;
  const half = facts.as_of_ms + Math.floor(spanMs / 2);
  return { deadline_at_ms, next_check_at_ms: Math.min(half, verdict.until_ms ?? half) };
}
