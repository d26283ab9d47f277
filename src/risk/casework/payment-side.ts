/**
 * What the payment side knows of refunds, of all that are asked about in one statement: whether a key or a name was seen
 * before, the payment, what is promised of that, other refunds of the operator, and the rates of the days in question.
 *
 * Refunds that are decided in one transaction count for each other before they are written: `withEarlier`.
 */
import { type RawBuilder, sql } from 'kysely';
import { assert } from '../../base/assert.ts';
import type { AlikeRefund, Facts, RecentRefund, UsdRate } from '../decision/facts.ts';
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
  /**
   * Of other refunds of the payment that stand before this one: those paid, those ordered to be, and of those that wait the
   * ones that were asked for before, so that no two wait for each other.
   */
  readonly promised: number;
  /** Of those, what is open and not ordered: people, or whoever asked, may still end it. */
  readonly open: number;
  /** The newest first. */
  readonly recent: readonly RecentRefund[];
  /** What the batch analysis found of what was asked for, stale or not. */
  readonly findings: readonly StoredFinding[];
  /** Whose payment it is, and what else is known of the customer. */
  readonly customer?: CustomerSide;
  /** Refunds of the same goods that stand before this one, each once. */
  readonly alike: readonly AlikeRefund[];
}

export interface CustomerSide {
  /** A pseudonym. */
  readonly name: string;
  readonly captured_ms: number;
  /** The customer lives with the operator. */
  readonly own_household: boolean;
  /** Payments of the window, the newest of them where there are many. */
  readonly orders: number;
  /** What they are worth, by currency. */
  readonly values: readonly OrderValue[];
}

export interface OrderValue {
  readonly currency: string;
  readonly captured_minor: number;
  /** Of these payments, open or paid, this refund apart. */
  readonly refunded_minor: number;
  /** Of the day on which the refund was asked for. */
  readonly rate?: UsdRate;
}

interface Row {
  readonly answered: NonNullable<PaymentSide['answered']> | null;
  readonly known: boolean;
  readonly rate: UsdRate | null;
  readonly payment: NonNullable<PaymentSide['payment']> | null;
  readonly promised: readonly [all: number, open: number];
  readonly recent: readonly RecentRow[];
  readonly findings: readonly StoredFinding[];
  readonly customer: (Omit<CustomerSide, 'values'> & { readonly values: readonly ValueRow[] }) | null;
  readonly alike: readonly (readonly [id: string, samePayment: boolean])[];
}

type ValueRow = readonly [currency: string, capturedMinor: number, refundedMinor: number, rate: UsdRate | null];
type RecentRow = readonly [id: string, atMs: number, amountMinor: number, currency: string, rate: UsdRate | null];

const RECENT_MAX = 10_000;
/** INFORMATION SEPARATOR TWO: no name holds it. */
const LIST_SEPARATOR = '\u001e';
/** R12 counts a customer's orders over 90 days, and no more of them than this: the newest. */
const CUSTOMER_WINDOW_MS = 90 * 86_400_000;
const ORDERS_MAX = 200;
/** Those of other payments first, lest parts of one push them out. */
const ALIKE_MAX = 100;

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

/** Refunds of the same goods out of other payments, as of now. */
export async function otherPaymentsOf(trx: Trx, refund: Refund): Promise<readonly string[]> {
  const { rows } = await sql<Pick<Row, 'alike'>>`select ${alikeRefunds()} as alike
    from (select ${refund.refund_id}::text as refund_id, ${refund.payment_ref}::text as payment_ref,
      ${goodsOf(refund)}::text as goods, ${new Date(refund.requestedMs)}::timestamptz as at) as w`.execute(trx);
  return rows.flatMap(({ alike }) => alike.flatMap(([refund_id, isSame]) => (isSame ? [] : [refund_id])));
}

/** The same, as the decision has it: what whoever looks at it is shown. */
export async function otherPaymentsSeen(trx: Trx, decisionId: string): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ readonly alike: readonly AlikeRefund[] | null }>`
    select facts::jsonb #> '{refund,alike}' as alike from payments.decision
    where decision_id = ${decisionId}`.execute(trx);
  return new Set(rows.flatMap(({ alike }) => otherPaymentsIn({ ...(alike !== null && { alike }) })));
}

export function otherPaymentsIn({ alike = [] }: Pick<Facts['refund'], 'alike'>): readonly string[] {
  return alike.flatMap(({ refund_id, payment }) => (payment === 'other' ? [refund_id] : []));
}

/** Whose refunds count for each other. */
export interface Earlier {
  readonly refund: Refund;
  readonly side: PaymentSide;
  /** Its payment is ordered. */
  readonly isOrdered: boolean;
}

