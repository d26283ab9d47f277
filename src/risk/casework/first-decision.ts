/**
 * First decisions about refunds, kept with all that follows from them in one statement, however many they are: refunds,
 * decisions, the answers to their keys, holds and commands. Nothing of it waits for an answer in between; the commit fails
 * if any of it does, and then nothing is kept.
 */
import { type RawBuilder, sql } from 'kysely';
import { timeOf } from '../../base/wall-time.ts';
import { canonicalJson } from '../../evidence/event/json.ts';
import type { Decision } from '../decision/decision.ts';
import type { Ruleset } from '../decision/ruleset.ts';
import { send } from '../store/sending.ts';
import { textsOf } from '../store/texts.ts';
import type { FirstEffects } from './follow-up.ts';
import type { Refund } from './refund-facts.ts';
import type { RefundRequest } from './refund-request.ts';
import type { Owner, Trx } from './rights.ts';

export interface First {
  readonly key: string;
  readonly bodyHash: string;
  readonly request: RefundRequest;
  readonly refund: Refund;
  /** The facts as canonical JSON. */
  readonly factsText: string;
  readonly decision: Decision;
  readonly effects: FirstEffects;
}

/** Under the rights of payments, of refunds that are not kept yet, each once. */
export async function keepFirsts(
  trx: Trx,
  owner: Owner,
  { ruleset, atMs, firsts }: { readonly ruleset: Ruleset; readonly atMs: number; readonly firsts: readonly First[] },
): Promise<void> {
  // Whoever writes names that others write too does so in one order.
  const inOrder = firsts.toSorted((a, b) => (a.refund.refund_id < b.refund.refund_id ? -1 : 1));
  await send(trx, rowsOf(owner, ruleset, atMs, inOrder), { name: 'first_decisions', when: 'later' });
}

function rowsOf(
  { tenant, region }: Owner,
  ruleset: Ruleset,
  atMs: number,
  firsts: readonly First[],
): RawBuilder<unknown> {
  const owned = sql`${tenant}::text, ${region}::text`;
  const at = sql`${new Date(atMs)}::timestamptz`;
  const actions = firsts.flatMap(({ effects }) => effects.actions);
  const holds = firsts.flatMap(({ effects }) => effects.hold ?? []);
  const placed = holds.map(({ hold_id, codes }) => ({ hold_id, detail: codes.join(', ') }));
  return sql`with one as (${onesOf(firsts)}),
    refund as (insert into payments.refund (refund_id, payment_ref, operator, kind, amount_minor, currency, destination,
        parcel_refs, recall, requested_at, stated_at, state, tenant, region)
      select refund_id, payment_ref, operator, kind, amount_minor, currency, destination, parcel_refs::jsonb, recall,
        requested_at, stated_at, 'open', ${owned} from one),
    parcel as (insert into payments.refund_parcel (parcel, refund_id, tenant, region)
      select distinct parcel, refund_id, ${owned} from one, jsonb_array_elements_text(parcel_refs::jsonb) as parcel),
    decision as (insert into payments.decision (decision_id, refund_id, decided_at, outcome, facts, ruleset, parameters,
        answer, tenant, region)
      select decision_id, refund_id, ${at}, outcome, facts, ${ruleset.version}::text,
        ${canonicalJson(ruleset.parameters)}::text, answer, ${owned} from one),
    fresh as (insert into payments.fresh_decision (decision_id, tenant, region) select decision_id, ${owned} from one),
    answer as (insert into payments.request (idempotency_key, body_hash, decision_id, tenant, region)
      select key, body_hash, decision_id, ${owned} from one order by key),
    action as (insert into payments.outbox (key, action, lane, refund_id, decision_id, body, created_at, due_at, attempts,
        state, token, tenant, region)
      select key, action, lane, refund_id, decision_id, body, ${at}, ${at}, 0, 'waiting', 0, ${owned}
      from unnest(${textsOf(actions.map(({ key }) => key))}, ${textsOf(actions.map(({ action }) => action))},
        ${textsOf(actions.map(({ lane }) => lane))}, ${textsOf(actions.map(({ refundId }) => refundId))},
        ${textsOf(actions.map(({ decisionId }) => decisionId))}, ${textsOf(actions.map(({ body }) => body))})
        as x (key, action, lane, refund_id, decision_id, body)
      on conflict do nothing),
    hold as (insert into payments.hold (hold_id, decision_id, refund_id, outcome, codes, release_when, approvals, blocked,
        started_at, placed_at, next_check_at, answer_by, deadline_at, on_deadline, basis, steps, due_at, state, tenant,
        region)
      select hold_id, decision_id, refund_id, outcome, codes, release_when, approvals, blocked, started_at, placed_at,
        next_check_at, answer_by, deadline_at, on_deadline, basis, steps, due_at, state, ${owned}
      from jsonb_populate_recordset(null::payments.hold, ${JSON.stringify(holds)}::jsonb))
    insert into payments.hold_event (hold_id, at, what, actor, detail, tenant, region)
      select hold_id, ${at}, 'placed', 'system', detail, ${owned}
      from jsonb_to_recordset(${JSON.stringify(placed)}::jsonb) as x (hold_id text, detail text)`;
}

/** Refunds, decisions and keys, one row each. */
function onesOf(firsts: readonly First[]): RawBuilder<unknown> {
  const texts = (of: (first: First) => string) => textsOf(firsts.map(of));
  const times = (of: (first: First) => number | undefined) =>
    sql`${firsts.map((first) => timeText(of(first)))}::timestamptz[]`;
  return sql`select * from unnest(
      ${texts(({ key }) => key)}, ${texts(({ bodyHash }) => bodyHash)}, ${texts(({ refund }) => refund.refund_id)},
      ${texts(({ refund }) => refund.payment_ref)}, ${texts(({ refund }) => refund.operator)},
      ${texts(({ refund }) => refund.kind)}, ${firsts.map(({ refund }) => refund.amount_minor)}::bigint[],
      ${texts(({ refund }) => refund.currency)}, ${texts(({ refund }) => refund.destination)},
      ${texts(({ request }) => JSON.stringify(request.parcel_refs))},
      ${firsts.map(({ refund }) => refund.recall ?? null)}::boolean[], ${times(({ refund }) => refund.requestedMs)},
      ${times(statedMs)}, ${texts(({ decision }) => decision.decision_id)}, ${texts(({ decision }) => decision.outcome)},
      ${texts(({ factsText }) => factsText)}, ${texts(({ decision }) => JSON.stringify(decision))})
    as x (key, body_hash, refund_id, payment_ref, operator, kind, amount_minor, currency, destination, parcel_refs, recall,
      requested_at, stated_at, decision_id, outcome, facts, answer)`;
}

/** What the caller said, where windows count from another time. */
function statedMs({ request, refund }: First): number | undefined {
  const stated = timeOf(request.requested_at);
  return stated === refund.requestedMs ? undefined : stated;
}

function timeText(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
