/** A damaged database is set aside and kept; what verifies in it goes on being sent, the rest is carried or said. */
import { createHash } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Box } from './box.ts';

let box: Box;
beforeEach(() => {
  box = new Box();
});
afterEach(() => box.end());

const path = (): string => join(box.dir, 'journal', box.databases()[0] ?? '');
const aside = (): readonly string[] => readdirSync(join(box.dir, 'journal', 'quarantine')).sort();

/** A first run, stopped, with `sent` scans receipted and `unsent` never published; each scan is a commit. */
async function stopped(sent: number, unsent: number): Promise<string> {
  await box.start();
  await box.compare();
  for (let i = 0; i < sent; i += 1) await box.record();
  await box.send();
  for (let i = 0; i < unsent; i += 1) await box.record();
  const origin = box.journal.origin();
  await box.stop();
  return origin;
}

function damageRow(sql: string): void {
  const database = new Database(path());
  database.exec(sql);
  database.close();
}

async function expectNothingTwice(): Promise<void> {
  await box.send();
  expect(box.consumer.violations).toEqual([]);
  expect(Math.max(0, ...box.consumer.used.values())).toBeLessThanOrEqual(1);
}

test('a body that does not fit its hash: notes below it go on being sent, sound entries above it are carried', async () => {
  const origin = await stopped(2, 6);
  damageRow(
    `UPDATE commits SET leaves = CAST(replace(CAST(leaves AS TEXT), 'scanner-1', 'scanner-2') AS BLOB) WHERE first = 5`,
  );
  await box.start();
  expect(box.journal.status().setAside).toEqual([`${origin.split('/')[2]}.1`]);
  const [old, open] = box.journal.status().logs;
  expect(old).toMatchObject({ origin, state: 'closed', cause: 'quarantined' });
  expect(open?.state).toBe('open');
  await box.compare();
  await expectNothingTwice();
  expect(box.consumer.size(origin)).toBe(5);
  const carried = box.entries(open?.origin ?? '').filter((entry) => entry['carried'] !== undefined);
  expect(carried.map((entry) => (entry['data'] as { text: string }).text)).toEqual(['event-6', 'event-7', 'event-8']);
  // One body was changed on the disk: that event is gone, and nothing pretends otherwise.
  expect([...box.consumer.used.keys()].sort()).toEqual([
    'event-1',
    'event-2',
    'event-3',
    'event-4',
    'event-6',
    'event-7',
    'event-8',
  ]);
});

test('damage below what has left: the rest is carried, since it cannot be told from a branch', async () => {
  const origin = await stopped(2, 0);
  await box.start();
  await box.compare();
  for (let i = 0; i < 4; i += 1) await box.record();
  await box.send({ receipts: false });
  await box.stop();
  damageRow(`UPDATE commits SET hashes = randomblob(32) WHERE first = 5`);
  await box.start();
  const [old] = box.journal.status().logs;
  expect(old).toMatchObject({ origin, state: 'breached', cause: 'quarantined' });
  expect(box.journal.outbox.logs().map((log) => log.origin)).not.toContain(origin);
  expect(await box.compare()).toEqual({ kind: 'agreed' });
  await expectNothingTwice();
  for (const mark of ['event-3', 'event-4', 'event-6']) expect(box.consumer.used.get(mark)).toBe(1);
});

test('rows that were always there are not believed at the start, only when they were verified', async () => {
  await stopped(0, 4);
  damageRow(`UPDATE commits SET frontier = zeroblob(length(frontier)) WHERE first = 2`);
  await box.start();
  await box.compare();
  await expectNothingTwice();
  expect([...box.consumer.used.keys()].sort()).toEqual(['event-1', 'event-2', 'event-3', 'event-4']);
});

test.each(['', 'not a database at all, whatever its name says'])(
  'a file without content is kept as it is: %j',
  async (content) => {
    const origin = await stopped(2, 2);
    writeFileSync(path(), content);
    await box.start();
    expect(box.journal.origin()).not.toBe(origin);
    expect(box.entries(box.journal.origin())[0]?.['data']).toMatchObject({
      after: { log: origin, cause: 'quarantine' },
    });
    const [file = ''] = aside().filter((name) => name.endsWith('.db'));
    expect(readFileSync(join(box.dir, 'journal', 'quarantine', file), 'utf8')).toBe(content);
    await box.record();
    await box.compare();
    await expectNothingTwice();
    expect(box.consumer.used.size).toBe(3);
  },
);

