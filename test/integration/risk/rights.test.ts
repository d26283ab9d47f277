/** Who may do what in the database, table by table as the server itself lists them: on both engines. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { bothEngines } from '../../support/engines.ts';

const engines = bothEngines('rights');

const ROOMS = ['custody', 'payments', 'cases'] as const;
/** What moves on: places in logs, leases, work that waits, and states of refunds, holds and cases. */
const CHANGED = [
  'cases.case',
  'custody.assurance',
  'custody.fresh_claim',
  'custody.fresh_level',
  'custody.gateway_order',
  'custody.job',
  'custody.lease',
  'custody.log',
  'custody.looked_to',
  'custody.read_to',
  'custody.replica',
  'custody.source_seen',
  'payments.dispute',
  'payments.finding',
  'payments.fresh_decision',
  'payments.hold',
  'payments.household',
  'payments.outbox',
  'payments.payment',
  'payments.refund',
  'payments.source_seen',
];

/** Tables of the database that are nobody's rows, and why. */
const OF_NOBODY: Readonly<Record<string, string>> = {
  'public.kysely_migration': 'which migrations were done: of the database itself',
  'public.kysely_migration_lock': 'that one migrates at a time: of the database itself',
};

describe.each(Object.entries(engines.settings))('%s', (_, settingsOf) => {
  let database: RiskDatabase;
  let tables: readonly string[];
  beforeAll(async () => {
    database = await RiskDatabase.open(await settingsOf());
    await sql`select custody.ensure_day('2026-11-22')`.execute(database.kysely);
    const { rows } = await sql<{ name: string }>`
      select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('custody', 'payments', 'cases') and c.relkind in ('r', 'p') order by 1`.execute(
      database.kysely,
    );
    tables = rows.map(({ name }) => name);
    expect(tables).toContain('custody.entry_20261122');
  });
  afterAll(() => database.close());

  const run = (role: (typeof ROOMS)[number] | 'retention' | 'patterns', statement: string): Promise<unknown> =>
    database.as(role, (trx) => sql.raw(statement).execute(trx));
  /** Sets a column to itself: what it would do matters to no one, that it may is the question. */
  async function touching(table: string): Promise<string> {
    const [schema = '', name = ''] = table.split('.');
    const { rows } = await sql<{ column: string }>`
      select quote_ident(column_name) as column from information_schema.columns
        where table_schema = ${schema} and table_name = ${name} and is_identity = 'NO' order by ordinal_position`.execute(
      database.kysely,
    );
    const column = rows[0]?.column ?? '';
    return `update ${table} set ${column} = ${column}`;
  }

  test('a room neither reads nor writes what is of another', async () => {
    for (const table of tables) {
      for (const room of ROOMS.filter((one) => !table.startsWith(`${one}.`))) {
        for (const statement of [`select from ${table}`, `insert into ${table} default values`, `delete from ${table}`])
          await expect(run(room, statement), `${room}: ${statement}`).rejects.toThrow(/permission denied/);
      }
    }
  });

  test('nobody empties a table: no room, not retention, and of what is append-only not its owner', async () => {
    for (const table of tables) {
      for (const role of [...ROOMS, 'retention', 'patterns'] as const)
        await expect(run(role, `truncate ${table} cascade`), `${role}: ${table}`).rejects.toThrow(/permission denied/);
      if (CHANGED.includes(table)) continue;
      const emptied = sql.raw(`truncate ${table} cascade`).execute(database.kysely);
      await expect(emptied, table).rejects.toThrow(/append-only|kept for good/);
    }
  });

  test('a room changes what moves on, and nothing else', async () => {
    for (const table of tables.filter((one) => !CHANGED.includes(one))) {
      const room = ROOMS.find((one) => table.startsWith(`${one}.`)) ?? 'custody';
      for (const statement of [await touching(table), `delete from ${table}`])
        await expect(run(room, statement), statement).rejects.toThrow(/permission denied/);
    }
  });

  test('what is append-only has the trigger that says so to its owner', async () => {
    const { rows } = await sql<{ name: string }>`
      select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        join pg_trigger t on t.tgrelid = c.oid where t.tgname in ('append_only', 'kept') and t.tgenabled = 'O'`.execute(
      database.kysely,
    );
    const guarded = new Set(rows.map(({ name }) => name));
    expect(tables.filter((table) => !guarded.has(table) && !CHANGED.includes(table))).toEqual([]);
  });

  test('every table names the tenant and the region of each of its rows', async () => {
    const { rows } = await sql<{ name: string; owned: number }>`
      select n.nspname || '.' || c.relname as name, (select count(*)::int from pg_attribute a where a.attrelid = c.oid
          and a.attname in ('tenant', 'region') and a.attnotnull and a.atttypid = 'text'::regtype) as owned
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1`.execute(
      database.kysely,
    );
    expect(rows.map(({ name }) => name)).toEqual(expect.arrayContaining([...tables, ...Object.keys(OF_NOBODY)]));
    expect(rows.filter(({ name, owned }) => owned !== 2 && !(name in OF_NOBODY))).toEqual([]);
  });

  test("functions with their owner's rights look where they are told, and nobody hangs them on a table of their own", async () => {
    const { rows } = await sql<{ name: string; path: string; everybody: boolean }>`
      select p.oid::regprocedure::text as name, coalesce(array_to_string(p.proconfig, ';'), '') as path,
          has_function_privilege('public', p.oid, 'execute') as everybody
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname in ('custody', 'payments', 'cases') and p.prosecdef`.execute(database.kysely);
    expect(rows.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['custody.note_claim()', 'payments.within_captured()']),
    );
    expect(rows.filter(({ path, everybody }) => everybody || !/^search_path=[a-z_, ]+, pg_temp$/.test(path))).toEqual(
      [],
    );
    const table = 'create temp table own (payment_ref text, currency text, amount_minor bigint)';
    const trigger = 'create trigger counts after insert on own for each row execute function';
    for (const [role, name] of [
      ['patterns', 'payments.within_captured()'],
      ['retention', 'payments.within_captured()'],
      ['patterns', 'custody.note_claim()'],
    ] as const) {
      const hung = database.as(role, async (trx) => {
        await sql.raw(table).execute(trx);
        await sql.raw(`${trigger} ${name}`).execute(trx);
      });
      await expect(hung, `${role}: ${name}`).rejects.toThrow(/permission denied for function/);
    }
  });

  test('no role of a room logs in, nor can become another', async () => {
    const { rows } = await sql<{ name: string; login: boolean; super: boolean; others: number }>`
      select r.rolname as name, r.rolcanlogin as login, r.rolsuper as super,
          (select count(*)::int from pg_auth_members m where m.member = r.oid) as others
        from pg_roles r where r.rolname in ('latchkey_custody', 'latchkey_payments', 'latchkey_cases', 'latchkey_retention',
          'latchkey_patterns')
        order by 1`.execute(database.kysely);
    expect(rows).toHaveLength(5);
    for (const role of rows) expect(role).toMatchObject({ login: false, super: false, others: 0 });
  });
});
