/**
 * Whom an entry concerns that names no parcel, on both engines: whatever comes in whatever order, a parcel whose fold is
 * another one afterwards is among those that are looked at; and of an entry in its turn no more are than lie there.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { present } from '../../../src/base/assert.ts';
import type { JsonObject } from '../../../src/evidence/event/event.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { LateNews } from '../../../src/risk/casework/late-news.ts';
import { SqlStore } from '../../../src/risk/intake/sql-store/sql-store.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { NOW_MS, owner } from '../../support/casework-bench.ts';
import { bothEngines } from '../../support/engines.ts';
import { eventOf } from '../../support/test-events.ts';
import { TestLog } from '../../support/test-log.ts';
import { PUT_IN, TAKEN_OUT } from '../../unit/ledger/support.ts';

const engines = bothEngines('late-concerned');
/** The last two once found a fault. More of them by hand: `LATCHKEY_SEEDS=500`. */
const SEEDS = Number(process.env['LATCHKEY_SEEDS'] ?? 2);
const STORIES = [...Array.from({ length: SEEDS }, (_each, i) => i + 1), 90, 98];
const MINUTE_MS = 60_000;
const STEPS = 26;

type Drawn = readonly [type: string, data: JsonObject, more?: object];

/** Mulberry32: the same seed tells the same story. */
function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

