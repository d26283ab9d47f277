/**
 * Histories that once broke plainer rules, each by its name. Real SQLite files; the broker's memory and the consumer are
 * modelled. After every trace: no log showed two roots for one size, and the consumer used every event that was still on
 * the disk exactly once.
 */
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Box, receiptName } from './box.ts';
import { talesOf } from './tales.ts';

let box: Box;
beforeEach(() => {
  box = new Box();
});
afterEach(() => box.end());

const { carriedIn, entryZero, expectWhole, predecessor, running, stateOf } = talesOf(() => box);

describe('a restored copy', () => {
  test('of the whole disk, behind what left: the log is breached, and what was not receipted is carried', async () => {
    const origin = await running();
    await box.record(2);
    const copy = box.snapshot('older');
    await box.record(2);
    await box.send({ receipts: false });
    await box.stop();
    box.restore(copy);
    await box.start();
    const mine = await box.record(1);
    expect(box.journal.origin()).toBe(origin);
    expect(await box.compare()).toEqual({ kind: 'breached', origins: [origin] });
    expect(stateOf(origin)).toBe('breached rolled_back');
    expect(entryZero()).toMatchObject({
      after: { log: origin, cause: 'breach', size: 8 },
      expected: { size: 8 },
      found: { size: 7 },
      by: 'checkpoint',
    });
    expect(carriedIn(box.journal.origin())).toEqual(expect.arrayContaining([...mine]));
    await expectWhole();
  });

  test('that grew past what left before it met the outside again: another root inside our own tree is a fork', async () => {
    const origin = await running();
    const copy = box.snapshot('older');
    await box.record(2);
    await box.send({ receipts: false });
    await box.stop();
    box.restore(copy);
    await box.start();
    await box.record(9);
    expect(await box.compare()).toEqual({ kind: 'breached', origins: [origin] });
    expect(stateOf(origin)).toBe('breached forked');
    expect(box.journal.outbox.checkpoint(origin)).toBeUndefined();
    expect(await box.journal.outbox.batch(origin, 0, false)).toBeUndefined();
    await expectWhole();
  });

  test('is known by a retained receipt alone, when the checkpoint is lost', async () => {
    const origin = await running();
    const copy = box.snapshot('older');
    await box.record(2);
    await box.send();
    box.broker.delete(`checkpoint/${origin.split('/')[2]}`);
    await box.stop();
    box.restore(copy);
    await box.start();
    expect(await box.compare()).toEqual({ kind: 'breached', origins: [origin] });
    await expectWhole();
  });

  test('is known by a live receipt, when all retained messages were lost', async () => {
    const origin = await running();
    const copy = box.snapshot('older');
    await box.record(2);
    await box.send();
    box.broker.clear();
    await box.stop();
    box.restore(copy);
    await box.start();
    expect(await box.compare()).toEqual({ kind: 'memory_lost', origins: [origin] });
    await box.record(7);
    const note = box.consumer.notes.get(origin) ?? '';
    const answer = await box.hear(receiptName(origin, box.store), Buffer.from(box.store.cosign(note)));
    expect(answer).toBe('breach');
    expect(stateOf(origin)).toMatch(/^breached/);
    expect(entryZero()['by']).toBe('receipt');
    await expectWhole();
  });

  test('of a closed log, from before its end, is breached as well, and its entries are carried a second time', async () => {
    const origin = await running();
    await box.record(2);
    const copy = box.snapshot('older');
    await box.record(2);
    await box.send({ receipts: false });
    await box.journal.rotate();
    const second = box.journal.origin();
    await box.record(1);
    await box.stop();
    const newer = join(box.dir, 'journal', `${second.split('/')[2]}.db`);
    renameSync(newer, join(box.root, 'kept.db'));
    box.restore(copy, 'journal');
    renameSync(join(box.root, 'kept.db'), newer);
    await box.start();
    expect(box.journal.origin()).toBe(second);
    expect(stateOf(origin)).toBe('closed rotation');
    expect(await box.compare()).toEqual({ kind: 'breached', origins: [origin] });
    expect(box.journal.origin()).not.toBe(second);
    expect(predecessor()).toMatchObject({ log: second, cause: 'rotation' });
    expect(box.entries(box.journal.origin()).at(-1)).toMatchObject({
      type: 'predecessor.found',
      data: { log: origin, cause: 'breach' },
    });
    await expectWhole();
  });

  test('from before a rotation: a successor that this disk does not know breaches the log', async () => {
    const first = await running();
    const copy = box.snapshot('older');
    await box.journal.rotate();
    const second = box.journal.origin();
    await box.record(2);
    await box.send();
    for (const name of [...box.broker.keys()]) if (name !== 'enrolment') box.broker.delete(name);
    await box.stop();
    box.restore(copy);
    await box.start();
    expect(box.journal.origin()).toBe(first);
    // The statement names the size at which the log ended, so the shorter copy is rolled back besides.
    expect(await box.compare()).toEqual({ kind: 'breached', origins: [first] });
    const third = box.journal.origin();
    expect(third).not.toBe(second);
    expect(Number(third.split('/')[2]?.split('-')[0])).toBe(3);
    const found = box.entries(third).find((entry) => entry['type'] === 'predecessor.found');
    expect(found?.['data']).toMatchObject({ log: second });
    await expectWhole();
  });

  test('that agrees with all that left, of a log whose successor this disk does not know, is breached by the statement', async () => {
    const first = await running();
    await box.stop();
    const copy = box.snapshot('equal');
    box.loseDatabases();
    await box.start();
    await box.record(1);
    await box.compare();
    await box.send();
    const second = box.journal.origin();
    await box.stop();
    box.restore(copy);
    await box.start();
    expect(box.journal.origin()).toBe(first);
    expect(await box.compare()).toEqual({ kind: 'breached', origins: [first] });
    expect(stateOf(first)).toBe('breached superseded');
    expect(entryZero()).toMatchObject({ after: { log: first, cause: 'breach', size: 4 }, by: 'enrolment' });
    // Nobody here can sign for the log that nobody here knows: a person decides.
    const found = box.entries(box.journal.origin()).find((entry) => entry['type'] === 'predecessor.found');
    expect(found?.['data']).toMatchObject({ log: second, size: 2 });
    await expectWhole();
  });

  test('that equals what left is no breach: the log goes on', async () => {
    const origin = await running();
    await box.stop();
    const copy = box.snapshot('equal');
    box.restore(copy);
    await box.start();
    await box.record(2);
    expect(await box.compare()).toEqual({ kind: 'agreed' });
    expect(box.journal.origin()).toBe(origin);
    await expectWhole();
  });
});

