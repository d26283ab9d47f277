import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { PACE_DEFAULTS } from '../../../src/edge/keys/anchor-schedule.ts';
import { Anchorer } from '../../../src/edge/keys/anchorer.ts';
import { WEAR_DEFAULTS } from '../../../src/edge/keys/wear-budget.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { Cut, FakeStore, FakeTpm } from './anchor-fakes.ts';

interface Bench {
  readonly scheduler: ManualScheduler;
  readonly store: FakeStore;
  readonly tpm: FakeTpm;
  readonly anchorer: Anchorer;
  /** Turns the clock and lets what was started end. */
  advance(ms: number): Promise<void>;
}

function bench(store = new FakeStore(), tpm = new FakeTpm(7)): Bench {
  const scheduler = new ManualScheduler();
  const pace = { ...PACE_DEFAULTS, wear: WEAR_DEFAULTS };
  const parts = { store, tpm, pace, crypto: nodeCrypto, scheduler, logger: silentLogger, metrics: new MemoryMetrics() };
  const anchorer = new Anchorer(parts);
  const advance = async (ms: number): Promise<void> => {
    scheduler.advance(ms);
    for (let i = 0; i < 60; i += 1) await Promise.resolve();
  };
  return { scheduler, store, tpm, anchorer, advance };
}