describe.each(Object.entries(engines.settings))('%s', (_, settingsOf) => {
  let database: RiskDatabase;
  let store: SqlStore;
  let ledger: LedgerStore;
  beforeAll(async () => {
    database = await RiskDatabase.open(await settingsOf());
    store = new SqlStore({ database, crypto: nodeCrypto, ...owner });
    ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A2' });
  });
  afterAll(() => database.close());

  async function keep(log: TestLog, first: number, end: number): Promise<void> {
    const rows = log.leaves.slice(first, end).map((leaf, i) => ({
      leaf,
      leafHash: present(log.leafHashes[first + i], 'a leaf has its hash'),
      use: { status: 'used' } as const,
    }));
    const tree = { before: log.frontier(first), after: log.frontier(end) };
    const range = { origin: log.origin, opens: first === 0, ...tree, rows, storedAtMs: NOW_MS };
    expect(await store.append([range])).toEqual(['stored']);
    await ledger.catchUp();
  }

  /** Whom the entries that were read since the last time concern. */
  async function concerned(): Promise<readonly string[]> {
    const news = new LateNews({ database, ...owner });
    const found = new Set<string>();
    for (;;) {
      const page = await news.sources[0]?.(100);
      if (page === undefined) return [...found].sort();
      for await (const parcels of page.parcels()) for (const parcel of parcels) found.add(parcel);
      await page.done();
    }
  }

  /** What decisions stand on: which of the entries are new alone decides nothing. */
  async function folds(parcels: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const all = await ledger.ledgers(parcels, NOW_MS);
    return new Map(all.map(({ facts: { ledger_version: _version, ...facts } }) => [facts.ref, JSON.stringify(facts)]));
  }

  const place = (parcel: string | undefined, compartment: string | undefined): object => ({
    device: 'board-1',
    ...(compartment !== undefined && { compartment }),
    ...(parcel !== undefined && { parcel: { ref: parcel, scheme: 'sscc' } }),
  });

  function drawn(below: (most: number) => number, parcels: readonly string[]): Drawn {
    const parcel = present(parcels[below(parcels.length)], 'a parcel');
    const compartment = `A0${1 + below(2)}`;
    const credential = `code-${below(3)}`;
    const all: readonly (() => Drawn)[] = [
      () => ['parcel.deposited', PUT_IN, place(parcel, compartment)],
      () => ['parcel.deposited', { ...PUT_IN, contradictions: ['shut_but_empty'] }, place(parcel, compartment)],
      () => ['parcel.deposited', { ...PUT_IN, blind_ms: 2_000_000 }, place(parcel, compartment)],
      () => ['parcel.collected', TAKEN_OUT, place(parcel, compartment)],
      () => ['parcel.removed', TAKEN_OUT, place(parcel, compartment)],
      () => ['compartment.disturbed', { item_after: below(2) === 0 }, place(undefined, compartment)],
      () => ['door.forced', { reason: 'opened_without_access' }, place(undefined, compartment)],
      () => ['door.forced', { reason: 'opened_without_access' }, place(undefined, compartment)],
      () => ['tamper.raised', {}, {}],
      () => ['maintenance.opened', below(2) === 0 ? {} : { compartments: [compartment] }, {}],
      () => ['maintenance.closed', {}, {}],
      () => ['device.faulted', {}, { device: 'board-1' }],
      () => ['power.lost', {}, {}],
      () => ['power.restored', {}, {}],
      () => ['access.granted', { credential, attempts: 1 }, { device: 'pad-1', compartment }],
      () => ['access.granted', { credential, attempts: 1 }, { device: 'pad-1', compartment }],
      () => ['access.granted', { credential, attempts: 5 }, { device: 'pad-1', compartment }],
      () => ['access.refused', { credential, reason: 'used' }, { device: 'pad-2' }],
      () => ['access.refused', { credential, reason: 'used' }, { device: 'pad-2' }],
      () => ['gateway.alive', { interval_ms: 60_000, disk_free_kib: 1, queued: 0 }, {}],
    ];
    return present(all[below(all.length)], 'one of them')();
  }

  test.each([...new Set(STORIES)])('every parcel whose fold changes is looked at (story %i)', async (seed) => {
    const below = chance(seed);
    const gateway = `g-${seed}`;
    const parcels = [1, 2, 3].map((i) => `k1.s${seed}-${i}`);
    const logs = [1, 2, 3].map((number) => new TestLog(`story ${seed}.${number}`, gateway, number));
    for (let step = 0; step < STEPS; step += 1) {
      // A log after the other, as they are begun; some of the entries under a clock that went wrong.
      const log = present(logs[Math.min(2, Math.floor((step + below(6)) / (STEPS / 3)))], 'a log');
      const wrong = seed % 2 === 0 && below(12) === 0 ? (below(2) === 0 ? -15 : 700) * MINUTE_MS : 0;
      const at = new Date(NOW_MS - (STEPS - step) * MINUTE_MS + wrong).toISOString();
      const [type, data, more = {}] =
        log.size === 0 ? (['journal.opened', { version: '1' }] as const) : drawn(below, parcels);
      log.append(encodeLeaf(eventOf(log, log.size, type, data, { at, ...more })));
    }
    const kept = logs.map(() => 0);
    let before = await folds(parcels);
    let changed = 0;
    for (;;) {
      const left = logs.flatMap((log, i) => ((kept[i] ?? 0) < log.size ? [i] : []));
      if (left.length === 0) break;
      const i = present(left[seed % 3 === 0 ? 0 : below(left.length)], 'a log with more');
      const [log, first] = [present(logs[i], 'a log'), kept[i] ?? 0];
      const end = Math.min(log.size, first + 1 + below(3));
      await keep(log, first, end);
      kept[i] = end;
      const [found, after] = [await concerned(), await folds(parcels)];
      const moved = parcels.filter((parcel) => before.get(parcel) !== after.get(parcel));
      const told = `after ${log.origin} to ${end}`;
      expect([told, moved.filter((parcel) => !found.includes(parcel))]).toEqual([told, []]);
      changed += moved.length;
      before = after;
    }
    expect(changed).toBeGreaterThan(0);
  });

  test('an entry in its turn concerns those that lie there, a spent code those that it opened for, and power nobody', async () => {
    const log = new TestLog('in turn', 'in-turn', 1);
    const add = async (...all: readonly Drawn[]): Promise<readonly string[]> => {
      const first = log.size;
      for (const [type, data, more = {}] of all) log.append(encodeLeaf(eventOf(log, log.size, type, data, more)));
      await keep(log, first, log.size);
      return concerned();
    };
    const [here, there, gone] = ['k1.here', 'k1.there', 'k1.gone'];
    await add(['journal.opened', { version: '1' }], ['parcel.deposited', PUT_IN, place(gone, 'A01')]);
    await add(['access.granted', { credential: 'c-1', attempts: 1 }, { device: 'pad-1', compartment: 'A01' }]);
    await add(['parcel.collected', TAKEN_OUT, place(gone, 'A01')], ['parcel.deposited', PUT_IN, place(here, 'A01')]);
    await add(['parcel.deposited', PUT_IN, place(there, 'A02')]);
    expect(await add(['power.lost', {}], ['device.faulted', {}], ['maintenance.opened', {}])).toEqual([]);
    expect(await add(['door.forced', {}, { compartment: 'A01' }])).toEqual([here]);
    expect(await add(['tamper.raised', {}])).toEqual([here, there]);
    expect(await add(['access.refused', { credential: 'c-1', reason: 'used' }])).toEqual([gone]);
    expect(await add(['access.refused', { credential: 'c-2', reason: 'used' }])).toEqual([]);
    // A clock that went back is held against all.
    expect(await add(['power.restored', {}, { at: '2026-11-21T00:00:00.000Z' }])).toEqual([gone, here, there]);
    expect(await add(['power.lost', {}])).toEqual([]);
    const at = (minute: number): object => ({ at: `2026-11-22T11:${minute}:00.000Z` });
    expect(await add(['power.restored', {}, at(30)], ['power.lost', {}, at(20)])).toEqual([gone, here, there]);
  });

  test('an entry of an older log that is read after a newer one concerns all, though no clock says so', async () => {
    const [older, newer] = [1, 2].map((number) => new TestLog(`late ${number}`, 'late', number)) as [TestLog, TestLog];
    const add = async (log: TestLog, type: string, data: JsonObject, more: object = {}): Promise<readonly string[]> => {
      const at = { at: new Date(NOW_MS).toISOString() };
      log.append(encodeLeaf(eventOf(log, log.size, type, data, { ...at, ...more })));
      await keep(log, log.size - 1, log.size);
      return concerned();
    };
    await add(older, 'parcel.deposited', PUT_IN, place('k1.late', 'A01'));
    expect(await add(newer, 'door.forced', {}, { compartment: 'A01' })).toEqual(['k1.late']);
    expect(await add(older, 'maintenance.opened', {})).toEqual(['k1.late']);
    const [ledgerNow] = await ledger.ledgers(['k1.late'], NOW_MS);
    expect(ledgerNow?.facts.contradictions).toMatchObject([{ innocent: 'a technician, with a maintenance window' }]);
  });
});
