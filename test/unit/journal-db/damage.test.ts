import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { CommitRows } from '../../../src/edge/journal/commit-rows.ts';
import { LogDatabase } from '../../../src/edge/journal/log-database.ts';
import { MetaRows } from '../../../src/edge/journal/meta-rows.ts';
import { lastOf } from '../../../src/edge/journal/paced.ts';
import { StoredTree } from '../../../src/edge/journal/stored-tree.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { Random } from '../../support/mutate.ts';
import { fill, newDatabase, temporaryDirectory, testLog } from './support.ts';

/** A closed log of three noted commits and one without a note, with settings and a receipt. */
function soundFile(): string {
  const database = newDatabase();
  fill(database, [3, 1, 40]);
  fill(database, [2], false);
  database.setMeta({ state: 'open', boot: '12' });
  database.saveReceipt('0011aabb', 3, database.noteAt(3) ?? utf8(''));
  database.close();
  return database.path;
}

/** The same in memory, where a row can be changed a thousand times in a second. */
function inMemory(path: string): Database.Database {
  return new Database(readFileSync(path));
}

interface Cell {
  readonly table: string;
  readonly key: string;
  readonly row: string | number;
  readonly column: string;
  readonly value: Uint8Array;
}

function cellsOf(raw: Database.Database): readonly Cell[] {
  const tables = [
    { table: 'commits', key: 'first', columns: ['note', 'frontier', 'hashes', 'leaves'] },
    { table: 'meta', key: 'key', columns: ['value', 'sum'] },
  ];
  return tables.flatMap(({ table, key, columns }) =>
    raw
      .prepare<[], Record<string, Uint8Array | string | number | null>>(`SELECT * FROM ${table}`)
      .all()
      .flatMap((found) =>
        columns.flatMap((column) => {
          const value = found[column];
          const row = found[key];
          if (!(value instanceof Uint8Array) || row === undefined || row === null || row instanceof Uint8Array)
            return [];
          return [{ table, key, row, column, value }];
        }),
      ),
  );
}

describe('a flipped bit', () => {
  test('in any byte of any stored column is noticed', () => {
    const path = soundFile();
    // A serialized database has no WAL: the header says so for the memory copy.
    const bytes = readFileSync(path);
    bytes[18] = 1;
    bytes[19] = 1;
    writeFileSync(path, bytes);
    const raw = inMemory(path);
    const rows = new CommitRows(raw);
    const verdict = (): boolean => {
      try {
        new MetaRows(raw, path, nodeCrypto, false);
        const tree = new StoredTree(path, nodeCrypto, testLog.vkey, () => rows);
        return lastOf(tree.run(0, 46)).ok;
      } catch (error) {
        if (error instanceof LatchkeyError && error.code === 'JOURNAL_DAMAGED') return false;
        throw error;
      }
    };
    expect(verdict()).toBe(true);
    const random = new Random(5);
    const unnoticed: string[] = [];
    let flips = 0;
    for (const { table, key, row, column, value } of cellsOf(raw)) {
      const update = raw.prepare(`UPDATE ${table} SET ${column} = ? WHERE ${key} = ?`);
      // Every byte of small columns, every third of large ones.
      const step = value.length > 200 ? 3 : 1;
      for (let at = 0; at < value.length; at += step) {
        const flipped = Buffer.from(value);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
        update.run(flipped, row);
        if (verdict()) unnoticed.push(`${table}.${column} of ${row}, byte ${at}`);
        flips += 1;
      }
      update.run(value, row);
    }
    for (const column of ['first', 'size', 'reduced']) {
      for (const first of [0, 3, 4, 44]) {
        for (const bit of [8, 9, 20, 40]) {
          const change = `UPDATE commits SET ${column} = ${column} + ${2 ** bit} WHERE first = ${first}`;
          raw.exec(`BEGIN; ${change}`);
          if (verdict()) unnoticed.push(change);
          raw.exec('ROLLBACK');
          flips += 1;
        }
      }
    }
    expect(unnoticed).toEqual([]);
    expect(flips).toBeGreaterThan(1_000);
    expect(verdict()).toBe(true);
    raw.close();
  });

  test('anywhere in the file either changes nothing that is read or is noticed', async () => {
    const path = soundFile();
    const sound = readFileSync(path);
    const expected = contentOf(LogDatabase.open(path, nodeCrypto, 'read'));
    const copy = join(temporaryDirectory(), '1-test.db');
    const random = new Random(11);
    const outcomes = { refused: 0, found: 0, harmless: 0, silent: 0 };
    for (let round = 0; round < 240; round += 1) {
      const flipped = Buffer.from(sound);
      // Half of them where the rows are, a quarter in the first page.
      const at = round % 4 === 0 ? random.below(4_096) : random.below(sound.length);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
      writeFileSync(copy, flipped);
      outcomes[outcomeOf(copy, expected)] += 1;
    }
    expect(outcomes.silent).toBe(0);
    expect(outcomes.refused).toBeGreaterThan(20);
    expect(outcomes.found).toBeGreaterThan(5);
    expect(outcomes.harmless).toBeGreaterThan(20);
  });
});

function outcomeOf(path: string, expected: string): 'refused' | 'found' | 'harmless' | 'silent' {
  let database: LogDatabase;
  try {
    database = LogDatabase.open(path, nodeCrypto, 'read');
  } catch (error) {
    if (error instanceof LatchkeyError) return 'refused';
    throw error;
  }
  try {
    if (!database.verifyRange(0, database.size()).ok) return 'found';
    return contentOf(database, false) === expected ? 'harmless' : 'silent';
  } finally {
    database.close();
  }
}

/** Everything that a reader of the log can see. */
function contentOf(database: LogDatabase, close = true): string {
  const entries = [...database.leaves(0, database.size())];
  const text = JSON.stringify({
    origin: database.origin,
    entries: entries.map(({ leaf, hash }) => [Buffer.from(leaf ?? []).toString(), Buffer.from(hash).toString('hex')]),
    commits: database.commits(0, 100).map(({ size, note }) => [size, Buffer.from(note ?? []).toString()]),
    meta: database.metaKeys().map((key) => [key, database.meta(key)]),
    receipts: database.receipts().map(({ keyId, size, note }) => [keyId, size, Buffer.from(note).toString()]),
  });
  if (close) database.close();
  return text;
}
