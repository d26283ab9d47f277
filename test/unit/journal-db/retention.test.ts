import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import type { DiskRoom } from '../../../src/edge/journal/disk-room.ts';
import type { LogDatabase } from '../../../src/edge/journal/log-database.ts';
import { ageByHour, eraseEntries, NO_AGE, Retention, type RetentionLog } from '../../../src/edge/journal/retention.ts';
import { formatNote, parseNote } from '../../../src/evidence/log/note.ts';
import { leafHash, TreeBuilder } from '../../../src/evidence/log/tree.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { TestWitness } from '../../support/test-log.ts';
import { proveEverything } from './prove.ts';
import { fill, leafOf, newDatabase, noteOf, openDatabase, settingsWith } from './support.ts';

function bodiesOf(database: LogDatabase): readonly number[] {
  return [...database.leaves(0, database.size())].filter(({ leaf }) => leaf !== undefined).map(({ index }) => index);
}

/** Slices give way between each other. */
async function turn(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await setImmediate();
}

function removeAll(database: LogDatabase, below: number, limit = 64): number {
  let removed = 0;
  for (let last = 1; last > 0; removed += last) last = database.removeBodies(below, limit);
  return removed;
}

describe('removing bodies', () => {
  test('keeps every leaf hash, every proof and the run along the rows, and never goes above its bound', () => {
    const database = newDatabase();
    fill(database, [1, 1, 1, 5, 1, 100, 1, 1, 300 - 111, 7]);
    const hashes = [...database.leaves(0, 307)].map(({ hash }) => Buffer.from(hash).toString('hex'));
    expect(removeAll(database, 111)).toBe(111);
    expect(bodiesOf(database)[0]).toBe(111);
    expect([...database.leaves(0, 307)].map(({ hash }) => Buffer.from(hash).toString('hex'))).toEqual(hashes);
    expect(database.verifyRange(0, 307)).toMatchObject({ ok: true, entries: 307, reduced: 111 });
    expect(database.firstReduced(0, 307)).toBe(0);
    expect(database.firstReduced(111, 307)).toBeUndefined();
    expect(proveEverything(database)).toBeGreaterThan(20);
    // Nothing beyond the last whole commit below the bound.
    expect(removeAll(database, 299)).toBe(0);
    expect(removeAll(database, 300)).toBe(189);
    database.close();
    const again = openDatabase(database.path);
    expect(again.verifyRange(0, 307)).toMatchObject({ ok: true, reduced: 300 });
    expect(removeAll(again, 300)).toBe(0);
    fill(again, [3]);
    expect(again.verifyRange(0, 310)).toMatchObject({ ok: true });
  });

  test('merges rows that have no bodies, in any slices, and leaves notes with further lines where they are', () => {
    for (const limit of [1, 64]) {
      const database = newDatabase();
      fill(
        database,
        Array.from({ length: 400 }, () => 1),
      );
      const note = parseNote(database.noteAt(300) ?? new Uint8Array());
      if (!note.ok) throw new Error(note.detail);
      const anchored = formatNote(new TestWitness('anchor').cosign(note.value, 1_700_000_000));
      database.replaceNote(300, anchored);
      expect(removeAll(database, 390, limit)).toBe(390);
      expect(
        database
          .commits(0, 99)
          .slice(0, 4)
          .map(({ size }) => size),
      ).toEqual([256, 300, 390, 391]);
      expect(database.noteAt(300)).toEqual(anchored);
      expect(database.verifyRange(0, 400)).toMatchObject({ ok: true, entries: 400, reduced: 390 });
      expect(proveEverything(database)).toBeGreaterThan(20);
      database.close();
    }
  });

  test('gives its room back to new entries', () => {
    const database = newDatabase();
    fill(
      database,
      Array.from({ length: 40 }, () => 200),
    );
    const before = database.usedBytes();
    removeAll(database, 7_000);
    database.walCheckpointTruncate();
    expect(database.usedBytes()).toBeLessThan(before * 0.8);
  });

  test('whatever the commits, the bound and the slices, proofs hold', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 12 }),
        fc.nat(1_000),
        fc.integer({ min: 1, max: 5 }),
        (sizes, at, limit) => {
          const database = newDatabase();
          fill(database, sizes);
          const below = at % (database.size() + 1);
          removeAll(database, below, limit);
          const left = bodiesOf(database);
          expect(left.length).toBeGreaterThanOrEqual(database.size() - below);
          expect(database.verifyRange(0, database.size())).toMatchObject({ ok: true });
          proveEverything(database);
          database.close();
        },
      ),
      { numRuns: 10 },
    );
  });
});

describe('erasing entries', () => {
  test('leaves their hashes, and no byte of them in the file', () => {
    const database = newDatabase();
    const tree = new TreeBuilder(nodeCrypto);
    const leaves = Array.from({ length: 9 }, (_, i) => leafOf(i, `person-${i}-secret`));
    for (let first = 0; first < 9; first += 3) {
      const part = leaves.slice(first, first + 3);
      for (const leaf of part) tree.push(leafHash(nodeCrypto, leaf));
      const hashes = part.map((leaf) => leafHash(nodeCrypto, leaf));
      database.commit({ first, leaves: part, hashes, after: tree.frontier(), note: noteOf(tree) });
    }
    expect(database.reduce([4, 0, 1, 2, 4, 99])).toBe(4);
    expect(database.reduce([4])).toBe(0);
    expect(bodiesOf(database)).toEqual([3, 5, 6, 7, 8]);
    expect(database.verifyRange(0, 9)).toMatchObject({ ok: true, entries: 9, reduced: 4, notes: 3 });
    expect(database.firstReduced(3, 9)).toBe(4);
    const held = Buffer.concat([readFileSync(database.path), readFileSync(`${database.path}-wal`)]).toString('latin1');
    for (const gone of [0, 1, 2, 4]) expect(held).not.toContain(`person-${gone}-secret`);
    for (const kept of [3, 5, 8]) expect(held).toContain(`person-${kept}-secret`);
    expect(database.removeBodies(6, 10)).toBe(2);
    expect(database.verifyRange(0, 9)).toMatchObject({ ok: true, reduced: 6 });
  });
});

