/**
 * The rows of the table `commits`, as statements of one connection. Bytes and numbers as stored: nothing is believed.
 */
import type { Frontier } from '../../evidence/log/tree.ts';
import type { Connection } from './sqlite-file.ts';

export const HASH_BYTES = 32;
const NEWLINE = 0x0a;

/** What one transaction adds: entries `first` to `after.size`. */
export interface Commit {
  /** The size before. */
  readonly first: number;
  /** Exact leaf bytes without newline, at least one. The arrays are not kept. */
  readonly leaves: readonly Uint8Array[];
  readonly hashes: readonly Uint8Array[];
  readonly after: Frontier;
  /** Small strings that become durable together with the entries that led to them; undefined removes one. */
  readonly meta?: Readonly<Record<string, string | undefined>>;
  /** The signed note of `after`; absent while the key is away. */
  readonly note?: Uint8Array;
}

export interface CommitRow {
  readonly first: number;
  readonly size: number;
  /** How many of its entries have no body. */
  readonly reduced: number;
  readonly note: Uint8Array | null;
  readonly frontier: Uint8Array;
  readonly hashes: Uint8Array;
  readonly leaves: Uint8Array | null;
}

/** A row without its bodies: cheap to read. */
export type CommitHead = Omit<CommitRow, 'leaves' | 'hashes'>;
/** A row with its hashes and without its bodies. */
export type CommitTree = Omit<CommitRow, 'leaves'>;

const HEAD = 'first, size, reduced, note, frontier';
const TREE = `${HEAD}, hashes`;
const ALL = `${TREE}, leaves`;

export class CommitRows {
  readonly #connection: Connection;
  readonly #insert;
  readonly #holding;
  readonly #headsFrom;
  readonly #treeHolding;
  readonly #rowFrom;
  readonly #newest;
  readonly #oldestWithoutNote;
  readonly #newestWithNote;
  readonly #setNote;
  readonly #setBodies;
  readonly #delete;
  readonly #firstReduced;
  readonly #firstWithBodies;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#insert = connection.prepare(`INSERT INTO commits (${ALL}) VALUES (?, ?, ?, ?, ?, ?, ?)`);
    const holding = 'WHERE first <= ? ORDER BY first DESC LIMIT 1';
    this.#holding = connection.prepare<[number], CommitHead>(`SELECT ${HEAD} FROM commits ${holding}`);
    this.#treeHolding = connection.prepare<[number], CommitTree>(`SELECT ${TREE} FROM commits ${holding}`);
    const from = 'WHERE first >= ? ORDER BY first LIMIT';
    this.#headsFrom = connection.prepare<[number, number], CommitHead>(`SELECT ${HEAD} FROM commits ${from} ?`);
    this.#rowFrom = connection.prepare<[number], CommitRow>(`SELECT ${ALL} FROM commits ${from} 1`);
    this.#newest = connection.prepare<[], CommitHead>(`SELECT ${HEAD} FROM commits ORDER BY first DESC LIMIT 1`);
    this.#oldestWithoutNote = connection.prepare<[], { size: number }>(
      'SELECT size FROM commits WHERE note IS NULL ORDER BY size LIMIT 1',
    );
    this.#newestWithNote = connection.prepare<[number], CommitHead>(
      `SELECT ${HEAD} FROM commits WHERE note IS NOT NULL AND first < ? ORDER BY first DESC LIMIT 1`,
    );
    this.#setNote = connection.prepare<[Uint8Array, number]>('UPDATE commits SET note = ? WHERE first = ?');
    this.#setBodies = connection.prepare<[Uint8Array | null, number, number]>(
      'UPDATE commits SET leaves = ?, reduced = ? WHERE first = ?',
    );
    this.#delete = connection.prepare<[number, number]>('DELETE FROM commits WHERE first >= ? AND first < ?');
    this.#firstReduced = connection.prepare<[number, number], CommitRow>(
      `SELECT ${ALL} FROM commits WHERE reduced > 0 AND first >= ? AND first < ? ORDER BY first LIMIT 1`,
    );
    this.#firstWithBodies = connection.prepare<[number], { first: number }>(
      'SELECT first FROM commits WHERE reduced < size - first AND first >= ? ORDER BY first LIMIT 1',
    );
  }

  insert(row: CommitRow): void {
    const { first, size, reduced, note, frontier, hashes, leaves } = row;
    this.#insert.run(first, size, reduced, note, frontier, hashes, leaves);
  }

  /** All or nothing. */
  together(work: () => void): void {
    this.#connection.transaction(work).immediate();
  }

  /** The row with the greatest `first` at or below `index`: the one that holds it, when the rows are sound. */
  holding(index: number): CommitHead | undefined {
    return this.#holding.get(index);
  }

  treeHolding(index: number): CommitTree | undefined {
    return this.#treeHolding.get(index);
  }

  /** The next row at or above `first`, with its bodies. */
  rowFrom(first: number): CommitRow | undefined {
    return this.#rowFrom.get(first);
  }

  headsFrom(first: number, limit: number): readonly CommitHead[] {
    return this.#headsFrom.all(first, limit);
  }

  newest(): CommitHead | undefined {
    return this.#newest.get();
  }

  oldestWithoutNote(): number | undefined {
    return this.#oldestWithoutNote.get()?.size;
  }

  /** The newest row with a note that begins below `first`. */
  newestWithNote(first: number): CommitHead | undefined {
    return this.#newestWithNote.get(first);
  }

  firstReduced(from: number, to: number): CommitRow | undefined {
    return this.#firstReduced.get(from, to);
  }

  /** Where the first row at or above `from` begins that still has a body. */
  firstWithBodies(from: number): number | undefined {
    return this.#firstWithBodies.get(from)?.first;
  }

  setNote(first: number, note: Uint8Array): void {
    this.#setNote.run(note, first);
  }

  setBodies(first: number, leaves: Uint8Array | null, reduced: number): void {
    this.#setBodies.run(leaves, reduced, first);
  }

  deleteRows(from: number, to: number): void {
    this.#delete.run(from, to);
  }
}

