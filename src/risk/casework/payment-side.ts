/**
 * What the payment side knows of refunds, of all that are asked about in one statement: whether a key or a name was seen
 * before, the payment, what is promised of that, other refunds of the operator, and the rates of the days in question.
 *
 * Refunds that are decided in one transaction count for each other before they are written: `withEarlier`.
 */
import { type RawBuilder, sql } from 'kysely';
import { assert } from '../../base/assert.ts';
import type { RecentRefund, UsdRate } from '../decision/facts.ts';
import type { Parameters } from '../decision/ruleset.ts';
import type { StoredFinding } from '../patterns/findings.ts';
import { send } from '../store/sending.ts';
import { textsOf } from '../store/texts.ts';
import { rateOf } from '../store/usd-rate.ts';
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
  /** What the batch analysis found of what was asked for, stale or not. */
  readonly findings: readonly StoredFinding[];
  /** Whose payment it is, and what else is known of the customer; in the refund's currency. */
  readonly customer?: CustomerSide;
}

export interface CustomerSide {
  /** A pseudonym. */
  readonly name: string;
  readonly captured_ms: number;
  /** The customer lives with the operator. */
  readonly own_household: boolean;
  /** Payments of the window, the newest of them where there are many. */
  readonly orders: number;
  readonly captured_minor: number;
  /** Of these payments, open or paid, this refund apart. */
  readonly refunded_minor: number;
}

interface Row {
  readonly answered: NonNullable<PaymentSide['answered']> | null;
  readonly known: boolean;
  readonly rate: UsdRate | null;
  readonly payment: NonNullable<PaymentSide['payment']> | null;
  readonly promised: number | string;
  readonly recent: readonly RecentRow[];
  readonly findings: readonly StoredFinding[];
  readonly customer: CustomerSide | null;
}

type RecentRow = readonly [id: string, atMs: number, amountMinor: number, currency: string, rate: UsdRate | null];

const RECENT_MAX = 10_000;
/** INFORMATION SEPARATOR TWO: no name holds it. */
const FINDINGS_SEPARATOR = '\u001e';
/** R12 counts a customer's orders over 90 days, and no more of them than this: the newest. */
const CUSTOMER_WINDOW_MS = 90 * 86_400_000;
const ORDERS_MAX = 200;

export interface Looked {
  readonly refund: Refund;
  /** `NO_KEY` where nobody asks by one. */
  readonly key: string;
  /** Names of findings that it asks for, at least one. */
  readonly findings: readonly string[];
  /** The operator by the name under which households are kept; none where customers are not named. */
  readonly household?: string;
}

/** Keys of callers name the caller first, and are longer. */
export const NO_KEY = '-';

/** One for each, in order. Under the rights of payments, and once operators and payments are locked. */
export async function lookAtPayments(
  trx: Trx,
  parameters: Parameters,
  looked: readonly Looked[],
): Promise<readonly PaymentSide[]> {
  const rows = await send(trx, sidesOf(looked, windowOf(parameters)), { name: 'payment_sides' });
  assert(rows.length === looked.length, 'each refund has a payment side');
  return rows.map(sideOf);
}

/** Whose refunds count for each other. */
export interface Earlier {
  readonly refund: Refund;
  readonly side: PaymentSide;
}

/** As it would have been read once these were written; none is the refund itself. */
export function withEarlier(
  side: PaymentSide,
  { operator, payment_ref, currency, requestedMs }: Refund,
  parameters: Parameters,
  earlier: readonly Earlier[],
): PaymentSide {
  const ofPayment = earlier.filter(({ refund }) => refund.payment_ref === payment_ref);
  const windowMs = windowOf(parameters);
  const near = earlier.filter(
    ({ refund }) => refund.operator === operator && Math.abs(refund.requestedMs - requestedMs) < windowMs,
  );
  const recent = [...side.recent, ...near.map(recentOf)].sort(newestFirst).slice(0, RECENT_MAX);
  const promised = ofPayment.reduce((sum, { refund }) => sum + refund.amount_minor, side.promised);
  const customer = side.customer && withEarlierOf(side.customer, currency, earlier, requestedMs);
  return { ...side, promised, recent, ...(customer && { customer }) };
}

function withEarlierOf(
  customer: CustomerSide,
  currency: string,
  earlier: readonly Earlier[],
  requestedMs: number,
): CustomerSide {
  const more = earlier.filter(
    ({ refund, side }) =>
      side.customer?.name === customer.name &&
      side.payment?.currency === currency &&
      refund.currency === currency &&
      side.customer.captured_ms > requestedMs - CUSTOMER_WINDOW_MS,
  );
  return {
    ...customer,
    refunded_minor: more.reduce((sum, { refund }) => sum + refund.amount_minor, customer.refunded_minor),
  };
}

function recentOf({ refund, side }: Earlier): RecentRefund {
  const { refund_id, amount_minor, currency, requestedMs } = refund;
  return { refund_id, at_ms: requestedMs, amount_minor, currency, ...(side.rate && { rate: side.rate }) };
}