describe('the anchorer', () => {
  test('anchors at the start, then parcels at most once in ten seconds, and at the stop', async () => {
    const { store, tpm, anchorer, advance } = bench();
    store.next = { origin: 'o', size: 1, root: new Uint8Array(32), unanchored: 'idle' };
    anchorer.start();
    await advance(0);
    expect(store.made.map(({ size, counter }) => [size, counter])).toEqual([[1, 8]]);
    store.grow(5);
    await advance(4_000);
    expect(store.made).toHaveLength(1);
    expect(anchorer.status()).toMatchObject({ state: 'waiting', dueInMs: 6_000, because: 'pace', lastSize: 1 });
    store.grow(9);
    await advance(6_000);
    expect(store.made.map(({ size }) => size)).toEqual([1, 9]);
    store.grow(11, 'idle');
    await advance(1);
    await anchorer.stop(1_000);
    expect(store.made.map(({ size, counter }) => [size, counter])).toEqual([
      [1, 8],
      [9, 9],
      [11, 10],
    ]);
    expect(tpm.value).toBe(10);
    expect(anchorer.status().state).toBe('stopped');
  });

  test('what the TPM certifies is the checkpoint of the intent', async () => {
    const { store, anchorer, advance } = bench();
    store.next = { origin: 'o', size: 3, root: new Uint8Array(32), unanchored: 'parcel' };
    anchorer.start();
    await advance(0);
    const text = `latchkey/tpm2-nv-certify/v1\no\n3\n${Buffer.alloc(32).toString('base64')}\n`;
    const extraData = nodeCrypto.sha256(Buffer.from(text));
    // The fake's attestation is what it was asked to sign.
    expect([...(store.made[0]?.line.signature.slice(2, 34) ?? [])]).toEqual([...extraData]);
  });

  test('a TPM that is away delays anchors, shows it, and is asked again with back-off', async () => {
    const { store, tpm, anchorer, advance } = bench();
    tpm.cut = new Cut(1, false);
    store.next = { origin: 'o', size: 1, root: new Uint8Array(32), unanchored: 'parcel' };
    anchorer.start();
    await advance(0);
    expect(anchorer.status()).toMatchObject({ state: 'away', reason: 'cut' });
    for (let i = 0; i < 40; i += 1) await advance(15_000);
    expect(anchorer.status()).toMatchObject({ state: 'away', awayForMs: 600_000 });
    expect(store.made).toEqual([]);
    tpm.cut = new Cut(Number.POSITIVE_INFINITY, false);
    await advance(60_000);
    expect(store.made.map(({ counter }) => counter)).toEqual([8]);
    expect(anchorer.status().state).not.toBe('away');
  });

  test('a stop with a TPM that is away ends in time', async () => {
    const { store, tpm, anchorer, advance } = bench();
    tpm.cut = new Cut(1, false);
    store.next = { origin: 'o', size: 1, root: new Uint8Array(32), unanchored: 'parcel' };
    anchorer.start();
    await advance(0);
    await anchorer.stop(1_000);
    expect(anchorer.status().state).toBe('stopped');
    expect(store.made).toEqual([]);
  });

  test('a counter that somebody else moved is a breach, before anything is anchored', async () => {
    const { store, tpm, anchorer, advance } = bench();
    store.last = 6;
    store.next = { origin: 'o', size: 1, root: new Uint8Array(32), unanchored: 'parcel' };
    anchorer.start();
    await advance(0);
    expect(store.breaches).toEqual([{ expected: 6, found: 7 }]);
    // The new log goes on from what was found.
    expect(store.made.map(({ counter }) => counter)).toEqual([8]);
    expect(tpm.value).toBe(8);
  });

  test('a counter that somebody moves while we anchor is a breach, and no anchor', async () => {
    const { store, tpm, anchorer, advance } = bench();
    store.last = 7;
    const advanceOnce = tpm.advanceCounter.bind(tpm);
    tpm.advanceCounter = async (extraData) => {
      tpm.advanceCounter = advanceOnce;
      tpm.value += 1;
      return advanceOnce(extraData);
    };
    store.next = { origin: 'o', size: 1, root: new Uint8Array(32), unanchored: 'parcel' };
    anchorer.start();
    await advance(0);
    expect(store.breaches).toEqual([{ expected: 8, found: 9 }]);
    expect(store.made.map(({ counter }) => counter)).toEqual([10]);
  });

  test('cut after any step, any number of times: each value certified once, none skipped, no breach', async () => {
    let completed = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ side: fc.constantFrom('tpm', 'disk'), at: fc.integer({ min: 1, max: 5 }), after: fc.boolean() }),
          {
            maxLength: 12,
          },
        ),
        async (cuts) => {
          const store = new FakeStore();
          const tpm = new FakeTpm(7);
          store.last = 7;
          let size = 1;
          for (const { side, at, after } of cuts) {
            const cut = new Cut(at, after);
            store.cut = side === 'disk' ? cut : new Cut(Number.POSITIVE_INFINITY, false);
            tpm.cut = side === 'tpm' ? cut : new Cut(Number.POSITIVE_INFINITY, false);
            const life = bench(store, tpm);
            size += 1;
            store.next = { origin: 'o', size, root: new Uint8Array(32), unanchored: 'parcel' };
            life.anchorer.start();
            await life.advance(0);
            // The power goes: nothing more of this life happens.
            store.cut = new Cut(0, false);
            await life.anchorer.stop(0);
          }
          store.cut = new Cut(Number.POSITIVE_INFINITY, false);
          tpm.cut = new Cut(Number.POSITIVE_INFINITY, false);
          const last = bench(store, tpm);
          store.next = { origin: 'o', size: size + 1, root: new Uint8Array(32), unanchored: 'parcel' };
          last.anchorer.start();
          await last.advance(0);
          expect(store.breaches).toEqual([]);
          expect(store.open).toBeUndefined();
          const counters = store.made.map(({ counter }) => counter);
          expect(counters).toEqual(counters.map((_, i) => 8 + i));
          expect(tpm.value).toBe(7 + counters.length);
          expect(store.made.at(-1)?.size).toBe(size + 1);
          completed += counters.length;
        },
      ),
    );
    expect(completed).toBeGreaterThan(100);
  });

  test('an empty bucket outlives restarts', async () => {
    const store = new FakeStore();
    const tpm = new FakeTpm(7);
    for (let life = 0; life < 1_010; life += 1) {
      const { anchorer, advance } = bench(store, tpm);
      store.next = { origin: 'o', size: life, root: new Uint8Array(32), unanchored: 'parcel' };
      anchorer.start();
      await advance(0);
      await anchorer.stop(0);
    }
    expect(store.made).toHaveLength(1_000);
    expect(store.kept).toBeLessThan(1);
  });
});
