/**
 * Kills a process in the middle of a write: at the moment at which the kernel says that a file of its journal changes.
 *
 * SQLite appends the pages of a transaction to its write-ahead log and then syncs it; the first change is therefore a
 * transaction that is not finished.
 */
import { watch } from 'node:fs';
import { LatchkeyError } from '../../src/base/errors.ts';

export interface MidWriteKill {
  /** The file that was being written. */
  readonly file: string;
}

/** Sends SIGKILL to `pid` at the first change of a write-ahead log in `dir`. Rejects with TIMED_OUT when none comes. */
export function killMidWrite(pid: number, dir: string, limitMs: number): Promise<MidWriteKill> {
  return new Promise((resolve, reject) => {
    const watcher = watch(dir);
    const timer = setTimeout(() => {
      watcher.close();
      reject(new LatchkeyError('TIMED_OUT', `nothing was written in ${dir} in ${limitMs} ms`));
    }, limitMs);
    watcher.on('change', (_kind, name) => {
      const file = String(name);
      if (!file.endsWith('-wal')) return;
      process.kill(pid, 'SIGKILL');
      clearTimeout(timer);
      watcher.close();
      resolve({ file });
    });
  });
}
