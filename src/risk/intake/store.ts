/**
 * Where verified entries lie: the contract between intake and its store. Files and SQL implement it.
 *
 * What the store owes: whatever a method resolved is durable (it survives SIGKILL and a power cut), appends are
 * compare-and-swap on the held tree, cosigned trees are compare-and-swap on the one before. What it need not know: keys,
 * signatures, vocabulary. It stores what intake hands it and never leaf bytes that intake left out.
 *
 * One writer at a time: `append`, `cosign`, `saveTrust`, `keepFork`, `reopen` and `close` are called one after the
 * other; the reading methods may run beside them and see only what is durable.
 */
import type { Frontier } from '../../evidence/log/tree.ts';

/** An entry by its place. */
export interface EntryPlace {
  readonly origin: string;
  readonly n: number;
}

/** Why the body of an entry is not kept. `paths` are JSON Pointers, at most 16. */
export interface Withheld {
  readonly why: string;
  readonly paths: readonly string[];
}

/**
 * What may be done with an entry, decided once, when it is stored, and never again: so that each entry is passed on
 * exactly once, whatever later versions of the vocabulary know.
 */
export type EntryUse =
  | { readonly status: 'used' }
  /** Stored as bytes; its type or version is unknown here. */
  | { readonly status: 'opaque'; readonly why: string }
  /** Only the leaf hash is stored. */
  | { readonly status: 'withheld'; readonly why: string; readonly paths: readonly string[] }
  /** The same entry was passed on at `of`. */
  | { readonly status: 'duplicate_of'; readonly of: EntryPlace; readonly withheld?: Withheld };

export interface StoredRow {
  readonly leafHash: Uint8Array;
  /** The exact leaf bytes; absent when withheld. */
  readonly leaf?: Uint8Array;
  readonly use: EntryUse;
  /** Leaf hash of the entry that this one carries over, when this one is passed on in its place. */
  readonly carries?: Uint8Array;
}

/** An entry as the use stream passes it on. */
export interface UseEntry extends StoredRow {
  readonly origin: string;
  readonly n: number;
  /** Order of arrival in this log from 0, without gaps. Equal to `n` unless entries came after a gap was opened. */
  readonly position: number;
}

/** A run of consecutive entries whose tree is known. */
export interface HeldSegment {
  /** Index of the first entry. */
  readonly first: number;
  /** The tree after the last entry: entries [first, end.size) are held. */
  readonly end: Frontier;
  /** The log's signed note of size `end.size`; absent where a range was cut to fit before a later segment. */
  readonly note?: Uint8Array;
}

/** A tree that was, or is about to be, cosigned. */
export interface Cosigned {
  readonly size: number;
  readonly root: Uint8Array;
  /** The note as the log signed it. */
  readonly note: Uint8Array;
}

export interface CosignChange {
  readonly origin: string;
  /** What the caller takes for the last one noted. */
  readonly expected: Cosigned | undefined;
  readonly next: Cosigned;
}

export interface HeldLog {
  readonly origin: string;
  /** Ascending by `first`, disjoint; neighbours that touch are one. More than one means a gap. */
  readonly segments: readonly HeldSegment[];
  readonly cosigned: Cosigned | undefined;
  /** Pairs of byte strings kept as proof of a fork. */
  readonly forks: number;
  /** Bytes that recovery cut off a torn end since this store was opened. */
  readonly cutBytes: number;
}

/** What makes a log's key believed beyond the policy: kept, since a broker may lose what is retained. */
export type TrustRecord =
  | { readonly kind: 'first_use'; readonly vkey: string }
  /** A successor statement that verified, as its DSSE envelope's JSON text. */
  | { readonly kind: 'successor'; readonly old: string; readonly statement: string }
  /** An enrolment record that a service of the policy signed, as its DSSE envelope's JSON text. */
  | { readonly kind: 'enrolled'; readonly record: string }
  /** Entries of this log were seen above the size at which a successor took over. */
  | { readonly kind: 'grew'; readonly origin: string }
  /** Entry 0 of `by` says that it was opened after `origin` ended, at `size` as far as it knows. */
  | { readonly kind: 'closed'; readonly origin: string; readonly by: string; readonly size?: number };

export interface HeldGateway {
  readonly gateway: string;
  readonly logs: readonly HeldLog[];
  readonly trust: readonly TrustRecord[];
  /** Entries stored with `carries`; 0 spares the lookups. */
  readonly carried: number;
}

