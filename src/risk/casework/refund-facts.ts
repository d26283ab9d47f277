/**
 * Reads the facts of refunds: the parcels under the rights of custody, and in the transaction of the decision what the
 * payment side knows. What cannot be read is named, and makes a hold.
 */
import { present } from '../../base/assert.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { CustomerNames } from '../customers/customer-names.ts';
import type { Dependency, Facts, ParcelFacts, RefundKind } from '../decision/facts.ts';
import { usdWeight } from '../decision/money.ts';
import type { Ruleset } from '../decision/ruleset.ts';
import type { ParcelLedger } from '../ledger/fold.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import { findingIds, type HandFact, patternsOf } from '../patterns/findings.ts';
import {
  type CustomerSide,
  type Looked,
  lookAtPayments,
  NO_KEY,
  type OrderValue,
  type PaymentSide,
} from './payment-side.ts';
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
  /** Couriers who had them in hands. */
  readonly hands: readonly HandFact[];
  readonly failed: readonly Dependency[];
}

interface Reading {
  readonly ledger: Pick<LedgerStore, 'ledgers'>;
  readonly logger: Logger;
}

type Asked = Pick<Refund, 'refund_id' | 'parcel_refs'>;

export async function readParcels(
  parts: Reading,
  { refund_id, parcel_refs }: Asked,
  asOfMs: number,
): Promise<ParcelsRead> {
  try {
    return found(await parts.ledger.ledgers(parcel_refs, asOfMs));
  } catch (error) {
    parts.logger.error({ error: messageOf(error), refund: refund_id }, 'the ledger cannot be read');
    return { parcels: [], hands: [], failed: ['ledger'] };
  }
}

/** Of several refunds, in one question. Rejects when the ledger cannot be read. */
export async function readParcelsOf(
  parts: Pick<Reading, 'ledger'>,
  refunds: readonly Asked[],
  asOfMs: number,
): Promise<readonly ParcelsRead[]> {
  const refs = [...new Set(refunds.flatMap(({ parcel_refs }) => parcel_refs))];
  const ledgers = await parts.ledger.ledgers(refs, asOfMs);
  const byRef = new Map(refs.map((ref, i) => [ref, ledgers[i]]));
  return refunds.map(({ parcel_refs }) => found(parcel_refs.flatMap((ref) => byRef.get(ref) ?? [])));
}

function found(ledgers: readonly ParcelLedger[]): ParcelsRead {
  const hands = ledgers.flatMap(({ hands: own = [] }) => own.map(({ courier, event }) => ({ courier, event })));
  return { parcels: ledgers.map(({ facts }) => facts), hands, failed: [] };
}

/** What facts are read with. */
export interface Deciding {
  readonly ruleset: Ruleset;
  readonly customers?: CustomerNames;
}

export function householdOf(
  customers: CustomerNames | undefined,
  { operator }: Pick<Refund, 'operator'>,
): Pick<Looked, 'household'> {
  return customers === undefined ? {} : { household: customers.operator(operator) };
}

export async function readFacts(
  trx: Trx,
  { ruleset, customers }: Deciding,
  refund: Refund,
  asOfMs: number,
  read: ParcelsRead,
): Promise<Facts> {
  const findings = findingIds(refund.operator, read.parcels, read.hands);
  const [side] = await lookAtPayments(trx, ruleset.parameters, [
    { refund, key: NO_KEY, findings, ...householdOf(customers, refund) },
  ]);
  return factsOf(refund, asOfMs, read, present(side, 'the payment side'));
}

export function factsOf(
  refund: Refund,
  asOfMs: number,
  { parcels, hands, failed }: ParcelsRead,
  { rate, payment, promised, open, recent, findings, customer, alike }: PaymentSide,
): Facts {
  const { refund_id, kind, amount_minor, currency, operator, destination, recall, requestedMs } = refund;
  const found = patternsOf(findings, { operator, hands, requestedMs, asOfMs });
  return {
    v: 1,
    wording: 3,
    edition: 2,
    pinned: true,
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
      ...(customer?.own_household === true && { self_dealing: true }),
      ...(alike.length > 0 && { alike }),
    },
    ...(rate !== undefined && { rate }),
    ...(payment !== undefined &&
      payment.currency === currency && {
        payment: {
          captured_minor: payment.captured_minor,
          refunded_minor: promised,
          disputed_minor: payment.disputed_minor,
          ...(open > 0 && { open_minor: open }),
        },
      }),
    operator: { recent, ...found.operator },
    ...withCustomer(found.patterns, customer, asOfMs),
    parcels,
    failed,
  };
}

/**
 * R12: what of the value of the customer's orders was refunded, or is about to be, but for this refund. Orders in several
 * currencies are weighed in dollars, at the rates of the day on which it was asked for; a share of one currency needs none.
 */
function withCustomer(
  patterns: Facts['patterns'],
  customer: CustomerSide | undefined,
  asOfMs: number,
): Pick<Facts, 'patterns'> {
  const values = (customer?.values ?? []).filter(({ captured_minor }) => captured_minor > 0);
  if (customer === undefined || values.length === 0) return patterns === undefined ? {} : { patterns };
  const { orders } = customer;
  return { patterns: { as_of_ms: asOfMs, ...patterns, customer: { orders, ...refundedShare(values) } } };
}

function refundedShare(
  values: readonly OrderValue[],
): { readonly refunded_milli: number } | { readonly unrated: readonly string[] } {
  const [first] = values;
  if (values.length === 1 && first !== undefined)
    return { refunded_milli: milliOf(BigInt(first.refunded_minor), BigInt(first.captured_minor)) };
  const unrated = values.flatMap(({ currency, rate }) => (currency === 'USD' || rate !== undefined ? [] : [currency]));
  if (unrated.length > 0) return { unrated };
  const worth = (of: 'captured_minor' | 'refunded_minor') =>
    values.reduce((sum, { [of]: amount_minor, ...money }) => sum + usdWeight({ amount_minor, ...money }), 0n);
  return { refunded_milli: milliOf(worth('refunded_minor'), worth('captured_minor')) };
}

/** Rounded up: more than so many thousandths is then more, however little. */
function milliOf(part: bigint, whole: bigint): number {
  return Number((part * 1_000n + whole - 1n) / whole);
}