function newestFirst(a: RecentRefund, b: RecentRefund): number {
  return b.at_ms - a.at_ms || (a.refund_id < b.refund_id ? -1 : 1);
}

function windowOf({ velocity_window_ms, consecutive_window_ms }: Parameters): number {
  return Math.max(velocity_window_ms, consecutive_window_ms);
}

function sideOf({ answered, known, rate, payment, promised, recent, findings, customer }: Row): PaymentSide {
  return {
    known,
    findings,
    promised: Number(promised),
    recent: recent.map(([refund_id, at_ms, amount_minor, currency, own]) => {
      return { refund_id, at_ms, amount_minor, currency, ...(own !== null && { rate: own }) };
    }),
    ...(answered !== null && { answered }),
    ...(rate !== null && { rate }),
    ...(payment !== null && { payment }),
    ...(customer !== null && { customer }),
  };
}

/** Texts are compared by their bytes, as programs do, whatever the collation of the database. */
function sidesOf(looked: readonly Looked[], windowMs: number): RawBuilder<Row> {
  const times = (ofMs: (requestedMs: number) => number) =>
    sql`${looked.map(({ refund }) => new Date(ofMs(refund.requestedMs)).toISOString())}::timestamptz[]`;
  return sql<Row>`select
    (select jsonb_build_object('body_hash', body_hash, 'decision_id', decision_id)
      from payments.request where idempotency_key = w.key) as answered,
    exists (select from payments.refund where refund_id = w.refund_id) as known,
    ${rateOf(sql`w.currency`, sql`w.at`)} as rate,
    (select jsonb_build_object('currency', currency, 'captured_minor', captured_minor, 'disputed_minor', disputed_minor)
      from payments.payment where payment_ref = w.payment_ref) as payment,
    (select coalesce(sum(amount_minor), 0) from payments.refund
      where payment_ref = w.payment_ref and refund_id <> w.refund_id and state in ('open', 'paid')) as promised,
    (select coalesce(json_agg(json_build_array(r.refund_id, (date_part('epoch', r.requested_at) * 1000)::bigint,
        r.amount_minor, r.currency, ${rateOf(sql`r.currency`, sql`r.requested_at`)})), '[]')
      from (select refund_id, requested_at, amount_minor, currency from payments.refund
        where operator = w.operator and refund_id <> w.refund_id and state <> 'cancelled'
          and requested_at > w.after and requested_at < w.before
        order by requested_at desc, refund_id collate "C" limit ${sql.lit(RECENT_MAX)}) r) as recent,
    (select coalesce(json_agg(json_build_array(f.id, f.as_of_ms, f.body)), '[]') from payments.finding f
      where f.id = any(string_to_array(w.findings, chr(30)))) as findings,
    ${customerOf()} as customer
    from unnest(${textsOf(looked.map(({ key }) => key))}, ${textsOf(looked.map(({ refund }) => refund.refund_id))},
      ${textsOf(looked.map(({ refund }) => refund.payment_ref))}, ${textsOf(looked.map(({ refund }) => refund.operator))},
      ${textsOf(looked.map(({ refund }) => refund.currency))}, ${times((ms) => ms)}, ${times((ms) => ms - windowMs)},
      ${times((ms) => ms + windowMs)}, ${textsOf(looked.map(({ findings }) => findings.join(FINDINGS_SEPARATOR)))},
      ${textsOf(looked.map(({ household }) => household ?? NO_KEY))}, ${times((ms) => ms - CUSTOMER_WINDOW_MS)})
      with ordinality as w (key, refund_id, payment_ref, operator, currency, at, after, before, findings, household, since, i)
    order by w.i`;
}

/** Null where it is not known whose payment it is: then nothing more is looked for. */
function customerOf(): RawBuilder<unknown> {
  return sql`(select json_build_object('name', c.customer,
      'captured_ms', (date_part('epoch', c.captured_at) * 1000)::bigint,
      'own_household', exists (select from payments.household h
        where h.operator = w.household and h.customer = c.customer),
      'orders', o.orders, 'captured_minor', o.captured, 'refunded_minor', o.refunded)
    from payments.customer_payment c, lateral (
      select count(*) as orders, coalesce(sum(p.captured_minor), 0) as captured,
        coalesce(sum((select sum(r.amount_minor) from payments.refund r
          where r.payment_ref = x.payment_ref and r.refund_id <> w.refund_id and r.currency = w.currency
            and r.state in ('open', 'paid'))), 0) as refunded
      from (select payment_ref from payments.customer_payment
          where customer = c.customer and captured_at > w.since
          order by captured_at desc limit ${sql.lit(ORDERS_MAX)}) x
        join payments.payment p on p.payment_ref = x.payment_ref and p.currency = w.currency) o
    where c.payment_ref = w.payment_ref)`;
}
