/**
 * What must agree with a tree besides its own notes: receipts, the policy's revocation, the successor's word about where
 * the log ended. Each names a size and a root; the tree is asked for its root at those sizes while it grows.
 */
import { equalBytes } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import { parseCheckpoint } from '../log/checkpoint.ts';
import { verifyCosignature } from '../log/cosignature.ts';
import { type Note, parseNote, verifyLogNote } from '../log/note.ts';
import { type TrustedRange, trustedRange } from './entry-levels.ts';
import type { CheckpointRef, PolicyWitness } from './policy.ts';
import type { BelievedLog } from './trust.ts';
import type { Failure, SeenReceipt } from './verdict.ts';

/** A checkpoint that another verified file has of a log. */
export interface OtherCheckpoint extends CheckpointRef {
  readonly origin: string;
}

/** Whose checkpoint a note is, as it says itself; undefined for what is no note of a log. */
export function originOfNote(bytes: Uint8Array): string | undefined {
  const note = parseNote(bytes);
  const checkpoint = note.ok ? parseCheckpoint(note.value.text) : note;
  return checkpoint.ok ? checkpoint.value.origin : undefined;
}

interface Expected extends CheckpointRef {
  readonly reason: 'revoked_fork' | 'successor_fork' | 'receipt_fork' | 'file_fork';
  /** Receipts that count once the tree was found to have this root. */
  readonly receipts: readonly SeenReceipt[];
}

export class ExpectedCheckpoints {
  readonly #crypto: EvidenceCrypto;
  readonly #log: BelievedLog;
  readonly #witnesses: readonly PolicyWitness[];
  readonly #expected: Expected[] = [];
  readonly #receipts: SeenReceipt[] = [];
  #seenRevoked = false;
  #receiptsRefused = 0;

  constructor(crypto: EvidenceCrypto, log: BelievedLog, witnesses: readonly PolicyWitness[]) {
    this.#crypto = crypto;
    this.#log = log;
    this.#witnesses = witnesses;
    const { revokedAt, closed } = log;
    if (revokedAt !== undefined) this.#expected.push({ ...revokedAt, reason: 'revoked_fork', receipts: [] });
    if (closed?.last !== undefined) this.#expected.push({ ...closed.last, reason: 'successor_fork', receipts: [] });
  }

  get receipts(): readonly SeenReceipt[] {
    return this.#receipts;
  }

  /** Receipts that were handed in beside the file and do not verify: they say nothing for or against it. */
  get receiptsRefused(): number {
    return this.#receiptsRefused;
  }

  /** Sizes in (from, to] at which somebody names a root, ascending. */
  sizesIn(from: number, to: number): readonly number[] {
    const sizes = this.#expected.map((each) => each.size).filter((size) => size > from && size <= to);
    return [...new Set(sizes)].sort((a, b) => a - b);
  }

  /** A receipt from beside the file: counted when the tree reaches its size and has its root. */
  addReceipt(bytes: Uint8Array): void {
    // Beside several files lie receipts of several logs: one of another log is not asked.
    const origin = originOfNote(bytes);
    if (origin !== undefined && origin !== this.#log.vkey.name) return;
    const note = verifyLogNote(this.#crypto, bytes, this.#log.vkey);
    const seen = note.ok ? this.#cosignatures(note.value.note, note.value.checkpoint.size) : 'bad';
    if (!note.ok || seen === 'bad') this.#receiptsRefused += 1;
    else this.#expected.push({ ...note.value.checkpoint, reason: 'receipt_fork', receipts: seen });
  }

  /** What another file has; of another log it says nothing. */
  addOther({ origin, size, root }: OtherCheckpoint): void {
    if (origin === this.#log.vkey.name) this.#expected.push({ size, root, reason: 'file_fork', receipts: [] });
  }

  /** A note of the verified tree: its cosignatures count at once. */
  note(note: Note): Failure | undefined {
    if (note.signatures.length < 2) return undefined;
    const checkpoint = parseCheckpoint(note.text);
    const seen = checkpoint.ok ? this.#cosignatures(note, checkpoint.value.size) : 'bad';
    if (seen === 'bad') return { reason: 'cosignature', detail: "a named witness's line on the note does not verify" };
    this.#receipts.push(...seen);
    return undefined;
  }

  /** The verified tree has this root at this size. */
  found(size: number, root: Uint8Array): Failure | undefined {
    for (const each of this.#expected) {
      if (each.size !== size) continue;
      if (!equalBytes(each.root, root)) {
        return { reason: each.reason, detail: `another root is named for size ${size} of ${this.#log.vkey.name}` };
      }
      this.#receipts.push(...each.receipts);
      if (each.reason === 'revoked_fork') this.#seenRevoked = true;
    }
    return undefined;
  }

  /** Which entries of a tree that ends at `end` are shown to be of a revoked key; absent while it is not revoked. */
  trusted(end: number): TrustedRange | undefined {
    const { revokedAt } = this.#log;
    return revokedAt && trustedRange(revokedAt.size, this.#seenRevoked, [{ first: 0, end }]);
  }

  /** What remains open when the verified tree ends at `end`. */
  conclude(end: number): Failure | undefined {
    const { revokedAt, closed, disputed, vkey } = this.#log;
    if (disputed === true)
      return { reason: 'successor_conflict', detail: `two statements name successors besides ${vkey.name}` };
    if (revokedAt !== undefined && !(this.#seenRevoked && end <= revokedAt.size)) {
      const detail = this.#seenRevoked
        ? `entries from ${revokedAt.size} on are above the revocation`
        : `the file does not reach size ${revokedAt.size}, where it could be compared with the revocation`;
      return { reason: 'revoked', detail };
    }
    if (closed?.last !== undefined && end > closed.last.size) {
      return {
        reason: 'beyond_successor',
        detail: `the successor took over at ${closed.last.size}, the file goes to ${end}`,
      };
    }
    return undefined;
  }

  #cosignatures(note: Note, size: number): readonly SeenReceipt[] | 'bad' {
    const seen: SeenReceipt[] = [];
    for (const { vkey, roles } of this.#witnesses) {
      const verified = verifyCosignature(this.#crypto, note, vkey);
      if (verified.ok) seen.push({ witness: vkey.name, roles, size, timestampS: verified.value.timestampS });
      else if (verified.reason === 'signature') return 'bad';
    }
    return seen;
  }
}
