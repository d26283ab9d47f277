/**
 * Whatever changes a refund, or counts refunds with it, does so alone until its transaction ends: those of its operator, of
 * its payment, of its parcels, and of the customer whose payment it is. So of many at once each sees the ones before it,
 * whichever service decides them.
 *
 * Everybody locks in one order, so that no two wait for each other: operators, parcels and payments by their names, then
 * customers by theirs. Whose a payment is can change until the payment is locked, and is asked only then. Who tells it in
 * that very moment is not waited for: the refund was asked for before.
 */
import { type RawBuilder, sql } from 'kysely';
import { send } from '../store/sending.ts';
import { textsOf } from '../store/texts.ts';
import type { Trx } from './rights.ts';

export interface Locked {
  readonly operator: string;
  readonly payment_ref: string;
  readonly parcel_refs: readonly string[];
}

/** SQLSTATE 55P03 after that: whoever waits for many does not wait for one that stands still. */
const GROUP_WAIT_MS = 500;

export async function lockRefunds(trx: Trx, refunds: readonly Locked[]): Promise<void> {
  const lock = sql`select pg_advisory_xact_lock(hashtextextended(name, 0))
    from (select set_config('lock_timeout', ${`${GROUP_WAIT_MS}ms`}, true)) as wait, unnest(${lockNames(refunds)}) as name`;
  await send(trx, lock, { name: 'lock_refunds', when: 'later' });
  await lockCustomers(trx, refunds);
}

export async function lockRefund(trx: Trx, refund: Locked): Promise<void> {
  const lock = sql`select pg_advisory_xact_lock(hashtextextended(name, 0)) from unnest(${lockNames([refund])}) as name`;
  await send(trx, lock, { name: 'lock_refund', when: 'later' });
  await lockCustomers(trx, [refund]);
}

function lockNames(refunds: readonly Locked[]): RawBuilder<readonly string[]> {
  const names = refunds.flatMap(({ operator, payment_ref, parcel_refs }) => [
    `operator ${operator}`,
    `payment ${payment_ref}`,
    ...parcel_refs.map((parcel) => `parcel ${parcel}`),
  ]);
  return textsOf([...new Set(names)].sort());
}

/** A question of its own, with a snapshot of its own: it sees what those that were waited for have told. */
async function lockCustomers(trx: Trx, refunds: readonly Locked[]): Promise<void> {
  const payments = textsOf([...new Set(refunds.map(({ payment_ref }) => payment_ref))]);
  // An offset of nothing keeps the order from being planned away.
  const lock = sql`select pg_advisory_xact_lock(hashtextextended('customer ' || customer, 0))
    from (select distinct customer from payments.customer_payment join unnest(${payments}) as asked (payment_ref)
      using (payment_ref) order by customer offset 0) as known`;
  await send(trx, lock, { name: 'lock_customers', when: 'later' });
}
