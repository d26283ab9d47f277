import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { describeReport } from '../../../src/cli/commands/journal-check.ts';
import { type CheckReport, checkFile, checkLog } from '../../../src/edge/journal/check-log.ts';
import { formatNote } from '../../../src/evidence/log/note.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { TestLog } from '../../support/test-log.ts';
import {
  draft,
  fill,
  forever,
  leafOf,
  newDatabase,
  openDatabase,
  temporaryDirectory,
  testLog,
  writerOn,
} from './support.ts';

const options = { crypto: nodeCrypto, signal: forever, pages: true };

/** A closed log of real events. */
async function realLog(boots = [1]): Promise<string> {
  let database = newDatabase();
  for (const boot of boots) {
    const { writer } = writerOn(database, { boot });
    for (let i = 0; i < 300; i += 1) writer.append(draft());
    await writer.close();
    database.close();
    database = openDatabase(database.path);
  }
  database.saveReceipt('0011aabb', 300, database.noteAt(300) ?? utf8(''));
  database.close();
  return database.path;
}

async function changed(path: string, change: string): Promise<CheckReport> {
  const raw = new Database(path);
  raw.exec(change);
  raw.close();
  return checkFile(path, options);
}

const names = (report: CheckReport): readonly string[] => [...new Set(report.findings.map(({ finding }) => finding))];

describe('the check of a log', () => {
  test('finds nothing in a sound one, and says what there is', async () => {
    const path = await realLog();
    const seen: number[] = [];
    const report = await checkFile(path, { ...options, progress: (size) => seen.push(size) });
    expect(report).toMatchObject({
      sound: true,
      origin: testLog.origin,
      size: 300,
      noteSize: 300,
      reduced: 0,
      receipts: [{ keyId: '0011aabb', size: 300 }],
      findings: [],
    });
    expect(report.notes).toBeGreaterThan(0);
    const running = openDatabase(path);
    expect(await checkLog(running, { ...options, pages: false })).toMatchObject({ sound: true, size: 300 });
  });

  test('names what is wrong with the rows and where', async () => {
    const flipped = await changed(
      await realLog(),
      "UPDATE commits SET leaves = CAST(replace(leaves, 'A17', 'A18') AS BLOB) WHERE first = 0",
    );
    expect(names(flipped)).toEqual(['leaf_hash']);
    expect(flipped.findings[0]?.index).toBe(0);
    const cut = await changed(await realLog(), 'DELETE FROM commits WHERE first > 0');
    expect(names(cut)).toContain('open');
    expect(cut.sound).toBe(false);
  });

  test('that stopped at a damage counts what was checked up to there', async () => {
    const path = await realLog();
    const whole = await checkFile(path, options);
    expect(whole).toMatchObject({ checkedSize: 300, notes: 2 });
    const report = await changed(
      path,
      "UPDATE commits SET leaves = CAST(replace(leaves, 'A17', 'A18') AS BLOB) WHERE first > 0",
    );
    expect(report).toMatchObject({ sound: false, size: 300, notes: 1 });
    expect(report.checkedSize).toBeGreaterThan(0);
    expect(report.checkedSize).toBeLessThan(300);
    expect(report.findings.at(-1)?.index).toBe(report.checkedSize);
    const lines = describeReport({ sound: false, logs: [report] });
    expect(lines[0]).toContain(`1 notes fit below entry ${report.checkedSize}, where the check stopped`);
  });

  test('names leaves that are no events of this log, or that a consumer would not use', async () => {
    const database = newDatabase();
    const other = new TestLog('other');
    fill(database, [2]);
    const note = (text: string): Uint8Array => utf8(text);
    expect(names(await checkLog(database, options))).toEqual(['leaf_form']);
    database.close();
    const leaf = (n: number, boot: number, data: string, log = testLog.origin): string =>
      `{"at":"2026-11-22T09:00:00.000Z","boot":${boot},"clock":{"src":"ntp"},"data":${data},"device":"s","log":"${log}","n":${n},"salt":"AAAAAAAAAAAAAAAAAAAAAA","type":"code.scanned","up_ms":1,"v":1}`;
    const held = newDatabase();
    const lines = [
      leaf(0, 2, '{"size_bytes":3,"text":"abc"}'),
      leaf(7, 2, '{"size_bytes":3,"text":"abc"}'),
      leaf(2, 1, '{"size_bytes":3,"text":"abc"}'),
      leaf(3, 1, '{"size_bytes":16,"text":"4111111111111111"}'),
      leaf(4, 1, '{"size_bytes":3,"text":"abc"}', other.origin),
    ];
    const log = new TestLog().append(...lines.map((line) => note(line)));
    held.commit({
      first: 0,
      leaves: log.leaves,
      hashes: log.leafHashes,
      after: log.frontier(),
      note: formatNote(log.note()),
    });
    const report = await checkLog(held, options);
    expect(report.findings.map(({ finding, index }) => [finding, index])).toEqual([
      ['leaf_place', 1],
      ['leaf_boot', 2],
      ['leaf_use', 3],
      ['leaf_place', 4],
    ]);
    expect(JSON.stringify(report)).not.toContain('4111');
  });

  test('names a file that was restored from an older copy, and receipts for other entries', async () => {
    const log = new TestLog();
    for (let i = 0; i < 9; i += 1) log.append(leafOf(i));
    const forked = new TestLog();
    for (let i = 0; i < 4; i += 1) forked.append(leafOf(i, 'fork'));
    const database = newDatabase();
    fill(database, [5]);
    database.saveReceipt('00000001', 9, formatNote(log.note(9)));
    database.saveReceipt('00000002', 4, formatNote(forked.note(4)));
    database.saveReceipt('00000003', 3, utf8('rubbish'));
    database.saveReceipt('00000004', 3, formatNote(log.note(3)));
    const { findings } = await checkLog(database, options);
    expect(findings.filter(({ finding }) => finding !== 'leaf_form').map(({ finding }) => finding)).toEqual([
      'receipt_above',
      'receipt_root',
      'receipt_note',
    ]);
  });

  test('says what it can about a file that does not open', async () => {
    const path = await realLog();
    truncateSync(path, 6_000);
    const cut = await checkFile(path, options);
    expect(cut.sound).toBe(false);
    expect(names(cut)).toContain('open');
    const rubbish = join(temporaryDirectory(), 'x.db');
    writeFileSync(rubbish, 'x'.repeat(5_000));
    expect(await checkFile(rubbish, options)).toMatchObject({ sound: false, size: 0, findings: [{ finding: 'open' }] });
    await expect(checkFile(join(temporaryDirectory(), 'no.db'), options)).rejects.toMatchObject({
      code: 'JOURNAL_MISSING',
    });
  });

  test('stops when told, and lists at most 100 findings with a count of the others', async () => {
    const database = newDatabase();
    fill(
      database,
      Array.from({ length: 3 }, () => 100),
    );
    const report = await checkLog(database, options);
    expect([report.findings.length, report.findingsMore]).toEqual([100, 200]);
    await expect(checkLog(database, { ...options, signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow(
      'stop',
    );
  });
});
