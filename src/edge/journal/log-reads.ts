/** What is read out of the rows of a log, one commit at a time, so that writing in between is allowed. */
import { type CommitRow, countLines, HASH_BYTES, plain, unpackHashes, unpackLeaves } from './commit-rows.ts';
import type { LogHandle, SizedNote } from './log-handle.ts';
import type { CommitLines } from './recent-commits.ts';
import { damaged, fileBytes, PAGE_BYTES, walOf } from './sqlite-file.ts';

/** One commit as stored. `size` is the tree size after it. */
export interface StoredCommit {
  readonly first: number;
  readonly size: number;
  readonly note?: Uint8Array;
}

export interface StoredEntry {
  readonly index: number;
  /** Absent when the body was removed by retention or erasure. */
  readonly leaf?: Uint8Array;
  readonly hash: Uint8Array;
}

export function readNoteAt(log: LogHandle, size: number): Uint8Array | undefined {
  const row = size === 0 ? undefined : log.guard(() => log.rows.holding(size - 1));
  return row?.size === size && row.note !== null ? plain(row.note) : undefined;
}

export function readNoteAtOrBelow(log: LogHandle, size: number): SizedNote | undefined {
  let row = size === 0 ? undefined : log.guard(() => log.rows.newestWithNote(size));
  if (row !== undefined && row.size > size) {
    const { first } = row;
    row = log.guard(() => log.rows.newestWithNote(first));
  }
  return row === undefined || row.note === null ? undefined : { size: row.size, note: plain(row.note) };
}

export function readCommits(log: LogHandle, from: number, limit: number): readonly StoredCommit[] {
  return log.guard(() => {
    const holding = log.rows.holding(from);
    if (holding === undefined || holding.size <= from) return [];
    const heads = log.rows.headsFrom(holding.first, limit);
    return heads.map(({ first, size, note }) => ({ first, size, ...(note !== null && { note: plain(note) }) }));
  });
}

/**
 * The commit that holds entry `from`, with its lines as they are stored. Undefined when there is none, when it has no note,
 * or when a body of it is gone. Whether the bytes are right is another question.
 */
export function readLines(log: LogHandle, from: number): CommitLines | undefined {
  const row = log.guard(() => {
    const next = log.rows.rowFrom(from);
    if (next?.first === from) return next;
    const holding = log.rows.holding(from);
    if (holding !== undefined && holding.size > from) return log.rows.rowFrom(holding.first);
    if (next !== undefined) throw damaged(log.path, `no row for entry ${from}`);
    return undefined;
  });
  if (row === undefined || row.note === null || row.reduced > 0 || row.leaves === null) return undefined;
  const count = row.size - row.first;
  if (row.hashes.length !== count * HASH_BYTES || countLines(row.leaves) !== count) {
    throw damaged(log.path, `the row at ${row.first} does not hold ${count} entries`);
  }
  return { first: row.first, size: row.size, note: plain(row.note), lines: plain(row.leaves) };
}

export function* readEntries(log: LogHandle, from: number, to: number): IterableIterator<StoredEntry> {
  let at = from >= to ? to : boundaryBelow(log, from);
  while (at < to) {
    const row = log.guard(() => log.rows.rowFrom(at));
    const hashes = row?.first === at ? unpackHashes(row.hashes, row.size - at) : undefined;
    if (row === undefined || hashes === undefined) throw damaged(log.path, `no sound row for entry ${at}`);
    const leaves = leavesOf(row);
    for (const [i, hash] of hashes.entries()) {
      const index = at + i;
      if (index < from || index >= to) continue;
      const leaf = leaves[i];
      yield { index, hash, ...(leaf !== undefined && { leaf }) };
    }
    at = row.size;
  }
}

/** The first entry of the range whose body is gone, or undefined. */
export function findReduced(log: LogHandle, from: number, to: number): number | undefined {
  let at = from >= to ? to : boundaryBelow(log, from);
  while (at < to) {
    const row = log.guard(() => log.rows.firstReduced(at, to));
    if (row === undefined) return undefined;
    const leaves = leavesOf(row);
    for (let index = Math.max(from, row.first); index < Math.min(to, row.size); index += 1) {
      if (leaves[index - row.first] === undefined) return index;
    }
    at = row.size;
  }
  return undefined;
}

export function readUsedBytes(log: LogHandle): number {
  if (log.failed) return fileBytes(log.path) + fileBytes(walOf(log.path));
  return log.guard(() => {
    const pages = Number(log.connection.pragma('page_count', { simple: true }));
    const free = Number(log.connection.pragma('freelist_count', { simple: true }));
    return (pages - free) * PAGE_BYTES + fileBytes(walOf(log.path));
  });
}

export function readPageFindings(log: LogHandle, limit: number): readonly string[] {
  const rows = log.guard(() => log.connection.pragma(`integrity_check(${limit})`)) as readonly {
    readonly integrity_check: string;
  }[];
  return rows.map((row) => row.integrity_check).filter((line) => line !== 'ok');
}

function leavesOf(row: CommitRow): readonly (Uint8Array | undefined)[] {
  return row.leaves === null ? [] : (unpackLeaves(row.leaves) ?? []);
}

function boundaryBelow(log: LogHandle, index: number): number {
  return log.guard(() => log.rows.holding(index))?.first ?? index;
}
