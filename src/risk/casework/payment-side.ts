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
}

interface Row {
  readonly answered: NonNullable<PaymentSide['answered']> | null;
  readonly known: boolean;
  readonly rate: UsdRate | null;
  readonly payment: NonNullable<PaymentSide['payment']> | null;
  readonly promised: number | string;
  readonly recent: readonly RecentRow[];
  readonly findings: readonly StoredFinding[];
}

type RecentRow = readonly [id: string, atMs: number, amountMinor: number, currency: string, rate: UsdRate | null];

const RECENT_MAX = 10_000;
/** INFORMATION SEPARATOR TWO: no name holds it. */
const FINDINGS_SEPARATOR = '\u001e';

export interface Looked {
  readonly refund: Refund;
  /** `NO_KEY` where nobody asks by one. */
  readonly key: string;
  /** Names of findings that it asks for, at least one. */
  readonly findings: readonly string[];
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
  { operator, payment_ref, requestedMs }: Refund,
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
  return { ...side, promised, recent };
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

function sideOf({ answered, known, rate, payment, promised, recent, findings }: Row): PaymentSide {
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
      where f.id = any(string_to_array(w.findings, chr(30)))) as findings
    from unnest(${textsOf(looked.map(({ key }) => key))}, ${textsOf(looked.map(({ refund }) => refund.refund_id))},
      ${textsOf(looked.map(({ refund }) => refund.payment_ref))}, ${textsOf(looked.map(({ refund }) => refund.operator))},
      ${textsOf(looked.map(({ refund }) => refund.currency))}, ${times((ms) => ms)}, ${times((ms) => ms - windowMs)},
      ${times((ms) => ms + windowMs)}, ${textsOf(looked.map(({ findings }) => findings.join(FINDINGS_SEPARATOR)))})
      with ordinality as w (key, refund_id, payment_ref, operator, currency, at, after, before, findings, i)
    order by w.i`;
}
