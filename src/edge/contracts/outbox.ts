/**
 * What the uplink sees of the journal: every log that still owes something, and where receipts go.
 *
 * The journal is the outbox. The uplink holds no events beyond its window of unacknowledged batches and can forget
 * everything at any moment: the journal answers again from the newest receipt.
 */

/** One log as the uplink sees it. Sizes are tree sizes, and each names a stored note's size unless said otherwise. */
export interface OutboxLog {
  readonly origin: string;
  readonly state: 'open' | 'closed';
  /** Size of the newest durable, signed note: what may be published. */
  readonly noteSize: number;
  /** Size below which everything is receipted by every store. Nothing above it may be pruned. */
  readonly receiptedSize: number;
  /** Size below which everything is receipted by a store or an advisory receiver: moves the window. */
  readonly progressSize: number;
}

export interface OutboxBatch {
  readonly origin: string;
  readonly first: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

export interface RetainedMessage {
  /** Topic below the gateway's own root, for example `checkpoint/1-9f2c01aa`. */
  readonly name: string;
  readonly payload: Uint8Array;
}

export type ReceiptAnswer =
  /** The window may move. */
  | 'progress'
  /** Verified, but nothing new. */
  | 'known'
  /** Not believed: dropped and counted, prunes nothing. */
  | 'refused'
  /** A verified note contradicts our disk: the log is breached and a new one opens. `logs()` changes. */
  | 'breach';

export interface Outbox {
  /**
   * Logs that owe something, oldest first; the open log is last, and absent only while the next one cannot be opened.
   * A closed log whose key is gone is sent in unsigned batches, which a consumer takes only after it has stored the next
   * log's entry 0: whoever gets no receipts for it goes on with the others and comes back.
   */
  logs(): readonly OutboxLog[];

  /**
   * The newest signed note of a log that may be published, with its size: its rows were verified in this run or made in
   * it. Undefined while there is none, before `compareMemory`, and after an fsync error until the file was reopened.
   */
  checkpoint(origin: string): { readonly size: number; readonly note: Uint8Array } | undefined;

  /**
   * The next batch that begins at `first`, which must be 0, a note's size, or any index for which the batch then begins
   * at the commit that holds it (compare the answer's `first`). Ends at a note. `withLeft` adds the subtree roots that a
   * receiver without the tree so far needs. Undefined when nothing that may be sent lies beyond `first`, before
   * `compareMemory`, and where a body was erased. Rejects with JOURNAL_IO and KEY_LOCKED (retry later); never rejects for
   * damage: a damaged log is quarantined and `logs()` changes.
   */
  batch(origin: string, first: number, withLeft: boolean): Promise<OutboxBatch | undefined>;

  /** A message on `receipt/...` or a retained one of that name. Durable before it resolves. */
  receipt(name: string, payload: Uint8Array): Promise<ReceiptAnswer>;

  /**
   * Compares the gateway's retained messages with the disk: once per start, before anything is published, with all
   * retained `checkpoint`, `receipt` and `enrolment` messages. The answer says what to do before publishing.
   */
  compareMemory(retained: readonly RetainedMessage[]): Promise<MemoryVerdict>;

  /**
   * The whole retained `enrolment` payload (successor statements, enrolment record), to publish before any checkpoint at
   * each connection and whenever its bytes changed. Undefined while there is nothing to say, and before `compareMemory`.
   */
  enrolment(): Promise<Uint8Array | undefined>;

  /** Notes durably that the broker acknowledged our retained checkpoint of `size`: the mark by which lost memory is noticed. */
  markPublished(origin: string, size: number): Promise<void>;

  /** Calls back (soon, coalesced) after `logs()` or `checkpoint()` changed. Returns the unsubscribe. */
  onChange(listener: () => void): () => void;
}

export type MemoryVerdict =
  | { readonly kind: 'agreed' }
  /** The broker should hold our checkpoint and does not: alarm, and wait for receipts (bounded) before publishing. */
  | { readonly kind: 'memory_lost'; readonly origins: readonly string[] }
  /** The disk was rolled back or forked: those logs are breached, and a new log is open now. */
  | { readonly kind: 'breached'; readonly origins: readonly string[] };
