/**
 * Reads the facts of one refund: the parcels under the rights of custody, and in the transaction of the decision what the
 * payment side knows. What cannot be read is named, and makes a hold.
 */
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Dependency, Facts, ParcelFacts, RefundKind } from '../decision/facts.ts';
import type { Parameters } from '../decision/ruleset.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import { lookAtPayments, type PaymentSide } from './payment-side.ts';
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

export async function readParcels(
  parts: { readonly ledger: Pick<LedgerStore, 'ledgers'>; readonly logger: Logger },
  { refund_id, parcel_refs }: Pick<Refund, 'refund_id' | 'parcel_refs'>,
  asOfMs: number,
): Promise<ParcelsRead> {
  try {
    const ledgers = await parts.ledger.ledgers(parcel_refs, asOfMs);
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
  read: ParcelsRead,
): Promise<Facts> {
  return factsOf(refund, asOfMs, read, await lookAtPayments(trx, parameters, refund, ''));
}

export function factsOf(
  refund: Refund,
  asOfMs: number,
  { parcels, failed }: ParcelsRead,
  { rate, payment, promised, recent }: PaymentSide,
): Facts {
  const { refund_id, kind, amount_minor, currency, operator, destination, recall, requestedMs } = refund;
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
          refunded_minor: promised,
          disputed_minor: payment.disputed_minor,
        },
      }),
    operator: { recent },
    parcels,
    failed,
  };
}
