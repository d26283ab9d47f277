/** Refunds and decisions as rows: how they are kept, and read again. */
import { LatchkeyError } from '../../base/errors.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import { canonicalJson } from '../../evidence/event/json.ts';
import type { Decision } from '../decision/decision.ts';
import type { Facts, RefundKind } from '../decision/facts.ts';
import { parseFacts } from '../decision/facts-schema.ts';
import type { Ruleset, RulesetSettings } from '../decision/ruleset.ts';
import type { KeptDecision } from './explain.ts';
import type { Refund } from './refund-facts.ts';
import type { RefundRequest } from './refund-request.ts';
import type { Owner, Trx } from './rights.ts';

export interface KeptRefund extends Refund {
  readonly state: 'open' | 'paid' | 'denied' | 'cancelled';
}

export async function keptRefund(trx: Trx, refundId: string): Promise<KeptRefund | undefined> {
  const row = await trx.selectFrom('payments.refund').selectAll().where('refund_id', '=', refundId).executeTakeFirst();
  if (row === undefined) return undefined;
  const { refund_id, payment_ref, operator, amount_minor, currency, parcel_refs, recall, requested_at, state } = row;
  return {
    refund_id,
    payment_ref,
    operator,
    amount_minor,
    currency,
    parcel_refs,
    kind: row.kind as RefundKind,
    destination: row.destination as Refund['destination'],
    ...(recall !== null && { recall }),
    requestedMs: requested_at.getTime(),
    state,
  };
}

export function isSameRefund(known: Refund, request: RefundRequest): boolean {
  return canonicalJson(particulars(known)) === canonicalJson(particulars(request));
}

/** As it is kept once it was asked for. */
export function refundOf(request: RefundRequest, requestedMs: number): Refund {
  return { ...particulars(request), parcel_refs: request.parcel_refs, requestedMs };
}

/** What makes it the same refund: all that was asked but the time. */
function particulars(of: Omit<RefundRequest, 'requested_at'> | Refund): Omit<Refund, 'requestedMs'> & JsonObject {
  const { refund_id, payment_ref, operator, kind, amount_minor, currency, destination, recall } = of;
  const parcel_refs = [...of.parcel_refs];
  const row = { refund_id, payment_ref, operator, kind, amount_minor, currency, destination, parcel_refs };
  return { ...row, ...(recall !== undefined && { recall }) };
}

/** False when this very decision was kept before: the same facts in the same millisecond. */
export async function keepDecision(
  trx: Trx,
  owner: Owner,
  ruleset: Ruleset,
  facts: Facts,
  decision: Decision,
): Promise<boolean> {
  const { tenant, region } = owner;
  const { decision_id, refund_id, outcome, as_of_ms } = decision;
  const made = await trx
    .insertInto('payments.decision')
    .values({
      decision_id,
      refund_id,
      decided_at: new Date(as_of_ms),
      outcome,
      facts: canonicalJson(facts as unknown as JsonObject),
      ruleset: ruleset.version,
      parameters: canonicalJson(ruleset.parameters),
      answer: JSON.stringify(decision),
      tenant,
      region,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('decision_id')
    .executeTakeFirst();
  if (made === undefined) return false;
  // Entries that came between the reading of the ledger and this commit are looked for afterwards.
  await trx.insertInto('payments.fresh_decision').values({ decision_id, tenant, region }).execute();
  return true;
}

export async function keptDecision(trx: Trx, decisionId: string): Promise<KeptDecision | undefined> {
  const row = await trx
    .selectFrom('payments.decision')
    .selectAll()
    .where('decision_id', '=', decisionId)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const facts = parseFacts(JSON.parse(row.facts));
  if (!facts.ok) throw new LatchkeyError('INTERNAL', `decision ${decisionId}: ${facts.detail}`);
  return {
    decision: JSON.parse(row.answer) as Decision,
    facts: facts.value,
    parameters: JSON.parse(row.parameters) as RulesetSettings,
  };
}
