import { describe, expect, test } from 'vitest';
import { intakeStatus } from '../../../src/risk/intake/status.ts';
import { grow, newLog } from './events.ts';
import { Harness, policyFor } from './harness.ts';

const numbers = (from: number, to: number): readonly number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe('batches out of order', () => {
  test('one that is ahead waits, is asked for once, and is taken when its predecessors came', async () => {
    const log = grow(newLog(), 12);
    const h = await new Harness().open(policyFor(log));
    await h.batch(log, log.batch(0, 3));
    await h.batch(log, log.batch(9, 12));
    await h.batch(log, log.batch(6, 9));
    expect(h.requests()).toEqual([{ first: 3, log: log.origin, v: 1 }]);
    expect(h.receipts(log)).toEqual([3]);
    await h.batch(log, log.batch(3, 6));
    expect(h.receipts(log).at(-1)).toBe(12);
    expect((await h.used(log)).map(({ n }) => n)).toEqual(numbers(0, 12));
    expect(h.intake.gateways[0]?.parking.bytes).toBe(0);
  });

  test('requests come at most once in 10 s, and ever less often while nothing comes of them', async () => {
    const log = grow(newLog(), 9);
    const h = await new Harness().open(policyFor(log));
    await h.batch(log, log.batch(6, 9));
    for (let second = 0; second < 400; second += 1) {
      await h.batch(log, log.batch(6, 9));
      await h.advance(1_000);
    }
    const times = h.published.filter(({ topic }) => topic.endsWith('/request')).map(({ atMs }) => atMs);
    expect(times.length).toBeGreaterThan(4);
    expect(times.length).toBeLessThan(8);
    const waits = times.slice(1).map((at, i) => at - (times[i] ?? 0));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(10_000);
    expect([...waits].sort((a, b) => a - b)).toEqual(waits);
  });

  test('a forged batch that is ahead neither waits nor asks', async () => {
    const log = grow(newLog(), 9);
    const forged = log.batch(6, 9);
    forged[forged.length - 10] = (forged[forged.length - 10] ?? 0) ^ 1;
    const h = await new Harness().open(policyFor(log));
    await h.batch(log, forged);
    expect(h.requests()).toEqual([]);
    expect(h.intake.gateways[0]?.parking.bytes).toBe(0);
    expect(h.outcomes('signature') + h.outcomes('signature_line')).toBe(1);
  });

  test('parked bytes are bounded, and what lies nearest stays', async () => {
    const log = grow(newLog(), 200);
    const limits = { gatewayBytesMax: 20_000 };
    const h = await new Harness().open(policyFor(log), { limits });
    for (let first = 199; first > 0; first -= 1) await h.batch(log, log.batch(first, first + 1));
    const parking = h.intake.gateways[0]?.parking;
    expect(parking?.bytes).toBeLessThanOrEqual(20_000);
    expect(parking?.firstAhead(log.origin)).toBe(1);
    await h.batch(log, log.batch(150, 151));
    expect(h.outcomes('parking_full')).toBe(1);
    expect(h.alarm('parking_full')).toBe(1);
    await h.batch(log, log.batch(0, 1));
    expect(h.receipts(log).at(-1)).toBeGreaterThan(5);
  });
});

