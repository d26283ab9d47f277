import { describe, expect, test } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { intakeStatus } from '../../../src/risk/intake/status.ts';
import { MemoryStore } from '../../contract/memory-intake-store.ts';
import { until } from '../../support/until.ts';
import { grow, newLog } from './events.ts';
import { Harness, policyFor } from './harness.ts';

describe('a disk that fails', () => {
  test.each(['STORE_IO', 'STORE_FULL'] as const)(
    '%s: no receipt until the store is back, then everything goes on',
    async (code) => {
      const log = grow(newLog(), 12);
      const h = await new Harness().open(policyFor(log));
      await h.batch(log, log.batch(0, 4));
      h.memory.failNext = code;
      h.memory.failReopen = true;
      await h.batch(log, log.batch(4, 8));
      expect(h.receipts(log)).toEqual([4]);
      expect(intakeStatus(h.intake).store).toMatchObject({ state: 'down', code });
      await h.batch(log, log.batch(4, 8));
      await h.advance(5_000);
      expect(h.outcomes('store_down')).toBe(1);
      expect(h.alarm('store_down')).toBe(1);
      h.memory.failReopen = false;
      await h.advance(10_000);
      expect(intakeStatus(h.intake).store).toEqual({ state: 'ok' });
      await h.batch(log, log.batch(4, 12));
      expect(h.receipts(log).at(-1)).toBe(12);
      expect((await h.used(log)).map(({ n }) => n)).toEqual(Array.from({ length: 12 }, (_, n) => n));
    },
  );

  test('a failure between storing and noting the cosigned tree gives no receipt', async () => {
    const log = grow(newLog(), 6);
    const h = await new Harness().open(policyFor(log));
    const store = h.memory;
    const cosign = store.cosign.bind(store);
    store.cosign = () => Promise.reject(new LatchkeyError('STORE_IO', 'the disk fails'));
    await h.batch(log, log.batch(0, 6));
    expect(h.receipts(log)).toEqual([]);
    expect(await h.used(log)).toHaveLength(6);
    store.cosign = cosign;
    await h.advance(3_000);
    expect(h.receipts(log)).toEqual([6]);
  });

  test('what the store cannot hold is said so, and costs the other logs nothing', async () => {
    const [log, other] = [grow(newLog(), 8), grow(newLog('other', 'gw-0002'), 8)];
    const h = await new Harness().open(policyFor(log, other));
    const append = h.memory.append.bind(h.memory);
    h.memory.append = async (ranges) => {
      const answers = await append(ranges.filter(({ origin }) => origin !== log.origin));
      const left = [...answers];
      return ranges.map(({ origin }) => (origin === log.origin ? 'refused' : (left.shift() ?? 'conflict')));
    };
    await h.batch(log, log.batch(0, 8));
    await h.batch(other, other.batch(0, 8));
    expect([h.receipts(log), h.receipts(other)]).toEqual([[], [8]]);
    expect(h.alarm('refused_signed')).toBe(1);
    h.memory.append = append;
    await h.batch(log, log.batch(0, 8));
    expect(h.receipts(log)).toEqual([8]);
  });

  test('a store that holds another tree than we think is loaded again, and nothing is lost or doubled', async () => {
    const log = grow(newLog(), 9);
    const h = await new Harness().open(policyFor(log));
    await h.batch(log, log.batch(0, 3));
    // Another hand wrote: what a second receiver on one SQL store would do.
    const twin = await new Harness().open(policyFor(log), { store: h.store });
    await twin.batch(log, log.batch(3, 6));
    await h.batch(log, log.batch(3, 9));
    await h.batch(log, log.batch(3, 9));
    expect(h.metrics.value('intake_conflicts')).toBe(1);
    expect((await h.used(log)).map(({ n }) => n)).toEqual(Array.from({ length: 9 }, (_, n) => n));
    expect(h.receipts(log).at(-1)).toBe(9);
  });
});

describe('a store that lost what was receipted', () => {
  async function lost(h: Harness, log: ReturnType<typeof newLog>): Promise<void> {
    await h.open(policyFor(log));
    await h.batch(log, log.batch(0, 4));
    await h.batch(log, log.batch(4, 8));
    await h.intake.close();
    h.disk.logs.get(log.origin)?.ranges.pop();
    h.store = new MemoryStore(h.disk);
    h.published.length = 0;
  }

  test('gives no receipt before the entries are back, and then the same tree', async () => {
    const log = grow(newLog(), 10);
    const h = new Harness();
    await lost(h, log);
    await h.open(policyFor(log));
    expect(h.alarm('behind_receipt')).toBe(1);
    await h.batch(log, log.batch(4, 6));
    expect(h.receipts(log)).toEqual([]);
    expect(intakeStatus(h.intake).gateways[0]?.logs[0]).toMatchObject({ receipts: 'behind', receipted: 8, size: 6 });
    await h.batch(log, log.batch(6, 10));
    expect(h.receipts(log)).toEqual([10]);
  });

  test('never cosigns another tree', async () => {
    const log = grow(newLog(), 4);
    const twin = grow(newLog(), 4);
    grow(log, 6);
    grow(twin, 6, () => ({ salt: 9 }));
    const h = new Harness();
    await lost(h, log);
    await h.open(policyFor(log));
    await h.batch(log, twin.batch(4, 10));
    grow(twin, 2);
    await h.batch(log, twin.batch(10, 12));
    await h.restart(policyFor(log));
    expect(h.receipts(log)).toEqual([]);
    expect(h.alarm('receipt_contradicted')).toBe(2);
    expect(intakeStatus(h.intake).gateways[0]?.logs[0]).toMatchObject({ receipts: 'contradicted', receipted: 8 });
  });
});

describe('what waits is bounded', () => {
  test('a sender that is faster than the disk is slowed down, and nothing is dropped', async () => {
    const log = grow(newLog(), 300);
    const h = await new Harness().open(policyFor(log), { limits: { waitingBytesMax: 20_000 } });
    let most = 0;
    for (let first = 0; first < 300; first += 3) {
      await h.intake.message('latchkey/v1/0e/gw-0001/batch', log.batch(first, first + 3));
      most = Math.max(most, h.intake.waitingBytes);
    }
    await h.settle();
    expect(most).toBeLessThan(30_000);
    expect(h.receipts(log).at(-1)).toBe(300);
    expect(h.outcomes('accepted')).toBe(100);
  });

  test('a slow broker is given only the newest receipt', async () => {
    const log = grow(newLog(), 30);
    const sent: number[] = [];
    const gates: (() => void)[] = [];
    const h = await new Harness().open(policyFor(log), {
      link: {
        publish: (_topic, payload) =>
          new Promise((resolve) => {
            sent.push(Number(Buffer.from(payload).toString().split('\n')[1]));
            gates.push(() => resolve(0));
          }),
      },
    });
    for (let first = 0; first < 30; first += 3) {
      h.intake.message('latchkey/v1/0e/gw-0001/batch', log.batch(first, first + 3));
      await h.intake.settled();
      await until('the first receipt is on its way', () => sent.length > 0);
    }
    const receipted = (): number | undefined => intakeStatus(h.intake).gateways[0]?.logs[0]?.receipted;
    await until('all is cosigned', () => receipted() === 30);
    expect(sent).toEqual([3]);
    gates[0]?.();
    await until('the next receipt is on its way', () => sent.length > 1);
    expect(sent).toEqual([3, 30]);
    gates[1]?.();
  });
});
