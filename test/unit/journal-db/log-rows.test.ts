import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LogDatabase } from '../../../src/edge/journal/log-database.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { TestLog } from '../../support/test-log.ts';
import { proveEverything } from './prove.ts';
import { codeOf, fill, forever, identity, leafOf, newDatabase, openDatabase } from './support.ts';

describe('the run along the rows', () => {
  test('begins at the nearest proved boundary and covers the range to a commit’s end', () => {
    const database = newDatabase();
    fill(database, [10, 10, 10, 10]);
    const again = openAfresh(database);
    expect(again.verifyRange(25, 26)).toEqual({ ok: true, size: 30, entries: 10, reduced: 0, notes: 1 });
    expect(again.verifyRange(20, 40)).toEqual({ ok: true, size: 40, entries: 20, reduced: 0, notes: 2 });
    expect([...again.verifySteps(0, 40)]).toEqual([10, 20, 30, 40]);
  });

  test('goes back to the last note where commits have none', () => {
    const database = newDatabase();
    fill(database, [10]);
    fill(database, [10, 10], false);
    const again = openAfresh(database);
    expect(again.verifyRange(20, 30)).toEqual({ ok: true, size: 30, entries: 20, reduced: 0, notes: 0 });
  });

  test('gives way while it runs over everything, and stops when told', async () => {
    const database = newDatabase();
    fill(
      database,
      Array.from({ length: 300 }, () => 1),
    );
    const seen: number[] = [];
    const verdict = await database.verifyRows({ signal: forever, progress: (size) => seen.push(size) });
    expect(verdict).toMatchObject({ ok: true, entries: 300, notes: 300 });
    expect(seen.length).toBeGreaterThan(0);
    await expect(database.verifyRows({ signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow('stop');
  });

  test('a range that was altered and hashed anew is refused, because the key did not sign it', () => {
    const { path } = closed([4, 4, 4]);
    const other = new TestLog();
    for (let i = 0; i < 4; i += 1) other.append(leafOf(i));
    for (let i = 4; i < 8; i += 1) other.append(leafOf(i, 'forged'));
    const raw = new Database(path);
    const roots = Buffer.concat(other.frontier(8).roots);
    const hashes = Buffer.concat(other.leafHashes.slice(4, 8));
    const leaves = Buffer.from([4, 5, 6, 7].map((i) => `${Buffer.from(leafOf(i, 'forged'))}\n`).join(''));
    raw.prepare('UPDATE commits SET leaves = ?, hashes = ?, frontier = ? WHERE first = 4').run(leaves, hashes, roots);
    raw.close();
    const database = openDatabase(path, 'salvage');
    expect(database.verifyRange(0, 4)).toMatchObject({ ok: true });
    expect(database.verifyRange(4, 8)).toMatchObject({ ok: false, reason: 'note', index: 7 });
    expect(database.soundEnd(0)).toBe(4);
  });

  test('names a missing row, a missing body, and a note above a commit without one', () => {
    const cases = [
      { sql: 'DELETE FROM commits WHERE first = 4', reason: 'gap', index: 4 },
      { sql: 'UPDATE commits SET leaves = NULL WHERE first = 4', reason: 'leaf_missing', index: 4 },
      { sql: 'UPDATE commits SET note = NULL WHERE first = 4', reason: 'note', index: 11 },
      { sql: 'UPDATE commits SET size = 9 WHERE first = 4', reason: 'shape', index: 4 },
      { sql: 'UPDATE commits SET reduced = 1 WHERE first = 4', reason: 'shape', index: 4 },
      { sql: "UPDATE commits SET frontier = x'00' WHERE first = 4", reason: 'frontier', index: 7 },
      { sql: "UPDATE commits SET leaves = x'0a0a0a0a' WHERE first = 4", reason: 'leaf_missing', index: 4 },
    ];
    for (const { sql, reason, index } of cases) {
      const { path } = closed([4, 4, 4]);
      const raw = new Database(path);
      raw.exec(sql);
      raw.close();
      const verdict = openDatabase(path, 'salvage').verifyRange(0, 12);
      expect([sql, verdict]).toEqual([sql, expect.objectContaining({ ok: false, reason, index })]);
    }
  });

  test('the salvage of a damaged file gives the sound stretch, and its identity can come from outside', () => {
    const { path } = closed([4, 4, 4]);
    const raw = new Database(path);
    raw.exec("UPDATE commits SET leaves = x'00' WHERE first = 8; DELETE FROM meta WHERE key = 'origin'");
    raw.close();
    expect(codeOf(() => openDatabase(path))).toBe('JOURNAL_DAMAGED');
    const database = LogDatabase.open(path, nodeCrypto, 'salvage', identity);
    expect(database.soundEnd(0)).toBe(8);
    expect(database.soundEnd(4)).toBe(8);
    expect([...database.leaves(0, 8)]).toHaveLength(8);
    database.close();
  });
});

describe('proofs', () => {
  test('every inclusion and consistency proof verifies, whatever the commits were', () => {
    let proved = 0;
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }), (sizes) => {
        const database = newDatabase();
        fill(database, sizes);
        proved += proveEverything(database);
        database.close();
      }),
      { numRuns: 15 },
    );
    expect(proved).toBeGreaterThan(500);
  });
});

function closed(sizes: readonly number[]): { readonly path: string } {
  const database = newDatabase();
  fill(database, sizes);
  database.close();
  return { path: database.path };
}

/** The same file with nothing remembered. */
function openAfresh(database: LogDatabase): LogDatabase {
  database.close();
  return openDatabase(database.path);
}
