/**
 * Notes for commits that were made while the key was away: in ascending order, after the tree was run along the rows.
 */
import { present } from '../../base/assert.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { rootOf } from '../../evidence/log/tree.ts';
import type { LogDatabase } from './log-database.ts';
import type { SizedNote } from './log-handle.ts';
import type { NoteMaker } from './note-maker.ts';
import type { RowsVerdict } from './stored-tree.ts';

/** One slice is so short that an urgent event hardly waits for it. */
const SLICE_COMMITS_MAX = 32;
const SLICE_ENTRIES_MAX = 2_048;

export type MissingNotes =
  | { readonly kind: 'none' | 'more' | 'key_away' }
  /** The rows do not fit: nothing of the slice was signed. */
  | { readonly kind: 'damaged'; readonly verdict: RowsVerdict };

/** Makes and stores the next few missing notes. Throws JOURNAL_IO and JOURNAL_FULL like `LogDatabase.storeNotes`. */
export async function makeMissingNotes(
  database: LogDatabase,
  notes: NoteMaker,
  crypto: EvidenceCrypto,
): Promise<MissingNotes> {
  const oldest = database.oldestWithoutNote();
  if (oldest === undefined) return { kind: 'none' };
  const commits = database.commits(oldest - 1, SLICE_COMMITS_MAX);
  const first = present(commits[0], 'the oldest commit without a note').first;
  const sizes = commits.map(({ size }) => size).filter((size, i) => i === 0 || size - first <= SLICE_ENTRIES_MAX);
  const end = present(sizes.at(-1), 'the slice of commits without notes');
  const verdict = database.verifyRange(first, end);
  if (!verdict.ok) return { kind: 'damaged', verdict };
  const made: SizedNote[] = [];
  for (const size of sizes) {
    const frontier = present(database.frontierAt(size), 'a frontier that was run along just now');
    const note = await notes.make(size, rootOf(crypto, frontier));
    if (note === undefined) break;
    made.push({ size, note });
  }
  database.storeNotes(made);
  if (made.length < sizes.length) return { kind: 'key_away' };
  return { kind: database.oldestWithoutNote() === undefined ? 'none' : 'more' };
}
