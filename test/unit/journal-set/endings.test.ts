/** How a log ends in good order and in bad, and what becomes of its entries, its notes and its key. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { until } from '../../support/until.ts';
import { Box, receiptName } from './box.ts';
import { Witness } from './consumer.ts';
import { talesOf } from './tales.ts';

let box: Box;
beforeEach(() => {
  box = new Box();
});
afterEach(() => box.end());

const { carriedIn, expectWhole, predecessor, running, stateOf } = talesOf(() => box);

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
    await box.journal.appender.flush(AbortSignal.timeout(60_000));
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
    await until('the note', () => box.journal.outbox.checkpoint(origin)?.size === 9);
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
    await until('the note', () => {
      box.scheduler.advance(1_000);
      return box.journal.outbox.checkpoint(origin)?.size === 7;
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
