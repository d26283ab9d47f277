/**
 * The first decision about a refund, kept with all that follows from it in one journey: refund, decision, the answer to its
 * key, hold, commands, and the case with the rights of its own room. Nothing of it waits for an answer in between; the
 * commit fails if any of it does, and then nothing is kept.
 */

import { type RawBuilder, sql } from 'kysely';
import { timeOf } from '../../base/wall-time.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import { canonicalJson } from '../../evidence/event/json.ts';
import type { Decision } from '../decision/decision.ts';
import type { Facts } from '../decision/facts.ts';
import type { Ruleset } from '../decision/ruleset.ts';
import { send } from '../store/sending.ts';
import type { FirstEffects } from './follow-up.ts';
import type { Refund } from './refund-facts.ts';
import type { RefundRequest } from './refund-request.ts';
import type { Owner, Trx } from './rights.ts';

export interface First {
  readonly key: string;
  readonly bodyHash: string;
  readonly request: RefundRequest;
  readonly refund: Refund;
  readonly ruleset: Ruleset;
  readonly facts: Facts;
  readonly decision: Decision;
  readonly effects: FirstEffects;
}

/** Under the rights of payments, of a refund that is not kept yet. */
export async function keepFirst(trx: Trx, owner: Owner, first: First): Promise<void> {
  await send(trx, rowsOf(owner, first), { name: 'first_decision', when: 'later' });
}

function rowsOf({ tenant, region }: Owner, first: First): RawBuilder<unknown> {
  const { key, bodyHash, request, refund, ruleset, facts, decision, effects } = first;
  const { refund_id, payment_ref, operator, kind, amount_minor, currency, destination, recall, requestedMs } = refund;
  const { decision_id, outcome, as_of_ms } = decision;
  const owned = sql`${tenant}::text, ${region}::text`;
  const parcels = JSON.stringify(request.parcel_refs);
  const at = sql`${new Date(as_of_ms)}::timestamptz`;
  const stated = timeOf(request.requested_at) === requestedMs ? null : new Date(request.requested_at);
  const actions = JSON.stringify(
    effects.actions.map(({ key: name, action, lane, body }) => ({ name, action, lane, body })),
  );
  const { hold } = effects;
  const holds = JSON.stringify(hold === undefined ? [] : [hold]);
  return sql`with
    refund as (insert into payments.refund (refund_id, payment_ref, operator, kind, amount_minor, currency, destination,
        parcel_refs, recall, requested_at, stated_at, state, tenant, region)
      values (${refund_id}, ${payment_ref}, ${operator}, ${kind}, ${amount_minor}, ${currency}, ${destination},
        ${parcels}::jsonb, ${recall ?? null}, ${new Date(requestedMs)}, ${stated}, 'open', ${owned})),
    parcel as (insert into payments.refund_parcel (parcel, refund_id, tenant, region)
      select distinct one, ${refund_id}::text, ${owned} from jsonb_array_elements_text(${parcels}::jsonb) as one),
    decision as (insert into payments.decision (decision_id, refund_id, decided_at, outcome, facts, ruleset, parameters,
        answer, tenant, region)
      values (${decision_id}, ${refund_id}, ${at}, ${outcome}, ${canonicalJson(facts as unknown as JsonObject)},
        ${ruleset.version}, ${canonicalJson(ruleset.parameters)}, ${JSON.stringify(decision)}, ${owned})),
    fresh as (insert into payments.fresh_decision (decision_id) values (${decision_id})),
    answer as (insert into payments.request (idempotency_key, body_hash, decision_id, tenant, region)
      values (${key}, ${bodyHash}, ${decision_id}, ${owned})),
    action as (insert into payments.outbox (key, action, lane, refund_id, decision_id, body, created_at, due_at, attempts,
        state, token, tenant, region)
      select name, action, lane, ${refund_id}::text, ${decision_id}::text, body, ${at}, ${at}, 0, 'waiting', 0, ${owned}
      from jsonb_to_recordset(${actions}::jsonb) as x (name text, action text, lane text, body text)
      on conflict do nothing),
    hold as (insert into payments.hold (hold_id, decision_id, refund_id, outcome, codes, release_when, approvals, blocked,
        started_at, placed_at, next_check_at, answer_by, deadline_at, on_deadline, basis, steps, due_at, state, tenant,
        region)
      select hold_id, decision_id, refund_id, outcome, codes, release_when, approvals, blocked, started_at, placed_at,
        next_check_at, answer_by, deadline_at, on_deadline, basis, steps, due_at, state, ${owned}
      from jsonb_populate_recordset(null::payments.hold, ${holds}::jsonb) returning hold_id)
    insert into payments.hold_event (hold_id, at, what, actor, detail, tenant, region)
      select hold_id, ${at}, 'placed', 'system', ${hold?.codes.join(', ') ?? ''}::text, ${owned} from hold`;
}
