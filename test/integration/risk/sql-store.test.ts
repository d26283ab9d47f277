/** The intake store's contract on both engines, and what a database adds: rights, triggers, days, replicas, crashes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { formatNote } from '../../../src/evidence/log/note.ts';
import { rootOf } from '../../../src/evidence/log/tree.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { SqlStore } from '../../../src/risk/intake/sql-store/sql-store.ts';
import type { CosignChange, IntakeStore, RangeAppend } from '../../../src/risk/intake/store.ts';
import { type DatabaseSettings, RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { intakeStoreContract } from '../../contract/intake-store.contract.ts';
import { BreakingDatabase } from '../../support/breaking-database.ts';
import { embedded } from '../../support/embedded.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';
import { TestLog } from '../../support/test-log.ts';
import { grow, newLog } from '../../unit/intake/events.ts';

const root = mkdtempSync(join(tmpdir(), 'latchkey-sql-'));
const opened = new Set<RiskDatabase>();
let postgres: Postgres;
let count = 0;

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => {
  for (const database of opened) await database.close();
  await postgres.stop();
  rmSync(root, { recursive: true, force: true });
});

async function open(settings: DatabaseSettings): Promise<RiskDatabase> {
  const database = await RiskDatabase.open(settings);
  opened.add(database);
  return database;
}

async function close(database: RiskDatabase): Promise<void> {
  opened.delete(database);
  await database.close();
}

function storeOn(database: RiskDatabase): SqlStore {
  return new SqlStore({ database, crypto: nodeCrypto, tenant: 'default', region: 'eu' });
}

/** One cluster and one PGlite serve all: an empty place is made by taking away what the last test left. */
async function emptied(database: RiskDatabase): Promise<void> {
  await sql`set session_replication_role = 'replica'`.execute(database.kysely);
  await sql`truncate custody.entry, custody.range, custody.trust, custody.fork, custody.log cascade`.execute(
    database.kysely,
  );
  await sql`reset session_replication_role`.execute(database.kysely);
}

const ENGINES = {
  PGlite: async (): Promise<DatabaseSettings> => ({
    engine: 'pglite',
    directory: await embedded(join(root, 'pglite')),
  }),
  PostgreSQL: async (): Promise<DatabaseSettings> => {
    count += 1;
    return { engine: 'postgres', url: await postgres.database(`contract${count}`), poolMax: 1 };
  },
};

