/** A crash at any step of ending one log and opening the next: one open log afterwards, nothing lost, nothing doubled. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LogDatabase } from '../../../src/edge/journal/log-database.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { Box, receiptName } from './box.ts';

let box: Box;
beforeEach(() => {
  box = new Box();
});
afterEach(() => box.end());

const keys = (of: Box): readonly string[] => readdirSync(join(of.dir, 'keys')).filter((name) => name.endsWith('.key'));
const openLogs = (of: Box): number => of.journal.status().logs.filter(({ state }) => state === 'open').length;

async function expectWhole(box: Box): Promise<void> {
  await box.compare();
  await box.send();
  expect(box.consumer.violations).toEqual([]);
  for (const mark of box.durable) expect([mark, box.consumer.used.get(mark)]).toEqual([mark, 1]);
  expect(Math.max(...box.consumer.used.values())).toBe(1);
  // Every key that is left belongs to a log that still needs it.
  expect(keys(box)).toHaveLength(box.journal.status().logs.filter(({ settled }) => !settled).length);
}

/** Each moment of a step is started again and must come to a whole; answers how many logs there were at each. */
async function cutEverywhere(step: Promise<unknown>, limit: number, look: (box: Box) => Promise<void>): Promise<void> {
  const moments = await box.momentsOf(step, limit);
  const logs = new Set<number>();
  for (const moment of moments) {
    logs.add(moment.databases().length);
    await moment.start();
    expect(openLogs(moment)).toBe(1);
    await look(moment);
    await moment.end();
  }
  // Before and after the next database was there, or the moments were none.
  expect(moments.length).toBeGreaterThan(4);
  expect(logs.size).toBe(2);
}

test('a rotation, cut off at any moment', async () => {
  await box.start();
  await box.compare();
  await box.record(3);
  await box.send();
  await box.record(2);
  await cutEverywhere(box.journal.rotate(), 14, async (moment) => {
    await moment.record(1);
    await expectWhole(moment);
  });
});

test('a breach, cut off at any moment, is found again or finished', async () => {
  await box.start();
  await box.compare();
  await box.record(3);
  await box.send();
  const origin = box.journal.origin();
  const copy = box.snapshot('older');
  await box.record(6);
  await box.send({ receipts: false });
  await box.stop();
  box.restore(copy);
  await box.start();
  await box.record(2);
  await cutEverywhere(box.journal.outbox.compareMemory(box.retained()), 14, async (moment) => {
    await moment.record(1);
    await moment.compare();
    expect(moment.journal.origin()).not.toBe(origin);
    expect(moment.journal.log(origin).state.kind).toBe('breached');
    const opened = moment.entries(moment.journal.origin())[0];
    expect(opened?.['data']).toMatchObject({ after: { log: origin, cause: 'breach', size: 10 } });
    await expectWhole(moment);
  });
});

test('carrying many entries, cut off at any moment, leaves none out and carries none twice', async () => {
  await box.start();
  await box.compare();
  await box.record(2);
  await box.send();
  const origin = box.journal.origin();
  await box.record(600);
  const copy = box.snapshot('older');
  await box.record(1);
  await box.send({ receipts: false });
  await box.stop();
  box.restore(copy);
  await box.start();
  let interrupted = 0;
  await cutEverywhere(box.journal.outbox.compareMemory(box.retained()), 7, async (moment) => {
    await moment.compare();
    const carried = moment.entries(moment.journal.origin()).filter((entry) => entry['carried'] !== undefined);
    const places = carried.map((entry) => (entry['carried'] as { n: number }).n);
    expect(places).toEqual(Array.from({ length: 600 }, (_, i) => i + 3));
    expect(moment.journal.log(origin).state.kind).toBe('breached');
    if (carried.some((entry) => entry['boot'] === 2) && carried.some((entry) => entry['boot'] === 1)) interrupted += 1;
    await expectWhole(moment);
  });
  expect(interrupted).toBeGreaterThan(0);
});

