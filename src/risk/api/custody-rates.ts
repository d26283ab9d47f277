/**
 * Rates over the refunds that were decided in a window, each counted once by its last decision there: how many stand
 * against a contradiction, how many deliveries are proved, how many of their payments are disputed, and how many of the
 * disputes that ended were lost.
 *
 * But for disputes they are read from what decisions keep, so they say what was known when it was decided: contradictions
 * of the ledgers from its facts, and those of the request with the ledgers (C18, C22, C24) from its reasons.
 */
import { sql } from 'kysely';
import type { RiskDatabase } from '../store/open-database.ts';
import type { RatesOf } from './parts.ts';

export interface Share {
  readonly part: number;
  readonly whole: number;
  readonly rate?: number;
}

export interface CustodyRates {
  readonly from: string;
  readonly until: string;
  readonly refunds: number;
  readonly discrepancy: Share;
  readonly delivery_proof: Share;
  readonly dispute: Share;
  readonly dispute_loss: Share;
  readonly disputed: readonly {
    readonly currency: string;
    readonly captured_minor: number;
    readonly disputed_minor: number;
  }[];
}

const DIGITS = 1e6;
/** Forward states in which somebody said that the parcel reached a locker. */
const DELIVERED = ['IN_LOCKER', 'PICKUP_OPEN', 'COLLECTED', 'EXPIRED', 'RETRIEVED', 'DISTURBED', 'MISSING'];

interface Counts {
  readonly refunds: number;
  readonly discrepant: number;
  readonly delivered: number;
  readonly proved: number;
}

export function custodyRates(database: RiskDatabase): RatesOf {
  return {
    rates: (fromMs, untilMs) =>
      database.as('payments', async (trx) => {
        const last = sql`last as (
          select distinct on (refund_id) refund_id, facts::jsonb as facts, answer::jsonb as answer from payments.decision
          where decided_at >= ${new Date(fromMs)} and decided_at < ${new Date(untilMs)}
          order by refund_id, decided_at desc, decision_id)`;
        const counted = await sql<Counts>`with ${last},
          parcels as (
            select distinct on (parcel ->> 'ref') parcel -> 'forward' as forward
            from last, jsonb_array_elements(facts -> 'parcels') as parcel
            order by parcel ->> 'ref', (parcel ->> 'ledger_version')::bigint desc)
          select
            (select count(*) from last) as refunds,
            (select count(*) from last where exists (
              select from jsonb_array_elements(facts -> 'parcels') as parcel,
                jsonb_array_elements(parcel -> 'contradictions') as one
              where not one ? 'innocent')
              or exists (select from jsonb_array_elements(answer -> 'reasons') as reason
                where reason ->> 'code' ~ '^C[0-9][0-9]$')) as discrepant,
            (select count(*) from parcels where forward ->> 'state' = any(${DELIVERED})) as delivered,
            (select count(*) from parcels where forward ->> 'state' = any(${DELIVERED})
              and forward ->> 'certainty' = 'confirmed') as proved`.execute(trx);
        const paid = await sql<{
          currency: string;
          payments: number;
          disputed_payments: number;
          captured: number;
          disputed: number;
        }>`
          with ${last},
          of as (select distinct refund.payment_ref from last join payments.refund as refund using (refund_id))
          select currency, count(*) as payments, count(*) filter (where disputed_minor > 0) as disputed_payments,
            sum(captured_minor)::bigint as captured, sum(disputed_minor)::bigint as disputed
          from payments.payment join of using (payment_ref) group by currency order by currency`.execute(trx);
        const ended = await sql<{ disputes: number; lost: number }>`
          with ${last},
          of as (select distinct refund.payment_ref from last join payments.refund as refund using (refund_id))
          select count(*) as disputes, count(*) filter (where result = 'lost') as lost
          from payments.dispute join of using (payment_ref) where result is not null`.execute(trx);
        const { refunds = 0, discrepant = 0, delivered = 0, proved = 0 } = counted.rows[0] ?? {};
        const sum = (of: (row: (typeof paid.rows)[number]) => number): number =>
          paid.rows.reduce((all, row) => all + of(row), 0);
        return {
          from: new Date(fromMs).toISOString(),
          until: new Date(untilMs).toISOString(),
          refunds,
          discrepancy: shareOf(discrepant, refunds),
          delivery_proof: shareOf(proved, delivered),
          dispute: shareOf(
            sum(({ disputed_payments }) => disputed_payments),
            sum(({ payments }) => payments),
          ),
          dispute_loss: shareOf(ended.rows[0]?.lost ?? 0, ended.rows[0]?.disputes ?? 0),
          disputed: paid.rows.map(({ currency, captured, disputed }) => ({
            currency,
            captured_minor: captured,
            disputed_minor: disputed,
          })),
        };
      }),
  };
}

function shareOf(part: number, whole: number): Share {
  return { part, whole, ...(whole > 0 && { rate: Math.round((part / whole) * DIGITS) / DIGITS }) };
}
