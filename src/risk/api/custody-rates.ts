/**
 * Rates over the refunds that were decided in a window, each counted once by its last decision there: how many stand
 * against a contradiction, how many deliveries are proved, how many of their payments are disputed, and how many of the
 * disputes that ended were lost; together, or by operator, locker or courier.
 *
 * But for disputes they are read from what decisions keep, so they say what was known when it was decided: contradictions
 * of the ledgers from its facts, and those of the request with the ledgers (C18, C22, C24) from its reasons. A courier is
 * the pseudonym that entries of those facts name (m0029): whoever had the parcel in hands on a leg counts for it, several
 * couriers each of them whole.
 */
import { type RawBuilder, sql, type Transaction } from 'kysely';
import type { RiskDatabase } from '../store/open-database.ts';
import type { Database } from '../store/schema.ts';
import type { RatesOf } from './parts.ts';
import { type ParcelRow, RATES_OVER, type RateGroup, type Rates, RateTally, type RefundRow } from './rate-tally.ts';

interface RatesWindow {
  readonly from: string;
  readonly until: string;
  readonly over: typeof RATES_OVER;
}

export interface CustodyRates extends Rates, RatesWindow {
  readonly disputed: readonly {
    readonly currency: string;
    readonly captured_minor: number;
    readonly disputed_minor: number;
  }[];
}

export interface RatesByGroup extends RatesWindow {
  readonly by: RateGroup;
  readonly groups: readonly ({ readonly name: string } & Rates)[];
  /** Also of those that are not listed. */
  readonly groups_total: number;
}

type Trx = Transaction<Database>;

/** Forward states in which somebody said that the parcel reached a locker. */
const DELIVERED = ['IN_LOCKER', 'PICKUP_OPEN', 'COLLECTED', 'EXPIRED', 'RETRIEVED', 'DISTURBED', 'MISSING'];
const GROUPS_MAX = 200;
/** Of a million refunds no more than these are in memory at a time. */
const ROWS_AT_ONCE = 500;

export function custodyRates(database: RiskDatabase): RatesOf {
  return {
    rates: (fromMs, untilMs) =>
      database.as('payments', async (trx) => {
        const tally = new RateTally(undefined);
        await count(trx, lastOf(fromMs, untilMs), tally);
        return {
          ...windowOf(fromMs, untilMs),
          ...tally.together(),
          disputed: await disputedOf(trx, lastOf(fromMs, untilMs)),
        };
      }),
    ratesBy: (by, fromMs, untilMs) =>
      database.as('payments', async (trx) => {
        const tally = new RateTally(by);
        await count(trx, lastOf(fromMs, untilMs), tally, by === 'courier' ? handsOf : nobody);
        return { ...windowOf(fromMs, untilMs), by, groups: tally.groups(GROUPS_MAX), groups_total: tally.size };
      }),
  };
}

function windowOf(fromMs: number, untilMs: number): RatesWindow {
  return { from: new Date(fromMs).toISOString(), until: new Date(untilMs).toISOString(), over: RATES_OVER };
}

/** A cursor takes no parameters everywhere: times stand in it as they are written here. */
function lastOf(fromMs: number, untilMs: number): RawBuilder<unknown> {
  const { from, until } = windowOf(fromMs, untilMs);
  return sql`last as (
    select distinct on (refund_id) refund_id, facts::jsonb as facts, answer::jsonb as answer from payments.decision
    where decided_at >= ${sql.lit(from)}::timestamptz and decided_at < ${sql.lit(until)}::timestamptz
    order by refund_id, decided_at desc, decision_id)`;
}

async function count(
  trx: Trx,
  last: RawBuilder<unknown>,
  tally: RateTally,
  couriers: Couriers = nobody,
): Promise<void> {
  await each<RefundLine>(trx, refundLines(last, couriers), (line) => tally.refund(refundRow(line)));
  await each<ParcelRow>(trx, parcelLines(last, couriers), (line) => tally.parcel(line));
}

/** Pseudonyms as a JSON array: of `parcels`, by `events` of each `parcel` of them. */
type Couriers = (parcels: RawBuilder<unknown>, events: RawBuilder<unknown>) => RawBuilder<unknown>;

