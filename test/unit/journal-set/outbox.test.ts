/** Batches as the uplink asks for them. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inspectJournal } from '../../../src/edge/journal/inspect.ts';
import { verifyBatch } from '../../../src/evidence/batch/verify-batch.ts';
import { logVkey } from '../../../src/evidence/log/note.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { Box } from './box.ts';

let box: Box;
beforeEach(async () => {
  box = new Box();
  await box.start();
});
afterEach(() => box.end());

interface Head {
  readonly first: number;
  readonly count: number;
  readonly size: number;
  readonly left?: readonly string[];
}

const headOf = (bytes: Uint8Array | undefined): Head => {
  const text = Buffer.from(bytes ?? []).toString();
  return JSON.parse(text.slice(0, text.indexOf('\n'))) as Head;
};

test('small commits come together as far as a batch may go; it ends at a note and says how many entries there are', async () => {
  for (let i = 0; i < 60; i += 1) await box.record(10);
  await box.compare();
  const origin = box.journal.origin();
  const first = await box.journal.outbox.batch(origin, 0, false);
  const { count } = headOf(first?.bytes);
  expect(headOf(first?.bytes)).toMatchObject({ first: 0, size: 601 });
  expect(count).toBeGreaterThan(300);
  expect(count).toBeLessThanOrEqual(512);
  const second = await box.journal.outbox.batch(origin, count, true);
  expect(headOf(second?.bytes)).toMatchObject({ first: count, count: 601 - count, size: 601 });
  expect(await box.journal.outbox.batch(origin, 601, true)).toBeUndefined();
  const vkey = logVkey(nodeCrypto, origin, box.journal.log().vkey.publicKey);
  for (const batch of [first, second]) {
    expect(verifyBatch(nodeCrypto, batch?.bytes ?? new Uint8Array(), { vkey }).ok).toBe(true);
  }
});

test('a batch asked for in the middle of a commit begins with it, and carries the tree so far', async () => {
  await box.record(10);
  await box.record(10);
  await box.compare();
  const batch = await box.journal.outbox.batch(box.journal.origin(), 14, true);
  expect(headOf(batch?.bytes)).toMatchObject({ first: 11, count: 10 });
  expect(headOf(batch?.bytes).left).toHaveLength(3);
  expect(headOf((await box.journal.outbox.batch(box.journal.origin(), 11, false))?.bytes).left).toBeUndefined();
});

test('no batch exceeds 96 KiB of events when it is made of several commits', async () => {
  for (let i = 0; i < 60; i += 1) {
    box.journal.appender.append({
      observed: { wallMs: 0, upMs: i, clock: { src: 'none' } },
      body: { type: 'code.scanned', device: 'scanner-1', data: { size_bytes: 200, text: 'z'.repeat(200) } },
    });
    for (let n = 0; n < 7; n += 1) box.append();
    await box.journal.appender.flush(AbortSignal.timeout(60_000));
  }
  await box.compare();
  const origin = box.journal.origin();
  let at = 0;
  let batches = 0;
  for (;;) {
    const batch = await box.journal.outbox.batch(origin, at, false);
    if (batch === undefined) break;
    expect(batch.bytes.length).toBeLessThan(100_000);
    expect(batch.first).toBe(at);
    at += batch.count;
    batches += 1;
  }
  expect(at).toBe(481);
  expect(batches).toBeGreaterThan(1);
});

test('changes are told soon, and several as one', async () => {
  let calls = 0;
  const stop = box.journal.outbox.onChange(() => {
    calls += 1;
  });
  await box.record(5);
  await turn();
  await turn();
  expect(calls).toBeGreaterThan(0);
  expect(calls).toBeLessThan(5);
  stop();
  const before = calls;
  await box.record(1);
  await turn();
  await turn();
  expect(calls).toBe(before);
});

test('a second daemon on the directory is refused by name, and so is offline inspection', async () => {
  const origin = box.journal.origin();
  const second = new Box();
  Object.defineProperty(second, 'dir', { get: () => box.dir });
  await expect(second.start()).rejects.toMatchObject({ code: 'JOURNAL_BUSY' });
  expect(() => inspectJournal(box.dir, nodeCrypto)).toThrow(/held by process/);
  await box.record(2);
  await box.stop();
  const inspection = inspectJournal(box.dir, nodeCrypto);
  expect(inspection.logs.map(({ name, state }) => [name, state])).toEqual([[origin.split('/')[2], 'open']]);
  expect(inspection.find().database.size()).toBe(3);
  expect(inspection.find(origin).name).toBe(origin.split('/')[2]);
  await expect(box.start()).rejects.toMatchObject({ code: 'JOURNAL_BUSY' });
  inspection.close();
  await box.start();
  await second.end();
});

test('offline inspection names a damaged log and leaves it where it is', async () => {
  await box.journal.rotate();
  await box.stop();
  const [damaged = ''] = box.databases();
  writeFileSync(join(box.dir, 'journal', damaged), 'broken');
  const inspection = inspectJournal(box.dir, nodeCrypto);
  expect(inspection.logs.filter(({ damage }) => damage !== undefined).map(({ name }) => `${name}.db`)).toEqual([
    damaged,
  ]);
  expect(() => inspection.find('1-00000000')).toThrow(/no log/);
  expect(() => inspection.find(damaged.slice(0, -3))).toThrow(/damaged|not a database/);
  inspection.close();
  expect(readdirSync(join(box.dir, 'journal'))).not.toContain('quarantine');
});

test('states of other rooms are kept over crashes and into later logs', async () => {
  box.journal.saveState('custody', '{"doors":1}');
  const long = 'x\u{1f600}'.repeat(30_000);
  box.journal.saveState('photos', long);
  box.scheduler.advance(300);
  await box.restart();
  expect(box.journal.loadState('custody')).toBe('{"doors":1}');
  expect(box.journal.loadState('photos')).toBe(long);
  box.journal.saveState('photos', 'short');
  await box.journal.rotate();
  await box.restart();
  expect(box.journal.loadState('photos')).toBe('short');
  expect(box.journal.loadState('custody')).toBe('{"doors":1}');
  expect(box.journal.loadState('nothing')).toBeUndefined();
});

test('a first start is one that finds nothing: a lost or unreadable database is no first start', async () => {
  expect([box.journal.isFirstStart, box.journal.previousEnd]).toEqual([true, undefined]);
  await box.record(1);
  await box.restart();
  expect(box.journal.isFirstStart).toBe(false);
  await box.crash();
  box.loseDatabases();
  await box.start();
  expect([box.journal.isFirstStart, box.journal.previousEnd]).toEqual([false, undefined]);
});

test('how the last run ended is known: by its last entry and nothing else', async () => {
  const say = async (type: string, data: Record<string, string>): Promise<void> => {
    box.journal.appender.append({ observed: { wallMs: 0, upMs: 99, clock: { src: 'none' } }, body: { type, data } });
    await box.journal.appender.flush(AbortSignal.timeout(60_000));
  };
  expect(box.journal.previousEnd).toBeUndefined();
  await box.record(1);
  await say('gateway.stopped', { reason: 'signal' });
  await box.stop();
  await box.start();
  expect(box.journal.previousEnd).toMatchObject({ clean: true, boot: 1, upMs: 99, index: 2 });
  expect(box.journal.boot()).toBe(2);
  await box.record(1);
  await box.restart();
  expect(box.journal.previousEnd).toMatchObject({ clean: false, boot: 2, index: 3 });
});
