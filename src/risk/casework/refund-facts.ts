/**
 * Reads the facts of one refund: the parcels under the rights of custody, and in the transaction of the decision what the
 * payment side knows. What cannot be read is named, and makes a hold.
 */
import { sql } from 'kysely';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Dependency, Facts, ParcelFacts, RecentRefund, RefundKind, UsdRate } from '../decision/facts.ts';
import type { Parameters } from '../decision/ruleset.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import type { Trx } from './rights.ts';

/** What a refund is, whoever asks about it, now or again. */
export interface Refund {
  readonly refund_id: string;
  readonly kind: RefundKind;
  readonly parcel_refs: readonly string[];
  readonly amount_minor: number;
  readonly currency: string;
  readonly operator: string;
  readonly payment_ref: string;
  readonly destination: 'original' | 'other';
  readonly recall?: boolean;
  /** From which it counts. */
  readonly requestedMs: number;
}

export interface ParcelsRead {
  readonly parcels: readonly ParcelFacts[];
  readonly failed: readonly Dependency[];
}

const RECENT_MAX = 10_000;
/** Rates of a day hold until the next table, and no longer than this. */
const RATE_DAYS_MAX = 4;
const DAY_MS = 86_400_000;

export async function readParcels(
  parts: { readonly ledger: Pick<LedgerStore, 'ledger'>; readonly logger: Logger },
  { refund_id, parcel_refs }: Pick<Refund, 'refund_id' | 'parcel_refs'>,
  asOfMs: number,
): Promise<ParcelsRead> {
  try {
    const ledgers = await Promise.all(parcel_refs.map((ref) => parts.ledger.ledger(ref, asOfMs)));
    return { parcels: ledgers.map(({ facts }) => facts), failed: [] };
  } catch (error) {
    parts.logger.error({ error: messageOf(error), refund: refund_id }, 'the ledger cannot be read');
    return { parcels: [], failed: ['ledger'] };
  }
}

export async function readFacts(
  trx: Trx,
  parameters: Parameters,
  refund: Refund,
  asOfMs: number,
  { parcels, failed }: ParcelsRead,
): Promise<Facts> {
  const { refund_id, kind, amount_minor, currency, operator, destination, recall, requestedMs } = refund;
  const rate = await rateOf(trx, currency, requestedMs);
  const payment = await trx
    .selectFrom('payments.payment')
    .selectAll()
    .where('payment_ref', '=', refund.payment_ref)
    .executeTakeFirst();
  const { promised } = await trx
    .selectFrom('payments.refund')
    .select(({ fn }) => fn.sum<number | string | null>('amount_minor').as('promised'))
    .where('payment_ref', '=', refund.payment_ref)
    .where('refund_id', '!=', refund_id)
    .where('state', 'in', ['open', 'paid'])
    .executeTakeFirstOrThrow();
  return {
    v: 1,
    as_of_ms: asOfMs,
    refund: {
      refund_id,
      kind,
      amount_minor,
      currency,
      operator,
      requested_at_ms: requestedMs,
      destination,
      ...(recall !== undefined && { recall }),
    },
    ...(rate !== undefined && { rate }),
    ...(payment !== undefined &&
      payment.currency === currency && {
        payment: {
          captured_minor: payment.captured_minor,
          refunded_minor: Number(promised ?? 0),
          disputed_minor: payment.disputed_minor,
        },
      }),
    operator: { recent: await recentOf(trx, parameters, refund) },
    parcels,
    failed,
  };
}

async function recentOf(
  trx: Trx,
  { velocity_window_ms, consecutive_window_ms }: Parameters,
  { operator, refund_id, requestedMs }: Refund,
): Promise<readonly RecentRefund[]> {
  const windowMs = Math.max(velocity_window_ms, consecutive_window_ms);
  const rows = await trx
    .selectFrom('payments.refund')
    .select(['refund_id', 'requested_at', 'amount_minor', 'currency'])
    .where('operator', '=', operator)
    .where('refund_id', '!=', refund_id)
    .where('state', '!=', 'cancelled')
    .where('requested_at', '>', new Date(requestedMs - windowMs))
    .where('requested_at', '<', new Date(requestedMs + windowMs))
    .orderBy('requested_at', 'desc')
    .orderBy('refund_id')
    .limit(RECENT_MAX)
    .execute();
  const recent: RecentRefund[] = [];
  for (const row of rows) {
    const at_ms = row.requested_at.getTime();
    const rate = await rateOf(trx, row.currency, at_ms);
    const { refund_id: id, amount_minor, currency } = row;
    recent.push({ refund_id: id, at_ms, amount_minor, currency, ...(rate !== undefined && { rate }) });
  }
  return recent;
}

/** The newest table of that day or of the few before it: weekends have none. */
async function rateOf(trx: Trx, currency: string, atMs: number): Promise<UsdRate | undefined> {
  if (currency === 'USD') return undefined;
  const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
  const row = await trx
    .selectFrom('payments.usd_rate')
    .select(['usd_e9', sql<string>`to_char(day, 'YYYY-MM-DD')`.as('table_day')])
    .where('currency', '=', currency)
    .where('day', '<=', sql<Date>`${day(atMs)}::date`)
    .where('day', '>', sql<Date>`${day(atMs - RATE_DAYS_MAX * DAY_MS)}::date`)
    .orderBy('day', 'desc')
    .executeTakeFirst();
  return row && { usd_e9: row.usd_e9, day: row.table_day };
}