describe('entries that the gateway no longer has', () => {
  test('`left` is not taken before the missing entries were asked for twice', async () => {
    const log = grow(newLog(), 20);
    const h = await new Harness().open(policyFor(log));
    await h.batch(log, log.batch(10, 15, { left: true }));
    expect(h.requests()).toHaveLength(1);
    await h.batch(log, log.batch(10, 15, { left: true }));
    expect(await h.used(log)).toEqual([]);
    // The gateway has them after all.
    await h.batch(log, log.batch(0, 10));
    expect((await h.used(log)).map(({ n }) => n)).toEqual(numbers(0, 15));
    expect(h.alarm('gap_opened')).toBe(0);
  });

  async function withGap(parts = {}): Promise<{ h: Harness; log: ReturnType<typeof newLog> }> {
    const log = grow(newLog(), 30);
    const h = await new Harness().open(policyFor(log), parts);
    await h.batch(log, log.batch(0, 5));
    await h.batch(log, log.batch(10, 15, { left: true }));
    await h.advance(10_000);
    expect(h.requests()).toEqual(Array(2).fill({ first: 5, log: log.origin, v: 1 }));
    await h.batch(log, log.batch(10, 15, { left: true }));
    await h.batch(log, log.batch(15, 20));
    return { h, log };
  }

  test('then it gives the tree and never a receipt: entries are used, the gap is shown, nothing above is receipted', async () => {
    const { h, log } = await withGap();
    expect((await h.used(log)).map(({ n }) => n)).toEqual([...numbers(0, 5), ...numbers(10, 20)]);
    expect(h.receipts(log).at(-1)).toBe(5);
    expect(h.alarm('gap_opened')).toBe(1);
    const status = intakeStatus(h.intake).gateways[0]?.logs[0];
    expect(status).toMatchObject({ gaps: [[5, 10]], size: 20, contiguous: 5, receipted: 5, entries: 15 });
    await h.restart(policyFor(log));
    await h.batch(log, log.batch(20, 22));
    expect(h.receipts(log).at(-1)).toBe(5);
    expect((await h.used(log)).at(-1)?.n).toBe(21);
  });

  test('a gap that is filled by the gateway after all closes, and receipts go on', async () => {
    const { h, log } = await withGap();
    await h.batch(log, log.batch(5, 12));
    expect(h.receipts(log).at(-1)).toBe(20);
    expect((await h.used(log)).map(({ n }) => n)).toEqual([...numbers(0, 5), ...numbers(10, 20), ...numbers(5, 10)]);
    expect(intakeStatus(h.intake).gateways[0]?.logs[0]).toMatchObject({ gaps: [], contiguous: 20 });
  });

  test('an export closes it, however large its batches are', async () => {
    const { h, log } = await withGap();
    const batches = [log.batch(0, 3), log.batch(3, 8), log.batch(8, 20)];
    for (const bytes of batches) {
      const outcome = h.intake.importBatch(bytes, 'gw-0001');
      await h.settle();
      expect(['accepted', 'known']).toContain(await outcome);
    }
    expect(h.receipts(log).at(-1)).toBe(20);
    expect((await h.used(log)).map(({ n }) => n).sort((a, b) => a - b)).toEqual(numbers(0, 20));
  });

  test('a gap that the operator accepts by name is shown, and no longer holds receipts back', async () => {
    const log = grow(newLog(), 1);
    const { h } = await withGap({ acceptedGaps: new Map([[log.origin, 10]]) });
    expect(h.receipts(log).at(-1)).toBe(20);
    expect(intakeStatus(h.intake).gateways[0]?.logs[0]).toMatchObject({ gaps: [[5, 10]], gap_accepted_below: 10 });
  });

  test('accepting one gap accepts no later one', async () => {
    const log = grow(newLog(), 1);
    const { h } = await withGap({ acceptedGaps: new Map([[log.origin, 9]]) });
    expect(h.receipts(log).at(-1)).toBe(5);
  });

  test('what fills a gap with another tree than the one above is a fork', async () => {
    const { h, log } = await withGap();
    const twin = grow(newLog(), 5);
    grow(twin, 25, () => ({ salt: 9 }));
    await h.batch(log, twin.batch(5, 10));
    expect(h.alarm('fork')).toBe(1);
    expect(h.receipts(log).at(-1)).toBe(5);
    expect(h.disk.logs.get(log.origin)?.forks.size).toBe(1);
    await h.batch(log, log.batch(5, 10));
    expect(h.receipts(log).at(-1)).toBe(20);
  });

  test('gaps of one log are bounded', async () => {
    const log = grow(newLog(), 80);
    const h = await new Harness().open(policyFor(log));
    for (let first = 2; first < 80; first += 4) {
      await h.batch(log, log.batch(first, first + 1, { left: true }));
      await h.advance(11_000);
      await h.batch(log, log.batch(first, first + 1, { left: true }));
    }
    expect((await h.used(log)).length).toBeLessThanOrEqual(16);
    expect(h.alarm('too_many_gaps')).toBeGreaterThan(0);
  });
});
