/**
 * The SQLite file of access: how it is made and opened, and what becomes of a damaged one.
 *
 * Each transaction is durable when it returns (WAL, synchronous=FULL, asserted after a write): a use is counted before a
 * door opens, and a power cut gives none back. `secure_delete`, since what is dropped may be somebody's credential.
 */
import { existsSync, renameSync } from 'node:fs';
import Database from 'better-sqlite3';
import { LatchkeyError, messageOf } from '../../base/errors.ts';

export type Connection = Database.Database;

/** "LKA1". */
const APPLICATION_ID = 0x4c4b4131;
const SCHEMA_VERSION = 1;

const SCHEMA: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS credentials (
  id TEXT PRIMARY KEY NOT NULL,
  code_index BLOB,
  code_proof BLOB,
  actor_kind TEXT NOT NULL,
  actor_ref TEXT NOT NULL,
  compartments TEXT NOT NULL,
  uses_max INTEGER NOT NULL,
  uses INTEGER NOT NULL,
  ends_at_run_ms INTEGER NOT NULL,
  from_wall_ms INTEGER,
  until_wall_ms INTEGER,
  is_revoked INTEGER NOT NULL
) STRICT`,
  'CREATE INDEX IF NOT EXISTS credentials_by_code ON credentials (code_index)',
  `CREATE TABLE IF NOT EXISTS guards (
  scope TEXT PRIMARY KEY NOT NULL,
  failures INTEGER NOT NULL,
  since_run_ms INTEGER NOT NULL,
  locked_until_run_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS openings (
  intent BLOB PRIMARY KEY NOT NULL,
  credential TEXT NOT NULL,
  compartment TEXT NOT NULL
) STRICT, WITHOUT ROWID`,
  'CREATE TABLE IF NOT EXISTS clocks (name TEXT PRIMARY KEY NOT NULL, ms INTEGER NOT NULL) STRICT, WITHOUT ROWID',
];

export interface OpenedFile {
  readonly connection: Connection;
  /** A file that could not be read was set aside under this name: every credential in it is lost. */
  readonly setAside: string | undefined;
}

/** Throws ACCESS_STORE when the disk does not let it; what is damaged is set aside, and nothing in it opens a door. */
export function openAccessFile(path: string): OpenedFile {
  try {
    return { connection: open(path), setAside: undefined };
  } catch (error) {
    if (!isDamage(error)) throw storeError(path, error);
  }
  try {
    const setAside = putAside(path);
    return { connection: open(path), setAside };
  } catch (error) {
    throw storeError(path, error);
  }
}

/** Runs SQLite work; its errors come out as ACCESS_STORE. */
export function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw storeError(path, error);
  }
}

function open(path: string): Connection {
  const connection = new Database(path, { timeout: 0 });
  try {
    connection.pragma('locking_mode = EXCLUSIVE');
    connection.pragma('journal_mode = WAL');
    connection.pragma('secure_delete = ON');
    connection.pragma('trusted_schema = OFF');
    connection.pragma('cell_size_check = ON');
    const applicationId = connection.pragma('application_id', { simple: true });
    const version = connection.pragma('user_version', { simple: true });
    const isNew = applicationId === 0 && version === 0;
    if (!isNew && (applicationId !== APPLICATION_ID || version !== SCHEMA_VERSION)) throw new DamagedError(path);
    connection.transaction(() => {
      for (const statement of SCHEMA) connection.exec(statement);
      connection.pragma(`application_id = ${APPLICATION_ID}`);
      connection.pragma(`user_version = ${SCHEMA_VERSION}`);
    })();
    // By name and after a write: better-sqlite3 falls back to NORMAL in WAL mode.
    connection.pragma('synchronous = FULL');
    const [check] = connection.pragma('quick_check(1)') as readonly { readonly quick_check: string }[];
    if (check?.quick_check !== 'ok') throw new DamagedError(path);
    if (connection.pragma('synchronous', { simple: true }) !== 2) {
      throw new LatchkeyError('JOURNAL_NOT_DURABLE', `${path}: expected synchronous 2 after a write`);
    }
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

class DamagedError extends Error {
  constructor(path: string) {
    super(`${path} is no store of access credentials of this version`);
  }
}

function isDamage(error: unknown): boolean {
  if (error instanceof DamagedError) return true;
  return error instanceof Database.SqliteError && /^SQLITE_(CORRUPT|NOTADB|FORMAT|ERROR$)/.test(error.code);
}

function putAside(path: string): string {
  let number = 1;
  while (existsSync(`${path}.damaged-${number}`)) number += 1;
  const aside = `${path}.damaged-${number}`;
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(`${path}${suffix}`)) renameSync(`${path}${suffix}`, `${aside}${suffix}`);
  }
  return aside;
}

function storeError(path: string, error: unknown): unknown {
  if (error instanceof LatchkeyError) return error;
  const isSystem = error instanceof Error && 'code' in error && typeof error.code === 'string';
  return isSystem ? new LatchkeyError('ACCESS_STORE', `${path}: ${messageOf(error)}`, { cause: error }) : error;
}
