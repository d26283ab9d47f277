/**
 * What the database holds of operators, lockers and amounts, counted as of a moment: one statement each, so that none
 * holds another up. Windows are half open: what lies exactly one window back is no longer in it.
 */
import { type RawBuilder, sql, type Transaction } from 'kysely';
import { DECIMALS } from '../decision/money.ts';
import type { Database } from '../store/schema.ts';
import { rateOf } from '../store/usd-rate.ts';

export type Trx = Transaction<Database>;

const DAY_MS = 86_400_000;
export const USUAL_MS = 28 * DAY_MS;
export const MONTH_MS = 30 * DAY_MS;
export const CHARGEBACK_MS = 14 * DAY_MS;
/** Of operators, lockers and couriers those with the most; nobody has as many. */
export const SUBJECTS_MAX = 10_000;

export interface OperatorCount {
  readonly operator: string;
  readonly refunds: number;
  /** Above the threshold of R01. */
  readonly large: number;
  readonly first_ms: number;
}

/** Refunds by operator, in 28 days. */
export async function countOperators(trx: Trx, asOfMs: number, usdMinor: number): Promise<readonly OperatorCount[]> {
  const { rows } = await sql<OperatorCount>`
    select operator, count(*)::int as refunds, (date_part('epoch', min(requested_at)) * 1000)::bigint as first_ms,
        count(*) filter (where value > ${usdMinor}::numeric * per)::int as large
      from (${inDollars(asOfMs, USUAL_MS)}) r
      group by operator order by refunds desc, operator collate "C" limit ${sql.lit(SUBJECTS_MAX)}`.execute(trx);
  return rows;
}

/** Cents of a dollar, and of how many refunds in 30 days. */
export async function percentile95(
  trx: Trx,
  asOfMs: number,
): Promise<{ readonly refunds: number; readonly usd_minor: number | null }> {
  const { rows } = await sql<{ readonly refunds: number; readonly usd_minor: number | null }>`
    select count(*)::int as refunds, (percentile_disc(0.95) within group (order by div(value, per)))::bigint as usd_minor
      from (${inDollars(asOfMs, MONTH_MS)}) r where value is not null`.execute(trx);
  return rows[0] ?? { refunds: 0, usd_minor: null };
}

/**
 * In cents of a dollar they are `value / per`; the value is null where the day has no rate. Rates are looked up once for each
 * currency and day, and not for each refund, which took nine tenths of the time.
 */
function inDollars(asOfMs: number, windowMs: number): RawBuilder<unknown> {
  return sql`with asked as materialized (
      select operator, requested_at, amount_minor, currency, (requested_at at time zone 'UTC')::date as day
        from payments.refund r where state <> 'cancelled' and ${within(sql`r.requested_at`, asOfMs, windowMs)}),
    rates as materialized (
      select currency, day, power(10::numeric, 7 + coalesce((${JSON.stringify(DECIMALS)}::jsonb ->> currency)::int, 2)) as per,
          case when currency = 'USD' then 1000000000 else (${rateOf(sql`d.currency`, sql`d.at`)} ->> 'usd_e9')::bigint end as usd_e9
        from (select currency, day, min(requested_at) as at from asked group by currency, day) d)
    select operator, requested_at, amount_minor::numeric * usd_e9 as value, per from asked join rates using (currency, day)`;
}

export interface ApprovalCount {
  readonly operator: string;
  readonly total: number;
  readonly top_pair: number;
}

/** Words of people that held refunds of an operator be paid, in 30 days: all, and those of whoever gave the most. */
export async function countApprovals(trx: Trx, asOfMs: number): Promise<readonly ApprovalCount[]> {
  const { rows } = await sql<ApprovalCount>`
    select operator, sum(words)::int as total, max(words)::int as top_pair
      from (select r.operator, v.actor, count(*) as words from cases.verdict v join payments.refund r using (refund_id)
        where v.verdict = 'release' and ${within(sql`v.at`, asOfMs, MONTH_MS)} group by r.operator, v.actor) pair
      group by operator order by total desc, operator collate "C" limit ${sql.lit(SUBJECTS_MAX)}`.execute(trx);
  return rows;
}

export interface LockerCount {
  readonly gateway: string;
  readonly parcels: number;
  readonly lost: number;
}

/**
 * Parcels that a gateway's entries of 30 days name, and those of them for which a refund asked for in that time, because
 * they never came or came empty, was paid or is ordered to be.
 */
export async function countLosses(trx: Trx, asOfMs: number): Promise<readonly LockerCount[]> {
  const { rows } = await sql<LockerCount>`
    with lost as (
      select distinct p.parcel from payments.refund r join payments.refund_parcel p using (refund_id)
        where r.kind in ('not_received', 'empty') and ${within(sql`r.requested_at`, asOfMs, MONTH_MS)}
          and (r.state = 'paid' or r.state = 'open' and exists (
            select from payments.outbox o where o.refund_id = r.refund_id and o.action = 'pay')))
    select m.gateway, count(*)::int as parcels, count(l.parcel)::int as lost
      from (select distinct gateway, key from custody.mention
        where key like 'parcel %' and ${within(sql`stored_at`, asOfMs, MONTH_MS)}) m
      left join lost l on m.key = 'parcel ' || l.parcel
      group by m.gateway order by parcels desc, m.gateway collate "C" limit ${sql.lit(SUBJECTS_MAX)}`.execute(trx);
  return rows;
}

export interface ChargebackCount {
  readonly kind: 'operator' | 'locker' | 'courier';
  readonly name: string;
  readonly disputes: number;
}

/**
 * Disputes that were opened in 14 days, by who asked for refunds of their payments, where parcels of those lay, and which
 * couriers had them in hands.
 */
export async function countChargebacks(trx: Trx, asOfMs: number): Promise<readonly ChargebackCount[]> {
  const { rows } = await sql<ChargebackCount>`
    with opened as (
      select x.source, x.dispute_ref, r.refund_id, r.operator
        from payments.dispute x join payments.refund r using (payment_ref)
        where ${within(sql`x.opened_at`, asOfMs, CHARGEBACK_MS)}),
    shared as (
      select 'operator' as kind, operator as name, source, dispute_ref from opened
      union
      select 'locker', m.gateway, o.source, o.dispute_ref
        from opened o join payments.refund_parcel p using (refund_id) join custody.mention m on m.key = 'parcel ' || p.parcel
      union
      select 'courier', h.courier, o.source, o.dispute_ref
        from opened o join payments.refund_parcel p using (refund_id) join custody.hand h on h.parcel = p.parcel)
    select kind, name, count(*)::int as disputes from shared
      group by kind, name order by disputes desc, kind, name collate "C" limit ${sql.lit(3 * SUBJECTS_MAX)}`.execute(
    trx,
  );
  return rows;
}

export function within(at: RawBuilder<unknown>, asOfMs: number, windowMs: number): RawBuilder<unknown> {
  return sql`${at} > ${new Date(asOfMs - windowMs)} and ${at} <= ${new Date(asOfMs)}`;
}
