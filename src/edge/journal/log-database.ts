/**
 * One log on disk: a SQLite file with the entries, the tree beside them, and the notes that were signed over it.
 *
 * Bytes only: what a leaf means, which key signs and what may be sent is decided above. Whatever a method returns after
 * a write is durable (WAL, synchronous=FULL, asserted after a write). One process and one connection at a time: the file
 * is locked exclusively from open to close, and all calls are synchronous.
 */
import { AssertionError } from '../../base/assert.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { SubtreeHash } from '../../evidence/log/proofs.ts';
import type { Frontier } from '../../evidence/log/tree.ts';

export interface LogIdentity {
  /** `<domain>/<gateway>/<number>-<tag>`; the tag is that of `publicKey`. */
  readonly origin: string;
  /** Raw Ed25519 public key of the log, 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** What one transaction adds: entries `first` to `after.size`. */
export interface Commit {
  /** The size before. */
  readonly first: number;
  /** Exact leaf bytes (without newline), 1 to 256 of them, together at most 48 KiB unless it is a single one. */
  readonly leaves: readonly Uint8Array[];
  readonly hashes: readonly Uint8Array[];
  readonly after: Frontier;
  /** The signed note of `after`; absent while the key is away. */
  readonly note?: Uint8Array;
}

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

export interface StoredReceipt {
  /** Eight hex digits: key id of the cosigning key. */
  readonly keyId: string;
  readonly size: number;
  readonly note: Uint8Array;
}

/** Why rows do not fit the tree. */
export type RowsReason = 'gap' | 'leaf_missing' | 'leaf_hash' | 'frontier' | 'note' | 'shape' | 'unreadable';

export type RowsVerdict =
  /** Every leaf that is there, every hash, frontier and note in the range fits; `size` is its end. */
  | {
      readonly ok: true;
      readonly size: number;
      readonly entries: number;
      readonly reduced: number;
      readonly notes: number;
    }
  /** `index` is the first entry that does not fit (for a note or frontier: the last entry below it). */
  | { readonly ok: false; readonly reason: RowsReason; readonly index: number; readonly detail: string };

export class LogDatabase {
  readonly path: string;
  readonly origin: string;
  readonly publicKey: Uint8Array;

  private constructor(path: string, identity: LogIdentity) {
    this.path = path;
    this.origin = identity.origin;
    this.publicKey = identity.publicKey;
  }

  /**
   * Makes an empty log file, complete and durable under its name or not at all, and opens it for writing. A file that
   * is already there is an assertion. Throws JOURNAL_IO, JOURNAL_FULL, JOURNAL_NOT_DURABLE.
   */
  static create(_path: string, _identity: LogIdentity, _crypto: EvidenceCrypto): LogDatabase {
    throw new AssertionError('not built yet');
  }

  /**
   * Opens an existing log. Cheap whatever its length: it checks the file's form, schema version, identity (tag against
   * key), the newest commit's row and frontier, and the newest note's signature; use `verify` for the rows. Opening for
   * writing also walks WAL recovery with a full checkpoint. `read` changes nothing that SQLite's recovery does not.
   * Throws JOURNAL_DAMAGED, JOURNAL_IO, JOURNAL_FULL, JOURNAL_BUSY (another process has it), JOURNAL_MISSING,
   * JOURNAL_NOT_DURABLE.
   */
  static open(_path: string, _crypto: EvidenceCrypto, _mode: 'write' | 'read'): LogDatabase {
    throw new AssertionError('not built yet');
  }

  /** Number of entries. */
  size(): number {
    throw new AssertionError('not built yet');
  }

  frontier(): Frontier {
    throw new AssertionError('not built yet');
  }

  /**
   * Leaves, hashes, frontier and note in one synchronous transaction; durable on return. `first` other than `size()` is
   * an assertion. JOURNAL_FULL: nothing was stored, the handle stays good. JOURNAL_IO: whether it was stored is unknown,
   * and every later call throws JOURNAL_IO until `reopen`.
   */
  commit(_commit: Commit): void {
    throw new AssertionError('not built yet');
  }

  /**
   * After JOURNAL_IO, the only way on: closes, opens again, and makes a full WAL checkpoint with its fsync. The size may
   * then be that before or after the failed commit. Throws like `open`; may be called again.
   */
  reopen(): void {
    throw new AssertionError('not built yet');
  }

  /** True from a JOURNAL_IO until a `reopen` that worked. Nothing may be published meanwhile. */
  failed(): boolean {
    throw new AssertionError('not built yet');
  }

  newestNote(): { readonly size: number; readonly note: Uint8Array } | undefined {
    throw new AssertionError('not built yet');
  }

