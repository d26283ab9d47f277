/**
 * What is append-only cannot be emptied at once either, by nobody but who can change the schema: neither a table nor one
 * day of entries, which until here its owner could. Rates of a day were append-only by grant alone, and are by trigger.
 */
import { type Kysely, type Migration, sql } from 'kysely';

export const neverEmptiedMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const TABLES = [
  ['custody', 'attestation'],
  ['custody', 'claim'],
  ['custody', 'mention'],
  ['custody', 'source_event'],
  ['payments', 'decision'],
  ['payments', 'request'],
  ['payments', 'refund_parcel'],
  ['payments', 'hold_event'],
  ['payments', 'settlement'],
  ['payments', 'source_event'],
  ['payments', 'usd_rate'],
  ['cases', 'case_event'],
  ['cases', 'verdict'],
] as const;

const UNGUARDED = [
  ['payments', 'refund_parcel'],
  ['payments', 'usd_rate'],
] as const;

const STATEMENTS: readonly string[] = [
  ...TABLES.map(
    ([schema, table]) => `create trigger never_emptied before truncate on ${schema}.${table}
      for each statement execute function ${schema}.refuse_change()`,
  ),
  ...UNGUARDED.map(
    ([schema, table]) => `create trigger append_only before update or delete on ${schema}.${table}
      for each row execute function ${schema}.refuse_change()`,
  ),
  // A trigger for a statement on the whole table does not see one on its part.
  `create or replace function custody.ensure_day(day date) returns void language plpgsql security definer
    set search_path = custody, pg_temp as $$ declare name text := 'entry_' || to_char(day, 'YYYYMMDD'); begin
    if to_regclass('custody.' || name) is not null then return; end if;
    perform pg_advisory_xact_lock(hashtext('custody.ensure_day'));
    if to_regclass('custody.' || name) is not null then return; end if;
    execute format('create table custody.%I partition of custody.entry for values from (%L) to (%L)',
      name, day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
    execute format('create trigger never_emptied before truncate on custody.%I
      for each statement execute function custody.refuse_change()', name);
  end $$`,
  `do $$ declare part regclass; begin
    for part in select inhrelid::regclass from pg_inherits where inhparent = 'custody.entry'::regclass loop
      execute format('create trigger never_emptied before truncate on %s
        for each statement execute function custody.refuse_change()', part);
    end loop; end $$`,
];
