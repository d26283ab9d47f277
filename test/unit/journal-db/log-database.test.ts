import { appendFileSync, existsSync, readFileSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test, vi } from 'vitest';
import { AssertionError } from '../../../src/base/assert.ts';
import { equalBytes, utf8 } from '../../../src/base/bytes.ts';
import { CommitRows } from '../../../src/edge/journal/commit-rows.ts';
import { LogDatabase } from '../../../src/edge/journal/log-database.ts';
import { MetaRows } from '../../../src/edge/journal/meta-rows.ts';
import { assertDurable } from '../../../src/edge/journal/sqlite-file.ts';
import { leafHash, TreeBuilder } from '../../../src/evidence/log/tree.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { TestLog } from '../../support/test-log.ts';
import { naiveRoot } from './prove.ts';
import {
  codeOf,
  copyFiles,
  fill,
  identity,
  leafOf,
  newDatabase,
  noteOf,
  openDatabase,
  temporaryDirectory,
  testLog,
} from './support.ts';

describe('a log file', () => {
  test('gives back what was committed, after reopening too', () => {
    const database = newDatabase();
    fill(database, [1, 3, 256]);
    const { path } = database;
    const check = (held: LogDatabase): void => {
      expect(held.size()).toBe(260);
      expect(held.origin).toBe(testLog.origin);
      expect(held.publicKey).toEqual(testLog.key.publicKey);
      expect(held.commits(0, 10).map(({ first, size }) => [first, size])).toEqual([
        [0, 1],
        [1, 4],
        [4, 260],
      ]);
      expect(held.commits(3, 1).map(({ first }) => first)).toEqual([1]);
      expect(held.commits(260, 1)).toEqual([]);
      const entries = [...held.leaves(2, 6)];
      expect(entries.map(({ index }) => index)).toEqual([2, 3, 4, 5]);
      expect(entries.every(({ index, leaf }) => leaf !== undefined && equalBytes(leaf, leafOf(index)))).toBe(true);
      expect(held.newestNote()?.size).toBe(260);
      expect(held.noteAt(4)).toBeDefined();
      expect(held.noteAt(5)).toBeUndefined();
      expect(held.noteAtOrBelow(259)?.size).toBe(4);
      expect(held.rootAt(260)).toEqual(naiveRoot(0, 260));
    };
    check(database);
    database.close();
    check(openDatabase(path));
  });

  test('knows frontier and root at every size, also inside a commit', () => {
    const database = newDatabase();
    fill(database, [1, 7, 30, 2, 20]);
    for (let size = 1; size <= 60; size += 1) expect(database.rootAt(size)).toEqual(naiveRoot(0, size));
    expect(database.rootAt(0)).toEqual(nodeCrypto.sha256(new Uint8Array()));
    expect(database.rootAt(61)).toBeUndefined();
  });

  test('is built complete or not at all: a file left half made is no obstacle', () => {
    const path = join(temporaryDirectory(), '1-test.db');
    writeFileSync(`${path}.new`, 'half');
    newDatabase(path);
    expect(existsSync(`${path}.new`)).toBe(false);
    expect(() => LogDatabase.create(path, identity, nodeCrypto)).toThrow(AssertionError);
  });

  test('is locked from open to close: a second one is refused by name', () => {
    const database = newDatabase();
    expect(codeOf(() => LogDatabase.open(database.path, nodeCrypto, 'write'))).toBe('JOURNAL_BUSY');
    expect(codeOf(() => LogDatabase.open(database.path, nodeCrypto, 'read'))).toBe('JOURNAL_BUSY');
    database.close();
    expect(openDatabase(database.path).size()).toBe(0);
  });

  test('another version is refused by name, and not called damaged', () => {
    const { path } = closed([3]);
    const changed = (change: (raw: Database.Database) => void): string => {
      const raw = new Database(path);
      change(raw);
      raw.close();
      return codeOf(() => openDatabase(path));
    };
    // A flipped bit is not another version.
    expect(changed((raw) => raw.pragma('user_version = 2'))).toBe('JOURNAL_DAMAGED');
    expect(changed((raw) => new MetaRows(raw, path, nodeCrypto, false).set({ schema: '2' }))).toBe('JOURNAL_VERSION');
  });

  test('foreign, empty, zero-length, cut and missing files are refused by name', () => {
    const directory = temporaryDirectory();
    const foreign = join(directory, 'foreign.db');
    const raw = new Database(foreign);
    raw.exec('CREATE TABLE t (a)');
    raw.close();
    expect(codeOf(() => openDatabase(foreign))).toBe('JOURNAL_DAMAGED');
    writeFileSync(join(directory, 'zero.db'), '');
    expect(codeOf(() => openDatabase(join(directory, 'zero.db')))).toBe('JOURNAL_DAMAGED');
    writeFileSync(join(directory, 'text.db'), 'x'.repeat(9_000));
    expect(codeOf(() => openDatabase(join(directory, 'text.db')))).toBe('JOURNAL_DAMAGED');
    expect(codeOf(() => openDatabase(join(directory, 'none.db')))).toBe('JOURNAL_MISSING');
    for (const keep of [100, 4_096, 8_192, 3 * 4_096]) {
      const { path } = closed([200, 200, 200]);
      expect(statSync(path).size).toBeGreaterThan(keep);
      truncateSync(path, keep);
      expect(codeOf(() => openDatabase(path))).toBe('JOURNAL_DAMAGED');
    }
  });

  test('a key that does not fit the origin is refused', () => {
    const other = new TestLog('another');
    const path = join(temporaryDirectory(), '1-test.db');
    expect(codeOf(() => LogDatabase.create(path, { ...identity, publicKey: other.key.publicKey }, nodeCrypto))).toBe(
      'JOURNAL_DAMAGED',
    );
  });

  test('keeps small values and receipts durably, newest receipt first wins', () => {
    const database = newDatabase();
    database.setMeta({ state: 'open', boot: '7', gone: 'x' });
    database.setMeta({ gone: undefined, state: 'closed' });
    database.saveReceipt('0011aabb', 5, utf8('five\n'));
    database.saveReceipt('0011aabb', 4, utf8('four\n'));
    database.saveReceipt('ffffffff', 2, utf8('two\n'));
    database.close();
    const again = openDatabase(database.path);
    expect([again.meta('state'), again.meta('boot'), again.meta('gone')]).toEqual(['closed', '7', undefined]);
    expect(again.metaKeys()).toEqual(['boot', 'state']);
    expect(again.receipts()).toEqual([
      { keyId: '0011aabb', size: 5, note: utf8('five\n') },
      { keyId: 'ffffffff', size: 2, note: utf8('two\n') },
    ]);
    expect(() => again.setMeta({ origin: 'x' })).toThrow(AssertionError);
  });

  test('settings that go with a commit are stored with it or not at all', () => {
    const database = newDatabase();
    const commit = (value: string): void => {
      const tree = new TreeBuilder(nodeCrypto, database.frontier());
      const leaves = [leafOf(tree.size)];
      const hashes = leaves.map((leaf) => leafHash(nodeCrypto, leaf));
      const first = tree.size;
      for (const hash of hashes) tree.push(hash);
      database.commit({ first, leaves, hashes, after: tree.frontier(), note: noteOf(tree), meta: { state: value } });
    };
    commit('one');
    vi.spyOn(CommitRows.prototype, 'insert').mockImplementationOnce(() => {
      throw new Database.SqliteError('database or disk is full', 'SQLITE_FULL');
    });
    expect(codeOf(() => commit('two'))).toBe('JOURNAL_FULL');
    expect([database.size(), database.meta('state')]).toEqual([1, 'one']);
    database.close();
    const again = openDatabase(database.path);
    expect([again.size(), again.meta('state')]).toEqual([1, 'one']);
  });

  test('notes that were missing are stored ascending and without leaving one out', () => {
    const database = newDatabase();
    fill(database, [2]);
    fill(database, [3, 1], false);
    expect(database.oldestWithoutNote()).toBe(5);
    expect(database.newestNote()?.size).toBe(2);
    expect(() => fill(database, [1])).toThrow(AssertionError);
    const note = (size: number): { size: number; note: Uint8Array } => {
      const frontier = database.frontierAt(size);
      return { size, note: noteOf(new TreeBuilder(nodeCrypto, frontier)) };
    };
    expect(() => database.storeNotes([note(6)])).toThrow(AssertionError);
    expect(database.oldestWithoutNote()).toBe(5);
    database.storeNotes([note(5), note(6)]);
    expect(database.oldestWithoutNote()).toBeUndefined();
    expect(database.newestNote()?.size).toBe(6);
    expect(database.verifyRange(0, 6)).toMatchObject({ ok: true, size: 6, notes: 3 });
  });

  test('every read of a commit works in read mode, and nothing can be written', () => {
    const { path } = closed([5, 5]);
    const before = readFileSync(path);
    const database = openDatabase(path, 'read');
    expect(database.verifyRange(0, 10)).toMatchObject({ ok: true, entries: 10 });
    expect(() => fill(database, [1])).toThrow(AssertionError);
    database.close();
    expect(readFileSync(path).equals(before)).toBe(true);
  });
});

