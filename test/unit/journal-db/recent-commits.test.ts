import { expect, test } from 'vitest';
import { concatBytes, utf8 } from '../../../src/base/bytes.ts';
import type { LogDatabase } from '../../../src/edge/journal/log-database.ts';
import { copyFiles, fill, leafOf, newDatabase, openDatabase } from './support.ts';

const SIZES = [1, 3, 256, 2, ...Array.from({ length: 60 }, (_, i) => 1 + (i % 7))];

function linesOf(first: number, size: number): Uint8Array {
  const lines = Array.from({ length: size - first }, (_, i) => [leafOf(first + i), utf8('\n')]);
  return concatBytes(...lines.flat());
}

function allLines(database: LogDatabase): readonly unknown[] {
  const found: unknown[] = [];
  for (let at = 0; at < database.size(); ) {
    const commit = database.linesFrom(at);
    if (commit === undefined) throw new Error(`nothing at ${at}`);
    found.push({ ...commit, lines: Uint8Array.from(commit.lines), note: Uint8Array.from(commit.note) });
    at = commit.size;
  }
  return found;
}

test('a commit comes out of memory as it comes out of its row', () => {
  const database = newDatabase();
  fill(database, SIZES);
  const fresh = allLines(database);
  expect(fresh).toHaveLength(SIZES.length);
  expect(fresh[2]).toMatchObject({ first: 4, size: 260, lines: linesOf(4, 260) });
  // A second connection has nothing in memory.
  expect(allLines(openDatabase(copyFiles(database.path)))).toEqual(fresh);
  for (const at of [5, 259]) expect(database.linesFrom(at)).toMatchObject({ first: 4, size: 260 });
  expect(database.linesFrom(database.size())).toBeUndefined();
});

test('what memory holds never outlives its row: reduced, removed, and noted again', () => {
  const database = newDatabase();
  fill(database, [4, 4, 4]);
  expect(database.linesFrom(4)).toBeDefined();
  expect(database.reduce([5])).toBe(1);
  expect(database.linesFrom(4)).toBeUndefined();
  expect(database.linesFrom(8)).toMatchObject({ first: 8, size: 12 });

  fill(database, [4]);
  expect(database.linesFrom(12)).toBeDefined();
  expect(database.removeBodies(16, 10)).toBeGreaterThan(0);
  expect(database.linesFrom(12)).toBeUndefined();
});

test('a commit without a note is nothing to send, and is found once it has one', () => {
  const database = newDatabase();
  fill(database, [2]);
  fill(database, [3], false);
  expect(database.linesFrom(0)).toMatchObject({ first: 0, size: 2 });
  expect(database.linesFrom(2)).toBeUndefined();
  const note = database.noteAt(2) ?? utf8('');
  database.storeNotes([{ size: 5, note }]);
  expect(database.linesFrom(2)).toMatchObject({ first: 2, size: 5, note, lines: linesOf(2, 5) });
});
