/**
 * Refunds that were kept long enough, with everything that hangs on them: decisions, answers to keys, holds, commands,
 * settlements, verdicts and cases.
 *
 * A payment goes with all of its refunds, or none of them goes: were a paid refund forgotten and its payment not, as much
 * could be paid again. A payment that is gone is one that is not known, and that makes a hold. Nothing goes while anything
 * about the payment is open: a refund without its end, a hold, a case, a dispute, a command on its way.
 */
import { sql } from 'kysely';
import type { Trx } from './rename.ts';
import { toldOf } from './told.ts';

export interface RefundCounts {
  readonly refunds: number;
  readonly decisions: number;
}

/** Payments in one transaction. */
const PAGE_PAYMENTS = 200;

/** What it takes away, in the order in which rows hang on each other; `$` is the condition on `refund_id`. */
const OF_REFUNDS: readonly string[] = [
  'delete from payments.fresh_decision where decision_id in (select decision_id from payments.decision where $)',
  'delete from payments.request where decision_id in (select decision_id from payments.decision where $)',
  'delete from payments.hold_event where hold_id in (select hold_id from payments.hold where $)',
  'delete from payments.hold where $',
  'delete from payments.outbox where $',
  'delete from payments.settlement where $',
  'delete from payments.refund_parcel where $',
  'delete from cases.case_event where case_id in (select case_id from cases.case where $)',
  'delete from cases.case where $',
  'delete from cases.verdict where $',
];

export const REFUND_TABLES: readonly string[] = [
  ...OF_REFUNDS.map((statement) => statement.split(' ')[2] ?? ''),
  'payments.decision',
  'payments.refund',
  'payments.source_event',
  'payments.dispute',
  'payments.customer_payment',
  'payments.payment',
];

export async function countRefunds(trx: Trx, before: Date): Promise<RefundCounts> {
  const { rows } = await sql<RefundCounts>`with due as (${due(before)})
    select count(distinct r.refund_id)::int as refunds, count(d.decision_id)::int as decisions
    from due join payments.refund r using (payment_ref) left join payments.decision d using (refund_id)`.execute(trx);
  return rows[0] ?? { refunds: 0, decisions: 0 };
}

/** Of one page, in this transaction; `more` when there may be another one. */
export async function dropRefunds(
  trx: Trx,
  before: Date,
): Promise<{ readonly gone: RefundCounts; readonly more: boolean }> {
  const { payments, refunds, decisions } = await dropPage(trx, before);
  return { gone: { refunds, decisions }, more: payments === PAGE_PAYMENTS };
}

async function dropPage(trx: Trx, before: Date): Promise<RefundCounts & { readonly payments: number }> {
  const { rows: payments } = await sql<{ readonly payment_ref: string }>`
    ${due(before)} order by payment_ref limit ${sql.lit(PAGE_PAYMENTS)}`.execute(trx);
  const refs = payments.map(({ payment_ref }) => payment_ref);
  if (refs.length === 0) return { payments: 0, refunds: 0, decisions: 0 };
  // Whoever decides about one of these payments now waits, and then finds it unknown. In one order, as everybody locks.
  for (const ref of refs) {
    await sql`select pg_advisory_xact_lock(hashtextextended(${`payment ${ref}`}, 0))`.execute(trx);
  }
  const { rows: still } = await sql<{ readonly payment_ref: string }>`with due as (${due(before)})
    select payment_ref from due where payment_ref = any(${refs}::text[])`.execute(trx);
  const gone = still.map(({ payment_ref }) => payment_ref);
  const { rows } = await sql<{ readonly refund_id: string }>`
    select refund_id from payments.refund where payment_ref = any(${gone}::text[])`.execute(trx);
  const ids = rows.map(({ refund_id }) => refund_id);
  const ofRefunds = sql`refund_id = any(${ids}::text[])`;
  for (const statement of OF_REFUNDS) {
    const [head = '', tail = ''] = statement.split('$');
    await sql`${sql.raw(head)}${ofRefunds}${sql.raw(tail)}`.execute(trx);
  }
  const decisions = await sql`delete from payments.decision where ${ofRefunds}`.execute(trx);
  const refunds = await sql`delete from payments.refund where ${ofRefunds}`.execute(trx);
  // An event that is sent again is refused: nothing of it counts anew for a payment that is forgotten.
  await sql`update payments.source_event set about = null, digest = '\\x'
    where ${toldOf({ payments: gone, refunds: ids })}`.execute(trx);
  for (const table of ['payments.dispute', 'payments.customer_payment', 'payments.payment']) {
    await sql`delete from ${sql.table(table)} where payment_ref = any(${gone}::text[])`.execute(trx);
  }
  return {
    payments: refs.length,
    refunds: Number(refunds.numAffectedRows ?? 0n),
    decisions: Number(decisions.numAffectedRows ?? 0n),
  };
}

/** Payments of which every refund ended, and nothing about any of them happened since. */
function due(before: Date) {
  return sql`select r.payment_ref from payments.refund r
    group by r.payment_ref
    having bool_and(r.state <> 'open') and max(r.requested_at) < ${before}
      and not exists (select from payments.dispute x where x.payment_ref = r.payment_ref and x.result is null)
      and not exists (select from payments.dispute x where x.payment_ref = r.payment_ref and x.closed_at >= ${before})
      and not exists (select from payments.refund o where o.payment_ref = r.payment_ref and (
        exists (select from payments.decision d where d.refund_id = o.refund_id and d.decided_at >= ${before})
        or exists (select from payments.settlement s where s.refund_id = o.refund_id and s.recorded_at >= ${before})
        or exists (select from payments.hold h where h.refund_id = o.refund_id and (h.state = 'open' or h.ended_at >= ${before}))
        or exists (select from payments.outbox b where b.refund_id = o.refund_id and b.state <> 'delivered')
        or exists (select from cases.case c where c.refund_id = o.refund_id and (c.state = 'open' or c.closed_at >= ${before}))))`;
}
