/**
 * Histories that once broke plainer rules, each by its name. Real SQLite files; the broker's memory and the consumer are
 * modelled. After every trace: no log showed two roots for one size, and the consumer used every event that was still on
 * the disk exactly once.
 */
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Box, receiptName } from './box.ts';
import { Witness } from './consumer.ts';

let box: Box;
beforeEach(() => {
  box = new Box();
});
afterEach(() => box.end());

/** The newest log's entry 0. */
const entryZero = (): Readonly<Record<string, unknown>> => {
  const entry = box.entries(box.journal.origin())[0];
  expect(entry?.['type']).toBe('journal.opened');
  return entry?.['data'] as Readonly<Record<string, unknown>>;
};

const predecessor = (): unknown => entryZero()['after'];
const carriedIn = (origin: string): readonly unknown[] =>
  box
    .entries(origin)
    .filter((entry) => entry['carried'] !== undefined)
    .map((entry) => (entry['data'] as { text?: string }).text ?? entry['type']);
const stateOf = (origin: string): string => {
  const log = box.journal.status().logs.find((each) => each.origin === origin);
  return `${log?.state} ${log?.cause ?? ''}`.trim();
};

/** Everything on the disk arrives, once; nothing that left was contradicted. */
async function expectWhole(): Promise<void> {
  await box.send();
  expect(box.consumer.violations).toEqual([]);
  for (const mark of box.durable) expect([mark, box.consumer.used.get(mark)]).toEqual([mark, 1]);
  expect(Math.max(...box.consumer.used.values())).toBe(1);
}

/** A first run whose entries all left and were receipted. */
async function running(): Promise<string> {
  await box.start();
  await box.compare();
  await box.record(3);
  await box.send();
  return box.journal.origin();
}

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

describe('a rotation', () => {
  test('with unsent notes: the old log goes on being sent until receipted, then its key goes', async () => {
    await box.start();
    await box.record(3);
    const first = box.journal.origin();
    await box.journal.rotate();
    await box.record(2);
    await box.journal.rotate();
    await box.record(1);
    expect(box.origins()).toHaveLength(3);
    expect(readdirSync(join(box.dir, 'keys'))).toHaveLength(3);
    expect(box.entries(first).at(-1)).toMatchObject({ type: 'key.rotated' });
    await box.compare();
    await expectWhole();
    expect(stateOf(first)).toBe('closed rotation');
    expect(readdirSync(join(box.dir, 'keys'))).toHaveLength(1);
    expect(box.journal.outbox.logs().map(({ state }) => state)).toEqual(['open']);
  });

  test('names the next key in its last entry and the old log in the next entry 0', async () => {
    const first = await running();
    await box.journal.rotate();
    const { vkey = '' } = (box.entries(first).at(-1)?.['data'] ?? {}) as { vkey?: string };
    expect(vkey.startsWith(`${box.journal.origin()}+`)).toBe(true);
    expect(predecessor()).toMatchObject({ log: first, cause: 'rotation', size: box.journal.log(first).size });
  });

  test('while the first comparison is still to come makes no statement yet', async () => {
    await box.start();
    await box.journal.rotate();
    expect(await box.journal.outbox.enrolment()).toBeUndefined();
    await box.compare();
    expect(await box.journal.outbox.enrolment()).toBeDefined();
  });

  test('keeps events that come meanwhile, in order, for the new log', async () => {
    await running();
    const rotated = box.journal.rotate();
    const marks = [box.append(), box.append(), box.append()];
    await rotated;
    await box.journal.appender.flush(AbortSignal.timeout(5_000));
    const texts = [...box.origins()].flatMap((origin) =>
      box.entries(origin).map((entry) => (entry['data'] as { text?: string }).text),
    );
    expect(texts.filter((text) => marks.includes(text ?? ''))).toEqual(marks);
    await expectWhole();
  });
});

describe('a lost key', () => {
  test('ends the log: its notes are sent unsigned under the word of its successor', async () => {
    await running();
    await box.record(4);
    const first = box.journal.origin();
    await box.stop();
    for (const file of readdirSync(join(box.dir, 'keys'))) rmSync(join(box.dir, 'keys', file));
    await box.start();
    expect(predecessor()).toMatchObject({ log: first, cause: 'key_lost' });
    await box.record(1);
    await box.compare();
    await expectWhole();
    expect(box.consumer.size(first)).toBe(box.journal.log(first).size);
    // The consumer refused it only until it knew the successor's entry 0.
    expect(new Set(box.consumer.refusals)).toEqual(new Set([`unsigned batch of ${first}`]));
  });
});

