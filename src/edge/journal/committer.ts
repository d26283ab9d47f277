/**
 * Brings queued events onto the disk, group by group, and keeps trying when the disk or the key does not let it.
 *
 * One loop at a time. Each turn: reopen after an I/O error, make missing notes, commit one group. What was frozen for a
 * commit stays frozen until it is durable, so a size never gets two roots; its note is made anew for each try.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { assert } from '../../base/assert.ts';
import { Backoff } from '../../base/backoff.ts';
import { equalBytes } from '../../base/bytes.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { type Frontier, rootOf, TreeBuilder } from '../../evidence/log/tree.ts';
import type { Signer } from '../contracts/signer.ts';
import { CommitPace } from './commit-pace.ts';
import type { DiskRoom } from './disk-room.ts';
import { countAppended, DraftQueue, type Waiting } from './draft-queue.ts';
import type { JournalSettings } from './journal-settings.ts';
import type { LogDatabase } from './log-database.ts';
import { makeMissingNotes } from './missing-notes.ts';
import { NoteMaker } from './note-maker.ts';
import type { RowsVerdict } from './stored-tree.ts';

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

export interface CommitterOptions {
  readonly database: LogDatabase;
  readonly signer: () => Signer | undefined;
  readonly crypto: EvidenceCrypto;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly settings: JournalSettings;
  readonly room?: DiskRoom;
  /** State of other rooms that the next `count` events led to, to be durable with them; undefined when there is none. */
  readonly saved?: (count: number) => SavedGroup | undefined;
  readonly onState?: (state: WriterState, verdict?: RowsVerdict) => void;
}

/** State as it was when the last event of a commit had been drafted. */
export interface SavedGroup {
  readonly values: Readonly<Record<string, string | undefined>>;
  /** The commit that took it along is durable. */
  stored(): void;
}

export interface CommitterEvents {
  /** These events are durable, from index `first` on. With none: commits got notes. */
  durable(first: number, events: readonly Waiting[]): void;
  /** A try failed; another follows by itself unless the file is damaged. */
  failed(error: LatchkeyError): void;
}

/** Events of one commit, numbered and hashed; nothing about them changes any more. */
interface Frozen {
  readonly before: Frontier;
  readonly events: readonly Waiting[];
  readonly after: Frontier;
  readonly saved: SavedGroup | undefined;
}

export class Committer {
  readonly queue: DraftQueue;
  readonly #options: CommitterOptions;
  readonly #events: CommitterEvents;
  readonly #notes: NoteMaker;
  readonly #tree: TreeBuilder;
  readonly #backoff: Backoff;
  readonly #pace = new CommitPace();
  readonly #forgetRoom: () => void;
  #state: WriterState = 'open';
  #halted = false;
  #frozen: Frozen | undefined;
  /** Entries below this index are committed without waiting for a group. */
  #dueBelow = 0;
  #running: Promise<void> | undefined;
  #groupTimer: Timer | undefined;
  #retryTimer: Timer | undefined;