/** Leaf lines one after the other, each with its newline; an absent leaf is an empty line. */
export function packLeaves(leaves: readonly (Uint8Array | undefined)[]): Uint8Array {
  let sizeBytes = leaves.length;
  for (const leaf of leaves) sizeBytes += leaf?.length ?? 0;
  const block = Buffer.allocUnsafe(sizeBytes);
  let at = 0;
  for (const leaf of leaves) {
    if (leaf !== undefined) {
      block.set(leaf, at);
      at += leaf.length;
    }
    block[at] = NEWLINE;
    at += 1;
  }
  return block;
}

/** The lines of a block; an empty line is undefined. Undefined altogether when the last line has no end. */
export function unpackLeaves(block: Uint8Array): (Uint8Array | undefined)[] | undefined {
  const plain = new Uint8Array(block.buffer, block.byteOffset, block.length);
  const leaves: (Uint8Array | undefined)[] = [];
  let at = 0;
  while (at < plain.length) {
    const end = plain.indexOf(NEWLINE, at);
    if (end < 0) return undefined;
    leaves.push(end === at ? undefined : plain.subarray(at, end));
    at = end + 1;
  }
  return leaves;
}

/** How many lines a block has; undefined when one is empty or the last has no end. */
export function countLines(block: Uint8Array): number | undefined {
  let count = 0;
  for (let at = 0; at < block.length; count += 1) {
    const end = block.indexOf(NEWLINE, at);
    if (end <= at) return undefined;
    at = end + 1;
  }
  return count;
}

/** Views of the 32-byte hashes, or undefined when there are not exactly `count`. */
export function unpackHashes(bytes: Uint8Array, count: number): Uint8Array[] | undefined {
  if (bytes.length !== count * HASH_BYTES) return undefined;
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < plain.length; at += HASH_BYTES) hashes.push(plain.subarray(at, at + HASH_BYTES));
  return hashes;
}

export function packHashes(hashes: readonly Uint8Array[]): Uint8Array {
  const block = Buffer.allocUnsafe(hashes.length * HASH_BYTES);
  let at = 0;
  for (const hash of hashes) {
    block.set(hash, at);
    at += HASH_BYTES;
  }
  return block;
}

/** A stored blob as a plain Uint8Array. */
export function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
