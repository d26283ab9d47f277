/** What leaves with the next statement, and with the last: on a server the same end as one by one. And what 0008 backfills. */
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { mentionDayMigration } from '../../../src/risk/store/migrations/m0008-mention-day.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { send } from '../../../src/risk/store/sending.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';

let postgres: Postgres;
let database: RiskDatabase;
beforeAll(async () => {
  postgres = await startPostgres();
  database = await RiskDatabase.open({ engine: 'postgres', url: await postgres.database('journeys'), poolMax: 2 });
});
afterAll(async () => {
  await database.close();
  await postgres.stop();
});
afterEach(() => void vi.restoreAllMocks());

const rate = (currency: string, usd: number) =>
  sql`insert into payments.usd_rate (currency, day, usd_e9, tenant, region)
    values (${currency}, '2026-11-23', ${usd}, 't', 'r')`;
const LATER = { name: 'test_rate', when: 'later' } as const;

async function kept(): Promise<readonly string[]> {
  const rows = await database.kysely.selectFrom('payments.usd_rate').select('currency').orderBy('currency').execute();
  return rows.map(({ currency }) => currency);
}

test('what goes later is there for the next statement and after the commit, in the order in which it was said', async () => {
  const seen = await database.as('payments', async (trx) => {
    await send(trx, rate('EUR', 1), LATER);
    const { rows } = await sql<{ count: number }>`select count(*) as count from payments.usd_rate`.execute(trx);
    await send(trx, rate('GBP', 1), LATER);
    return rows[0]?.count;
  });
  expect(seen).toBe(1);
  expect(await kept()).toEqual(['EUR', 'GBP']);
});

test('a statement that goes later and fails fails its transaction, and nothing of it is kept', async () => {
  const broken = database.as('payments', async (trx) => {
    await send(trx, rate('CHF', 1), LATER);
    await send(trx, rate('NOK', 0), LATER);
    await send(trx, rate('SEK', 1), LATER);
  });
  await expect(broken).rejects.toMatchObject({ code: '23514' });
  expect(await kept()).toEqual(['EUR', 'GBP']);
});

test('a statement that takes the commit along and fails leaves nothing, and the connection serves the next', async () => {
  const broken = database.as('payments', async (trx) => {
    await send(trx, rate('CHF', 1), LATER);
    await send(trx, rate('NOK', -1), { name: 'test_rate', when: 'last' });
  });
  await expect(broken).rejects.toMatchObject({ code: '23514' });
  expect(await kept()).toEqual(['EUR', 'GBP']);
  const role = await database.as('custody', (trx) =>
    send(trx, sql<{ current_user: string }>`select current_user`, { when: 'last' }),
  );
  expect(role).toEqual([{ current_user: 'latchkey_custody' }]);
});

test('a failure before a change of role is told to its transaction alone: the next on the connection finds none open', async () => {
  const broken = database.as('payments', async (trx) => {
    await send(trx, rate('NOK', 0), LATER);
    await sql`set local role ${sql.id('latchkey_custody')}`.execute(trx);
  });
  await expect(broken).rejects.toMatchObject({ code: '23514' });
  await expect(database.as('payments', (trx) => send(trx, sql`select 1 as one`, {}))).resolves.toEqual([{ one: 1 }]);
  expect(await kept()).toEqual(['EUR', 'GBP']);
});

test('work that fails undoes what left before it, and what had not left yet', async () => {
  const broken = database.as('payments', async (trx) => {
    await send(trx, rate('CHF', 1), {});
    await send(trx, rate('NOK', 1), LATER);
    throw new Error('thought better of it');
  });
  await expect(broken).rejects.toThrow('thought better of it');
  expect(await kept()).toEqual(['EUR', 'GBP']);
});

test('a role is asked for before the first statement, and never outlives its transaction', async () => {
  await expect(database.as('custody', (trx) => send(trx, rate('CHF', 1), { when: 'last' }))).rejects.toMatchObject({
    code: '42501',
  });
  const { rows } = await sql<{ current_user: string }>`select current_user`.execute(database.kysely);
  expect(rows).toEqual([{ current_user: 'latchkey' }]);
});

test('begin and role share one message, and a transaction in which nothing is said sends none', async () => {
  const query = vi.spyOn(pg.Client.prototype, 'query');
  await database.as('payments', async () => undefined);
  expect(query).not.toHaveBeenCalled();
  await database.as('payments', (trx) => send(trx, sql`select 1 as one`, { when: 'last' }));
  const texts = query.mock.calls.map(([text]) => (typeof text === 'string' ? text : (text as pg.QueryConfig).text));
  expect(texts).toEqual([
    'begin isolation level read committed; set local role "latchkey_payments"',
    'select 1 as one',
    'commit',
  ]);
});

test('a database of before learns when the entries of its mentions were stored, and stays append-only', async () => {
  const { kysely } = database;
  for (const statement of [
    "select custody.ensure_day('2026-11-20'), custody.ensure_day('2026-11-21')",
    "insert into custody.log (origin, gateway, tenant, region) values ('o', 'g', 't', 'r')",
    `insert into custody.entry (stored_at, origin, n, position, gateway, leaf_hash, status, tenant, region)
      values ('2026-11-20 10:00:00.123456Z', 'o', 0, 0, 'g', 'h', 'used', 't', 'r'),
        ('2026-11-21 10:00:00.654321Z', 'o', 1, 1, 'g', 'h', 'used', 't', 'r')`,
    'alter table custody.mention drop column stored_at',
    `insert into custody.mention (key, origin, n, gateway, tenant, region)
      select 'parcel p', 'o', n, 'g', 't', 'r' from generate_series(0, 2) n`,
  ])
    await sql.raw(statement).execute(kysely);
  await kysely.transaction().execute((trx) => mentionDayMigration.up(trx));
  const { rows } = await sql<{ n: number; same: boolean | null }>`select m.n, m.stored_at = e.stored_at as same
    from custody.mention m left join custody.entry e on e.origin = m.origin and e.n = m.n order by m.n`.execute(kysely);
  // The entry of the last one is gone with its day.
  expect(rows).toEqual([
    { n: 0, same: true },
    { n: 1, same: true },
    { n: 2, same: null },
  ]);
  await expect(sql`update custody.mention set gateway = 'x'`.execute(kysely)).rejects.toThrow('append-only');
});