  constructor(options: CommitterOptions, events: CommitterEvents) {
    const { database, settings, crypto, room } = options;
    this.#options = options;
    this.#events = events;
    this.queue = new DraftQueue({ eventsMax: settings.queueEventsMax, bytesMax: settings.queueBytesMax });
    this.#tree = new TreeBuilder(crypto, database.frontier());
    this.#backoff = new Backoff({ firstMs: settings.retryFirstMs, maxMs: settings.retryMaxMs });
    this.#notes = new NoteMaker({
      ...options,
      vkey: database.vkey,
      onRetry: () => this.#kick(),
      onLost: () => this.#setState('key_lost'),
    });
    this.#forgetRoom = room?.onLevel((level) => (level === 'full' ? undefined : this.nudge())) ?? (() => undefined);
    if (database.oldestWithoutNote() !== undefined) this.#kick();
  }

  get state(): WriterState {
    return this.#state;
  }

  get keyHere(): boolean {
    return this.#notes.state === 'here' && this.#options.database.oldestWithoutNote() === undefined;
  }

  /** Entries that are queued or being committed. */
  get waiting(): number {
    return this.queue.count + (this.#frozen?.events.length ?? 0);
  }

  /** The index of the next event to be queued. */
  get nextIndex(): number {
    return this.#tree.size + this.queue.count;
  }

  push(item: Waiting, urgent: boolean): void {
    this.queue.push(item);
    if (urgent) this.#dueBelow = this.nextIndex;
    this.#schedule();
  }

  /** Everything queued so far is committed as soon as possible; what waits for a retry is tried now. */
  hurry(): void {
    this.#dueBelow = this.nextIndex;
    this.nudge();
  }

  /** Tries again now whatever waits for a retry. */
  nudge(): void {
    this.#retryTimer?.cancel();
    this.#retryTimer = undefined;
    this.#notes.retry();
    this.#kick();
  }

  /** Commits everything that is queued; ends early when that fails. */
  async drain(): Promise<void> {
    this.hurry();
    do {
      this.#kick();
      await this.#running;
    } while (this.#isDue() && this.#retryTimer === undefined && this.#state !== 'damaged');
  }

  /** Waits for the running commit, finds out about one that failed, and hands over what is not durable. */
  async halt(): Promise<readonly Waiting[]> {
    this.#halted = true;
    await this.#running;
    if (this.#state === 'failed') this.#reopen();
    const left = [...(this.#frozen?.events ?? []), ...this.queue.takeAll()];
    this.#frozen = undefined;
    this.#groupTimer?.cancel();
    this.#retryTimer?.cancel();
    this.#notes.stop();
    this.#forgetRoom();
    this.#setState('closed');
    return left;
  }

  #schedule(): void {
    if (this.#running !== undefined || this.#halted) return;
    // The key may have come back while the loop was on its way out.
    const owesNotes = this.#notes.state === 'here' && this.#options.database.oldestWithoutNote() !== undefined;
    if (this.#isDue() || owesNotes) this.#kick();
    else if (this.#groupTimer === undefined && this.queue.count > 0) {
      const { scheduler, settings } = this.#options;
      this.#groupTimer = scheduler.after(this.#pace.waitMs(settings.groupCommitMs), () => {
        this.#groupTimer = undefined;
        this.#dueBelow = this.nextIndex;
        this.#schedule();
      });
    }
  }

  #isDue(): boolean {
    if (this.#frozen !== undefined || this.queue.holdsGroup) return true;
    return this.queue.count > 0 && this.#tree.size < this.#dueBelow;
  }

  /** Starts the loop unless it runs, or something that failed waits for its retry. */
  #kick(): void {
    if (this.#running !== undefined || this.#retryTimer !== undefined || this.#halted) return;
    if (this.#state === 'damaged') return;
    this.#groupTimer?.cancel();
    this.#groupTimer = undefined;
    this.#running = this.#loop().finally(() => {
      this.#running = undefined;
      if (this.#retryTimer === undefined) this.#schedule();
    });
  }

  async #loop(): Promise<void> {
    // Events of the same turn share the commit of an urgent one among them.
    await Promise.resolve();
    for (;;) {
      let more = false;
      try {
        if (this.#state === 'failed' && !this.#reopen()) return;
        more = await this.#makeMissingNotes();
        if (this.#isDue()) await this.#commit();
        else if (this.#state === 'full') this.#probe();
      } catch (error) {
        if (!(error instanceof LatchkeyError)) throw error;
        this.#failedWith(error);
        return;
      }
      if (this.#halted || (!more && !this.#isDue())) return;
      await turn();
    }
  }

  /** True when there is more to make at once. */
  async #makeMissingNotes(): Promise<boolean> {
    const { database, crypto } = this.#options;
    if (this.#notes.state !== 'here' || database.oldestWithoutNote() === undefined) return false;
    const before = database.newestNote()?.size;
    const result = await makeMissingNotes(database, this.#notes, crypto);
    if (result.kind === 'damaged') {
      this.#setState('damaged', result.verdict);
      throw new LatchkeyError('JOURNAL_DAMAGED', `the rows of ${database.path} do not fit its notes`);
    }
    if (database.newestNote()?.size !== before) this.#events.durable(database.size(), []);
    return result.kind === 'more';
  }

  async #commit(): Promise<void> {
    const { database, crypto, room, scheduler } = this.#options;
    const startMs = scheduler.monotonicMs();
    const frozen = this.#freeze();
    const { before, events, after, saved } = frozen;
    // Notes ascend: while an older commit lacks its own, this one gets none.
    const mayHaveNote = database.oldestWithoutNote() === undefined;
    const note = mayHaveNote ? await this.#notes.make(after.size, rootOf(crypto, after)) : undefined;
    const commit = {
      first: before.size,
      leaves: events.map(({ leaf }) => leaf),
      hashes: events.map(({ hash }) => hash),
      after,
      ...(saved !== undefined && { meta: saved.values }),
      ...(note !== undefined && { note }),
    };
    try {
      database.commit(commit);
    } catch (error) {
      // For the last records there is a reserve.
      if (!(error instanceof LatchkeyError) || error.code !== 'JOURNAL_FULL' || room?.foundFull() !== true) throw error;
      database.commit(commit);
    }
    this.#pace.took(scheduler.monotonicMs() - startMs);
    this.#settled(frozen);
    if (database.walCheckpointDue()) database.walCheckpoint();
    room?.wrote(bytesOf(events));
  }

  #freeze(): Frozen {
    if (this.#frozen !== undefined) return this.#frozen;
    const before = this.#tree.frontier();
    const events = this.queue.takeGroup();
    assert(events.length > 0, 'a commit holds at least one event');
    for (const { hash } of events) this.#tree.push(hash);
    const saved = this.#options.saved?.(countAppended(events));
    this.#frozen = { before, events, after: this.#tree.frontier(), saved };
    return this.#frozen;
  }

  #settled(frozen: Frozen): void {
    this.#frozen = undefined;
    frozen.saved?.stored();
    this.#recovered();
    this.#events.durable(frozen.before.size, frozen.events);
  }

  #recovered(): void {
    this.#backoff.reset();
    if (this.#state !== 'full' && this.#state !== 'failed') return;
    if (this.#state === 'full') this.#options.room?.foundRoom();
    this.#setState(this.#notes.state === 'lost' ? 'key_lost' : 'open');
  }

  /** Full with nothing to write: taking the WAL over into the file shows whether there is room again. */
  #probe(): void {
    this.#options.database.walCheckpoint();
    this.#recovered();
  }

  #failedWith(error: LatchkeyError): void {
    const { logger, room, scheduler } = this.#options;
    const isDamage = ['JOURNAL_DAMAGED', 'JOURNAL_VERSION', 'JOURNAL_NOT_DURABLE'].includes(error.code);
    if (error.code === 'JOURNAL_FULL') room?.foundFull();
    if (isDamage) this.#setState('damaged');
    else this.#setState(error.code === 'JOURNAL_FULL' ? 'full' : 'failed');
    const delayMs = this.#backoff.nextMs();
    logger.error({ reason: error.message, code: error.code, delayMs }, 'the journal cannot be written');
    if (!isDamage && !this.#halted) {
      this.#retryTimer = scheduler.after(delayMs, () => {
        this.#retryTimer = undefined;
        this.#kick();
      });
    }
    this.#events.failed(error);
  }

  /** Reads the file anew after an I/O error and finds out whether the failed commit is in it. */
  #reopen(): boolean {
    const { database } = this.#options;
    const frozen = this.#frozen;
    try {
      if (database.failed()) database.reopen();
      const held = database.frontier();
      const stored = frozen !== undefined && held.size === frozen.after.size;
      const expected = stored ? frozen.after : (frozen?.before ?? this.#tree.frontier());
      if (!sameFrontier(held, expected)) {
        const found = `${database.path} holds ${held.size} entries`;
        throw new LatchkeyError('JOURNAL_DAMAGED', `${found}, or others, where ${expected.size} were expected`);
      }
      this.#recovered();
      if (stored) this.#settled(frozen);
      return true;
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
      this.#failedWith(error);
      return false;
    }
  }

  #setState(state: WriterState, verdict?: RowsVerdict): void {
    if (state === this.#state) return;
    this.#options.logger.info({ before: this.#state, state }, 'the journal writer changed state');
    this.#state = state;
    this.#options.onState?.(state, verdict);
  }
}

function bytesOf(events: readonly Waiting[]): number {
  let bytes = 0;
  for (const { leaf } of events) bytes += leaf.length;
  return bytes;
}

function sameFrontier(a: Frontier, b: Frontier): boolean {
  return a.size === b.size && a.roots.every((root, i) => equalBytes(root, b.roots[i] ?? new Uint8Array(0)));
}