describe('durability', () => {
  test('a connection that fell back to NORMAL, as WAL does here by default, is refused after its first write', () => {
    const { path } = closed([1]);
    const raw = new Database(path);
    raw.pragma('locking_mode = EXCLUSIVE');
    raw.pragma('journal_mode = WAL');
    expect(codeOf(() => assertDurable(raw, path))).toBe('JOURNAL_NOT_DURABLE');
    expect(raw.pragma('synchronous', { simple: true })).toBe(1);
    raw.pragma('synchronous = FULL');
    expect(codeOf(() => assertDurable(raw, path))).toBe('no error');
    raw.close();
  });

  test('an open log has a WAL and no shared memory file, which a full disk would turn into a crash', () => {
    const database = newDatabase();
    fill(database, [1]);
    expect(existsSync(`${database.path}-wal`)).toBe(true);
    expect(existsSync(`${database.path}-shm`)).toBe(false);
  });

  test('opening takes the WAL over into the file, so that what is sent next is synced there', () => {
    const database = newDatabase();
    fill(database, [50, 50]);
    const copy = copyFiles(database.path);
    expect(statSync(`${copy}-wal`).size).toBeGreaterThan(0);
    openDatabase(copy);
    expect(statSync(`${copy}-wal`).size).toBe(0);
  });

  test('the copy of a crashed log can be read without writing to it', () => {
    const database = newDatabase();
    fill(database, [50, 50]);
    const copy = copyFiles(database.path);
    const before = [readFileSync(copy), readFileSync(`${copy}-wal`)];
    expect(openDatabase(copy, 'read').verifyRange(0, 100)).toMatchObject({ ok: true, entries: 100 });
    expect([readFileSync(copy), readFileSync(`${copy}-wal`)]).toEqual(before);
  });

  test('at any moment a copy of the files opens with every commit that had returned', () => {
    const database = newDatabase();
    const copies: { readonly size: number; readonly path: string }[] = [];
    for (let round = 0; round < 12; round += 1) {
      copies.push({ size: database.size(), path: copyFiles(database.path) });
      fill(database, [1 + ((round * 37) % 200)]);
      if (round % 4 === 3) database.walCheckpoint();
    }
    for (const { size, path } of copies) {
      const copy = openDatabase(path);
      expect(copy.size()).toBe(size);
      expect(copy.verifyRange(0, size)).toMatchObject({ ok: true, entries: size });
    }
    expect(copies.at(-1)?.size).toBeGreaterThan(500);
  });

  test('a WAL that is torn at any place loses whole commits from the end and nothing else', () => {
    const database = newDatabase();
    fill(database, [3, 40, 1]);
    const copy = copyFiles(database.path);
    const wal = readFileSync(`${copy}-wal`);
    const sizes = new Set<number>();
    for (const cut of [...Array(Math.ceil(wal.length / 511)).keys()].map((i) => i * 511).concat(wal.length)) {
      writeFileSync(`${copy}-wal`, wal.subarray(0, cut));
      const torn = copyFiles(copy);
      const again = openDatabase(torn);
      sizes.add(again.size());
      expect(again.verifyRange(0, again.size())).toMatchObject({ ok: true });
      again.close();
    }
    expect([...sizes]).toEqual([0, 3, 43, 44]);
  });

  test('rubbish after the WAL is not taken for a commit', () => {
    const database = newDatabase();
    fill(database, [3]);
    const copy = copyFiles(database.path);
    appendFileSync(`${copy}-wal`, Buffer.alloc(20_000, 7));
    expect(openDatabase(copy).size()).toBe(3);
  });
});

