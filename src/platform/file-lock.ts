/**
 * An exclusive lock on a directory's owner file that ends with the process, however it ends.
 *
 * Node has no call for kernel locks, but SQLite takes one (fcntl) for an exclusive transaction, and the kernel drops it
 * when the process is gone: no stale lock after a power cut or SIGKILL, unlike a file with a process id. The lock file
 * must not be opened by anything else in the process that holds it: closing it there would drop the lock (POSIX).
 */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { type ErrorCode, LatchkeyError, messageOf } from '../base/errors.ts';
import { FILE_MODE } from './durable-file.ts';

export interface FileLock {
  readonly path: string;
  /** Gives the lock back. Calling it again does nothing. */
  release(): void;
}

/**
 * Takes the lock or throws `LatchkeyError(busyCode)` at once, naming the holder's process id as far as it left one.
 * `what` is the thing that is locked, for the message: `the store in /var/lib/latchkey`.
 */
export function lockFile(path: string, busyCode: ErrorCode, what: string): FileLock {
  const database = openLock(path, busyCode, what);
  try {
    database.pragma('busy_timeout = 0');
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (!isBusy(error)) throw cannotLock(busyCode, what, error);
    throw new LatchkeyError(busyCode, `expected ${what} to be free, found it held by ${holderOf(path)}`, {
      cause: error,
    });
  }
  chmodSync(path, FILE_MODE);
  leaveName(path);
  let held = true;
  return {
    path,
    release(): void {
      if (!held) return;
      held = false;
      database.exec('ROLLBACK');
      database.close();
    },
  };
}

function openLock(path: string, busyCode: ErrorCode, what: string): Database.Database {
  try {
    return new Database(path);
  } catch (error) {
    throw cannotLock(busyCode, what, error);
  }
}

function cannotLock(code: ErrorCode, what: string, cause: unknown): LatchkeyError {
  return new LatchkeyError(code, `cannot lock ${what}: ${messageOf(cause)}`, { cause });
}

function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY');
}

/** The process id lies in a file of its own, since the lock file may not be read. For people only. */
function leaveName(path: string): void {
  try {
    writeFileSync(`${path}.pid`, `${process.pid}\n`, { mode: FILE_MODE });
  } catch {
    // Nothing depends on it: the lock is held.
  }
}

function holderOf(path: string): string {
  try {
    const pid = readFileSync(`${path}.pid`, 'utf8').trim();
    return /^\d{1,10}$/.test(pid) ? `process ${pid}` : 'another process';
  } catch {
    return 'another process';
  }
}