/** As it would have been read once these were written; none is the refund itself. */
export function withEarlier(
  side: PaymentSide,
  refund: Refund,
  parameters: Parameters,
  earlier: readonly Earlier[],
): PaymentSide {
  const { operator, payment_ref, requestedMs } = refund;
  const ofPayment = earlier.filter((one) => one.refund.payment_ref === payment_ref && standsBefore(refund, one));
  const windowMs = windowOf(parameters);
  const near = earlier.filter(
    (one) => one.refund.operator === operator && Math.abs(one.refund.requestedMs - requestedMs) < windowMs,
  );
  const recent = [...side.recent, ...near.map(recentOf)].sort(newestFirst).slice(0, RECENT_MAX);
  const sumOf = (all: readonly Earlier[]) => all.reduce((sum, one) => sum + one.refund.amount_minor, 0);
  const promised = side.promised + sumOf(ofPayment);
  const open = side.open + sumOf(ofPayment.filter(({ isOrdered }) => !isOrdered));
  const customer = side.customer && withEarlierOf(side.customer, earlier, requestedMs);
  const before = earlier.filter((one) => isAlike(refund, one)).map((one) => alikeOf(refund, one));
  const alike = [...side.alike, ...before];
  return {
    ...side,
    promised,
    open,
    recent,
    alike: alike.sort(othersFirst).slice(0, ALIKE_MAX),
    ...(customer && { customer }),
  };
}

function withEarlierOf(customer: CustomerSide, earlier: readonly Earlier[], requestedMs: number): CustomerSide {
  const more = earlier.filter(
    ({ refund, side }) =>
      side.customer?.name === customer.name &&
      side.payment?.currency === refund.currency &&
      side.customer.captured_ms > requestedMs - CUSTOMER_WINDOW_MS,
  );
  const values = customer.values.map((value) => {
    const own = more.filter(({ refund }) => refund.currency === value.currency);
    return {
      ...value,
      refunded_minor: own.reduce((sum, { refund }) => sum + refund.amount_minor, value.refunded_minor),
    };
  });
  return { ...customer, values };
}

/**
 * Of refunds that wait, the one that was asked for first goes before the others, so that no two wait for each other; what
 * is paid, or ordered to be, goes before all.
 */
function standsBefore(refund: Refund, { refund: other, isOrdered }: Earlier): boolean {
  if (isOrdered || other.requestedMs < refund.requestedMs) return true;
  return other.requestedMs === refund.requestedMs && other.refund_id < refund.refund_id;
}

function isAlike(refund: Refund, earlier: Earlier): boolean {
  const { refund: other } = earlier;
  return (
    standsBefore(refund, earlier) &&
    other.kind !== 'goodwill' &&
    other.parcel_refs.some((parcel) => refund.parcel_refs.includes(parcel))
  );
}

function alikeOf({ payment_ref }: Refund, { refund }: Earlier): AlikeRefund {
  return { refund_id: refund.refund_id, payment: refund.payment_ref === payment_ref ? 'same' : 'other' };
}

