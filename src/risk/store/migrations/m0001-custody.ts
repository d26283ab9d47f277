/**
 * Roles, schemas, and the custody of logs: append-only by grant and by trigger, entries in daily partitions.
 *
 * Partitions are made by a function with its owner's rights, so that the role that inserts cannot drop any. PostgreSQL 15
 * has all that is used here.
 */
import { type Kysely, type Migration, sql } from 'kysely';
import { makeRole } from '../make-role.ts';
import { ROLES } from '../schema.ts';

const ROLE_NAMES = [ROLES.custody, ROLES.payments, ROLES.cases];

export const custodyMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const role of ROLE_NAMES) await makeRole(db, role);
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const OWNED = 'tenant text not null, region text not null';
const APPEND_ONLY = ['range', 'entry', 'trust', 'fork'];

const STATEMENTS: readonly string[] = [
  'create schema custody',
  'create schema payments',
  'create schema cases',
  'grant usage on schema custody to latchkey_custody',
  'grant usage on schema payments to latchkey_payments',
  'grant usage on schema cases to latchkey_cases',
  `create table custody.log (
    origin text primary key, gateway text not null, positions bigint not null default 0, carried bigint not null default 0,
    cosigned_size bigint, cosigned_root bytea, cosigned_note bytea, ${OWNED})`,
  'create index log_gateway on custody.log (gateway)',
  `create table custody.range (
    origin text not null references custody.log, first bigint not null, end_size bigint not null,
    before_roots bytea not null, after_roots bytea not null, note bytea, position bigint not null, ${OWNED},
    primary key (origin, first), check (end_size > first))`,
  'create index range_position on custody.range (origin, position)',
  `create table custody.entry (
    stored_at timestamptz not null, origin text not null, n bigint not null, position bigint not null,
    gateway text not null, leaf_hash bytea not null, leaf bytea, status text not null, why text, paths jsonb,
    of_origin text, of_n bigint, withheld_why text, carries bytea, ${OWNED},
    primary key (origin, n, stored_at)) partition by range (stored_at)`,
  'create index entry_position on custody.entry (origin, position)',
  'create index entry_carries on custody.entry (gateway, carries) where carries is not null',
  `create table custody.trust (
    id bigint generated always as identity primary key, gateway text not null, record text not null, ${OWNED},
    unique (gateway, record))`,
  `create table custody.fork (
    origin text not null references custody.log, digest bytea not null, kind text not null, theirs bytea not null,
    ours bytea not null, ${OWNED}, primary key (origin, digest))`,
  `create function custody.refuse_change() returns trigger language plpgsql as $$ begin
    if current_setting('latchkey.retention', true) = 'on' then return coalesce(new, old); end if;
    raise exception 'custody.% is append-only: % is refused', tg_table_name, lower(tg_op) using errcode = 'insufficient_privilege';
  end $$`,
  ...APPEND_ONLY.flatMap((table) => [
    `create trigger append_only before update or delete on custody.${table}
      for each row execute function custody.refuse_change()`,
    `create trigger never_emptied before truncate on custody.${table}
      for each statement execute function custody.refuse_change()`,
    `grant select, insert on custody.${table} to latchkey_custody`,
  ]),
  'grant select, insert, update on custody.log to latchkey_custody',
  `create function custody.ensure_day(day date) returns void language plpgsql security definer
    set search_path = custody, pg_temp as $$ declare name text := 'entry_' || to_char(day, 'YYYYMMDD'); begin
    if to_regclass('custody.' || name) is not null then return; end if;
    perform pg_advisory_xact_lock(hashtext('custody.ensure_day'));
    if to_regclass('custody.' || name) is not null then return; end if;
    execute format('create table custody.%I partition of custody.entry for values from (%L) to (%L)',
      name, day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
  end $$`,
  'revoke all on function custody.ensure_day(date) from public',
  'grant execute on function custody.ensure_day(date) to latchkey_custody',
];
