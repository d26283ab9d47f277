/**
 * Retention and erasure in the rows: bodies go, leaf hashes stay, so every proof over what remains still verifies.
 *
 * Rows whose bodies went are merged up to `MERGED_ENTRIES_MAX` entries, because at one event a commit the frontier and
 * the note beside each hash would be the larger part of the file. Frontier and note of the merged row are those of its
 * end. A note with more than the log key's line (an anchor's, a witness's) ends its row and stays.
 */
import { concatBytes } from '../../base/bytes.ts';
import {
  type CommitHead,
  type CommitRow,
  type CommitRows,
  packLeaves,
  unpackHashes,
  unpackLeaves,
} from './commit-rows.ts';

export const MERGED_ENTRIES_MAX = 256;
const NEWLINE = 0x0a;
const BLANK_LINE = '\n\n';

/**
 * Removes the bodies of up to `limit` whole commits that begin at or above `from` and end at or below `below`, in one
 * transaction. Returns how many bodies went and where the next call goes on.
 */
export function removeBodies(
  rows: CommitRows,
  from: number,
  below: number,
  limit: number,
): { readonly removed: number; readonly next: number } {
  const first = rows.firstWithBodies(from);
  if (first === undefined) return { removed: 0, next: from };
  let removed = 0;
  let next = first;
  rows.together(() => {
    let group = startingGroup(rows, first);
    for (let taken = 0; taken < limit; taken += 1) {
      const row = rows.rowFrom(next);
      // Without a note it was never sent, so never receipted.
      if (row === undefined || row.first !== next || row.size > below || row.note === null) break;
      if (group.length > 0 && row.size - (group[0]?.first ?? 0) > MERGED_ENTRIES_MAX) group = settle(rows, group);
      group.push(row);
      removed += row.size - row.first - row.reduced;
      next = row.size;
      if (isKept(row)) group = settle(rows, group);
    }
    settle(rows, group);
  });
  return { removed, next };
}

/** The row just below, when it has no bodies and room for more. */
function startingGroup(rows: CommitRows, first: number): CommitRow[] {
  if (first === 0) return [];
  const head = rows.holding(first - 1);
  if (head === undefined || head.size !== first || isKept(head) || first - head.first >= MERGED_ENTRIES_MAX) return [];
  const row = rows.rowFrom(head.first);
  return row === undefined || row.reduced < row.size - row.first ? [] : [row];
}

/** Writes a group as one row without bodies. */
function settle(rows: CommitRows, group: readonly CommitRow[]): CommitRow[] {
  const start = group[0];
  const end = group.at(-1);
  if (start === undefined || end === undefined) return [];
  if (start === end) {
    rows.setBodies(start.first, null, start.size - start.first);
    return [];
  }
  rows.deleteRows(start.first, end.size);
  rows.insert({
    first: start.first,
    size: end.size,
    reduced: end.size - start.first,
    note: end.note,
    frontier: end.frontier,
    hashes: concatBytes(...group.map((row) => row.hashes)),
    leaves: null,
  });
  return [];
}

/** More than one signature line. */
function isKept(row: CommitHead): boolean {
  if (row.note === null) return false;
  const note = Buffer.from(row.note);
  const lines = note.subarray(note.lastIndexOf(BLANK_LINE) + BLANK_LINE.length);
  return lines.indexOf(NEWLINE) !== lines.lastIndexOf(NEWLINE);
}

/** Reduces single entries of one commit to their leaf hashes. Returns how many had a body. */
export function reduceEntries(rows: CommitRows, first: number, indices: ReadonlySet<number>): number {
  const row = rows.rowFrom(first);
  const hashes = row === undefined ? undefined : unpackHashes(row.hashes, row.size - row.first);
  if (row === undefined || hashes === undefined || row.leaves === null) return 0;
  const leaves = unpackLeaves(row.leaves) ?? [];
  let removed = 0;
  const left = hashes.map((_, i) => {
    const leaf = leaves[i];
    if (leaf === undefined || !indices.has(row.first + i)) return leaf;
    removed += 1;
    return undefined;
  });
  const reduced = row.reduced + removed;
  if (removed > 0) rows.setBodies(row.first, reduced === hashes.length ? null : packLeaves(left), reduced);
  return removed;
}
