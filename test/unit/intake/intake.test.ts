import { describe, expect, test } from 'vitest';
import { formatNote } from '../../../src/evidence/log/note.ts';
import { grow, newLog } from './events.ts';
import { Harness, policyFor } from './harness.ts';

describe('storing and receipting', () => {
  test('a batch becomes durable entries, a noted tree, and a receipt that verifies', async () => {
    const log = grow(newLog(), 10);
    const h = await new Harness().open(policyFor(log));
    await h.batch(log, log.batch(0, 4));
    await h.batch(log, log.batch(4, 10));
    expect(h.receipts(log)).toEqual([4, 10]);
    const used = await h.used(log);
    expect(used.map(({ n, use }) => [n, use.status])).toEqual(log.leaves.map((_, n) => [n, 'used']));
    expect(used.map(({ leaf }) => leaf && Buffer.from(leaf))).toEqual(log.leaves.map((leaf) => Buffer.from(leaf)));
    expect(h.disk.cosigned.map(({ cosigned }) => cosigned.size)).toEqual([4, 10]);
  });

  test('what came during one write shares the next, and only the newest receipt is sent', async () => {
    const log = grow(newLog(), 40);
    const h = await new Harness().open(policyFor(log));
    const before = h.memory.appends;
    for (let first = 0; first < 40; first += 1)
      h.intake.message('latchkey/v1/0e/gw-0001/batch', log.batch(first, first + 1));
    await h.settle();
    expect(h.memory.appends - before).toBeLessThan(20);
    expect(h.receipts(log).at(-1)).toBe(40);
    expect(h.receipts(log).length).toBeLessThan(20);
  });

  test('a range that is held already is answered with its receipt again, but not in a flood', async () => {
    const log = grow(newLog(), 6);
    const h = await new Harness().open(policyFor(log));
    await h.batch(log, log.batch(0, 6));
    for (let i = 0; i < 5; i += 1) await h.batch(log, log.batch(0, 3));
    expect(h.receipts(log)).toEqual([6]);
    h.scheduler.advance(1_000);
    await h.batch(log, log.batch(2, 6));
    expect(h.receipts(log)).toEqual([6, 6]);
    expect(h.outcomes('known')).toBe(6);
    expect(await h.used(log)).toHaveLength(6);
  });

  test('a batch that overlaps what is held adds only what is new', async () => {
    const log = grow(newLog(), 12);
    const h = await new Harness().open(policyFor(log));
    await h.batch(log, log.batch(0, 5));
    await h.batch(log, log.batch(2, 9));
    await h.batch(log, log.batch(0, 12));
    expect((await h.used(log)).map(({ n }) => n)).toEqual(Array.from({ length: 12 }, (_, n) => n));
    expect(h.receipts(log)).toEqual([5, 9, 12]);
  });

  test('after a restart everything goes on where it was, and the receipt is sent again', async () => {
    const log = grow(newLog(), 8);
    const h = await new Harness().open(policyFor(log));
    await h.batch(log, log.batch(0, 5));
    await h.restart(policyFor(log));
    expect(h.receipts(log)).toEqual([5, 5]);
    await h.batch(log, log.batch(5, 8));
    expect(h.receipts(log)).toEqual([5, 5, 8]);
    expect(h.outcomes('accepted')).toBe(2);
  });

  test('the newest receipt is sent when the gateway comes online and when a connection stands', async () => {
    const log = grow(newLog(), 3);
    const h = await new Harness().open(policyFor(log));
    await h.batch(log, log.batch(0));
    h.scheduler.advance(1_000);
    await h.online('gw-0001');
    h.intake.lost();
    h.scheduler.advance(1_000);
    await h.online('gw-0001'); // nothing leaves while there is no connection
    h.intake.connected();
    await h.settle();
    expect(h.receipts(log)).toEqual([3, 3, 3]);
  });

  test('a topic of another shape, partition or prefix is nothing', async () => {
    const log = grow(newLog(), 1);
    const h = await new Harness().open(policyFor(log));
    for (const topic of ['latchkey/v1/0f/gw-0001/batch', 'other/v1/0e/gw-0001/batch', 'latchkey/v1/0e/GW/batch', '']) {
      h.intake.message(topic, log.batch(0));
    }
    await h.settle();
    expect(await h.used(log)).toEqual([]);
    expect(h.metrics.value('intake_messages_refused', { kind: 'topic' })).toBe(4);
  });

  test('gateways of other partitions are left to other receivers', async () => {
    const [mine, other] = [grow(newLog(), 2), grow(newLog('other', 'gw-0002'), 2)];
    const h = await new Harness().open(policyFor(mine, other), { isMine: (gateway) => gateway === 'gw-0001' });
    await h.batch(mine, mine.batch(0));
    await h.batch(other, other.batch(0));
    expect(await h.used(mine)).toHaveLength(2);
    expect(await h.used(other)).toHaveLength(0);
  });
});

describe('the checkpoint beside the batches', () => {
  test('one that names more than is held is asked for when nothing comes', async () => {
    const log = grow(newLog(), 9);
    const h = await new Harness().open(policyFor(log));
    await h.batch(log, log.batch(0, 4));
    await h.checkpoint(log, formatNote(log.note(9)));
    await h.advance(10_000);
    expect(h.requests()).toEqual([]);
    await h.advance(10_000);
    expect(h.requests()).toEqual([{ first: 4, log: log.origin, v: 1 }]);
    await h.batch(log, log.batch(4, 9));
    await h.advance(60_000);
    expect(h.requests()).toHaveLength(1);
    expect(h.alarm('fork')).toBe(0);
  });

  test.each([3, 5, 9])('one of another tree at size %d is a fork, and both sides are kept', async (size) => {
    const log = grow(newLog(), 9);
    const twin = grow(newLog(), 9, () => ({ salt: 2 }));
    const h = await new Harness().open(policyFor(log));
    await h.batch(log, log.batch(0, 5));
    await h.checkpoint(log, formatNote(twin.note(size)));
    await h.batch(log, log.batch(5, 9));
    await h.advance(2_000);
    expect(h.alarm('fork')).toBe(1);
    const [fork] = [...(h.disk.logs.get(log.origin)?.forks.values() ?? [])];
    expect(Buffer.from(fork?.theirs ?? []).toString()).toBe(Buffer.from(formatNote(twin.note(size))).toString());
    expect(Buffer.from(fork?.ours ?? []).toString()).toContain('"n":');
  });
});
