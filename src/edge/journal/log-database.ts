/**
 * One log on disk: a SQLite file with the entries, the tree beside them, and the notes that were signed over it.
 *
 * Bytes only: what a leaf means, which key signs and what may be sent is decided above. Whatever a method returns after
 * a write is durable (WAL, synchronous=FULL, asserted after a write). One process and one connection at a time: the file
 * is locked exclusively from open to close, and all calls are synchronous.
 */
import { assert, present } from '../../base/assert.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Vkey } from '../../evidence/log/note.ts';
import type { SubtreeHash } from '../../evidence/log/proofs.ts';
import { decodeFrontier, encodeFrontier, type Frontier, rootOf } from '../../evidence/log/tree.ts';
import { type Commit, packHashes, packLeaves, plain } from './commit-rows.ts';
import {
  checkIdentity,
  identityRows,
  LogHandle,
  type LogIdentity,
  type LogOpenMode,
  SIZE_KEY,
  type SizedNote,
} from './log-handle.ts';
import {
  findReduced,
  readCommits,
  readEntries,
  readLines,
  readNoteAt,
  readNoteAtOrBelow,
  readPageFindings,
  readUsedBytes,
  type StoredCommit,
  type StoredEntry,
} from './log-reads.ts';
import { MetaRows } from './meta-rows.ts';
import { lastOf, paced } from './paced.ts';
import { readReceipts, receiptRow, type StoredReceipt } from './receipt-rows.ts';
import { type CommitLines, RecentCommits } from './recent-commits.ts';
import { reduceEntries, removeBodies } from './reduce-rows.ts';
import { createFile, PAGE_BYTES, passWal, truncateWal } from './sqlite-file.ts';
import type { RowsVerdict } from './stored-tree.ts';

/** Keys of `meta` that this file keeps for itself. */
const OWN_KEYS = /^(schema|origin|public_key|size|receipt\/.*)$/;
/** WAL bytes after which a checkpoint is due: SQLite's own default of 1,000 pages. */
const WAL_BYTES_DUE = 4_096_000;

export class LogDatabase {
  /** For `inclusionProof` and `consistencyProof`. Reads one commit per call and keeps working after reduction. */
  readonly subtreeHash: SubtreeHash;
  readonly #log: LogHandle;
  readonly #crypto: EvidenceCrypto;
  readonly #recent = new RecentCommits();
  #bodiesFrom = 0;
  #walBytes = 0;

  private constructor(log: LogHandle, crypto: EvidenceCrypto) {
    this.#log = log;
    this.#crypto = crypto;
    this.subtreeHash = (level, index) => log.guard(() => log.tree.subtreeHash(level, index));
  }

  /**
   * Makes an empty log file, complete and durable under its name or not at all, and opens it for writing. A file that
   * is already there is an assertion. Throws JOURNAL_IO, JOURNAL_FULL, JOURNAL_NOT_DURABLE.
   */
  static create(path: string, identity: LogIdentity, crypto: EvidenceCrypto): LogDatabase {
    checkIdentity(crypto, path, identity);
    createFile(path, (connection) => new MetaRows(connection, path, crypto, false).set(identityRows(identity)));
    return LogDatabase.open(path, crypto, 'write');
  }

  /**
   * Opens an existing log. Cheap whatever its length: the file's form and version, the identity (tag against key), the
   * settings' check sums, the newest note's signature and its commit along the rows; `verify...` does the rest.
   *
   * `write` walks WAL recovery with a full checkpoint and asserts durability. `read` writes nothing but SQLite's `-shm`
   * file. `salvage` is `read` for a file that is damaged somewhere: what can be read can be read, nothing was checked
   * (`soundEnd` says how far it verifies), and `identity` stands in for one that is unreadable.
   *
   * Throws JOURNAL_DAMAGED, JOURNAL_VERSION, JOURNAL_IO, JOURNAL_FULL (make room, then open again), JOURNAL_BUSY,
   * JOURNAL_MISSING, JOURNAL_NOT_DURABLE.
   */
  static open(path: string, crypto: EvidenceCrypto, mode: LogOpenMode, identity?: LogIdentity): LogDatabase {
    return new LogDatabase(new LogHandle(path, crypto, mode, identity), crypto);
  }

