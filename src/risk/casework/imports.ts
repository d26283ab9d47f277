/** What the payment side tells the risk side: captured payments and rates of the day. Imported again, nothing changes. */
import type { Transaction } from 'kysely';
import { z } from 'zod';
import { present } from '../../base/assert.ts';
import { messageOf } from '../../base/errors.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { timeOf } from '../../base/wall-time.ts';
import type { CustomerNames } from '../customers/customer-names.ts';
import { keepCustomer } from '../customers/customer-rows.ts';
import { identifierSchema as name } from '../store/identifier-schema.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { Database } from '../store/schema.ts';
import type { Owner } from './rights.ts';

const ROWS_MAX = 100_000;
const currency = z.string().regex(/^[A-Z]{3}$/, { error: 'a currency of ISO 4217' });

export const paymentsSchema = z
  .array(
    z
      .strictObject({
        payment_ref: name,
        currency,
        captured_minor: z.int().min(0),
        disputed_minor: z.int().min(0).default(0),
        /** Kept as a pseudonym alone. */
        customer_ref: name.exactOptional(),
        /** When the customer's order counts from; the time of the import unless given. */
        captured_at: z.iso
          .datetime({ precision: 3, error: 'a time with milliseconds, like 2026-11-22T09:00:00.000Z' })
          .exactOptional(),
      })
      .refine(({ customer_ref, captured_at }) => captured_at === undefined || customer_ref !== undefined, {
        error: 'captured_at beside a customer_ref alone',
      }),
  )
  .max(ROWS_MAX);

export const ratesSchema = z
  .array(
    z.strictObject({
      currency,
      day: z.iso.date(),
      /** Billionths of a US dollar for one whole unit. */
      usd_e9: z.int().min(1),
    }),
  )
  .max(ROWS_MAX);

export type PaymentRow = z.output<typeof paymentsSchema>[number];
export type RateRow = z.output<typeof ratesSchema>[number];

export interface CustomerContext {
  readonly names: CustomerNames;
  readonly nowMs: number;
}

/** By this name the database says that less would be captured than is paid or ordered (migration 0015). */
const CAPTURED_BELOW_PAID = 'captured_below_paid';

/**
 * A later import of a payment says what is captured and disputed now. In another currency its amounts would be others, and
 * less than is paid or ordered cannot have been captured: then nothing of the file is kept. So it is with a payment that is
 * kept as another customer's; one that says no customer leaves the one that was said.
 */
export async function importPayments(
  database: RiskDatabase,
  rows: readonly PaymentRow[],
  owner: Owner,
  customers?: CustomerContext,
): Promise<Result<number, 'currency_differs' | 'captured_below_paid' | 'customer_differs'>> {
  // Whoever locks several payments does so in the order of their names; of one name the last row stands.
  const inOrder = rows.toSorted((a, b) => Buffer.compare(Buffer.from(a.payment_ref), Buffer.from(b.payment_ref)));
  try {
    await database.as('payments', async (trx) => {
      for (const row of inOrder) await importPayment(trx, row, owner, customers);
    });
  } catch (error) {
    if (error instanceof CustomerDiffers) return refuse('customer_differs', error.message);
    if (error instanceof Differs) return refuse('currency_differs', error.message);
    const { constraint } = error as { readonly constraint?: unknown };
    if (constraint === CAPTURED_BELOW_PAID) return refuse('captured_below_paid', messageOf(error));
    throw error;
  }
  return accept(rows.length);
}

async function importPayment(
  trx: Transaction<Database>,
  { customer_ref, captured_at, ...row }: PaymentRow,
  owner: Owner,
  customers: CustomerContext | undefined,
): Promise<void> {
  const { payment_ref, currency: of, captured_minor, disputed_minor } = row;
  const kept = await trx
    .insertInto('payments.payment')
    .values({ ...row, ...owner })
    .onConflict((conflict) =>
      conflict
        .column('payment_ref')
        .doUpdateSet({ captured_minor, disputed_minor })
        .where('payments.payment.currency', '=', of),
    )
    .returning('payment_ref')
    .executeTakeFirst();
  if (kept === undefined) throw new Differs(`the payment ${payment_ref} is kept in another currency than ${of}`);
  if (customer_ref === undefined) return;
  const { names, nowMs } = present(customers, 'the key of the names of customers');
  const capturedAt = new Date(captured_at === undefined ? nowMs : timeOf(captured_at));
  const own = { payment_ref, customer: names.customer(customer_ref), capturedAt };
  if (!(await keepCustomer(trx, own, owner)))
    throw new CustomerDiffers(`the payment ${payment_ref} is kept as another customer's`);
}

/**
 * A rate is a fact of its day: another one for the same day is refused, since decisions stand on the first, and then
 * nothing of the file is kept.
 */
export async function importRates(
  database: RiskDatabase,
  rows: readonly RateRow[],
  owner: Owner,
): Promise<Result<number, 'rate_differs'>> {
  try {
    await database.as('payments', async (trx) => {
      for (const row of rows) await importRate(trx, row, owner);
    });
  } catch (error) {
    if (error instanceof Differs) return refuse('rate_differs', error.message);
    throw error;
  }
  return accept(rows.length);
}

/** Thrown within the transaction, so that it is rolled back. */
class Differs extends Error {}
class CustomerDiffers extends Error {}

async function importRate(
  trx: Transaction<Database>,
  { currency: of, day, usd_e9 }: RateRow,
  owner: Owner,
): Promise<void> {
  await trx
    .insertInto('payments.usd_rate')
    .values({ currency: of, day, usd_e9, ...owner })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const kept = await trx
    .selectFrom('payments.usd_rate')
    .select('usd_e9')
    .where('currency', '=', of)
    .where(({ eb, cast, val }) => eb('day', '=', cast<Date>(val(day), 'date')))
    .executeTakeFirstOrThrow();
  if (kept.usd_e9 !== usd_e9)
    throw new Differs(`${of} of ${day} is kept as ${kept.usd_e9} and cannot become ${usd_e9}`);
}
