/**
 * The one writer of an open log: numbers events, commits them in groups with a note each, and then releases them.
 *
 * Order of one commit: freeze the queue, hash, root, await the note's signature, one synchronous transaction, release.
 * A commit needs no key: while it is away, commits have no note, and get them in ascending order when it is back, after
 * the tree was run along the rows. A note whose transaction failed is thrown away; what was frozen is committed again
 * as it is, so one size never has two roots.
 */
import { AssertionError } from '../../base/assert.ts';
import type { Scheduler } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Carried } from '../../evidence/event/event.ts';
import type { AppendAnswer, Appender, EventDraft } from '../contracts/appender.ts';
import type { Signer } from '../contracts/signer.ts';
import type { JournalSettings } from './journal-settings.ts';
import type { LogDatabase } from './log-database.ts';
import type { RowsVerdict } from './stored-tree.ts';

/** A draft with what only the journal itself may say. */
export interface JournalDraft extends EventDraft {
  /** An entry taken over from another log. Its `observed.wallMs` and `clock` are the original's, `upMs` is now's. */
  readonly carried?: Carried;
  /** Paths that the guard had dropped already in the original of a carried entry. */
  readonly withheld?: readonly string[];
  /** The log's own record (entry 0, successor, blind window): never refused for lack of room or queue. */
  readonly own?: boolean;
}

/** One durable commit, or (with no leaves) notes that commits got later. */
export interface CommitNews {
  readonly first: number;
  /** Tree size after it. */
  readonly size: number;
  readonly leaves: readonly Uint8Array[];
  /** Size of the newest durable note: what may be published. 0 while there is none. */
  readonly noteSize: number;
}

export type WriterState =
  | 'open'
  /** No room: what is queued stays queued, new events are refused and counted. Comes back by itself. */
  | 'full'
  /** fsync or other I/O failed: nothing may be published until the writer has reopened the file. Comes back by itself. */
  | 'failed'
  /** The rows do not fit the tree, or the file cannot be opened again: to be quarantined. */
  | 'damaged'
  /** The key is gone for good: entries are still committed without a note; the owner opens a new log. */
  | 'key_lost'
  | 'closed';

export interface LogWriterOptions {
  readonly database: LogDatabase;
  /** Undefined while the key cannot even be opened; asked again before each signature. */
  readonly signer: () => Signer | undefined;
  readonly crypto: EvidenceCrypto;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly settings: JournalSettings;
  /** Start number of the daemon in this log, from 1. */
  readonly boot: number;
  /** Once per change; `verdict` with `damaged` when rows were the cause. */
  readonly onState?: (state: WriterState, verdict?: RowsVerdict) => void;
}

export class LogWriter implements Appender {
  /** The log must hold its tail's note or have none missing, or the missing ones are made first (`verify` included). */
  constructor(_options: LogWriterOptions) {
    throw new AssertionError('not built yet');
  }

  get state(): WriterState {
    throw new AssertionError('not built yet');
  }

  /** False while the last signature failed with KEY_LOCKED or a timeout, or notes are still being made up for. */
  get keyHere(): boolean {
    throw new AssertionError('not built yet');
  }

  append(_draft: JournalDraft): AppendAnswer {
    throw new AssertionError('not built yet');
  }

  flush(_signal: AbortSignal): Promise<void> {
    throw new AssertionError('not built yet');
  }

  /** Calls back after each durable commit, in order, before the drafts' `onDurable`. Returns the unsubscribe. */
  onCommit(_listener: (news: CommitNews) => void): () => void {
    throw new AssertionError('not built yet');
  }

  /** Tries again now whatever waits for a retry: a key, room, a reopening. */
  nudge(): void {
    throw new AssertionError('not built yet');
  }

  /**
   * Stops taking events, waits for the running commit, and hands back what is not durable, in order, for the next
   * log's writer. The database stays open.
   */
  release(): Promise<readonly JournalDraft[]> {
    throw new AssertionError('not built yet');
  }

  /**
   * Commits what is queued and stops. Rejects with JOURNAL_IO or JOURNAL_FULL when some could not be recorded. The
   * database stays open.
   */
  close(): Promise<void> {
    throw new AssertionError('not built yet');
  }
}