for (const [engine, settingsOf] of Object.entries(ENGINES)) {
  describe(engine, () => {
    let settings: DatabaseSettings;
    let database: RiskDatabase;
    beforeAll(async () => {
      settings = await settingsOf();
      database = await open(settings);
    });

    intakeStoreContract(engine, () => {
      let last: IntakeStore | undefined;
      return {
        open: async () => {
          if (last === undefined) await emptied(database);
          else await last.close();
          last = storeOn(database);
          return last;
        },
      };
    });

    test('what was stored is there when the database is opened again', async () => {
      await emptied(database);
      await storeOn(database).append([rangeOf(0, 5)]);
      await close(database);
      database = await open(settings);
      const { logs } = await storeOn(database).load('gw-0001');
      expect(logs[0]?.segments[0]?.end.size).toBe(5);
    });

    test('the partition of the day after is made by the first write of a day, and waits for nobody who reads', async () => {
      await emptied(database);
      const has = async (name: string): Promise<boolean> => {
        const { rows } = await sql<{ is: boolean }>`
          select to_regclass(${`custody.${name}`}) is not null as is`.execute(database.kysely);
        return rows[0]?.is === true;
      };
      // A leap day, and the last day of a year.
      await storeOn(database).append([{ ...rangeOf(0, 2), storedAtMs: Date.UTC(2028, 1, 28, 23, 59, 59, 999) }]);
      expect([await has('entry_20280228'), await has('entry_20280229'), await has('entry_20280301')]).toEqual([
        true,
        true,
        false,
      ]);
      await storeOn(database).append([{ ...rangeOf(2, 3), storedAtMs: Date.UTC(2027, 11, 31) }]);
      expect([await has('entry_20271231'), await has('entry_20280101')]).toEqual([true, true]);
    });

    test.for([
      ['update custody.entry set leaf = null', /append-only: update/],
      ['delete from custody.entry', /append-only: delete/],
      ['truncate custody.entry', /append-only: truncate/],
      ['delete from custody.range', /append-only: delete/],
      ['update custody.trust set record = 1', /append-only: update/],
    ] as const)('the owner is refused: %s', async ([statement, why]) => {
      await emptied(database);
      const store = storeOn(database);
      await store.append([rangeOf(0, 5)]);
      await store.saveTrust('gw-0001', { kind: 'grew', origin: 'x' });
      await expect(sql.raw(statement).execute(database.kysely)).rejects.toThrow(why);
      await expect(storeOn(database).leafHashes(log.origin, 0, 9)).resolves.toHaveLength(5);
    });

    test.for([
      ['custody', 'delete from custody.log'],
      ['custody', 'create table payments.mine (a int)'],
      ['payments', 'select * from custody.entry'],
      ['cases', 'select * from custody.log'],
      ['cases', "select custody.ensure_day('2026-01-01')"],
    ] as const)('the role for %s may not: %s', async ([role, statement]) => {
      await expect(database.as(role, (trx) => sql.raw(statement).execute(trx))).rejects.toThrow(/permission denied/);
    });

    test('a value that the database cannot hold is refused alone, and the store goes on', async () => {
      await emptied(database);
      const store = storeOn(database);
      const logs = [0, 1, 2, 3, 4].map((i) => grow(newLog(`group${i}`, `gw-${i}`), 4));
      const group = logs.map((each) => rangeOf(0, 4, each));
      const [, , bad] = group;
      // JSON knows this character, jsonb does not.
      const use = { status: 'withheld', why: 'card_number', paths: ['/data/\u0000'] } as const;
      const rows = (bad?.rows ?? []).map(({ leafHash }) => ({ leafHash, use }));
      const answers = await store.append(group.map((range) => (range === bad ? { ...range, rows } : range)));
      expect(answers).toEqual(['stored', 'stored', 'refused', 'stored', 'stored']);
      for (const [i, { origin }] of logs.entries()) {
        expect(await store.leafHashes(origin, 0, 9)).toHaveLength(i === 2 ? 0 : 4);
      }
      expect(await store.append(group.slice(2, 3))).toEqual(['stored']);
    });

    test('a group of many gateways takes as many statements as one of them', async () => {
      await emptied(database);
      const logs = Array.from({ length: 40 }, (_, i) => grow(newLog(`many${i}`, `gw-${i}`), 2));
      const stepsOf = async (some: readonly TestLog[]): Promise<number> => {
        const counting = new BreakingDatabase(database, Number.POSITIVE_INFINITY, { staysBroken: true });
        const store = storeOn(counting.database);
        const appended = await store.append(some.map((each) => rangeOf(0, 2, each)));
        const cosigned = await store.cosign(some.map((each) => cosigning(each, 2)));
        expect(new Set([...appended, ...cosigned])).toEqual(new Set(['stored']));
        return counting.steps;
      };
      expect(await stepsOf(logs.slice(1))).toBe(await stepsOf(logs.slice(0, 1)));
    });

    test('a break at any step of a group leaves all of it or nothing, and what is left is all when it was answered', async () => {
      const logs = [0, 1, 2].map((i) => grow(newLog(`break${i}`, `gw-${i}`), 3));
      const kept = new Set<number>();
      let isThrough = false;
      for (let at = 1; !isThrough; at += 1) {
        await emptied(database);
        const breaking = new BreakingDatabase(database, at, { staysBroken: false });
        const store = storeOn(breaking.database);
        const group = logs.map((each) => rangeOf(0, 3, each));
        const answers = await store.append(group).catch((error: unknown) => error);
        isThrough = breaking.brokenAt === undefined;
        const reader = storeOn(database);
        const counts = await Promise.all(
          logs.map(async ({ origin }) => (await reader.leafHashes(origin, 0, 9)).length),
        );
        expect(new Set(counts).size).toBe(1);
        // Also where the day after could not be made ahead, behind the commit.
        if (isThrough || Array.isArray(answers)) {
          expect([answers, counts]).toEqual([
            ['stored', 'stored', 'stored'],
            [3, 3, 3],
          ]);
          continue;
        }
        kept.add(counts[0] ?? -1);
        expect(answers).toMatchObject({ code: 'STORE_IO' });
        await store.reopen();
        expect(new Set(await store.append(group))).toEqual(new Set([counts[0] === 0 ? 'stored' : 'conflict']));
      }
      expect([...kept].sort()).toEqual([0, 3]);
    });

    test('entries of two days lie in two partitions, and are read as one log', async () => {
      await emptied(database);
      const store = storeOn(database);
      const days = [Date.UTC(2026, 10, 22, 23, 59, 59, 999), Date.UTC(2026, 10, 23)];
      for (const [i, storedAtMs] of days.entries()) await store.append([{ ...rangeOf(i, i + 1), storedAtMs }]);
      const { rows } = await sql<{ part: string; rows: number }>`
        select tableoid::regclass::text as part, count(*)::int as rows from custody.entry group by 1 order by 1`.execute(
        database.kysely,
      );
      expect(rows).toEqual([
        { part: 'custody.entry_20261122', rows: 1 },
        { part: 'custody.entry_20261123', rows: 1 },
      ]);
      expect(await store.leafHashes(log.origin, 0, 9)).toHaveLength(2);
    });
  });
}

