/**
 * The tree as the rows hold it: frontiers, roots and subtree hashes of any size, and the run along the rows that says
 * whether they fit what the log key signed.
 *
 * Before anything stored is signed or sent again, the tree is run along its rows. The run need not begin at entry 0: a
 * signed note fixes the root, and the root fixes the frontier, so a stored frontier that hashes to the root of a note
 * with a sound signature is the one over which that note was made. From there the run covers just the range in
 * question, and what it accepts is what the key signed, however long the log is.
 */
import { assert, present } from '../../base/assert.ts';
import { equalBytes } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { type Vkey, verifyLogNote } from '../../evidence/log/note.ts';
import type { SubtreeHash } from '../../evidence/log/proofs.ts';
import {
  decodeFrontier,
  EMPTY_FRONTIER,
  type Frontier,
  frontierLength,
  LeafHasher,
  rootOf,
  TreeBuilder,
} from '../../evidence/log/tree.ts';
import { type CommitHead, type CommitRow, type CommitRows, unpackHashes, unpackLeaves } from './commit-rows.ts';
import { guarded } from './sqlite-file.ts';

/** Why rows do not fit the tree. */
export type RowsReason =
  /** An entry is missing: no row begins where the one before ended. */
  | 'gap'
  /** A row's columns do not fit each other. */
  | 'shape'
  /** A body is gone that nobody removed. */
  | 'leaf_missing'
  | 'leaf_hash'
  | 'frontier'
  /** The stored note is not one of this log, of this size and root, or was made before an older one. */
  | 'note'
  /** SQLite cannot read the row. */
  | 'unreadable';

export type RowsVerdict =
  /** Every body that is there, every hash, frontier and note in the range fits; `size` is where the run ended. */
  | {
      readonly ok: true;
      readonly size: number;
      readonly entries: number;
      readonly reduced: number;
      readonly notes: number;
    }
  /** `index` is the first entry that does not fit; for a note or frontier the last entry below it. */
  | {
      readonly ok: false;
      readonly reason: RowsReason;
      readonly index: number;
      readonly detail: string;
      /** What was found to fit before that: rows up to `size`, with so many bodies gone and so many notes. */
      readonly before: { readonly size: number; readonly reduced: number; readonly notes: number };
    };

interface Mismatch {
  readonly reason: RowsReason;
  readonly index: number;
  readonly detail: string;
}

export class StoredTree {
  readonly #path: string;
  readonly #crypto: EvidenceCrypto;
  readonly #vkey: Vkey;
  readonly #rows: () => CommitRows;
  /** Where the newest accepted run ended: the next one may begin there without asking the note again. */
  #accepted: Frontier = EMPTY_FRONTIER;

  constructor(path: string, crypto: EvidenceCrypto, vkey: Vkey, rows: () => CommitRows) {
    this.#path = path;
    this.#crypto = crypto;
    this.#vkey = vkey;
    this.#rows = rows;
  }