test('events that found no place while logs changed are told after what is carried, and never after the last entry', async () => {
  await box.start();
  await box.compare();
  await box.record(2);
  await box.send();
  const origin = box.journal.origin();
  await box.record(30);
  const copy = box.snapshot('older');
  await box.record(1);
  await box.send({ receipts: false });
  await box.stop();
  box.restore(copy);
  await box.start();
  const compared = box.compare();
  while (box.journal.status().open !== undefined) await turn();
  for (let i = 0; i < 4_100; i += 1) box.append();
  await compared;
  await box.record(1);
  const entries = box.entries(box.journal.origin());
  const carried = entries.findIndex((entry, i) => i > 0 && entry['carried'] === undefined) - 1;
  expect(carried).toBe(30);
  const blind = entries.filter(({ type }) => type === 'exception.reported');
  expect(blind.map(({ data }) => data)).toMatchObject([{ blind: { cause: 'queue_full', events: 4 } }]);
  expect(box.journal.log(origin).state.kind).toBe('breached');
});

test('a quarantine, cut off at any moment', async () => {
  await box.start();
  await box.compare();
  for (let i = 0; i < 6; i += 1) await box.record(1);
  const [name = ''] = box.databases();
  await box.stop();
  const raw = new Database(join(box.dir, 'journal', name));
  raw.exec('UPDATE commits SET leaves = NULL WHERE first = 4');
  raw.close();
  box.durable.delete('event-4');
  await cutEverywhere(box.start(), 14, async (moment) => {
    await moment.record(1);
    expect(moment.journal.status().setAside).toHaveLength(1);
    await expectWhole(moment);
  });
});

test('a key that was made and never used is used for the next log, or goes', async () => {
  await box.start();
  await box.record(1);
  const [first = ''] = box.databases();
  await box.journal.rotate();
  const second = box.journal.origin();
  await box.stop();
  const file = join(box.dir, 'journal', `${second.split('/')[2]}.db`);
  const copy = box.snapshot('rotated');
  rmSync(file);
  // Without the mark of an opening a key without a database is a lost database.
  await box.start();
  expect(box.journal.origin().split('/')[2]).toMatch(/^3-/);
  expect(box.databases()).toContain(first);
  await box.stop();
  // With it, the log had not begun: after the last entry of the first log comes the key that it names.
  box.restore(copy);
  rmSync(file);
  writeFileSync(join(box.dir, 'keys', 'opening'), '2\n');
  await box.start();
  expect(box.journal.origin()).toBe(second);
  await expectWhole(box);
});

test('a database that a crash left without its record is no log yet', async () => {
  await box.start();
  await box.record(1);
  await box.journal.rotate();
  const second = box.journal.origin();
  const { publicKey } = box.journal.log().vkey;
  await box.stop();
  const file = join(box.dir, 'journal', `${second.split('/')[2]}.db`);
  rmSync(file);
  LogDatabase.create(file, { origin: second, publicKey }, nodeCrypto).close();
  await box.start();
  expect(box.journal.origin()).toBe(second);
  expect(box.entries(second)[0]?.['data']).toMatchObject({ after: { cause: 'rotation' } });
  await expectWhole(box);
});

test('a log whose entries were carried keeps its key until a store has them there, over any number of logs', async () => {
  await box.start();
  await box.compare();
  await box.record(2);
  await box.send();
  const first = box.journal.origin();
  const copy = box.snapshot('older');
  await box.record(1);
  await box.send();
  await box.stop();
  box.restore(copy);
  await box.start();
  const mine = await box.record(2);
  await box.compare();
  await box.send({ receipts: false });
  const second = box.journal.origin();
  expect(keys(box)).toHaveLength(2);
  // The second log is rolled back as well: what it had taken over goes on to the third.
  const later = box.snapshot('second');
  await box.record(1);
  await box.send({ receipts: false });
  await box.stop();
  box.restore(later);
  await box.start();
  await box.record(1);
  await box.compare();
  const third = box.journal.origin();
  expect(new Set([first, second, third]).size).toBe(3);
  expect(keys(box)).toHaveLength(3);
  const carried = box.entries(third).flatMap((entry) => {
    const place = entry['carried'] as { log: string } | undefined;
    const text = (entry['data'] as { text?: string }).text ?? '';
    return place !== undefined && mine.includes(text) ? [place.log] : [];
  });
  // However often an entry is carried on, it keeps the place of its original.
  expect(carried).toEqual([first, first]);
  await box.send();
  expect(keys(box)).toHaveLength(1);
  const note = box.consumer.notes.get(second);
  expect(
    note === undefined ? 'known' : await box.hear(receiptName(second, box.store), Buffer.from(box.store.cosign(note))),
  ).toBe('known');
  await expectWhole(box);
});
