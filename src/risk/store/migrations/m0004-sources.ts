/**
 * Webhooks of declared sources, and the one role that may take something away: retention and erasure.
 *
 * What is append-only is so for everybody but that role, which no other role of a room can become: until here a session
 * could lift it by a setting of its own. Whole days are dropped by a function with its owner's rights, once no body is
 * left in them. What an erasure did is kept for good, and not even its own role can change it.
 */
import { type Kysely, type Migration, sql } from 'kysely';
import { makeRole } from '../make-role.ts';

export const RETENTION_ROLE = 'latchkey_retention';

export const sourcesMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await makeRole(db, RETENTION_ROLE);
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const OWNED = 'tenant text not null, region text not null';
const SCHEMAS = ['custody', 'payments', 'cases'] as const;

/** By the role that runs the statement: `current_user` is not the session's to choose, as a setting is. */
const GUARDS: readonly string[] = SCHEMAS.map(
  (schema) => `create or replace function ${schema}.refuse_change() returns trigger language plpgsql as $$ begin
    if current_user = '${RETENTION_ROLE}' then return coalesce(new, old); end if;
    raise exception '${schema}.% is append-only: % is refused', tg_table_name, lower(tg_op) using errcode = 'insufficient_privilege';
  end $$`,
);

const SOURCES: readonly string[] = [
  "alter table custody.claim add column level text not null default 'declared' check (level in ('declared', 'unsigned'))",
  ...(['custody', 'payments'] as const).flatMap((schema) => [
    `create table ${schema}.source_event (
      source text not null, event_id text not null, type text not null, digest bytea not null,
      occurred_at timestamptz not null, received_at timestamptz not null, ${OWNED}, primary key (source, event_id))`,
    `create index source_event_received on ${schema}.source_event (received_at)`,
    `create trigger append_only before update or delete on ${schema}.source_event
      for each row execute function ${schema}.refuse_change()`,
    `create table ${schema}.source_seen (
      source text not null, digest bytea not null, until timestamptz not null, ${OWNED}, primary key (source, digest))`,
    `create index source_seen_until on ${schema}.source_seen (until)`,
    `grant select, insert on ${schema}.source_event to latchkey_${schema}`,
    `grant select, insert, delete on ${schema}.source_seen to latchkey_${schema}`,
  ]),
  `create table payments.dispute (
    source text not null, dispute_ref text not null, payment_ref text, amount_minor bigint not null default 0 check (amount_minor >= 0),
    currency text, result text check (result in ('won', 'lost')), opened_at timestamptz, closed_at timestamptz, ${OWNED},
    primary key (source, dispute_ref))`,
  'create index dispute_payment on payments.dispute (payment_ref)',
  'grant select, insert, update on payments.dispute to latchkey_payments',
];

const ERASURE: readonly string[] = [
  `create table custody.erasure (
    id text primary key, at timestamptz not null, kind text not null check (kind in ('erasure', 'retention')),
    actor text not null, reason text not null, counts jsonb not null, statement text not null, ${OWNED})`,
  `create function custody.refuse_always() returns trigger language plpgsql as $$ begin
    raise exception 'custody.% is kept for good: % is refused', tg_table_name, lower(tg_op) using errcode = 'insufficient_privilege';
  end $$`,
  `create trigger kept before update or delete on custody.erasure
    for each row execute function custody.refuse_always()`,
  `create trigger never_emptied before truncate on custody.erasure
    for each statement execute function custody.refuse_always()`,
  ...SCHEMAS.flatMap((schema) => [
    `grant usage on schema ${schema} to ${RETENTION_ROLE}`,
    `grant select on all tables in schema ${schema} to ${RETENTION_ROLE}`,
  ]),
  `grant insert on custody.erasure to ${RETENTION_ROLE}`,
  'grant select on custody.erasure to latchkey_custody',
  `grant update (leaf) on custody.entry to ${RETENTION_ROLE}`,
  `grant update (theirs, ours) on custody.fork to ${RETENTION_ROLE}`,
  `grant update, delete on custody.claim, custody.mention, custody.source_event, custody.fresh_claim to ${RETENTION_ROLE}`,
  `grant update, delete on payments.source_event to ${RETENTION_ROLE}`,
  `grant update on payments.payment, payments.dispute, payments.refund, payments.refund_parcel, payments.decision,
    payments.request, payments.hold, payments.hold_event, payments.outbox, payments.settlement,
    cases.case, cases.case_event, cases.verdict to ${RETENTION_ROLE}`,
  // A refund is renamed with all that hangs on it, or not at all.
  `do $$ declare one record; begin
    for one in select conrelid::regclass as child, conname from pg_constraint
      where contype = 'f' and confrelid = 'payments.refund'::regclass loop
      execute format('alter table %s alter constraint %I deferrable initially immediate', one.child, one.conname);
    end loop; end $$`,
  // Renaming moves no money.
  'drop trigger within_captured on payments.refund',
  `create trigger within_captured before insert or update on payments.refund for each row
    when (current_user <> '${RETENTION_ROLE}') execute function payments.within_captured()`,
  `create function custody.days() returns table (day date) language sql stable security definer
    set search_path = pg_catalog, pg_temp as $$
    select to_date(substring(c.relname from 'entry_([0-9]{8})$'), 'YYYYMMDD')
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'custody.entry'::regclass and c.relname ~ '^entry_[0-9]{8}$' order by 1 $$`,
  `create function custody.drop_day(day date) returns bigint language plpgsql security definer
    set search_path = custody, pg_temp as $$ declare name text := 'entry_' || to_char(day, 'YYYYMMDD'); bodies bigint; rows bigint; begin
    if to_regclass('custody.' || name) is null then return 0; end if;
    execute format('lock table custody.%I in access exclusive mode', name);
    execute format('select count(leaf), count(*) from custody.%I', name) into bodies, rows;
    if bodies > 0 then raise exception 'custody.% still holds % bodies', name, bodies using errcode = 'object_not_in_prerequisite_state'; end if;
    execute format('drop table custody.%I', name);
    return rows; end $$`,
  'revoke all on function custody.days(), custody.drop_day(date) from public',
  `grant execute on function custody.days(), custody.drop_day(date) to ${RETENTION_ROLE}`,
];

const STATEMENTS: readonly string[] = [...GUARDS, ...SOURCES, ...ERASURE];