describe('a lost database directory', () => {
  test('with its key still here: the new log names it, and vouches by the old key with the size that left', async () => {
    const origin = await running();
    await box.stop();
    box.loseDatabases();
    await box.start();
    expect(predecessor()).toEqual({ log: origin, cause: 'missing' });
    await box.record(2);
    expect(await box.compare()).toEqual({ kind: 'agreed' });
    const chain = Buffer.from((await box.journal.outbox.enrolment()) ?? []).toString();
    const { successors } = JSON.parse(chain) as { successors: { payload: string }[] };
    const statement = JSON.parse(Buffer.from(successors[0]?.payload ?? '', 'base64').toString()) as Record<
      string,
      unknown
    >;
    expect(statement).toMatchObject({ old: origin, cause: 'database_lost', size: 4 });
    await expectWhole();
    // Once a store took the new log, nothing needs the old key any more.
    expect(readdirSync(join(box.dir, 'keys'))).toHaveLength(1);
  });

  test('and its keys: a first start, under a new key, that contradicts nobody', async () => {
    await running();
    await box.stop();
    box.loseDatabases();
    rmSync(join(box.dir, 'keys'), { recursive: true });
    await box.start();
    expect(predecessor()).toBeUndefined();
    await box.record(1);
    expect(await box.compare()).toEqual({ kind: 'agreed' });
    await expectWhole();
  });

  test('of the newest log alone: the older one is not gone on with', async () => {
    const first = await running();
    await box.record(2);
    await box.journal.rotate();
    const second = box.journal.origin();
    await box.record(2);
    await box.stop();
    for (const file of readdirSync(join(box.dir, 'journal'))) {
      if (/^2-/.test(file)) rmSync(join(box.dir, 'journal', file));
    }
    await box.start();
    expect(box.journal.origin()).not.toBe(first);
    expect(predecessor()).toEqual({ log: second, cause: 'missing' });
    await box.compare();
    box.durable = new Set(['event-1', 'event-2', 'event-3', 'event-4', 'event-5']);
    await expectWhole();
  });
});

describe('lost retained messages', () => {
  test('are noticed by our own mark, and breach nothing', async () => {
    const origin = await running();
    await box.restart();
    box.broker.clear();
    expect(await box.compare()).toEqual({ kind: 'memory_lost', origins: [origin] });
    await box.record(2);
    await expectWhole();
    expect(box.journal.origin()).toBe(origin);
  });

  test('of before anything was published are no loss', async () => {
    await box.start();
    await box.record(2);
    expect(await box.compare()).toEqual({ kind: 'agreed' });
    await expectWhole();
  });

  test('that came back older than what the broker acknowledged are lost too', async () => {
    const origin = await running();
    const name = `checkpoint/${origin.split('/')[2]}`;
    const older = box.broker.get(name) ?? new Uint8Array();
    box.scheduler.advance(5_000);
    await box.record(4);
    await box.send({ receipts: false });
    await box.restart();
    box.broker.set(name, older);
    expect(await box.compare()).toEqual({ kind: 'memory_lost', origins: [origin] });
  });

  test('do not take the chain of statements with them: it is published again whole', async () => {
    await running();
    await box.journal.rotate();
    await box.send();
    const chain = box.broker.get('enrolment');
    expect(chain).toBeDefined();
    await box.restart();
    box.broker.clear();
    await box.compare();
    expect(await box.journal.outbox.enrolment()).toEqual(chain);
  });
});