  get path(): string {
    return this.#log.path;
  }

  get origin(): string {
    return this.#log.origin;
  }

  get publicKey(): Uint8Array {
    return this.#log.publicKey;
  }

  get vkey(): Vkey {
    return this.#log.vkey;
  }

  /** Number of entries. */
  size(): number {
    return this.#log.tail.frontier.size;
  }

  frontier(): Frontier {
    return this.#log.tail.frontier;
  }

  /**
   * Leaves, hashes, frontier and note in one synchronous transaction; durable on return. `first` other than `size()` is
   * an assertion, and so is a note above a commit without one. JOURNAL_FULL: nothing was stored, the handle stays good.
   * JOURNAL_IO: whether it was stored is unknown, and every later call throws JOURNAL_IO until `reopen`.
   */
  commit(commit: Commit): void {
    const { first, leaves, hashes, after, note, meta } = commit;
    const { newestNote, oldestWithoutNote } = this.#log.tail;
    assert(first === this.size(), `a commit at ${first} onto ${this.size()} entries`);
    assert(leaves.length > 0 && leaves.length === hashes.length, 'a commit has leaves, each with its hash');
    assert(after.size === first + leaves.length, `a frontier of ${after.size} after ${first} + ${leaves.length}`);
    assert(note === undefined || oldestWithoutNote === undefined, 'notes are stored in ascending order');
    assert(!Object.keys(meta ?? {}).some((key) => OWN_KEYS.test(key)), 'a key that the log keeps for itself');
    const block = packLeaves(leaves);
    const row = {
      first,
      size: after.size,
      reduced: 0,
      note: note ?? null,
      frontier: encodeFrontier(after),
      hashes: packHashes(hashes),
      leaves: block,
    };
    const { rows, meta: settings } = this.#log;
    this.#log.write(() => (meta === undefined ? rows.insert(row) : settings.set(meta, () => rows.insert(row))));
    this.#walBytes += block.length + 40 * hashes.length + 2 * PAGE_BYTES;
    if (note !== undefined) this.#recent.keep({ first, size: after.size, note, lines: block });
    const missing = note === undefined ? (oldestWithoutNote ?? after.size) : undefined;
    const newest = note === undefined ? newestNote : { size: after.size, note };
    this.#log.tail = {
      frontier: after,
      ...(newest !== undefined && { newestNote: newest }),
      ...(missing !== undefined && { oldestWithoutNote: missing }),
    };
  }

  /**
   * After JOURNAL_IO, the only way on: closes, opens again, and makes a full WAL checkpoint with its fsync. The size may
   * then be that before or after the failed commit. Throws like `open`, and may be called again.
   */
  reopen(): void {
    this.#recent.forget();
    this.#log.reopen();
    this.#walBytes = 0;
  }

  /** True from a JOURNAL_IO until a `reopen` that worked. Nothing may be published meanwhile. */
  failed(): boolean {
    return this.#log.failed;
  }

  newestNote(): SizedNote | undefined {
    return this.#log.tail.newestNote;
  }

  /** The note stored for exactly that tree size. */
  noteAt(size: number): Uint8Array | undefined {
    return readNoteAt(this.#log, size);
  }

  /** The newest note of at most that size. */
  noteAtOrBelow(size: number): SizedNote | undefined {
    return readNoteAtOrBelow(this.#log, size);
  }

  /** Size of the oldest commit that has no note. */
  oldestWithoutNote(): number | undefined {
    return this.#log.tail.oldestWithoutNote;
  }

  /**
   * Notes of commits that lacked one, in one transaction: ascending from the oldest such commit without leaving one out;
   * anything else is an assertion. The caller has run the tree along the rows up to there. Durable on return. Throws
   * like `commit`.
   */
  storeNotes(notes: readonly SizedNote[]): void {
    const { rows, tail } = this.#log;
    const newestNote = notes.at(-1);
    if (newestNote === undefined) return;
    this.#log.write(() =>
      rows.together(() => {
        for (const { size, note } of notes) {
          const missing = rows.oldestWithoutNote();
          assert(size === missing, `the oldest commit without a note ends at ${missing}, not ${size}`);
          rows.setNote(present(rows.holding(size - 1), 'its row').first, note);
        }
      }),
    );
    this.#walBytes += 3 * PAGE_BYTES * notes.length;
    const missing = this.#log.guard(() => rows.oldestWithoutNote());
    this.#log.tail = {
      frontier: tail.frontier,
      newestNote,
      ...(missing !== undefined && { oldestWithoutNote: missing }),
    };
  }

  /** Replaces a stored note by one with more signature lines (an anchor's). One that does not fit is an assertion. */
  replaceNote(size: number, note: Uint8Array): void {
    const row = this.#log.guard(() => this.#log.rows.holding(size - 1));
    const frontier = row?.size === size ? decodeFrontier(size, row.frontier) : undefined;
    assert(row !== undefined && frontier !== undefined && row.note !== null, `no note is stored at ${size}`);
    assert(this.#log.tree.noteFits(note, frontier), 'the note is not of this tree');
    this.#recent.forget();
    this.#log.write(() => this.#log.rows.setNote(row.first, note));
    if (this.#log.tail.newestNote?.size === size) this.#log.tail = { ...this.#log.tail, newestNote: { size, note } };
  }

  /** The commit that holds entry `from` and those after it, at most `limit`. Empty when `from` >= size. */
  commits(from: number, limit: number): readonly StoredCommit[] {
    return readCommits(this.#log, from, limit);
  }

  /** What `readLines` says of entry `from`: the newest commits from memory. Throws JOURNAL_DAMAGED for rows of another form. */
  linesFrom(from: number): CommitLines | undefined {
    return (this.failed() ? undefined : this.#recent.from(from)) ?? readLines(this.#log, from);
  }

  /** The frontier of the first `size` entries, at any size up to `size()`. Undefined where rows do not give it. */
  frontierAt(size: number): Frontier | undefined {
    return this.#log.guard(() => this.#log.tree.frontierAt(size));
  }

  /** The root of the first `size` entries, at any size up to `size()`. Undefined where rows do not give it. */
  rootAt(size: number): Uint8Array | undefined {
    const frontier = this.frontierAt(size);
    return frontier === undefined ? undefined : rootOf(this.#crypto, frontier);
  }

  /**
   * Entries `from` to `to` (exclusive), ascending. Reads one commit at a time, so writing in between is allowed. Throws
   * JOURNAL_DAMAGED where a row is missing or has another form; whether the bytes are right is `verifyRange`'s answer.
   */
  leaves(from: number, to: number): IterableIterator<StoredEntry> {
    return readEntries(this.#log, from, Math.min(to, this.size()));
  }

  /**
   * Runs the tree along the rows from the commit boundary at or below `from` to the first one at or above `to`, and
   * compares bodies, hashes, frontiers and notes with each other and with the log key's signatures. What it accepts is
   * what was committed (stored-tree.ts says why it need not begin at 0), and the cost is that of the range. Yields the
   * size after each commit.
   */
  verifySteps(from: number, to: number): Generator<number, RowsVerdict> {
    return this.#log.guard(() => this.#log.tree.run(from, Math.min(to, this.size())));
  }

  /** `verifySteps` in one go: for a range about to be sent or signed. */
  verifyRange(from: number, to: number): RowsVerdict {
    return lastOf(this.verifySteps(from, to));
  }

  /** `verifySteps` over everything, giving way to the event loop every few milliseconds. Rejects with the abort reason. */
  verifyRows(options: {
    readonly signal: AbortSignal;
    readonly progress?: (size: number) => void;
  }): Promise<RowsVerdict> {
    return paced(this.verifySteps(0, this.size()), options);
  }

  /** The last note to which the rows verify, beginning at the boundary at or below `from`; undefined when none. */
  soundNote(from: number): SizedNote | undefined {
    let last: SizedNote | undefined;
    // Kept on the way: where the rows end in a damaged page, nothing beside it can be asked for.
    const keep = (size: number, note: Uint8Array): void => {
      last = { size, note: plain(note) };
    };
    lastOf(this.#log.tree.run(from, Number.MAX_SAFE_INTEGER, keep));
    return last;
  }

  /** Size of `soundNote`, 0 when none. */
  soundEnd(from: number): number {
    return this.soundNote(from)?.size ?? 0;
  }

  /** Small durable strings of the log's owner: at most 64 KiB each. */
  meta(key: string): string | undefined {
    return this.#log.meta.text(key);
  }

  /** Durable on return; undefined deletes. Several at once are one transaction. Throws like `commit`. */
  setMeta(values: Readonly<Record<string, string | undefined>>): void {
    assert(!Object.keys(values).some((key) => OWN_KEYS.test(key)), 'a key that the log keeps for itself');
    this.#log.write(() => this.#log.meta.set(values));
  }

  metaKeys(): readonly string[] {
    return this.#log.meta.keys().filter((key) => !OWN_KEYS.test(key));
  }

  /** Keeps the newest receipt of a key; one of a smaller or equal size is ignored. Durable on return. */
  saveReceipt(keyId: string, size: number, note: Uint8Array): void {
    const held = this.receipts().find((receipt) => receipt.keyId === keyId);
    if (held !== undefined && held.size >= size) return;
    this.#log.write(() => this.#log.meta.set(receiptRow({ keyId, size, note })));
  }

  /** The newest receipt of each key, in the order of key ids. */
  receipts(): readonly StoredReceipt[] {
    return readReceipts(this.#log.meta);
  }

  /**
   * Retention: removes the bodies of whole commits that end at or below `below`, at most `limit` commits, oldest first.
   * Leaf hashes stay, and rows without bodies are merged. Returns how many bodies went. The caller answers for `below`
   * being receipted.
   */
  removeBodies(below: number, limit: number): number {
    this.#recent.forget();
    const { removed, next } = this.#log.write(() => removeBodies(this.#log.rows, this.#bodiesFrom, below, limit));
    this.#bodiesFrom = next;
    this.#walBytes += removed * PAGE_BYTES;
    return removed;
  }

  /** Erasure: reduces these entries to their leaf hashes, zeroed in the file. Returns how many had a body. */
  reduce(indices: readonly number[]): number {
    const left = new Set(indices);
    let removed = 0;
    this.#recent.forget();
    this.#log.write(() =>
      this.#log.rows.together(() => {
        for (const index of indices) {
          const row = left.has(index) ? this.#log.rows.holding(index) : undefined;
          if (row === undefined || row.size <= index) continue;
          removed += reduceEntries(this.#log.rows, row.first, left);
          for (let done = row.first; done < row.size; done += 1) left.delete(done);
        }
      }),
    );
    // The old pages lie in the WAL as well.
    this.walCheckpointTruncate();
    return removed;
  }

  /** The first entry of the range whose body is gone, or undefined. */
  firstReduced(from: number, to: number): number | undefined {
    return findReduced(this.#log, from, to);
  }

  /** Bytes in use: pages that hold something, and the WAL. Of a failed handle what the file system says. */
  usedBytes(): number {
    return readUsedBytes(this.#log);
  }

  /** Whether the WAL has grown so far that `walCheckpoint` is due. */
  walCheckpointDue(): boolean {
    return this.#walBytes >= WAL_BYTES_DUE;
  }

  /** Takes the WAL over into the file: two fsyncs and some milliseconds. Throws like `commit`. */
  walCheckpoint(): void {
    this.#noteSize();
    this.#log.write(() => passWal(this.#log.connection));
    this.#walBytes = 0;
  }

  /** A full checkpoint with fsync, after which the WAL is empty. Throws like `commit`. */
  walCheckpointTruncate(): void {
    this.#noteSize();
    this.#log.write(() => truncateWal(this.#log.connection, this.path));
    this.#walBytes = 0;
  }

  /** SQLite's own look at the form of all pages: blocks for seconds on a large file. Empty when sound. */
  pageFindings(limit = 20): readonly string[] {
    return readPageFindings(this.#log, limit);
  }

  /** Releases the file. Closing twice is closing once. */
  close(): void {
    this.#recent.forget();
    try {
      if (this.#log.isWritable) this.#noteSize();
    } catch (error) {
      // Only a later notice of vanished rows depends on it.
      if (!(error instanceof LatchkeyError)) throw error;
    }
    this.#log.close();
  }

  #noteSize(): void {
    const size = String(this.size());
    if (this.#log.meta.text(SIZE_KEY) !== size) this.#log.write(() => this.#log.meta.set({ [SIZE_KEY]: size }));
  }
}
