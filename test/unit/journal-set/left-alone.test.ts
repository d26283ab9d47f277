/** One ended log whose file cannot be opened does not keep the gateway from starting; the open log's does. */
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { textsOf } from '../../../src/edge/gateway/findings.ts';
import { journalFindings } from '../../../src/edge/gateway/findings-of-journal.ts';
import { checkFile } from '../../../src/edge/journal/check-log.ts';
import { inspectJournal } from '../../../src/edge/journal/inspect.ts';
import { LogDatabase } from '../../../src/edge/journal/log-database.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { Box } from './box.ts';

let box: Box;
beforeEach(() => {
  box = new Box();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await box.end();
});

const nameOf = (origin: string): string => origin.split('/')[2] ?? '';
const pathOf = (origin: string): string => join(box.dir, 'journal', `${nameOf(origin)}.db`);

/** Two logs, the first ended with entries that nobody has receipted. Answers with both, the box off. */
async function twoLogs(): Promise<readonly [string, string]> {
  await box.start();
  await box.compare();
  await box.record(3);
  const first = box.journal.origin();
  await box.journal.rotate();
  await box.record(2);
  const second = box.journal.origin();
  await box.stop();
  return [first, second];
}

function asNewer(path: string): void {
  const database = new Database(path);
  database.exec("DELETE FROM meta WHERE key = 'schema'");
  database.pragma('user_version = 2');
  database.close();
}

const exceptions = (): readonly unknown[] =>
  box
    .entries(box.journal.origin())
    .filter(({ type }) => type === 'exception.reported')
    .map(({ data }) => data);

test('of a newer schema: the start goes on without it, says so, and leaves the file byte for byte', async () => {
  const [first, second] = await twoLogs();
  const sound = join(box.root, 'sound.db');
  copyFileSync(pathOf(first), sound);
  asNewer(pathOf(first));
  const before = readFileSync(pathOf(first));
  await box.start();
  expect(box.journal.origin()).toBe(second);
  expect(box.journal.status().leftAlone).toEqual([
    { name: nameOf(first), reason: expect.stringContaining('schema version 2') },
  ]);
  expect(textsOf(journalFindings(box.journal.status()), 'problem')).toEqual([
    expect.stringMatching(new RegExp(`^log ${nameOf(first)} cannot be opened`)),
  ]);
  await box.compare();
  await box.record(2);
  await box.send();
  expect(exceptions()).toEqual([{ what: 'log_left_alone', detail: `${nameOf(first)} JOURNAL_VERSION` }]);
  expect(box.consumer.size(first)).toBe(0);
  await box.stop();
  expect(readFileSync(pathOf(first)).equals(before)).toBe(true);
  // A start that can open it sends what it owes, under its own key.
  copyFileSync(sound, pathOf(first));
  await box.start();
  expect(box.journal.status().leftAlone).toEqual([]);
  await box.compare();
  await box.send();
  expect(box.consumer.violations).toEqual([]);
  expect([...box.consumer.used.values()].every((times) => times === 1)).toBe(true);
  expect(box.consumer.used.size).toBe(7);
});

test('that the disk does not give: the start goes on, and the next log takes another number', async () => {
  const [first, second] = await twoLogs();
  const open = LogDatabase.open.bind(LogDatabase);
  vi.spyOn(LogDatabase, 'open').mockImplementation((path, ...rest) => {
    if (path === pathOf(first)) throw new LatchkeyError('JOURNAL_IO', `${path}: disk I/O error`);
    return open(path, ...rest);
  });
  await box.start();
  expect(box.journal.origin()).toBe(second);
  expect(box.journal.status().leftAlone).toMatchObject([{ name: nameOf(first) }]);
  await box.journal.rotate();
  expect(nameOf(box.journal.origin())).toMatch(/^3-/);
  await box.compare();
  await box.send();
  expect(box.consumer.violations).toEqual([]);
});

test('the open log of a newer schema stops the start by name, and nothing is changed', async () => {
  const [, second] = await twoLogs();
  asNewer(pathOf(second));
  const before = readFileSync(pathOf(second));
  await expect(box.start()).rejects.toMatchObject({ code: 'JOURNAL_VERSION' });
  expect(readFileSync(pathOf(second)).equals(before)).toBe(true);
});

test('offline, the other logs can be read and checked, and the file itself is a finding', async () => {
  const [first, second] = await twoLogs();
  asNewer(pathOf(first));
  const inspection = inspectJournal(box.dir, nodeCrypto);
  expect(inspection.find().database.origin).toBe(second);
  expect(inspection.logs[0]?.damage).toContain('schema version 2');
  inspection.close();
  const report = await checkFile(pathOf(first), {
    crypto: nodeCrypto,
    signal: AbortSignal.timeout(10_000),
    pages: true,
  });
  expect(report).toMatchObject({ sound: false, findings: [{ finding: 'open' }] });
});