const log = new TestLog();
for (let n = 0; n < 64; n += 1) log.append(utf8(`{"n":${n}}`));

function cosigning(of: TestLog, size: number): CosignChange {
  const next = { size, root: rootOf(nodeCrypto, of.frontier(size)), note: formatNote(of.note(size)) };
  return { origin: of.origin, expected: undefined, next };
}

function rangeOf(first: number, end: number, of = log): RangeAppend {
  const rows = of.leaves.slice(first, end).map((leaf, i) => ({
    leaf,
    leafHash: of.leafHashes[first + i] ?? new Uint8Array(32),
    use: { status: 'used' } as const,
  }));
  const [before, after] = [of.frontier(first), of.frontier(end)];
  return { origin: of.origin, opens: first === 0, before, rows, after, storedAtMs: Date.UTC(2026, 10, 22) };
}

test('a second owner of an embedded database is refused by name', async () => {
  const settings: DatabaseSettings = { engine: 'pglite', directory: await embedded(join(root, 'pglite')) };
  await expect(RiskDatabase.open(settings)).rejects.toMatchObject({ code: 'STORE_BUSY' });
});

describe('PostgreSQL in production', () => {
  test('whether a commit is on the disk the server says, and it is not where this login does not wait for it', async () => {
    const url = await postgres.database('durable');
    const durable = async (more: string) => (await open({ engine: 'postgres', url: `${url}${more}` })).durable;
    expect(await durable('')).toBe(true);
    expect(await durable(`&options=${encodeURIComponent('-c synchronous_commit=off')}`)).toBe(false);
  });

  test('two replicas append to one log: each entry once, whoever was late is told', async () => {
    const url = await postgres.database('replicas');
    const stores = await Promise.all(
      [0, 1, 2].map(async () => storeOn(await open({ engine: 'postgres', url, poolMax: 2 }))),
    );
    for (let n = 0; n < 20; n += 1) {
      const answers = await Promise.all(stores.map((store) => store.append([rangeOf(n, n + 1)])));
      expect(answers.flat().sort()).toEqual(['conflict', 'conflict', 'stored']);
    }
    const first = stores[0];
    expect(await first?.leafHashes(log.origin, 0, 99)).toHaveLength(20);
  });

  test('two replicas never cosign two trees of one size', async () => {
    const url = await postgres.database('cosigners');
    const stores = await Promise.all([0, 1].map(async () => storeOn(await open({ engine: 'postgres', url }))));
    const tree = { size: 4, root: new Uint8Array(32).fill(1), note: utf8('note 1') };
    const trees = [tree, { ...tree, root: new Uint8Array(32).fill(2), note: utf8('note 2') }];
    const answers = await Promise.all(
      stores.map((store, i) => store.cosign([{ origin: log.origin, expected: undefined, next: trees[i] ?? tree }])),
    );
    expect(answers.flat().sort()).toEqual(['conflict', 'stored']);
  });

  test('a crash of the server costs nothing that was answered, and the store goes on after reopening', async () => {
    const url = await postgres.database('crash');
    const store = storeOn(await open({ engine: 'postgres', url }));
    await store.append([rangeOf(0, 5)]);
    await postgres.kill('SIGQUIT');
    await expect(store.append([rangeOf(5, 6)])).rejects.toMatchObject({ code: 'STORE_IO' });
    await expect(store.reopen()).rejects.toMatchObject({ code: 'STORE_IO' });
    await postgres.restart();
    await expect(store.append([rangeOf(5, 6)])).rejects.toMatchObject({ code: 'STORE_IO' });
    await store.reopen();
    expect(await store.append([rangeOf(5, 6)])).toEqual(['stored']);
    expect(await store.leafHashes(log.origin, 0, 99)).toHaveLength(6);
  });
});
