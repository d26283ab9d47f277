/**
 * Customers, and who lives with them: rows that name one by a keyed pseudonym, found by the reference in clear. They go
 * whole, since nothing is left of a row without its name. Decisions hold counts and a yes alone, and stay as they are.
 */
import { type RawBuilder, sql, type Transaction } from 'kysely';
import type { CustomerNames } from '../customers/customer-names.ts';
import type { Database } from '../store/schema.ts';

type Trx = Transaction<Database>;

export interface CustomerRows {
  /** Of the reference as a customer's and as an operator's; undefined where customers are not named. */
  readonly names: { readonly customer: string; readonly operator: string } | undefined;
  readonly payments: number;
  readonly relations: number;
}

export const CUSTOMER_TABLES: readonly string[] = ['payments.customer_payment', 'payments.household'];

export async function findCustomer(
  trx: Trx,
  reference: string,
  customers: CustomerNames | undefined,
): Promise<CustomerRows> {
  if (customers === undefined) return { names: undefined, payments: 0, relations: 0 };
  const names = { customer: customers.customer(reference), operator: customers.operator(reference) };
  const { rows } = await sql<{ readonly payments: number; readonly relations: number }>`
    select (select count(*)::int from payments.customer_payment where customer = ${names.customer}) as payments,
      (select count(*)::int from payments.household
        where customer = ${names.customer} or operator = ${names.operator}) as relations`.execute(trx);
  return { names, payments: rows[0]?.payments ?? 0, relations: rows[0]?.relations ?? 0 };
}

/** Also whose these payments were, which are of a parcel that goes. True when a row went. */
export async function dropCustomer(trx: Trx, { names }: CustomerRows, payments: readonly string[]): Promise<boolean> {
  const gone = await sql`delete from payments.customer_payment
    where payment_ref = any(${payments}::text[]) or customer = ${names?.customer ?? null}`.execute(trx);
  const unrelated = await sql`delete from payments.household
    where customer = ${names?.customer ?? null} or operator = ${names?.operator ?? null}`.execute(trx);
  return (gone.numAffectedRows ?? 0n) + (unrelated.numAffectedRows ?? 0n) > 0n;
}

/** The rows as they are now, for the digest of a statement. */
export async function customerLines(trx: Trx, { names }: CustomerRows): Promise<readonly string[]> {
  if (names === undefined) return [];
  const { rows } = await sql<{ readonly line: string }>`
    select 'customer ' || payment_ref as line from payments.customer_payment where customer = ${names.customer}
    union all select 'relation ' || operator || ' ' || customer from payments.household
      where customer = ${names.customer} or operator = ${names.operator}
    order by 1`.execute(trx);
  return rows.map(({ line }) => line);
}

/** Payments that never had a refund, and so do not go with one. */
export function oldCustomers(before: Date): RawBuilder<unknown> {
  return sql`captured_at < ${before} and not exists (
    select from payments.refund r where r.payment_ref = x.payment_ref)`;
}