  /** The note stored for exactly that tree size. */
  noteAt(_size: number): Uint8Array | undefined {
    throw new AssertionError('not built yet');
  }

  /** Size of the oldest commit that has no note, or undefined when all have one. */
  oldestWithoutNote(): number | undefined {
    throw new AssertionError('not built yet');
  }

  /**
   * The note of a commit that lacked one. Ascending, before any newer note: a commit below without a note, or one that has
   * a note already, is an assertion. Durable on return. Throws like `commit`.
   */
  storeNote(_size: number, _note: Uint8Array): void {
    throw new AssertionError('not built yet');
  }

  /** Replaces the note of a size by the same note with more signature lines (an anchor's); the first line must stay. */
  replaceNote(_size: number, _note: Uint8Array): void {
    throw new AssertionError('not built yet');
  }

  /** The commit that holds entry `from` and those after it, at most `limit`. Empty when `from` >= size. */
  commits(_from: number, _limit: number): readonly StoredCommit[] {
    throw new AssertionError('not built yet');
  }

  /** The frontier of the first `size` entries, for 0 and every commit boundary; undefined inside a commit. */
  frontierAt(_size: number): Frontier | undefined {
    throw new AssertionError('not built yet');
  }

  /** Root of the first `size` entries, for any size up to `size()`: from stored frontier and hashes. */
  rootAt(_size: number): Uint8Array | undefined {
    throw new AssertionError('not built yet');
  }

  /** Entries `from` to `to` (exclusive), ascending. Reads one commit at a time; writing in between is allowed. */
  *leaves(_from: number, _to: number): IterableIterator<StoredEntry> {
    yield* [];
    throw new AssertionError('not built yet');
  }

  /** For `inclusionProof` and `consistencyProof`; reads one commit per call and keeps working after reduction. */
  readonly subtreeHash: SubtreeHash = () => {
    throw new AssertionError('not built yet');
  };

  /**
   * Runs the tree along the rows from the commit boundary `from` to `to` and compares hashes, frontiers and notes
   * (signature too). The start is believed only when it is 0 or its frontier hashes to the root of a note that the log
   * key signed; otherwise the run begins at the next lower such note. So what it accepts is what the key signed, however
   * long the log is, and the cost is that of the range. Yields after each commit; synchronous otherwise.
   */
  *verifySteps(_from: number, _to: number): Generator<number, RowsVerdict> {
    yield 0;
    throw new AssertionError('not built yet');
  }

  /** `verifySteps` in one go: for a range about to be sent or signed. */
  verifyRange(_from: number, _to: number): RowsVerdict {
    throw new AssertionError('not built yet');
  }

  /** `verifySteps` over everything, giving way to the event loop every few milliseconds. */
  verifyRows(_options: {
    readonly signal: AbortSignal;
    readonly progress?: (size: number) => void;
  }): Promise<RowsVerdict> {
    throw new AssertionError('not built yet');
  }

  /** Small durable strings of the log's owner: at most 64 KiB each. A row that fails its check sum is JOURNAL_DAMAGED. */
  meta(_key: string): string | undefined {
    throw new AssertionError('not built yet');
  }

  /** Durable on return; undefined deletes. Several at once are one transaction. Throws like `commit`. */
  setMeta(_values: Readonly<Record<string, string | undefined>>): void {
    throw new AssertionError('not built yet');
  }

  metaKeys(): readonly string[] {
    throw new AssertionError('not built yet');
  }

  /** Keeps the newest receipt of a key (a smaller size than the stored one is ignored). Durable on return. */
  saveReceipt(_keyId: string, _size: number, _note: Uint8Array): void {
    throw new AssertionError('not built yet');
  }

  receipts(): readonly StoredReceipt[] {
    throw new AssertionError('not built yet');
  }

  /**
   * Retention: removes the bodies of whole commits below `below`, at most `limit` commits, oldest first; hashes,
   * frontiers and notes stay. Returns the number of entries whose body went. The caller answers for `below` <= receipted.
   */
  removeBodies(_below: number, _limit: number): number {
    throw new AssertionError('not built yet');
  }

  /** Erasure: reduces these entries to their leaf hashes, zeroed on disk. Returns how many had a body. */
  reduce(_indices: readonly number[]): number {
    throw new AssertionError('not built yet');
  }

  /** Bytes in use: pages that hold something, and the WAL. */
  usedBytes(): number {
    throw new AssertionError('not built yet');
  }

  /** A full checkpoint with fsync, after which the WAL is empty. Throws JOURNAL_IO. */
  walCheckpointTruncate(): void {
    throw new AssertionError('not built yet');
  }

  close(): void {
    throw new AssertionError('not built yet');
  }
}
