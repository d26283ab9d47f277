/**
 * The SQLite file of one log: how it is made, opened and closed, and what SQLite's errors mean to the journal.
 *
 * Settings that matter, on every connection: WAL; `synchronous=FULL` by name (better-sqlite3 is built to fall back to
 * NORMAL at the first write in WAL mode, and says FULL until then, so it is asserted after a write); exclusive locking,
 * so that no second process gets in and no `-shm` file is mapped (a full disk kills a process through such a mapping);
 * checkpoints by hand, so that their errors are seen; secure_delete, so that an erased body is zeroed.
 */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { assert } from '../../base/assert.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';

export type Connection = Database.Database;
export type OpenMode = 'write' | 'read';

/** "LKJ1": tells a log from any other SQLite file. */
export const APPLICATION_ID = 0x4c4b4a31;
export const SCHEMA_VERSION = 1;
export const PAGE_BYTES = 4_096;

/**
 * `commits`: one row per commit, which keeps the tree beside the entries. `leaves` holds the leaf lines, each with its
 * newline; an empty line is an entry without a body, NULL means that none has one. `meta` keeps its form in every
 * version, because it says which version it is.
 */
const SCHEMA: readonly string[] = [
  `CREATE TABLE meta (
  key TEXT PRIMARY KEY NOT NULL,
  value BLOB NOT NULL,
  sum BLOB NOT NULL
) STRICT, WITHOUT ROWID`,
  `CREATE TABLE commits (
  first INTEGER PRIMARY KEY NOT NULL,
  size INTEGER NOT NULL,
  reduced INTEGER NOT NULL,
  note BLOB,
  frontier BLOB NOT NULL,
  hashes BLOB NOT NULL,
  leaves BLOB
) STRICT`,
  'CREATE INDEX commits_without_note ON commits (size) WHERE note IS NULL',
  'CREATE INDEX commits_reduced ON commits (first) WHERE reduced > 0',
];

/** A file that is complete under its name or not there: made beside it, synced, renamed. */
export function createFile(path: string, fill: (connection: Connection) => void): void {
  assert(!existsSync(path), `${path} is already there`);
  const temporary = `${path}.new`;
  for (const name of filesOf(temporary)) rmSync(name, { force: true });
  guarded(path, () => {
    const connection = new Database(temporary, { timeout: 0 });
    try {
      connection.pragma(`page_size = ${PAGE_BYTES}`);
      connection.pragma('locking_mode = EXCLUSIVE');
      connection.pragma('journal_mode = WAL');
      connection.pragma('synchronous = FULL');
      connection.transaction(() => {
        for (const statement of SCHEMA) connection.exec(statement);
        connection.pragma(`application_id = ${APPLICATION_ID}`);
        connection.pragma(`user_version = ${SCHEMA_VERSION}`);
        fill(connection);
      })();
      truncateWal(connection, path);
    } finally {
      connection.close();
    }
    syncPath(temporary);
    renameSync(temporary, path);
    syncPath(dirname(path));
  });
}

/**
 * Opens the file as this module's head says. Nothing in it is believed yet but that it is SQLite's. `truncated`: what is
 * left of a file that lost its end can be read.
 */
