/**
 * One log as the journal holds it: its database, its record, and what of it may leave the box.
 */

import { assert } from '../../base/assert.ts';
import { hex, utf8 } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { parseCheckpoint } from '../../evidence/log/checkpoint.ts';
import type { Vkey } from '../../evidence/log/note.ts';
import { type Origin, parseOrigin } from '../../evidence/log/origin.ts';
import { logName } from '../../evidence/wire/topics.ts';
import type { Signer } from '../contracts/signer.ts';
import { type HeldTree, type LogState, type ReceiptKeyRole, type Standing, standing } from './continuity.ts';
import type { LogDatabase } from './log-database.ts';
import type { SizedNote } from './log-handle.ts';
import { LogRecord, type RecordStore } from './log-record.ts';

export class HeldLog {
  readonly origin: string;
  readonly parts: Origin;
  /** `<number>-<tag>`. */
  readonly name: string;
  readonly vkey: Vkey;
  readonly database: LogDatabase;
  readonly record: LogRecord;
  readonly salvaged: boolean;
  /** Present while the key is here and open. */
  signer: Signer | undefined;
  /** True when the key store said that the key is gone for good. */
  keyLost = false;
  /** The statement for it was made, or cannot be: it may be published. */
  isVouched = false;
  /** This run has its start number in this log. */
  isBooted = false;
  /** The tree was run along these rows in this run, or they were made in it: from here ... */
  verifiedFrom = 0;
  /** ... up to here. Nothing above is sent. */
  verifiedSize = 0;
  readonly #keys: readonly ReceiptKeyRole[];
  readonly #sizes = new Map<string, number>();
  #state: LogState;
  #standing: Standing;
  #settled: boolean;
  #publishedSize: number;

  /** `salvaged`: the database is a set-aside file, read only, and only what its state says counts. */
  constructor(database: LogDatabase, keys: readonly ReceiptKeyRole[], store: RecordStore = database, salvaged = false) {
    this.salvaged = salvaged;
    const parsed = parseOrigin(database.origin);
    assert(parsed.ok, `a stored log has an origin, not ${database.origin}`);
    this.origin = database.origin;
    this.parts = parsed.value;
    this.name = logName(parsed.value);
    this.vkey = database.vkey;
    this.database = database;
    this.record = new LogRecord(store);
    this.#keys = keys;
    this.#state = this.record.state;
    this.#settled = this.record.settled;
    this.#publishedSize = this.record.publishedSize;
    for (const receipt of store.receipts()) this.#sizes.set(receipt.keyId, receipt.size);
    this.#standing = standing(this.#sizes, keys);
  }

  get number(): number {
    return this.parts.number;
  }

  get size(): number {
    return this.database.size();
  }

  /** What can be compared with the outside. Of a damaged file that is only the part that is still sent. */
  get tree(): HeldTree {
    const size = this.salvaged && this.#state.kind !== 'open' ? this.#state.sendEnd : this.size;
    return { size, rootAt: (at) => this.#rootAt(at) };
  }

  /** The note at exactly that size. Where a damaged file's rows end, it was kept beside it. */
  noteAt(size: number): Uint8Array | undefined {
    const kept = this.record.endNote;
    if (kept !== undefined && this.#isOfSize(kept, size)) return utf8(kept);
    const newest = this.database.newestNote();
    return newest?.size === size ? newest.note : this.database.noteAt(size);
  }

  #isOfSize(note: string, size: number): boolean {
    return note.startsWith(`${this.origin}\n${size}\n`);
  }

  #rootAt(size: number): Uint8Array {
    const kept = this.record.endNote;
    if (kept !== undefined && this.#isOfSize(kept, size)) {
      const checkpoint = parseCheckpoint(kept.slice(0, kept.indexOf('\n\n') + 1));
      if (checkpoint.ok) return checkpoint.value.root;
    }
    const root = this.database.rootAt(size);
    if (root === undefined) throw new LatchkeyError('JOURNAL_DAMAGED', `${this.name} has no sound row at ${size}`);
    return root;
  }

  get state(): LogState {
    return this.#state;
  }

  get isOpen(): boolean {
    return this.#state.kind === 'open';
  }

  get settled(): boolean {
    return this.#settled;
  }

  get receiptedSize(): number {
    return this.#standing.receiptedSize;
  }

  get progressSize(): number {
    return this.#standing.progressSize;
  }

  get publishedSize(): number {
    return this.#publishedSize;
  }

  /** Size of the newest note, 0 while there is none. */
  get noteSize(): number {
    return this.newestNote()?.size ?? 0;
  }

  /** Of a damaged file the newest that can be read, whether or not the rows below it can. */
  newestNote(): SizedNote | undefined {
    const newest = this.database.newestNote();
    const kept = this.record.endNote;
    const size = kept === undefined ? 0 : Number(kept.split('\n')[1]);
    if (kept === undefined || (newest?.size ?? 0) >= size) return newest;
    return { size, note: utf8(kept) };
  }

  /** Up to which size notes and batches may leave. Every commit below the newest note has its own note. */
  get sendableSize(): number {
    const { kind } = this.#state;
    if (kind === 'breached') return 0;
    const end = this.#state.kind === 'closed' ? Math.min(this.noteSize, this.#state.sendEnd) : this.noteSize;
    return Math.min(end, this.verifiedSize);
  }

  /** Something of it waits for a receipt, or may still come. */
  get isOwing(): boolean {
    if (this.#state.kind === 'closed') return this.receiptedSize < this.#state.sendEnd;
    return this.#state.kind === 'open';
  }

  /** Holds at once, whatever the disk does: what must not leave any more does not. Durable when it returns. */
  setState(state: LogState): void {
    this.#state = state;
    this.record.setState(state);
  }

  setSettled(): void {
    this.#settled = true;
    this.record.setSettled();
  }

  receiptSize(keyId: string): number {
    return this.#sizes.get(keyId) ?? 0;
  }

  saveReceipt(keyId: string, size: number, note: Uint8Array): void {
    this.record.store.saveReceipt(keyId, size, note);
    this.#sizes.set(keyId, Math.max(size, this.receiptSize(keyId)));
    this.#standing = standing(this.#sizes, this.#keys);
  }

  /** The mark in memory is exact; on disk it may be late, which only weakens a warning. */
  notePublished(size: number, durably: boolean): void {
    this.#publishedSize = Math.max(this.#publishedSize, size);
    if (durably) this.record.setPublishedSize(this.#publishedSize);
  }

  get keyId(): string {
    return hex(this.vkey.keyId);
  }
}
