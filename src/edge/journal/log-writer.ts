/**
 * The one writer of an open log: numbers events, commits them in groups with a note each, and then releases them.
 *
 * Order of one commit: freeze the queue, root, await the note's signature, one synchronous transaction, release. A
 * commit needs no key: while it is away, commits have no note, and get them in ascending order when it is back, after
 * the tree was run along the rows. A note whose transaction failed is thrown away; what was frozen is committed again
 * as it is.
 */
import { LatchkeyError } from '../../base/errors.ts';
import type { Metrics } from '../../base/metrics.ts';
import { guardBody } from '../../evidence/event/guard.ts';
import type { AppendAnswer, Appender } from '../contracts/appender.ts';
import type { Observed } from '../contracts/observed.ts';
import { type BlindCause, BlindWindow } from './blind-window.ts';
import { Committer, type CommitterOptions, type WriterState } from './committer.ts';
import { countAppended, type JournalDraft, type Waiting } from './draft-queue.ts';
import { classOf } from './event-class.ts';
import type { EventWeights } from './event-weight.ts';
import { FlushWaiters } from './flush-waiters.ts';
import { LeafMaker } from './leaf-maker.ts';

export type { WriterState } from './committer.ts';
export type { JournalDraft } from './draft-queue.ts';

/** One durable commit, or (with no leaves) notes that commits got later. */
export interface CommitNews {
  readonly first: number;
  /** Tree size after it. */
  readonly size: number;
  /** Views of larger memory: whoever keeps one for long copies it. */
  readonly leaves: readonly Uint8Array[];
  /** How many of them other rooms appended; the others are the log's own. */
  readonly appended: number;
  /** Size of the newest durable note: what may be published. 0 while there is none. */
  readonly noteSize: number;
}

/**
 * `signer` answers undefined while the key cannot even be opened, and is asked again before each signature. `room` says
 * which events there is room for; without it only a failed write does. `onState` is called once per change, with the
 * verdict when rows were the cause of `damaged`.
 */
export interface LogWriterOptions extends CommitterOptions {
  readonly metrics: Metrics;
  /** Start number of the daemon in this log, from 1. */
  readonly boot: number;
  /** Counts what is refused; shared by the writers that follow each other. */
  readonly blind?: BlindWindow;
  /** The time of a blind window's own record. Without it what was refused is only counted. */
  readonly observe?: () => Observed;
  /** False while what comes next is fixed: between entry 0 and what is carried, and after `key.rotated`. */
  readonly mayReport?: () => boolean;
  /** Told of each durable event: what is to be anchored soon. */
  readonly weights?: EventWeights;
}

export class LogWriter implements Appender {
  readonly #options: LogWriterOptions;
  readonly #committer: Committer;
  readonly #maker: LeafMaker;
  readonly #blind: BlindWindow;
  readonly #flushes = new FlushWaiters();
  readonly #listeners = new Set<(news: CommitNews) => void>();
  #taking = true;

