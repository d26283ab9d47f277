/**
 * Facts of the payment side, added up: captures are added, and a dispute takes its amount away until it is won. Each fact
 * comes here once, in any order, and the sums do not depend on it.
 */
import { sql, type Transaction } from 'kysely';
import { keepCustomer } from '../customers/customer-rows.ts';
import type { Database } from '../store/schema.ts';
import type { PaymentFact } from './body.ts';

export interface FactContext {
  readonly source: string;
  readonly atMs: number;
  readonly tenant: string;
  readonly region: string;
}

type Trx = Transaction<Database>;
type Kept = 'kept' | 'differs';

/** Under which name an erasure finds what was told. */
export function aboutOf(fact: PaymentFact): string {
  switch (fact.type) {
    case 'payment.captured':
    case 'dispute.opened':
      return fact.payment_ref;
    case 'dispute.closed':
      return fact.dispute_ref;
    case 'refund.settled':
      return fact.refund_id;
  }
}

/** `differs`: another currency, or a dispute that was opened with other particulars. */
export async function keepPaymentFact(trx: Trx, context: FactContext, fact: PaymentFact): Promise<Kept> {
  switch (fact.type) {
    case 'payment.captured':
      return keepCapture(trx, context, fact);
    case 'dispute.opened':
      return openDispute(trx, context, fact);
    case 'dispute.closed':
      return closeDispute(trx, context, fact);
    case 'refund.settled':
      return 'kept';
  }
}

async function keepCapture(
  trx: Trx,
  context: FactContext,
  fact: Extract<PaymentFact, { type: 'payment.captured' }>,
): Promise<Kept> {
  const { payment_ref, amount_minor, customer_ref: customer } = fact;
  const kept = await addTo(trx, context, fact, { captured: amount_minor, disputed: 0 });
  if (kept === 'differs' || customer === undefined) return kept;
  const { tenant, region, atMs } = context;
  const own = { payment_ref, customer, capturedAt: new Date(atMs) };
  return (await keepCustomer(trx, own, { tenant, region })) ? 'kept' : 'differs';
}

interface Sums {
  readonly captured: number;
  readonly disputed: number;
}

async function addTo(
  trx: Trx,
  { tenant, region }: FactContext,
  { payment_ref, currency }: { readonly payment_ref: string; readonly currency: string },
  { captured, disputed }: Sums,
): Promise<Kept> {
  await trx
    .insertInto('payments.payment')
    .values({ payment_ref, currency, captured_minor: 0, disputed_minor: 0, tenant, region })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const { numUpdatedRows } = await trx
    .updateTable('payments.payment')
    .set((eb) => ({
      captured_minor: eb('captured_minor', '+', captured),
      // An import may have said since what is disputed in all.
      disputed_minor: sql<number>`greatest(0, disputed_minor + ${disputed})`,
    }))
    .where('payment_ref', '=', payment_ref)
    .where('currency', '=', currency)
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n ? 'kept' : 'differs';
}

async function openDispute(
  trx: Trx,
  context: FactContext,
  fact: Extract<PaymentFact, { type: 'dispute.opened' }>,
): Promise<Kept> {
  const { dispute_ref, payment_ref, amount_minor, currency } = fact;
  const known = await lockDispute(trx, context, dispute_ref);
  if (known.payment_ref !== null) {
    const same = known.payment_ref === payment_ref && known.amount_minor === amount_minor;
    return same && known.currency === currency ? 'kept' : 'differs';
  }
  await trx
    .updateTable('payments.dispute')
    .set({ payment_ref, amount_minor, currency, opened_at: new Date(context.atMs) })
    .where('source', '=', context.source)
    .where('dispute_ref', '=', dispute_ref)
    .execute();
  // It was won before we heard of it.
  return addTo(trx, context, fact, { captured: 0, disputed: known.result === 'won' ? 0 : amount_minor });
}

async function closeDispute(
  trx: Trx,
  context: FactContext,
  { dispute_ref, result }: Extract<PaymentFact, { type: 'dispute.closed' }>,
): Promise<Kept> {
  const known = await lockDispute(trx, context, dispute_ref);
  if (known.result !== null) return known.result === result ? 'kept' : 'differs';
  await trx
    .updateTable('payments.dispute')
    .set({ result, closed_at: new Date(context.atMs) })
    .where('source', '=', context.source)
    .where('dispute_ref', '=', dispute_ref)
    .execute();
  const { payment_ref, currency, amount_minor } = known;
  if (result === 'lost' || payment_ref === null || currency === null) return 'kept';
  return addTo(trx, context, { payment_ref, currency }, { captured: 0, disputed: -amount_minor });
}

/** Made when there is none, and held until the transaction ends. */
async function lockDispute(trx: Trx, { source, tenant, region }: FactContext, dispute_ref: string) {
  await trx
    .insertInto('payments.dispute')
    .values({
      source,
      dispute_ref,
      payment_ref: null,
      amount_minor: 0,
      currency: null,
      result: null,
      opened_at: null,
      closed_at: null,
      tenant,
      region,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return trx
    .selectFrom('payments.dispute')
    .selectAll()
    .where('source', '=', source)
    .where('dispute_ref', '=', dispute_ref)
    .forUpdate()
    .executeTakeFirstOrThrow();
}