/** Looked up only where they are asked for: they take as long as all the rest. */
const nobody: Couriers = () => sql`'[]'::jsonb`;
const handsOf: Couriers = (parcels, events) => sql`(select coalesce(jsonb_agg(distinct courier), '[]')
    from ${parcels}, payments.couriers_of(parcel ->> 'ref', ${events}) as courier)`;

const FORWARD = sql`parcel -> 'forward' -> 'events'`;
const BOTH = sql`(${FORWARD}) || (parcel -> 'return' -> 'events')`;

interface RefundLine extends Pick<RefundRow, 'operator' | 'discrepant' | 'events' | 'couriers'> {
  readonly payment_ref: string | null;
  readonly is_disputed: boolean | null;
  readonly ended: number;
  readonly lost: number;
}

function refundRow({ payment_ref: ref, is_disputed, ended, lost, ...line }: RefundLine): RefundRow {
  if (ref === null || is_disputed === null) return line;
  return { ...line, payment: { ref, isDisputed: is_disputed, disputesEnded: ended, disputesLost: lost } };
}

function refundLines(last: RawBuilder<unknown>, couriers: Couriers): RawBuilder<unknown> {
  return sql`with ${last},
    ended as (select payment_ref, count(*)::int as ended, (count(*) filter (where result = 'lost'))::int as lost
      from payments.dispute where result is not null and payment_ref is not null group by payment_ref)
    select facts -> 'refund' ->> 'operator' as operator,
      (exists (select from jsonb_array_elements(facts -> 'parcels') as parcel,
          jsonb_array_elements(parcel -> 'contradictions') as one where not one ? 'innocent')
        or exists (select from jsonb_array_elements(answer -> 'reasons') as reason
          where reason ->> 'code' ~ '^C[0-9][0-9]$')) as discrepant,
      (select coalesce(jsonb_agg(event), '[]') from jsonb_array_elements(facts -> 'parcels') as parcel,
        jsonb_array_elements(${BOTH}) as event) as events,
      ${couriers(sql`jsonb_array_elements(facts -> 'parcels') as parcel`, BOTH)} as couriers,
      payment_ref, disputed_minor > 0 as is_disputed, coalesce(ended, 0) as ended, coalesce(lost, 0) as lost
    from last left join payments.refund as refund using (refund_id) left join payments.payment using (payment_ref)
      left join ended using (payment_ref)
    order by payment_ref, refund_id`;
}

/** Of a parcel in several decisions, what the latest ledger says. */
function parcelLines(last: RawBuilder<unknown>, couriers: Couriers): RawBuilder<unknown> {
  return sql`with ${last},
    parcels as (select distinct on (parcel ->> 'ref') facts -> 'refund' ->> 'operator' as operator, parcel
      from last, jsonb_array_elements(facts -> 'parcels') as parcel
      order by parcel ->> 'ref', (parcel ->> 'ledger_version')::bigint desc, refund_id)
    select operator, parcel, ${couriers(sql`(select parcel) as own`, FORWARD)} as couriers
    from parcels where parcel -> 'forward' ->> 'state' in (${sql.join(DELIVERED.map((state) => sql.lit(state)))})`;
}

async function each<T>(trx: Trx, query: RawBuilder<unknown>, take: (row: T) => void): Promise<void> {
  await sql`declare rates_rows no scroll cursor for ${query}`.execute(trx);
  for (;;) {
    const { rows } = await sql<T>`fetch ${sql.lit(ROWS_AT_ONCE)} from rates_rows`.execute(trx);
    for (const row of rows) take(row);
    if (rows.length < ROWS_AT_ONCE) break;
  }
  await sql`close rates_rows`.execute(trx);
}

async function disputedOf(trx: Trx, last: RawBuilder<unknown>): Promise<CustodyRates['disputed']> {
  const { rows } = await sql<CustodyRates['disputed'][number]>`with ${last},
    of as (select distinct refund.payment_ref from last join payments.refund as refund using (refund_id))
    select currency, sum(captured_minor)::bigint as captured_minor, sum(disputed_minor)::bigint as disputed_minor
    from payments.payment join of using (payment_ref) group by currency order by currency`.execute(trx);
  return rows;
}