  /** The database is open for writing, and nothing else writes entries or notes to it. */
  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#blind = options.blind ?? new BlindWindow();
    this.#maker = new LeafMaker(options.database.origin, options.boot, options.crypto);
    this.#committer = new Committer(options, {
      durable: (first, events) => this.#durable(first, events),
      failed: (error) => this.#flushes.reject(error),
    });
  }

  get state(): WriterState {
    return this.#committer.state;
  }

  /** False while the key is away or gone, or commits still wait for the notes that they lack. */
  get keyHere(): boolean {
    return this.#committer.keyHere;
  }

  /** Entries that are queued or being committed. */
  get waiting(): number {
    return this.#committer.waiting;
  }

  append(draft: JournalDraft): AppendAnswer {
    const cause = this.#refusal(draft);
    if (cause !== undefined) {
      this.#blind.count(cause, draft.body.type, draft.observed.upMs);
      this.#options.metrics.count('journal_events_refused', 1, { cause });
      return 'refused';
    }
    const { body, withheld: dropped } = guardBody(draft.body);
    const { observed, carried } = draft;
    const withheld = merged(draft.withheld, dropped);
    const { leaf, hash } = this.#maker.make(this.#committer.nextIndex, { body, observed, carried, withheld });
    // What the guard dropped is not kept in memory either.
    const kept = dropped.length === 0 ? draft : { ...draft, body, withheld };
    this.#committer.push({ draft: kept, leaf, hash }, draft.urgent === true);
    return 'queued';
  }

  flush(signal: AbortSignal): Promise<void> {
    const { state, waiting, nextIndex } = this.#committer;
    if (state === 'closed' || state === 'damaged') return Promise.reject(this.#stopped());
    if (waiting === 0) return Promise.resolve();
    const done = this.#flushes.add(nextIndex, signal);
    this.#committer.hurry();
    return done;
  }

  /** Calls back after each durable commit, in order, before the drafts' `onDurable`. Returns the unsubscribe. */
  onCommit(listener: (news: CommitNews) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tries again now whatever waits for a retry: a key, room, a reopening. */
  nudge(): void {
    this.#committer.nudge();
  }

  /**
   * Stops taking events, waits for the running commit, and hands back what is not durable, in order, for the next
   * log's writer. After an I/O error the file is reopened first, to know; if that fails, the events of the failed
   * commit are handed back although they may be stored. The database stays open.
   */
  async release(): Promise<readonly JournalDraft[]> {
    this.#taking = false;
    const left = await this.#committer.halt();
    this.#flushes.reject(this.#stopped());
    return left.map(({ draft }) => draft);
  }

  /**
   * Commits what is queued, with a record of what was refused, and stops. Rejects with JOURNAL_IO, JOURNAL_FULL or
   * JOURNAL_DAMAGED when something could not be recorded. The database stays open.
   */
  async close(): Promise<void> {
    if (this.state === 'closed') return;
    this.#reportBlind();
    this.#taking = false;
    await this.#committer.drain();
    const error = this.#stopped();
    const left = await this.#committer.halt();
    this.#flushes.reject(error);
    if (left.length === 0) return;
    this.#options.logger.error({ lost: left.length }, 'the journal was closed with events that could not be recorded');
    throw error;
  }

  #refusal(draft: JournalDraft): BlindCause | undefined {
    const { room } = this.#options;
    if (!this.#taking) return 'queue_full';
    if (draft.own === true) return undefined;
    if (this.state === 'full') return 'disk_full';
    if (room !== undefined && draft.carried === undefined && !room.admits(classOf(draft.body.type))) return 'disk_full';
    if (this.#committer.queue.hasRoom) return undefined;
    return this.state === 'failed' ? 'io_error' : 'queue_full';
  }

  #durable(first: number, events: readonly Waiting[]): void {
    const { database, metrics, weights } = this.#options;
    if (events.length > 0) {
      metrics.count('journal_commits');
      metrics.count('journal_entries', events.length);
    }
    for (const [i, { draft }] of events.entries()) weights?.add(draft.body.type, first + i);
    const news: CommitNews = {
      first,
      size: first + events.length,
      leaves: events.map(({ leaf }) => leaf),
      appended: countAppended(events),
      noteSize: database.newestNote()?.size ?? 0,
    };
    for (const listener of [...this.#listeners]) listener(news);
    const { origin } = database;
    for (const [i, { draft }] of events.entries()) draft.onDurable?.({ origin, index: first + i });
    this.#flushes.settle(news.size);
    if (!this.#blind.isEmpty && this.#mayReportBlind()) this.#reportBlind();
  }

  /** There is room, and the queue has drained: the window is over. */
  #mayReportBlind(): boolean {
    const { room, mayReport } = this.#options;
    if ((this.state !== 'open' && this.state !== 'key_lost') || mayReport?.() === false) return false;
    return this.#taking && this.#committer.queue.hasRoom && (room === undefined || room.level === 'ok');
  }

  #reportBlind(): void {
    const { observe } = this.#options;
    if (observe === undefined || !this.#taking) return;
    for (const body of this.#blind.take()) this.append({ observed: observe(), body, own: true, urgent: true });
  }

  #stopped(): LatchkeyError {
    const { path } = this.#options.database;
    if (this.state === 'full') return new LatchkeyError('JOURNAL_FULL', `${path} finds no room on the disk`);
    if (this.state === 'damaged') return new LatchkeyError('JOURNAL_DAMAGED', `${path} is to be set aside`);
    return new LatchkeyError('JOURNAL_IO', `${path} is closed or cannot be written`);
  }
}

function merged(before: readonly string[] | undefined, dropped: readonly string[]): readonly string[] {
  if (before === undefined || before.length === 0) return dropped;
  return dropped.length === 0 ? before : [...new Set([...before, ...dropped])];
}