test.each([
  [0.97, 25],
  [0.8, 15],
  [0.5, 5],
  [0.1, 2],
])('a file cut to %d of its length: at least %i of its 42 scans arrive', async (part, least) => {
  const origin = await stopped(2, 40);
  truncateSync(path(), Math.floor((statSync(path()).size * part) / 4_096) * 4_096);
  await box.start();
  expect(box.journal.origin()).not.toBe(origin);
  await box.compare();
  await expectNothingTwice();
  expect(box.consumer.used.size).toBeGreaterThanOrEqual(least);
});

test('flipped bits anywhere in the file never stop a start, and never make a second root or a doubled event', async () => {
  await stopped(2, 30);
  const name = path().split('/').at(-1) ?? '';
  const whole = readFileSync(path());
  const copy = box.snapshot('sound');
  let quarantined = 0;
  for (let i = 0; i < 24; i += 1) {
    box.restore(copy);
    const at = createHash('sha256').update(`flip ${i}`).digest().readUInt32BE() % whole.length;
    const descriptor = openSync(join(box.dir, 'journal', name), 'r+');
    writeSync(descriptor, Buffer.of((whole[at] ?? 0) ^ (1 << (i % 8))), 0, 1, at);
    closeSync(descriptor);
    await box.start().catch((error: unknown) => {
      // A flipped version byte is a file of another version, for a person to look at.
      expect(String(error)).toMatch(/version/i);
    });
    if (box.isOn) {
      quarantined += box.journal.status().setAside.length;
      await box.compare();
      await box.send();
      await box.stop();
    }
  }
  expect(quarantined).toBeGreaterThan(0);
  expect(box.consumer.violations).toEqual([]);
  expect(Math.max(...box.consumer.used.values())).toBe(1);
});

test('a file that was damaged while the daemon runs is set aside when it is read, and events go on in the next log', async () => {
  await stopped(0, 5);
  await box.start();
  const origin = box.journal.origin();
  // The rows were verified at the start; what a request reads again from below is verified again.
  box.journal.log().database.setMeta({ noise: 'x' });
  const marks = await box.record(2);
  await box.compare();
  await box.send();
  expect(box.consumer.size(origin)).toBe(8);
  for (const mark of marks) expect(box.consumer.used.get(mark)).toBe(1);
});

test('what is set aside is remembered over further starts, with its receipts', async () => {
  const origin = await stopped(2, 6);
  damageRow(`UPDATE commits SET leaves = NULL WHERE first = 6`);
  await box.start();
  await box.compare();
  await box.send({ receipts: false });
  await box.restart();
  await box.compare();
  await box.send();
  const settled = box.journal.status().logs.find((log) => log.origin === origin);
  expect(settled).toMatchObject({ cause: 'quarantined', settled: true, key: 'destroyed' });
  await box.restart();
  expect(box.journal.status().logs.find((log) => log.origin === origin)).toMatchObject({ settled: true });
  expect(box.journal.outbox.logs()).toHaveLength(1);
  expect(aside().some((name) => name.endsWith('.db'))).toBe(true);
  await box.compare();
  await expectNothingTwice();
});

test('a WAL that a crash separated from its database follows it', async () => {
  const origin = await stopped(1, 3);
  const name = origin.split('/')[2] ?? '';
  mkdirSync(join(box.dir, 'journal', 'quarantine'));
  renameSync(path(), join(box.dir, 'journal', 'quarantine', `${name}.1.db`));
  writeFileSync(join(box.dir, 'journal', `${name}.db-wal`), 'left behind');
  writeFileSync(join(box.dir, 'journal', '7-00000000.db-wal'), 'of nobody');
  await box.start();
  expect(box.databases()).toHaveLength(1);
  expect(aside()).toEqual(expect.arrayContaining([`${name}.1.db`, `${name}.1.db-wal`]));
  expect(aside().some((file) => file.startsWith('7-00000000.'))).toBe(true);
  await box.compare();
  await expectNothingTwice();
  expect(box.consumer.used.size).toBe(4);
});