export function openFile(path: string, mode: OpenMode, truncated = false): Connection {
  if (!existsSync(path)) throw new LatchkeyError('JOURNAL_MISSING', `expected a log at ${path}, found no file`);
  if (statSync(path).size === 0) throw damaged(path, 'the file is empty');
  return guarded(path, () => {
    const connection = new Database(path, { fileMustExist: true, readonly: mode === 'read', timeout: 0 });
    try {
      if (truncated) allowTruncated(connection);
      if (mode === 'write') {
        connection.pragma('locking_mode = EXCLUSIVE');
        connection.pragma('journal_mode = WAL');
        connection.pragma('wal_autocheckpoint = 0');
        connection.pragma('secure_delete = ON');
      }
      connection.pragma('synchronous = FULL');
      connection.pragma('cell_size_check = ON');
      connection.pragma('trusted_schema = OFF');
      connection.pragma('temp_store = MEMORY');
      connection.pragma('mmap_size = 0');
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  });
}

/** SQLite refuses every page of a file that is shorter than its header says, unless the schema may be repaired. */
function allowTruncated(connection: Connection): void {
  connection.unsafeMode(true);
  connection.pragma('writable_schema = ON');
}

/** That the file is a log of this version, with exactly its tables. Throws JOURNAL_DAMAGED or JOURNAL_VERSION. */
export function checkForm(connection: Connection, path: string): void {
  const applicationId = connection.pragma('application_id', { simple: true });
  if (applicationId !== APPLICATION_ID) throw damaged(path, 'it is not a log of Latchkey');
  const version = connection.pragma('user_version', { simple: true });
  if (version !== SCHEMA_VERSION) {
    throw new LatchkeyError(
      'JOURNAL_VERSION',
      `${path} has schema version ${String(version)}, expected ${SCHEMA_VERSION}`,
    );
  }
  const rows = connection.prepare<[], { sql: string | null }>('SELECT sql FROM sqlite_schema ORDER BY rowid').all();
  const found = rows.map((row) => row.sql ?? '');
  if (found.length !== SCHEMA.length || SCHEMA.some((statement) => !found.includes(statement))) {
    throw damaged(path, 'its tables are not those of schema version 1');
  }
}

/** Writes, and asks only then whether writes are durable. Throws JOURNAL_NOT_DURABLE. */
export function assertDurable(connection: Connection, path: string): void {
  connection.transaction(() => connection.exec("UPDATE meta SET value = value WHERE key = 'schema'"))();
  const found = {
    synchronous: connection.pragma('synchronous', { simple: true }),
    journal_mode: connection.pragma('journal_mode', { simple: true }),
    locking_mode: connection.pragma('locking_mode', { simple: true }),
  };
  if (found.synchronous === 2 && found.journal_mode === 'wal' && found.locking_mode === 'exclusive') return;
  throw new LatchkeyError(
    'JOURNAL_NOT_DURABLE',
    `${path}: expected synchronous 2, wal, exclusive after a write, found ${Object.values(found).join(', ')}`,
  );
}

interface CheckpointRow {
  readonly busy: number;
  readonly log: number;
  readonly checkpointed: number;
}

/** A full walCheckpoint: everything is in the main file and synced there, and the WAL is empty. */
export function truncateWal(connection: Connection, path: string): void {
  const [row] = connection.pragma('wal_checkpoint(TRUNCATE)') as readonly CheckpointRow[];
  if (row?.busy === 0) return;
  throw new LatchkeyError('JOURNAL_IO', `${path}: the WAL could not be taken over into the file`);
}

/** Takes the WAL over as far as possible; the next commit begins it anew. */
export function passWal(connection: Connection): void {
  connection.pragma('wal_checkpoint(PASSIVE)');
}

/** The files that make up one database. */
export function filesOf(path: string): readonly string[] {
  return [path, walOf(path), `${path}-shm`];
}

export function walOf(path: string): string {
  return `${path}-wal`;
}

/** 0 when the file is not there. */
export function fileBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

export function damaged(path: string, detail: string, cause?: unknown): LatchkeyError {
  return new LatchkeyError('JOURNAL_DAMAGED', `${path} is damaged: ${detail}`, { cause });
}

/** Runs SQLite work; its errors come out as LatchkeyErrors. */
export function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw journalError(path, error);
  }
}

/** Errors that mean that stored bytes cannot be read as what was written, whatever the cause. */
const DAMAGE = /^SQLITE_(CORRUPT|NOTADB|FORMAT|IOERR_(READ|SHORT_READ|CORRUPTFS|DATA)|ERROR$|MISMATCH|TOOBIG)/;
const FULL_SYSTEM_CODES: readonly string[] = ['ENOSPC', 'EDQUOT'];

export function journalError(path: string, error: unknown): unknown {
  if (error instanceof Database.SqliteError) {
    const found = `${path}: ${error.message} (${error.code})`;
    if (error.code === 'SQLITE_FULL') return new LatchkeyError('JOURNAL_FULL', found, { cause: error });
    if (DAMAGE.test(error.code)) return new LatchkeyError('JOURNAL_DAMAGED', found, { cause: error });
    if (/^SQLITE_(BUSY|LOCKED)/.test(error.code)) {
      return new LatchkeyError('JOURNAL_BUSY', `${path} is in use`, { cause: error });
    }
    if (/^SQLITE_(IOERR|CANTOPEN|READONLY|PERM|AUTH|NOMEM|PROTOCOL)/.test(error.code)) {
      return new LatchkeyError('JOURNAL_IO', found, { cause: error });
    }
    return error;
  }
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (error instanceof LatchkeyError || typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return error;
  if (FULL_SYSTEM_CODES.includes(code)) return new LatchkeyError('JOURNAL_FULL', messageOf(error), { cause: error });
  return new LatchkeyError('JOURNAL_IO', messageOf(error), { cause: error });
}

function syncPath(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
