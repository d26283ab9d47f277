/**
 * What the payment side knows of one refund, in one statement: whether its key or its name was seen before, its payment,
 * what is promised of that, other refunds of its operator, and the rates of the days in question.
 */
import { type RawBuilder, sql } from 'kysely';
import type { RecentRefund, UsdRate } from '../decision/facts.ts';
import type { Parameters } from '../decision/ruleset.ts';
import { send } from '../store/sending.ts';
import type { Refund } from './refund-facts.ts';
import type { Trx } from './rights.ts';

export interface PaymentSide {
  readonly answered?: { readonly body_hash: string; readonly decision_id: string };
  /** A refund of this name is kept. */
  readonly known: boolean;
  readonly rate?: UsdRate;
  readonly payment?: { readonly currency: string; readonly captured_minor: number; readonly disputed_minor: number };
  /** Of other refunds of the payment that are open or paid. */
  readonly promised: number;
  /** The newest first. */
  readonly recent: readonly RecentRefund[];
}

interface Row {
  readonly answered: NonNullable<PaymentSide['answered']> | null;
  readonly known: boolean;
  readonly rate: UsdRate | null;
  readonly payment: NonNullable<PaymentSide['payment']> | null;
  readonly promised: number | string;
  readonly recent: readonly (RecentRefund & { readonly rate: UsdRate | null })[];
}

const RECENT_MAX = 10_000;
/** Rates of a day hold until the next table, and no longer than this: weekends have none. */
const RATE_DAYS_MAX = 4;

/** Under the rights of payments, and once the operator is locked. `key` is empty where nobody asks by one. */
export async function lookAtPayments(
  trx: Trx,
  { velocity_window_ms, consecutive_window_ms }: Parameters,
  refund: Refund,
  key: string,
): Promise<PaymentSide> {
  const windowMs = Math.max(velocity_window_ms, consecutive_window_ms);
  const [row] = await send(trx, sideOf(refund, key, windowMs), { name: 'payment_side' });
  if (row === undefined) throw new Error('a statement without a condition gave no row');
  const { answered, known, rate, payment, promised, recent } = row;
  return {
    known,
    promised: Number(promised),
    recent: recent.map(({ rate: own, ...rest }) => ({ ...rest, ...(own !== null && { rate: own }) })),
    ...(answered !== null && { answered }),
    ...(rate !== null && { rate }),
    ...(payment !== null && { payment }),
  };
}

function sideOf(refund: Refund, key: string, windowMs: number): RawBuilder<Row> {
  const { refund_id, payment_ref, operator, currency, requestedMs } = refund;
  return sql<Row>`select
    (select jsonb_build_object('body_hash', body_hash, 'decision_id', decision_id)
      from payments.request where idempotency_key = ${key}) as answered,
    exists (select from payments.refund where refund_id = ${refund_id}) as known,
    ${rateOf(sql`${currency}::text`, sql`${new Date(requestedMs)}::timestamptz`)} as rate,
    (select jsonb_build_object('currency', currency, 'captured_minor', captured_minor, 'disputed_minor', disputed_minor)
      from payments.payment where payment_ref = ${payment_ref}) as payment,
    (select coalesce(sum(amount_minor), 0) from payments.refund
      where payment_ref = ${payment_ref} and refund_id <> ${refund_id} and state in ('open', 'paid')) as promised,
    (select coalesce(jsonb_agg(jsonb_build_object(
        'refund_id', r.refund_id, 'at_ms', (extract(epoch from r.requested_at) * 1000)::bigint,
        'amount_minor', r.amount_minor, 'currency', r.currency, 'rate', ${rateOf(sql`r.currency`, sql`r.requested_at`)})
        order by r.requested_at desc, r.refund_id), '[]')
      from (select refund_id, requested_at, amount_minor, currency from payments.refund
        where operator = ${operator} and refund_id <> ${refund_id} and state <> 'cancelled'
          and requested_at > ${new Date(requestedMs - windowMs)} and requested_at < ${new Date(requestedMs + windowMs)}
        order by requested_at desc, refund_id limit ${sql.lit(RECENT_MAX)}) r) as recent`;
}

/** The newest table of that day or of the few before it; null where there is none, and of US dollars. */
function rateOf(currency: RawBuilder<unknown>, at: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`(select jsonb_build_object('usd_e9', w.usd_e9, 'day', to_char(w.day, 'YYYY-MM-DD'))
    from payments.usd_rate w where w.currency = ${currency} and w.currency <> 'USD'
      and w.day <= (${at} at time zone 'UTC')::date
      and w.day > (${at} at time zone 'UTC')::date - ${sql.lit(RATE_DAYS_MAX)}
    order by w.day desc limit 1)`;
}