export interface RangeAppend {
  readonly origin: string;
  /** The range begins a segment: nothing that is held ends where it begins. Otherwise it goes on from a held end. */
  readonly opens: boolean;
  /** The tree before the first row. */
  readonly before: Frontier;
  readonly rows: readonly StoredRow[];
  /** The tree after the last row. */
  readonly after: Frontier;
  /** The signed note of size `after.size`, if there is one. */
  readonly note?: Uint8Array;
  /** Wall clock of storing, ms since 1970 UTC: a claim. */
  readonly storedAtMs: number;
}

/**
 * `conflict`: the tree held is another than the caller's: load again. `fork`: at the edge of a later segment. `fenced`:
 * another receiver answers for this gateway now; what is known of it here is void. `refused`: the store is well, and cannot
 * hold what a row of it says; nothing of the range is stored.
 */
export type AppendAnswer = 'stored' | 'conflict' | 'fork' | 'fenced' | 'refused';

export type CosignAnswer = 'stored' | 'conflict' | 'fenced';

export interface ForkProof {
  /** `batch` or `checkpoint`: what was refused. */
  readonly kind: 'batch' | 'checkpoint';
  readonly theirs: Uint8Array;
  readonly ours: Uint8Array;
}

/** Pairs kept per log; each side is at most `FORK_BYTES_MAX`. */
export const FORKS_MAX = 16;
export const FORK_BYTES_MAX = 262_144;

export interface IntakeStore {
  /** Other receivers write to it too, and may have taken over: also what is only said again is asked for first. */
  readonly isShared?: boolean;

  /** Ids of gateways of which anything is kept, in no order. */
  gateways(): Promise<readonly string[]>;

  /**
   * All that is held of a gateway; empty lists when nothing is. The first call after opening recovers: a torn end is cut
   * off, so that what is reported is durable and whole.
   */
  load(gateway: string): Promise<HeldGateway>;

  /**
   * Makes ranges durable: one answer per range, in order, a later one of the group seeing the earlier. A range is
   * `stored` when `before` is the end of a held segment (or it `opens` one where none ends), and no segment holds any of
   * its entries. A range that ends exactly where the next segment begins joins them when the trees agree; when not, it
   * is a `fork` and nothing of it is stored.
   *
   * Rejects with STORE_IO or STORE_FULL when any range could not be made durable: then nothing of the group may be taken
   * as stored, every later write rejects in the same way until `reopen` resolved, and the caller loads again.
   */
  append(ranges: readonly RangeAppend[]): Promise<readonly AppendAnswer[]>;

  /**
   * Notes durably that these trees may be cosigned from now on: one answer each, in order. `conflict` when the last one
   * noted is not `expected`, or `next` is neither larger than it nor the same tree: the caller must not sign. So no two
   * roots ever carry a cosignature for one size. Rejects like `append`, and then nothing of the group may be signed.
   */
  cosign(changes: readonly CosignChange[]): Promise<readonly CosignAnswer[]>;

  /** The tree of the first `size` entries, or undefined when `size` lies in no held segment. Rejects with STORE_IO. */
  frontierAt(origin: string, size: number): Promise<Frontier | undefined>;

  /** Leaf hashes of [first, first + count), as far as they are held from `first` on without a gap. Rejects with STORE_IO. */
  leafHashes(origin: string, first: number, count: number): Promise<readonly Uint8Array[]>;

  /** For each leaf hash, the entry of this gateway that was stored with it in `carries`. Rejects with STORE_IO. */
  carriersOf(gateway: string, leafHashes: readonly Uint8Array[]): Promise<readonly (EntryPlace | undefined)[]>;

  /**
   * Stored entries in order of arrival, from `position` on, up to what is durable at the call. Each is passed on exactly
   * once by a reader that keeps the last position it has dealt with. Rejects with STORE_IO.
   */
  entries(origin: string, position: number): AsyncIterable<UseEntry>;

  /** What is stored of [first, end), as bytes for a fork's proof: at most FORK_BYTES_MAX of it. Rejects with STORE_IO. */
  excerpt(origin: string, first: number, end: number): Promise<Uint8Array>;

  /** Durable when it resolves with `stored`; the same record again is done already. Rejects like `append`. */
  saveTrust(gateway: string, record: TrustRecord): Promise<'stored' | 'fenced'>;

  /** Keeps both sides, unless these bytes are kept already (`known`) or FORKS_MAX pairs are (`full`). Rejects like `append`. */
  keepFork(origin: string, fork: ForkProof): Promise<'kept' | 'known' | 'full' | 'fenced'>;

  /** After STORE_IO or STORE_FULL: lets go of every handle and recovers. Rejects with the same codes while it cannot. */
  reopen(): Promise<void>;

  /** Gives the store back; waits for what is under way. */
  close(): Promise<void>;
}
