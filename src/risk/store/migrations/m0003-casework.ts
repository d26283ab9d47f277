/**
 * What follows from a decision: holds with their clocks, commands to the payment side in an outbox, settlements, and in a
 * schema of their own the cases, verdicts of people and what is written of them.
 *
 * Also what a late fact needs to find the decisions that it concerns: parcels of refunds, how far each log was looked at,
 * and claims and decisions that nobody has looked at yet.
 */
import { type Kysely, type Migration, sql } from 'kysely';

export const caseworkMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const OWNED = 'tenant text not null, region text not null';

const HOLDS: readonly string[] = [
  // `requested_at` is the time that windows count from; `stated_at` what the caller said, where that differs.
  'alter table payments.refund add column recall boolean, add column stated_at timestamptz',
  `create table payments.refund_parcel (
    parcel text not null, refund_id text not null references payments.refund, ${OWNED}, primary key (parcel, refund_id))`,
  `insert into payments.refund_parcel (parcel, refund_id, tenant, region)
    select distinct parcel, refund_id, tenant, region
    from payments.refund, jsonb_array_elements_text(parcel_refs) as parcel`,
  `create table payments.hold (
    hold_id text primary key, decision_id text not null unique references payments.decision,
    refund_id text not null references payments.refund, outcome text not null, codes jsonb not null,
    release_when jsonb not null, approvals int not null, blocked boolean not null, started_at timestamptz not null,
    placed_at timestamptz not null, next_check_at timestamptz not null, answer_by timestamptz not null,
    deadline_at timestamptz not null, on_deadline text not null check (on_deadline in ('pay', 'escalate')),
    basis text not null, steps jsonb not null, due_at timestamptz not null,
    state text not null check (state in ('open', 'paid', 'released', 'deadline_paid', 'denied', 'cancelled', 'superseded')),
    ended_at timestamptz, ${OWNED})`,
  "create unique index hold_open on payments.hold (refund_id) where state = 'open'",
  "create index hold_due on payments.hold (due_at) where state = 'open'",
  'create index hold_listed on payments.hold (state, deadline_at, hold_id)',
  `create table payments.hold_event (
    id bigint generated always as identity primary key, hold_id text not null references payments.hold,
    at timestamptz not null, what text not null, actor text not null, detail text, ${OWNED})`,
  'create index hold_event_hold on payments.hold_event (hold_id, id)',
];

const ACTIONS: readonly string[] = [
  `create table payments.outbox (
    seq bigint generated always as identity primary key, key text not null unique, action text not null,
    lane text not null, refund_id text not null references payments.refund, decision_id text not null,
    body text not null, created_at timestamptz not null, due_at timestamptz not null, attempts int not null default 0,
    state text not null check (state in ('waiting', 'delivered', 'dead')), lease_until timestamptz,
    token bigint not null default 0, ended_at timestamptz, said text, ${OWNED})`,
  "create index outbox_due on payments.outbox (due_at, seq) where state = 'waiting'",
  'create index outbox_refund on payments.outbox (refund_id, lane, seq)',
  // Whatever decides, a refund is ordered to be paid once.
  "create unique index outbox_paid_once on payments.outbox (refund_id) where action = 'pay'",
  `create table payments.settlement (
    refund_id text primary key references payments.refund, reference text not null unique, amount_minor bigint not null,
    currency text not null, settled_at timestamptz not null, recorded_at timestamptz not null, ${OWNED})`,
  'create table payments.fresh_decision (decision_id text primary key references payments.decision)',
];

const CASES: readonly string[] = [
  `create table cases.case (
    case_id text primary key, kind text not null check (kind in ('refund', 'late_fact', 'settlement')),
    refund_id text not null, decision_id text not null, ledger text, opened_at timestamptz not null,
    contain_by timestamptz not null, contained_at timestamptz, evidence_due_at timestamptz not null,
    evidence_by timestamptz not null, evidence_at timestamptz, steps jsonb not null, due_at timestamptz,
    state text not null check (state in ('open', 'closed')), closed_at timestamptz, owner text, ${OWNED})`,
  "create index case_due on cases.case (due_at) where state = 'open'",
  'create index case_refund on cases.case (refund_id)',
  'create index case_listed on cases.case (state, opened_at, case_id)',
  `create table cases.case_event (
    id bigint generated always as identity primary key, case_id text not null references cases.case,
    at timestamptz not null, what text not null, actor text not null, detail text, ${OWNED})`,
  'create index case_event_case on cases.case_event (case_id, id)',
  `create table cases.verdict (
    decision_id text not null, actor text not null, refund_id text not null, hold_id text not null,
    verdict text not null check (verdict in ('release', 'deny')), reason text not null, at timestamptz not null, ${OWNED},
    primary key (decision_id, actor, verdict))`,
  `create function cases.refuse_change() returns trigger language plpgsql as $$ begin
    raise exception 'cases.% is append-only: % is refused', tg_table_name, lower(tg_op) using errcode = 'insufficient_privilege';
  end $$`,
];

const LATE: readonly string[] = [
  'create table custody.looked_to (origin text primary key, position bigint not null)',
  'create index mention_gateway on custody.mention (gateway, n desc)',
  'create table custody.fresh_claim (id bigint generated always as identity primary key, parcel text not null)',
  `create function custody.note_claim() returns trigger language plpgsql security definer
    set search_path = custody, pg_temp as $$ begin
    insert into custody.fresh_claim (parcel) values (new.parcel);
    return null; end $$`,
  'create trigger note_claim after insert on custody.claim for each row execute function custody.note_claim()',
  'grant select, delete on custody.fresh_claim to latchkey_custody',
  'grant select, insert, update on custody.looked_to to latchkey_custody',
];

const APPENDED: readonly (readonly [schema: 'payments' | 'cases', table: string])[] = [
  ['payments', 'hold_event'],
  ['payments', 'settlement'],
  ['cases', 'case_event'],
  ['cases', 'verdict'],
];

const STATEMENTS: readonly string[] = [
  ...HOLDS,
  ...ACTIONS,
  ...CASES,
  ...LATE,
  ...APPENDED.flatMap(([schema, table]) => [
    `create trigger append_only before update or delete on ${schema}.${table}
      for each row execute function ${schema}.refuse_change()`,
    `grant select, insert on ${schema}.${table} to latchkey_${schema}`,
  ]),
  'grant select, insert on payments.refund_parcel to latchkey_payments',
  'grant select, insert, update on payments.hold, payments.outbox to latchkey_payments',
  'grant select, insert, delete on payments.fresh_decision to latchkey_payments',
  'grant select, insert, update on cases.case to latchkey_cases',
];