test('nothing is erased that no store has receipted', () => {
  const database = newDatabase();
  fill(database, [5, 5]);
  const log = { database, receiptedSize: 5 };
  expect(eraseEntries(log, [1, 5])).toMatchObject({ ok: false, reason: 'not_receipted' });
  expect(bodiesOf(database)).toHaveLength(10);
  expect(eraseEntries(log, [1, 4])).toEqual({ ok: true, value: 2 });
  expect(bodiesOf(database)).toEqual([0, 2, 3, 5, 6, 7, 8, 9]);
});

describe('age', () => {
  test('is running time since the receipt: a body goes after so many days of running, not before', () => {
    let state = NO_AGE;
    const below: number[] = [];
    for (let hour = 1; hour <= 24 * 5; hour += 1) {
      const receipted = Math.min(hour * 10, 300);
      const step = ageByHour(state, receipted, 2);
      state = step.state;
      below.push(step.below);
    }
    // Receipted in hour 1: removed in hour 49, with keep_days 2.
    expect(below.findIndex((size) => size > 0)).toBe(48);
    expect(below.every((size, i) => size <= Math.max(0, (i + 1 - 48) * 10))).toBe(true);
    expect(below.at(-1)).toBe(300);
  });

  test('needs few marks however long the period, and 0 days means as soon as it is receipted', () => {
    let state = NO_AGE;
    for (let hour = 1; hour <= 24 * 800; hour += 1) state = ageByHour(state, hour, 365).state;
    expect(state.marks.length).toBeLessThan(500);
    expect(ageByHour(state, 77, 0)).toEqual({ state: { hours: 24 * 800 + 1, marks: [] }, below: 77 });
  });

  test('is kept over restarts and never exceeds what is receipted now', async () => {
    const database = newDatabase();
    fill(database, [10, 10, 10]);
    const logs: RetentionLog[] = [{ database, receiptedSize: 20 }];
    const make = (): { retention: Retention; scheduler: ManualScheduler } => {
      const scheduler = new ManualScheduler();
      const retention = new Retention({
        logs: () => logs,
        settings: settingsWith({ keep_days: 1 }),
        scheduler,
        logger: silentLogger,
        metrics: new MemoryMetrics(),
      });
      return { retention, scheduler };
    };
    for (let start = 0; start < 4; start += 1) {
      const { retention, scheduler } = make();
      retention.start();
      for (let hour = 0; hour < 6; hour += 1) {
        scheduler.advance(3_600_000);
        await retention.hour();
      }
      await retention.stop();
    }
    // Each advanced hour counted twice here: by the timer and by the call.
    expect(bodiesOf(database)).toHaveLength(10);
    expect(bodiesOf(database)[0]).toBe(20);
    logs.splice(0, 1, { database, receiptedSize: 0 });
    const { retention } = make();
    await retention.hour();
    expect(bodiesOf(database)).toHaveLength(10);
  });

  test('when room runs out, what is receipted goes at once and no more than needed', async () => {
    const database = newDatabase();
    fill(
      database,
      Array.from({ length: 60 }, () => 10),
    );
    let looks = 0;
    const room = {
      get level() {
        return looks > 2 ? 'ok' : 'low';
      },
      look: () => {
        looks += 1;
      },
      onLevel: () => () => undefined,
    } as unknown as DiskRoom;
    const retention = new Retention({
      logs: () => [{ database, receiptedSize: 500 }],
      settings: settingsWith(),
      scheduler: new ManualScheduler(),
      logger: silentLogger,
      metrics: new MemoryMetrics(),
      room,
    });
    await retention.relieve();
    expect(bodiesOf(database)[0]).toBe(320);
  });

  test('room that ran out before anything was receipted comes back with the receipts, in this start or the next', async () => {
    const database = newDatabase();
    fill(
      database,
      Array.from({ length: 6 }, () => 10),
    );
    const log = { database, receiptedSize: 0 };
    const room = { level: 'custody', look: () => undefined, onLevel: () => () => undefined } as unknown as DiskRoom;
    const scheduler = new ManualScheduler();
    const make = () => {
      const parts = { settings: settingsWith(), scheduler, logger: silentLogger, metrics: new MemoryMetrics(), room };
      return new Retention({ ...parts, logs: () => [log] });
    };
    const retention = make();
    retention.start();
    await turn();
    expect(bodiesOf(database)).toHaveLength(60);
    // No level changes from here on.
    log.receiptedSize = 30;
    scheduler.advance(10_000);
    await turn();
    expect(bodiesOf(database)[0]).toBe(30);
    await retention.stop();
    log.receiptedSize = 50;
    const next = make();
    next.start();
    await turn();
    expect(bodiesOf(database)[0]).toBe(50);
    await next.stop();
  });
});
