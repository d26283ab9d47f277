/** Leases of partitions in a database that several receivers share. Times are made to pass in the rows, not waited for. */
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { formatNote } from '../../../src/evidence/log/note.ts';
import { rootOf } from '../../../src/evidence/log/tree.ts';
import { partitionOf } from '../../../src/evidence/wire/topics.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { PartitionLeases } from '../../../src/risk/intake/sql-store/leases.ts';
import { SqlStore } from '../../../src/risk/intake/sql-store/sql-store.ts';
import type { RangeAppend } from '../../../src/risk/intake/store.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';
import type { TestLog } from '../../support/test-log.ts';
import { grow, newLog } from '../../unit/intake/events.ts';

const owner = { tenant: 'default', region: 'eu' };
const TTL_MS = 60_000;
let postgres: Postgres;
let database: RiskDatabase;
beforeAll(async () => {
  postgres = await startPostgres();
  database = await RiskDatabase.open({ engine: 'postgres', url: await postgres.database('leases') });
});
afterAll(async () => {
  await database.close();
  await postgres.stop();
});
beforeEach(async () => {
  await database.kysely.transaction().execute(async (trx) => {
    await sql`set local session_replication_role = 'replica'`.execute(trx);
    await sql`truncate custody.log, custody.entry, custody.trust, custody.lease, custody.replica cascade`.execute(trx);
  });
});

interface Receiver {
  readonly leases: PartitionLeases;
  readonly store: SqlStore;
}

function receiver(replica: string, partitions: readonly string[] | 'all' = 'all'): Receiver {
  const leases = new PartitionLeases({
    database,
    crypto: nodeCrypto,
    ...owner,
    fleet: 'latchkey',
    replica,
    partitions,
    ttlMs: TTL_MS,
  });
  return { leases, store: new SqlStore({ database, crypto: nodeCrypto, ...owner, leases }) };
}

/** The database's clock passes the end of this receiver's leases. */
async function runOut({ leases }: Receiver): Promise<void> {
  for (const table of ['lease', 'replica']) {
    await sql`update ${sql.table(`custody.${table}`)} set until = clock_timestamp() - interval '1 second' where holder = ${leases.holder}`.execute(
      database.kysely,
    );
  }
}

function rangeOf(log: TestLog, first: number, end: number): RangeAppend {
  const rows = log.leaves.slice(first, end).map((leaf, i) => ({
    leaf,
    leafHash: log.leafHashes[first + i] ?? new Uint8Array(32),
    use: { status: 'used' } as const,
  }));
  const note = formatNote(log.note(end));
  return {
    origin: log.origin,
    opens: first === 0,
    before: log.frontier(first),
    rows,
    after: log.frontier(end),
    note,
    storedAtMs: 1_763_800_000_000,
  };
}

function cosigning(log: TestLog, size: number, expected?: number) {
  const of = (at: number) => ({ size: at, root: rootOf(nodeCrypto, log.frontier(at)), note: formatNote(log.note(at)) });
  return { origin: log.origin, expected: expected === undefined ? undefined : of(expected), next: of(size) };
}

describe('leases', () => {
  test('one receiver takes the whole fleet; a second one gets half, once the first gave it back', async () => {
    const [a, b] = [receiver('a'), receiver('b')];
    expect(await a.leases.round()).toEqual({ lost: [], excess: [] });
    expect(a.leases.held).toHaveLength(64);
    await b.leases.round();
    expect(b.leases.held).toEqual([]);
    const { excess } = await a.leases.round();
    expect(excess).toHaveLength(32);
    a.leases.forget(excess);
    await a.leases.release(excess);
    await b.leases.round();
    expect(b.leases.held).toEqual(excess);
    expect(await a.leases.round()).toEqual({ lost: [], excess: [] });
  });

  test('that are renewed are nobody else’s, however often that one asks', async () => {
    const [a, b] = [receiver('a'), receiver('b')];
    await a.leases.round();
    for (let i = 0; i < 3; i += 1) {
      await b.leases.round();
      expect(b.leases.held).toEqual([]);
    }
  });

  test('that ran out by the clock of the database are taken over, and their former holder is told', async () => {
    const [a, b] = [receiver('a'), receiver('b')];
    await a.leases.round();
    await runOut(a);
    await b.leases.round();
    expect(b.leases.held).toHaveLength(64);
    const { lost } = await a.leases.round();
    expect(lost).toHaveLength(64);
    expect(a.leases.held).toEqual([]);
  });

  test('of a name go to its next start at once', async () => {
    const before = receiver('a');
    await before.leases.round();
    const after = receiver('a');
    await after.leases.round();
    expect(after.leases.held.length).toBeGreaterThanOrEqual(32);
    expect((await before.leases.round()).lost).toEqual(after.leases.held);
  });

  test('of a list are all taken, whoever else is there', async () => {
    const [a, b] = [receiver('a', ['00', '01', '02']), receiver('b', ['03'])];
    await a.leases.round();
    await b.leases.round();
    expect([a.leases.held, b.leases.held]).toEqual([['00', '01', '02'], ['03']]);
    await a.leases.leave();
    expect(a.leases.held).toEqual([]);
    const c = receiver('c');
    await c.leases.round();
    expect(c.leases.held).not.toContain('03');
    expect(c.leases.held).toHaveLength(63);
  });
});

