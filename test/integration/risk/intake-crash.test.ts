/**
 * Intake on SQL, broken at each of its steps: then everything comes again, and the end is what it is without a break. No
 * receipt was given for what the break lost.
 */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hex, utf8Text } from '../../../src/base/bytes.ts';
import { parseCheckpoint } from '../../../src/evidence/log/checkpoint.ts';
import { formatNote, parseNote } from '../../../src/evidence/log/note.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { PartitionLeases } from '../../../src/risk/intake/sql-store/leases.ts';
import { SqlStore } from '../../../src/risk/intake/sql-store/sql-store.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { recordResult } from '../../campaign/support/results.ts';
import { stateRows } from '../../process/support/replica-rig.ts';
import { BreakingDatabase, EMPTY_CUSTODY } from '../../support/breaking-database.ts';
import { openInMemory } from '../../support/embedded.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';
import type { TestLog } from '../../support/test-log.ts';
import { until } from '../../support/until.ts';
import { grow, newLog } from '../../unit/intake/events.ts';
import { Harness, policyFor } from '../../unit/intake/harness.ts';

/** Every step in the campaign; elsewhere some, from a place that changes with the day. */
const STRIDE = process.env['CRASH_STRIDE'] === undefined ? 12 : Number(process.env['CRASH_STRIDE']);
const OFFSET = new Date().getUTCDate() % STRIDE;

let database: RiskDatabase;
let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

const ENGINES: Readonly<Record<string, () => Promise<RiskDatabase>>> = {
  PGlite: async () => (await openInMemory()).database,
  PostgreSQL: async () => RiskDatabase.open({ engine: 'postgres', url: await postgres.database('intake'), poolMax: 4 }),
};

async function emptied(): Promise<void> {
  await database.kysely.transaction().execute(async (trx) => {
    for (const statement of EMPTY_CUSTODY) await sql.raw(statement).execute(trx);
  });
}

const first = grow(newLog('first', 'gw-0001'), 9, (n) =>
  n === 0
    ? { type: 'journal.opened', data: { after: { log: newLog('gone').origin, cause: 'lost_key', size: 3 } } }
    : {},
);
const other = grow(newLog('other', 'gw-0002'), 6);
const policy = policyFor(first, other);
const branch = grow(newLog('other', 'gw-0002'), 6, () => ({ salt: 2 }));

/** Batches in order, one that is ahead of its predecessor, and the other side of a fork when all the rest is receipted. */
async function story(harness: Harness, isBroken: () => boolean): Promise<void> {
  await harness.batch(first, first.batch(0, 3));
  await harness.batch(other, other.batch(0, 4));
  await harness.batch(first, first.batch(6, 9));
  await harness.batch(first, first.batch(3, 6));
  await harness.batch(other, other.batch(4, 6));
  await until('receipts of both logs', () => isBroken() || [first, other].every((log) => isReceipted(harness, log)));
  await harness.checkpoint(other, formatNote(branch.note(6)));
}

function isReceipted({ published }: Harness, log: TestLog): boolean {
  const whole = `${log.origin}\n${log.size}\n`;
  return published.some(({ topic, payload }) => topic.includes('/receipt/') && utf8Text(payload)?.startsWith(whole));
}

interface Ran {
  readonly harness: Harness;
  readonly breaking: BreakingDatabase;
}

/** Until the story is told, or the process died of the break. */
async function tell(breakAt: number, staysBroken: boolean): Promise<Ran> {
  const breaking = new BreakingDatabase(database, breakAt, { staysBroken });
  const harness = new Harness();
  const parts = { database: breaking.database, crypto: nodeCrypto, tenant: 'default', region: 'eu' };
  const leases = new PartitionLeases({ ...parts, fleet: 'latchkey', replica: 'one', partitions: 'all', ttlMs: 60_000 });
  harness.store = new SqlStore({ ...parts, leases });
  try {
    await leases.round();
    await harness.open(policy, { isMine: (gateway) => leases.holds(gateway) });
    await story(harness, () => breaking.brokenAt !== undefined);
  } catch (error) {
    if (breaking.brokenAt === undefined) throw error;
  }
  return { harness, breaking };
}

/** Each receipt that left covers entries that are there now, under the root that it names. */
async function expectCovered({ published }: Harness): Promise<void> {
  const store = new SqlStore({ database, crypto: nodeCrypto, tenant: 'default', region: 'eu' });
  for (const { topic, payload } of published.filter((each) => each.topic.includes('/receipt/'))) {
    const note = parseNote(payload);
    const checkpoint = note.ok ? parseCheckpoint(note.value.text) : note;
    if (!checkpoint.ok) throw new Error(`no receipt on ${topic}`);
    const { origin, size, root } = checkpoint.value;
    const log = [first, other].find((each) => each.origin === origin);
    expect(hex(root)).toBe(hex(log?.checkpoint(size).root ?? new Uint8Array()));
    const held = await store.leafHashes(origin, 0, size);
    expect(held.map(hex)).toEqual(log?.leafHashes.slice(0, size).map(hex));
  }
}

async function untroubled(): Promise<{ readonly rows: readonly string[]; readonly steps: number }> {
  await emptied();
  const { harness, breaking } = await tell(Number.POSITIVE_INFINITY, true);
  await expectCovered(harness);
  return { rows: await stateRows(database), steps: breaking.steps };
}

describe.each(Object.entries(ENGINES))('%s', (engine, open) => {
  beforeAll(async () => {
    database = await open();
  });
  afterAll(() => database.close());

  test('a break at each step, and a new start: the same end, and no receipt for what was lost', async () => {
    const startedMs = Date.now();
    const { rows, steps } = await untroubled();
    expect(steps).toBeGreaterThan(60);
    const kinds = new Set<string>();
    for (let at = 1 + OFFSET; at <= steps; at += STRIDE) {
      await emptied();
      const broken = await tell(at, true);
      kinds.add(broken.breaking.brokenAt ?? 'not reached');
      await expectCovered(broken.harness);
      const again = await tell(Number.POSITIVE_INFINITY, true);
      await expectCovered(again.harness);
      expect([at, await stateRows(database)]).toEqual([at, rows]);
    }
    expect(kinds).not.toContain('not reached');
    if (STRIDE === 1) {
      const scenario = `intake broken at each step, ${engine}`;
      const counts = `${steps} steps of ${kinds.size} kinds, each the same end; no receipt for what was lost`;
      await recordResult({ scenario, counts, startedMs });
    }
  });
});
