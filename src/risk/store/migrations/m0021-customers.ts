/**
 * Which customer a payment is of, and which customers live with whom that asks for refunds: by pseudonyms alone. Compared
 * byte by byte, so that names under one key lie together. The first is append-only; the second is replaced as a whole.
 */
import { type Kysely, type Migration, sql } from 'kysely';
import { RETENTION_ROLE } from './m0004-sources.ts';

export const customersMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const OWNED = 'tenant text not null, region text not null';

const STATEMENTS: readonly string[] = [
  `create table payments.customer_payment (
    payment_ref text primary key, customer text collate "C" not null, captured_at timestamptz not null, ${OWNED})`,
  'create index customer_payment_customer on payments.customer_payment (customer, captured_at)',
  'create index customer_payment_captured on payments.customer_payment (captured_at)',
  `create trigger append_only before update or delete on payments.customer_payment
    for each row execute function payments.refuse_change()`,
  `create trigger never_emptied before truncate on payments.customer_payment
    for each statement execute function payments.refuse_change()`,
  `create table payments.household (
    operator text collate "C" not null, customer text collate "C" not null, ${OWNED}, primary key (operator, customer))`,
  'create index household_customer on payments.household (customer)',
  'grant select, insert on payments.customer_payment to latchkey_payments',
  'grant select, insert, delete on payments.household to latchkey_payments',
  `grant select, delete on payments.customer_payment, payments.household to ${RETENTION_ROLE}`,
];