describe('a locked key', () => {
  test('stops no entry: notes are made up for, ascending, when it is back, and nothing is sent without', async () => {
    const origin = await running();
    box.locked = true;
    await box.record(2);
    await box.record(2);
    expect(box.journal.log().size).toBe(8);
    expect(box.journal.outbox.checkpoint(origin)?.size).toBe(4);
    expect(await box.journal.outbox.batch(origin, 4, false)).toBeUndefined();
    await expect(box.journal.outbox.batch(origin, 0, false)).rejects.toMatchObject({ code: 'KEY_LOCKED' });
    box.locked = false;
    await box.record(1);
    await vi.waitFor(() => expect(box.journal.outbox.checkpoint(origin)?.size).toBe(9));
    await expectWhole();
  });

  test('at a start is asked for again, and the log is gone on with', async () => {
    const origin = await running();
    await box.record(2);
    await box.stop();
    box.locked = true;
    await box.start();
    expect(box.journal.origin()).toBe(origin);
    expect(box.journal.status().logs[0]?.key).toBe('locked');
    await box.record(1);
    await box.compare();
    box.locked = false;
    await vi.waitFor(() => {
      box.scheduler.advance(1_000);
      expect(box.journal.outbox.checkpoint(origin)?.size).toBe(7);
    });
    await expectWhole();
  });

  test('of the old log holds the new log back until the statement for it is made', async () => {
    await box.start();
    await box.record(2);
    const first = box.journal.origin();
    await box.journal.rotate();
    const second = box.journal.origin();
    box.locked = true;
    await box.compare();
    expect(box.journal.outbox.checkpoint(first)?.size).toBe(4);
    expect(box.journal.outbox.checkpoint(second)).toBeUndefined();
    expect(await box.journal.outbox.batch(second, 0, false)).toBeUndefined();
    expect(await box.journal.outbox.enrolment()).toBeUndefined();
    box.locked = false;
    expect(await box.journal.outbox.enrolment()).toBeDefined();
    expect(box.journal.outbox.checkpoint(second)?.size).toBe(1);
    await expectWhole();
  });
});

describe('another name', () => {
  test('of the gateway ends the log: what was not receipted is carried, since its topics are others', async () => {
    const origin = await running();
    const marks = await box.record(2);
    await box.stop();
    box.gatewayId = 'gw-0002';
    await box.start();
    expect(box.journal.origin()).toMatch(/^lockers\.example\/gw-0002\//);
    expect(stateOf(origin)).toBe('closed settings');
    expect(predecessor()).toMatchObject({ log: origin, cause: 'rotation' });
    expect(carriedIn(box.journal.origin())).toEqual(marks);
    box.broker.clear();
    await box.compare();
    await expectWhole();
    expect(readdirSync(join(box.dir, 'keys'))).toHaveLength(1);
  });
});

describe('a failed disk', () => {
  test('publishes nothing until the file was reopened, and takes no receipt that it cannot keep', async () => {
    const origin = await running();
    const note = box.consumer.notes.get(origin) ?? '';
    await box.record(1);
    const failed = vi.spyOn(box.journal.log().database, 'failed').mockReturnValue(true);
    expect(box.journal.outbox.checkpoint(origin)).toBeUndefined();
    await expect(box.journal.outbox.batch(origin, 0, false)).rejects.toMatchObject({ code: 'JOURNAL_IO' });
    const receipt = box.hear(receiptName(origin, box.store), Buffer.from(box.store.cosign(note)));
    await expect(receipt).rejects.toMatchObject({ code: 'JOURNAL_IO' });
    failed.mockRestore();
    await expectWhole();
  });
});

describe('several stores', () => {
  test('the lowest receipt counts, and an advisory one moves progress alone', async () => {
    await box.end();
    const [a, b, c] = [
      new Witness('store.example/a'),
      new Witness('store.example/b'),
      new Witness('advisor.example/c'),
    ];
    box = new Box({
      witnesses: [
        { witness: a, role: 'store' },
        { witness: b, role: 'store' },
        { witness: c, role: 'advisory' },
      ],
    });
    await box.start();
    await box.compare();
    await box.record(3);
    await box.send({ receipts: false });
    const sizes = (): readonly number[] => {
      const [log] = box.journal.outbox.logs();
      return [log?.receiptedSize ?? -1, log?.progressSize ?? -1];
    };
    await box.receipts(c);
    expect(sizes()).toEqual([0, 4]);
    await box.receipts(a);
    expect(sizes()).toEqual([0, 4]);
    await box.receipts(b);
    expect(sizes()).toEqual([4, 4]);
  });
});