describe('a write', () => {
  const log = grow(newLog(), 10);
  const [gateway = ''] = [log.origin.split('/')[1]];

  test('of whoever was taken over is refused, whatever kind it is, and nothing of it is kept', async () => {
    const [a, b] = [receiver('a'), receiver('b')];
    await a.leases.round();
    expect(await a.store.append([rangeOf(log, 0, 5)])).toEqual(['stored']);
    expect(await a.store.cosign([cosigning(log, 5)])).toEqual(['stored']);
    await runOut(a);
    await b.leases.round();
    const before = await b.store.load(gateway);
    expect(await a.store.append([rangeOf(log, 5, 10)])).toEqual(['fenced']);
    // Also the same receipt once more.
    expect(await a.store.cosign([cosigning(log, 5, 5)])).toEqual(['fenced']);
    expect(await a.store.saveTrust(gateway, { kind: 'grew', origin: log.origin })).toBe('fenced');
    const fork = { kind: 'batch', theirs: Uint8Array.of(1), ours: Uint8Array.of(2) } as const;
    expect(await a.store.keepFork(log.origin, fork)).toBe('fenced');
    expect(await b.store.load(gateway)).toEqual(before);
    expect(await b.store.append([rangeOf(log, 5, 10)])).toEqual(['stored']);
  });

  test('of a lease that ran out and that nobody took is still its holder’s', async () => {
    const a = receiver('a');
    await a.leases.round();
    await runOut(a);
    expect(await a.store.append([rangeOf(log, 0, 5)])).toEqual(['stored']);
  });

  test('that is under way holds a take-over back, of its own partition alone', async () => {
    const [a, b] = [receiver('a'), receiver('b')];
    await a.leases.round();
    await runOut(a);
    const own = partitionOf(nodeCrypto, gateway);
    await database.as('custody', async (trx) => {
      expect([...(await a.leases.fence(trx, [gateway]))]).toEqual([own]);
      await b.leases.round();
      expect(b.leases.held).toHaveLength(63);
      expect(b.leases.held).not.toContain(own);
    });
    await b.leases.round();
    expect(b.leases.held).toContain(own);
  });

  test('that is under way lets a renewal of its own lease through', async () => {
    const a = receiver('a');
    await a.leases.round();
    await database.as('custody', async (trx) => {
      await a.leases.fence(trx, [gateway]);
      expect(await a.leases.round()).toEqual({ lost: [], excess: [] });
    });
  });

  test('for several gateways is refused for those alone that were taken over', async () => {
    const [a, b] = [receiver('a'), receiver('b')];
    const other = grow(newLog('other', 'gw-0002'), 10);
    await a.leases.round();
    const lost = partitionOf(nodeCrypto, gateway);
    await sql`update custody.lease set until = '-infinity' where partition = ${lost}`.execute(database.kysely);
    await b.leases.round();
    expect(b.leases.held).toEqual([lost]);
    const group = [rangeOf(other, 0, 5), rangeOf(log, 0, 5), rangeOf(other, 5, 10)];
    expect(await a.store.append(group)).toEqual(['stored', 'fenced', 'stored']);
    expect(await a.store.cosign([cosigning(log, 5), cosigning(other, 10)])).toEqual(['fenced', 'stored']);
    expect((await b.store.load(gateway)).logs).toEqual([]);
    expect((await b.store.load('gw-0002')).logs[0]).toMatchObject({ cosigned: { size: 10 } });
  });
});

describe('a load', () => {
  test('reads the last range of a log without gaps, and finds all segments of one with gaps', async () => {
    const { store, leases } = receiver('a');
    await leases.round();
    const log = grow(newLog('load'), 40);
    for (let first = 0; first < 20; first += 5) await store.append([rangeOf(log, first, first + 5)]);
    const [whole] = (await store.load('gw-0001')).logs;
    expect(whole?.segments.map(({ first, end }) => [first, end.size])).toEqual([[0, 20]]);
    for (const first of [25, 30]) {
      const opens = first === 25;
      expect(await store.append([{ ...rangeOf(log, first, first + 5), opens }])).toEqual(['stored']);
    }
    const [gapped] = (await store.load('gw-0001')).logs;
    expect(gapped?.segments.map(({ first, end }) => [first, end.size])).toEqual([
      [0, 20],
      [25, 35],
    ]);
    expect(await store.frontierAt(log.origin, 22)).toBeUndefined();
    expect(await store.append([rangeOf(log, 20, 25)])).toEqual(['stored']);
    expect((await store.load('gw-0001')).logs[0]?.segments.map(({ first, end }) => [first, end.size])).toEqual([
      [0, 35],
    ]);
    expect(await store.append([rangeOf(log, 30, 40)])).toEqual(['conflict']);
  });
});