function othersFirst(a: AlikeRefund, b: AlikeRefund): number {
  if (a.payment !== b.payment) return a.payment === 'other' ? -1 : 1;
  return a.refund_id < b.refund_id ? -1 : 1;
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

function sideOf({ answered, known, rate, payment, promised, recent, findings, customer, alike }: Row): PaymentSide {
  return {
    known,
    findings,
    alike: alike.map(([refund_id, isSame]) => ({ refund_id, payment: isSame ? 'same' : 'other' })),
    promised: promised[0],
    open: promised[1],
    recent: recent.map(([refund_id, at_ms, amount_minor, currency, own]) => {
      return { refund_id, at_ms, amount_minor, currency, ...(own !== null && { rate: own }) };
    }),
    ...(answered !== null && { answered }),
    ...(rate !== null && { rate }),
    ...(payment !== null && { payment }),
    ...(customer !== null && { customer: { ...customer, values: customer.values.map(worthOf) } }),
  };
}

function worthOf([currency, captured_minor, refunded_minor, rate]: ValueRow): OrderValue {
  return { currency, captured_minor, refunded_minor, ...(rate !== null && { rate }) };
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
    (select json_build_array(coalesce(sum(r.amount_minor), 0), coalesce(sum(r.amount_minor) filter (where r.state = 'open'
        and not exists (select from payments.outbox o where o.refund_id = r.refund_id and o.action = 'pay')), 0))
      from payments.refund r
      where r.payment_ref = w.payment_ref and r.refund_id <> w.refund_id and ${standBefore()}) as promised,
    (select coalesce(json_agg(json_build_array(r.refund_id, (date_part('epoch', r.requested_at) * 1000)::bigint,
        r.amount_minor, r.currency, ${rateOf(sql`r.currency`, sql`r.requested_at`)})), '[]')
      from (select refund_id, requested_at, amount_minor, currency from payments.refund
        where operator = w.operator and refund_id <> w.refund_id and state <> 'cancelled'
          and requested_at > w.after and requested_at < w.before
        order by requested_at desc, refund_id collate "C" limit ${sql.lit(RECENT_MAX)}) r) as recent,
    (select coalesce(json_agg(json_build_array(f.id, f.as_of_ms, f.body)), '[]') from payments.finding f
      where f.id = any(string_to_array(w.findings, chr(30)))) as findings,
    ${customerOf()} as customer,
    ${alikeRefunds()} as alike
    from unnest(${textsOf(looked.map(({ key }) => key))}, ${textsOf(looked.map(({ refund }) => refund.refund_id))},
      ${textsOf(looked.map(({ refund }) => refund.payment_ref))}, ${textsOf(looked.map(({ refund }) => refund.operator))},
      ${textsOf(looked.map(({ refund }) => refund.currency))}, ${times((ms) => ms)}, ${times((ms) => ms - windowMs)},
      ${times((ms) => ms + windowMs)}, ${textsOf(looked.map(({ findings }) => findings.join(LIST_SEPARATOR)))},
      ${textsOf(looked.map(({ household }) => household ?? NO_KEY))}, ${times((ms) => ms - CUSTOMER_WINDOW_MS)},
      ${textsOf(looked.map(({ refund }) => goodsOf(refund)))}) with ordinality
      as w (key, refund_id, payment_ref, operator, currency, at, after, before, findings, household, since, goods, i)
    order by w.i`;
}

/** Null where it is not known whose payment it is: then nothing more is looked for. */
function customerOf(): RawBuilder<unknown> {
  return sql`(select json_build_object('name', c.customer,
      'captured_ms', (date_part('epoch', c.captured_at) * 1000)::bigint,
      'own_household', exists (select from payments.household h
        where h.operator = w.household and h.customer = c.customer),
      'orders', o.orders, 'values', o.worth)
    from payments.customer_payment c, lateral (
      select coalesce(sum(v.orders), 0) as orders, coalesce(json_agg(json_build_array(v.currency, v.captured, v.refunded,
          ${rateOf(sql`v.currency`, sql`w.at`)}) order by v.currency collate "C"), '[]') as worth
      from (select p.currency, count(*) as orders, sum(p.captured_minor) as captured,
          coalesce(sum((select sum(r.amount_minor) from payments.refund r
            where r.payment_ref = x.payment_ref and r.refund_id <> w.refund_id and r.currency = p.currency
              and r.state in ('open', 'paid'))), 0) as refunded
        from (select payment_ref from payments.customer_payment
            where customer = c.customer and captured_at > w.since
            order by captured_at desc, payment_ref collate "C" limit ${sql.lit(ORDERS_MAX)}) x
          join payments.payment p on p.payment_ref = x.payment_ref group by p.currency) v) o
    where c.payment_ref = w.payment_ref)`;
}

/** Parcels whose goods it gives money back for; goodwill gives it beside that. No parcel is named by `NO_KEY`. */
function goodsOf({ kind, parcel_refs }: Refund): string {
  return kind === 'goodwill' || parcel_refs.length === 0 ? NO_KEY : parcel_refs.join(LIST_SEPARATOR);
}

/** Of refunds `r` before the one that is looked at, as `standsBefore` has it. */
function standBefore(): RawBuilder<unknown> {
  return sql`(r.state = 'paid' or (r.state = 'open' and (
    (r.requested_at, r.refund_id collate "C") < (w.at, w.refund_id collate "C")
    or exists (select from payments.outbox o where o.refund_id = r.refund_id and o.action = 'pay'))))`;
}

/** As `isAlike` has it. */
function alikeRefunds(): RawBuilder<unknown> {
  return sql`(select coalesce(json_agg(json_build_array(a.refund_id, a.payment_ref = w.payment_ref)), '[]')
    from (select r.refund_id, r.payment_ref from payments.refund r
      where r.refund_id in (select p.refund_id from payments.refund_parcel p
          where p.parcel = any(string_to_array(w.goods, chr(30))))
        and r.refund_id <> w.refund_id and r.kind <> 'goodwill'
        and ${standBefore()}
      order by r.payment_ref = w.payment_ref, r.refund_id collate "C" limit ${sql.lit(ALIKE_MAX)}) a)`;
}
