/**
 * What the batch analysis finds about operators and lockers, for decisions to read, and the one role that makes it: it
 * reads a few columns of all three schemas, and changes nothing but findings.
 */
import { type Kysely, type Migration, sql } from 'kysely';
import { makeRole } from '../make-role.ts';
import { RETENTION_ROLE } from './m0004-sources.ts';

const PATTERNS_ROLE = 'latchkey_patterns';

export const findingsMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await makeRole(db, PATTERNS_ROLE);
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const STATEMENTS: readonly string[] = [
  // Indexes over long tables may take longer than any question may.
  'set local statement_timeout = 0',
  `create table payments.finding (
    id text primary key, as_of_ms bigint not null check (as_of_ms >= 0), body jsonb not null,
    tenant text not null, region text not null)`,
  // Rows lie in the order of their times, nearly: a few pages of summary stand for the whole table.
  'create index refund_requested on payments.refund using brin (requested_at)',
  'create index mention_stored on custody.mention using brin (stored_at)',
  `grant usage on schema custody, payments, cases to ${PATTERNS_ROLE}`,
  `grant select (key, gateway, stored_at) on custody.mention to ${PATTERNS_ROLE}`,
  `grant select (refund_id, payment_ref, operator, kind, amount_minor, currency, requested_at, state, recall)
    on payments.refund to ${PATTERNS_ROLE}`,
  `grant select (parcel, refund_id) on payments.refund_parcel to ${PATTERNS_ROLE}`,
  `grant select (decision_id, refund_id, decided_at, answer) on payments.decision to ${PATTERNS_ROLE}`,
  `grant select (source, dispute_ref, payment_ref, opened_at) on payments.dispute to ${PATTERNS_ROLE}`,
  `grant select (refund_id, action) on payments.outbox to ${PATTERNS_ROLE}`,
  `grant select on payments.usd_rate to ${PATTERNS_ROLE}`,
  `grant select (refund_id, actor, verdict, at) on cases.verdict to ${PATTERNS_ROLE}`,
  `grant select, insert, update, delete on payments.finding to ${PATTERNS_ROLE}`,
  'grant select on payments.finding to latchkey_payments',
  `grant select, update (id) on payments.finding to ${RETENTION_ROLE}`,
];