describe('an I/O error', () => {
  function failOnce(method: 'insert' | 'setNote', stored: boolean): void {
    const original = CommitRows.prototype[method] as (...values: readonly unknown[]) => void;
    vi.spyOn(CommitRows.prototype, method).mockImplementationOnce(function (this: CommitRows, ...values: unknown[]) {
      if (stored) original.apply(this, values);
      throw new Database.SqliteError('disk I/O error', 'SQLITE_IOERR_FSYNC');
    });
  }

  test('spends the handle: nothing more is asked of it until it was reopened with a full checkpoint', () => {
    const database = newDatabase();
    fill(database, [5]);
    failOnce('insert', false);
    expect(codeOf(() => fill(database, [5]))).toBe('JOURNAL_IO');
    expect(database.failed()).toBe(true);
    expect(codeOf(() => fill(database, [5]))).toBe('JOURNAL_IO');
    expect(codeOf(() => database.commits(0, 1))).toBe('JOURNAL_IO');
    expect(codeOf(() => database.setMeta({ a: 'b' }))).toBe('JOURNAL_IO');
    database.reopen();
    expect(database.failed()).toBe(false);
    expect(statSync(`${database.path}-wal`).size).toBe(0);
    fill(database, [5]);
    expect(database.verifyRange(0, 10)).toMatchObject({ ok: true, size: 10 });
  });

  test('leaves open whether the commit was stored, and reopening tells', () => {
    const database = newDatabase();
    fill(database, [5]);
    failOnce('insert', true);
    expect(codeOf(() => fill(database, [3]))).toBe('JOURNAL_IO');
    database.reopen();
    expect(database.size()).toBe(8);
    expect(database.newestNote()?.size).toBe(8);
    fill(database, [1], false);
    failOnce('setNote', false);
    const note = noteOf(new TreeBuilder(nodeCrypto, database.frontier()));
    expect(codeOf(() => database.storeNotes([{ size: 9, note }]))).toBe('JOURNAL_IO');
    database.reopen();
    expect(database.oldestWithoutNote()).toBe(9);
  });

  test('that stays lets every try of reopening fail by name', () => {
    const database = newDatabase();
    fill(database, [5]);
    failOnce('insert', false);
    expect(codeOf(() => fill(database, [5]))).toBe('JOURNAL_IO');
    const aside = `${database.path}.aside`;
    renameSync(database.path, aside);
    expect(codeOf(() => database.reopen())).toBe('JOURNAL_MISSING');
    expect(database.failed()).toBe(true);
    renameSync(aside, database.path);
    database.reopen();
    expect(database.size()).toBe(5);
  });
});

function closed(sizes: readonly number[]): { readonly path: string } {
  const database = newDatabase();
  fill(database, sizes);
  database.close();
  return { path: database.path };
}
