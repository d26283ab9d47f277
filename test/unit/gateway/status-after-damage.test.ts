/** When a gateway that lost or damaged a log counts as healthy again, and what its status goes on saying. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { textsOf } from '../../../src/edge/gateway/findings.ts';
import { journalFindings } from '../../../src/edge/gateway/findings-of-journal.ts';
import { Box } from '../journal-set/box.ts';

let box: Box;
beforeEach(async () => {
  box = new Box();
  await box.start();
  await box.compare();
  await box.record(3);
  await box.send();
});
afterEach(() => box.end());

const problems = (): readonly string[] => textsOf(journalFindings(box.journal.status()), 'problem');
const notices = (): readonly string[] => textsOf(journalFindings(box.journal.status()), 'notice');
const pathOf = (origin: string): string => join(box.dir, 'journal', `${origin.split('/')[2]}.db`);

test('a damaged log that can be read in part: unhealthy until what was saved of it is receipted', async () => {
  const origin = box.journal.origin();
  for (let i = 0; i < 4; i += 1) await box.record();
  await box.stop();
  const database = new Database(pathOf(origin));
  database.exec('UPDATE commits SET leaves = NULL WHERE first = 5');
  database.close();
  await box.start();
  expect(problems()).toEqual([expect.stringMatching(/^a damaged file was set aside: 1-/)]);
  expect(notices()).toEqual([]);
  await box.compare();
  await box.send({ receipts: false });
  expect(problems()).toHaveLength(1);
  await box.send();
  expect(problems()).toEqual([]);
  expect(notices()).toEqual([expect.stringMatching(/^a damaged file was set aside: 1-.*receipted/)]);
  // It stays said over starts, for as long as the file lies there.
  await box.restart();
  expect([problems(), notices().length]).toEqual([[], 1]);
});

test('a file of which nothing can be read: unhealthy until the log that says so has a receipt', async () => {
  const origin = box.journal.origin();
  await box.stop();
  writeFileSync(pathOf(origin), 'not a database at all, whatever its name says');
  await box.start();
  expect(problems()).toHaveLength(1);
  await box.compare();
  expect(problems()).toHaveLength(1);
  await box.send();
  expect(problems()).toEqual([]);
  expect(notices()).toEqual([expect.stringContaining('nothing of it could be read')]);
});

test('a breached log: unhealthy until what was carried of it is receipted', async () => {
  const origin = box.journal.origin();
  const copy = box.snapshot('older');
  await box.record(2);
  await box.send({ receipts: false });
  await box.stop();
  box.restore(copy);
  await box.start();
  await box.record(1);
  await box.compare();
  expect(problems()).toEqual([
    `log ${origin} is breached: the disk is older than what has left this box (rolled_back)`,
  ]);
  await box.send();
  expect(problems()).toEqual([]);
  expect(notices()).toEqual([
    expect.stringContaining(
      `log ${origin} is breached: the disk is older than what has left this box (rolled_back); what could be read`,
    ),
  ]);
});

test('a lost database: unhealthy until the log that says so has a receipt', async () => {
  const origin = box.journal.origin();
  await box.stop();
  rmSync(pathOf(origin));
  await box.start();
  expect(problems()).toEqual([`the database of log ${origin} is gone`]);
  await box.compare();
  await box.send();
  expect(problems()).toEqual([]);
});