  /** The frontier of the first `size` entries. Undefined when no row ends or holds it, or its columns do not fit. */
  frontierAt(size: number): Frontier | undefined {
    if (size === 0) return EMPTY_FRONTIER;
    const row = this.#rows().treeHolding(size - 1);
    if (row === undefined || !isSoundHead(row) || row.size < size) return undefined;
    if (row.size === size) return decodeFrontier(size, row.frontier);
    const before = this.#frontierBelow(row.first);
    const hashes = unpackHashes(row.hashes, row.size - row.first);
    if (before === undefined || hashes === undefined) return undefined;
    const tree = new TreeBuilder(this.#crypto, before);
    for (const hash of hashes.slice(0, size - row.first)) tree.push(hash);
    return tree.frontier();
  }

  /** Hash of the complete subtree of 2^level leaves at index * 2^level, which must lie inside the log. */
  readonly subtreeHash: SubtreeHash = (level, index) => {
    const width = 2 ** level;
    const from = index * width;
    const to = from + width;
    const row = this.#rows().treeHolding(to - 1);
    const hashes = row === undefined ? undefined : unpackHashes(row.hashes, row.size - row.first);
    if (row === undefined || hashes === undefined || row.size < to) throw this.#broken(to - 1);
    const first = Math.max(from, row.first);
    let left = EMPTY_FRONTIER;
    if (from < row.first) {
      // The frontier of [0, first) splits at `from` too, since `from` is a multiple of the width: its last roots are
      // those of [from, first).
      const before = this.#frontierBelow(row.first);
      if (before === undefined) throw this.#broken(row.first);
      left = { size: first - from, roots: before.roots.slice(-frontierLength(first - from)) };
    }
    const tree = new TreeBuilder(this.#crypto, left);
    for (const hash of hashes.slice(first - row.first, to - row.first)) tree.push(hash);
    return tree.root();
  };

  /** Whether `note` is this log's, signed, of exactly this tree. */
  noteFits(note: Uint8Array, frontier: Frontier): boolean {
    const verified = verifyLogNote(this.#crypto, note, this.#vkey);
    if (!verified.ok) return false;
    const { checkpoint } = verified.value;
    return checkpoint.size === frontier.size && equalBytes(checkpoint.root, rootOf(this.#crypto, frontier));
  }

  /** See `LogDatabase.verifySteps`. */
  *run(from: number, to: number, onNote?: (size: number, note: Uint8Array) => void): Generator<number, RowsVerdict> {
    let at = from;
    let entries = 0;
    let reduced = 0;
    let notes = 0;
    try {
      const start = this.#startAt(from);
      if ('reason' in start) return { ok: false, ...start, before: { size: 0, reduced, notes } };
      const tree = new TreeBuilder(this.#crypto, start);
      at = start.size;
      let unsigned = false;
      while (at < to) {
        const row = guarded(this.#path, () => this.#rows().rowFrom(at));
        const mismatch = this.#mismatch(row, tree, unsigned);
        if (mismatch !== undefined) return { ok: false, ...mismatch, before: { size: at, reduced, notes } };
        const { size, reduced: gone, note } = present(row, 'checked row');
        entries += size - at;
        reduced += gone;
        if (note === null) unsigned = true;
        else notes += 1;
        if (note !== null) onNote?.(size, note);
        at = size;
        yield at;
      }
      this.#accepted = tree.frontier();
      return { ok: true, size: at, entries, reduced, notes };
    } catch (error) {
      if (!(error instanceof LatchkeyError) || error.code !== 'JOURNAL_DAMAGED') throw error;
      const before = { size: at, reduced, notes };
      return { ok: false, reason: 'unreadable', index: at, detail: error.message, before };
    }
  }

  /** The nearest boundary at or below `from` whose frontier is proved: 0, where the last run ended, or a sound note. */
  #startAt(from: number): Frontier | Mismatch {
    let end = this.#boundaryAtOrBelow(from);
    while (end > 0) {
      const row = this.#rows().holding(end - 1);
      if (row === undefined || !isSoundHead(row) || row.size !== end) {
        return { reason: 'gap', index: end - 1, detail: `no row ends at ${end}` };
      }
      const frontier = decodeFrontier(end, row.frontier);
      if (frontier === undefined) return { reason: 'frontier', index: end - 1, detail: 'its length does not fit' };
      if (sameFrontier(frontier, this.#accepted)) return frontier;
      if (row.note !== null) {
        if (this.noteFits(row.note, frontier)) return frontier;
        return { reason: 'note', index: end - 1, detail: `the note of size ${end} does not fit its frontier` };
      }
      end = row.first;
    }
    return EMPTY_FRONTIER;
  }

  #boundaryAtOrBelow(size: number): number {
    const row = size === 0 ? undefined : this.#rows().holding(size - 1);
    if (row === undefined || !isSoundHead(row)) return 0;
    return row.size <= size ? row.size : row.first;
  }

  /** Pushes the row's entries onto the tree and says what does not fit, if anything. */
  #mismatch(row: CommitRow | undefined, tree: TreeBuilder, unsigned: boolean): Mismatch | undefined {
    const first = tree.size;
    if (row === undefined || row.first !== first) {
      return { reason: 'gap', index: first, detail: `no row begins at ${first}` };
    }
    if (!isSoundRow(row)) return { reason: 'shape', index: first, detail: 'a column has a wrong type or range' };
    const count = row.size - first;
    const hashes = unpackHashes(row.hashes, count);
    if (hashes === undefined) return { reason: 'shape', index: first, detail: `not ${count} hashes` };
    const wrong = this.#wrongLeaf(row, hashes);
    if (wrong !== undefined) return wrong;
    for (const hash of hashes) tree.push(hash);
    const frontier = decodeFrontier(row.size, row.frontier);
    const grown = tree.frontier();
    if (frontier === undefined || !sameFrontier(frontier, grown)) {
      return { reason: 'frontier', index: row.size - 1, detail: `the stored frontier of size ${row.size} is another` };
    }
    if (row.note === null) return undefined;
    if (unsigned) return { reason: 'note', index: row.size - 1, detail: 'a note stands above a commit without one' };
    if (this.noteFits(row.note, grown)) return undefined;
    return { reason: 'note', index: row.size - 1, detail: `the note of size ${row.size} does not fit the entries` };
  }

  #wrongLeaf(row: CommitRow, hashes: readonly Uint8Array[]): Mismatch | undefined {
    const { first, reduced } = row;
    if (row.leaves === null) {
      if (reduced === hashes.length) return undefined;
      return { reason: 'leaf_missing', index: first, detail: `${hashes.length - reduced} bodies are missing` };
    }
    const leaves = unpackLeaves(row.leaves) ?? [];
    const hasher = new LeafHasher(this.#crypto);
    let missing = 0;
    for (const [i, hash] of hashes.entries()) {
      const leaf = leaves[i];
      if (leaf === undefined) missing += 1;
      else if (!equalBytes(hasher.hash(leaf), hash)) {
        return { reason: 'leaf_hash', index: first + i, detail: 'body and leaf hash do not fit' };
      }
      if (missing > reduced) return { reason: 'leaf_missing', index: first + i, detail: 'a body is missing' };
    }
    if (missing === reduced && leaves.length === hashes.length) return undefined;
    return { reason: 'shape', index: first, detail: `${leaves.length} lines for ${hashes.length} entries` };
  }

  #frontierBelow(first: number): Frontier | undefined {
    if (first === 0) return EMPTY_FRONTIER;
    const row = this.#rows().holding(first - 1);
    return row !== undefined && row.size === first ? decodeFrontier(first, row.frontier) : undefined;
  }

  #broken(index: number): LatchkeyError {
    assert(index >= 0, 'an index');
    return new LatchkeyError('JOURNAL_DAMAGED', `${this.#path} holds no sound row for entry ${index}`);
  }
}

function sameFrontier(a: Frontier, b: Frontier): boolean {
  return a.size === b.size && a.roots.every((root, i) => equalBytes(root, b.roots[i] ?? new Uint8Array(0)));
}

/** A flipped bit in a record's header turns a number into a text or a blob into NULL. */
export function isSoundHead(row: CommitHead): boolean {
  return (
    Number.isSafeInteger(row.first) &&
    Number.isSafeInteger(row.size) &&
    row.first >= 0 &&
    row.size > row.first &&
    Number.isSafeInteger(row.reduced) &&
    row.reduced >= 0 &&
    row.reduced <= row.size - row.first &&
    row.frontier instanceof Uint8Array &&
    (row.note === null || row.note instanceof Uint8Array)
  );
}

function isSoundRow(row: CommitRow): boolean {
  return (
    isSoundHead(row) && row.hashes instanceof Uint8Array && (row.leaves === null || row.leaves instanceof Uint8Array)
  );
}
