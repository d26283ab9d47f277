/**
 * Removes the bodies of entries that were receipted long enough ago; their leaf hashes stay.
 *
 * Age is running time of the daemon since the receipt, counted in hours and kept in the log: a wall clock that jumps
 * five years ahead must not empty the journal, and while a box is switched off nothing ages. When room runs out,
 * receipted bodies go before new custody is refused.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { DiskRoom } from './disk-room.ts';
import type { JournalSettings } from './journal-settings.ts';
import type { LogDatabase } from './log-database.ts';

const HOUR_MS = 3_600_000;
/** While room is short: receipts come later than the change of level, and a start finds it short already. */
const RELIEVE_EVERY_MS = 10_000;
const HOURS_A_DAY = 24;
/** Marks kept per log: with a longer period they lie further apart than a day. */
const MARKS_MAX = 400;
/** Commits in one transaction: short, because the writer waits meanwhile. */
const SLICE_COMMITS = 16;
const META_KEY = 'retention';

/** How far the receipts were after so many hours of running. */
export interface AgeMark {
  readonly hour: number;
  readonly size: number;
}

export interface RetentionState {
  /** Hours of running time that this log has seen. */
  readonly hours: number;
  /** Ascending. */
  readonly marks: readonly AgeMark[];
}

export const NO_AGE: RetentionState = { hours: 0, marks: [] };

/** One hour later: the new state, and the size below which bodies are old enough to go. */
export function ageByHour(
  state: RetentionState,
  receiptedSize: number,
  keepDays: number,
): { readonly state: RetentionState; readonly below: number } {
  const hours = state.hours + 1;
  if (keepDays === 0) return { state: { hours, marks: [] }, below: receiptedSize };
  const oldest = hours - keepDays * HOURS_A_DAY;
  const due = state.marks.filter(({ hour }) => hour <= oldest);
  const young = state.marks.filter(({ hour }) => hour > oldest);
  const newest = state.marks.at(-1);
  const everyHours = Math.max(1, Math.ceil((keepDays * HOURS_A_DAY) / MARKS_MAX));
  const isNew = receiptedSize > (newest?.size ?? 0) && hours >= (newest?.hour ?? -everyHours) + everyHours;
  // The newest due mark stays, so that the size below which bodies may go is never forgotten.
  const kept = due.slice(-1);
  const marks = [...kept, ...young, ...(isNew ? [{ hour: hours, size: receiptedSize }] : [])];
  return { state: { hours, marks }, below: Math.min(receiptedSize, due.at(-1)?.size ?? 0) };
}

export interface RetentionLog {
  /** Open for writing. */
  readonly database: LogDatabase;
  /** Below this size every store has a receipt: nothing above it is ever removed. */
  readonly receiptedSize: number;
}

/**
 * Erasure of a person's entries: reduces them to their leaf hashes. Returns how many still had a body. What no store has
 * receipted yet would be stranded, so it is refused as a whole. Throws like `LogDatabase.reduce`.
 */
export function eraseEntries(log: RetentionLog, indices: readonly number[]): Result<number, 'not_receipted'> {
  const above = indices.find((index) => index >= log.receiptedSize);
  if (above === undefined) return accept(log.database.reduce(indices));
  return refuse('not_receipted', `entry ${above} is not receipted yet; ${log.receiptedSize} entries are`);
}

export interface RetentionOptions {
  readonly logs: () => readonly RetentionLog[];
  readonly settings: JournalSettings;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly room?: DiskRoom;
}

export class Retention {
  readonly #options: RetentionOptions;
  readonly #stop = new AbortController();
  #timer: Timer | undefined;
  #reliefTimer: Timer | undefined;
  #forgetRoom: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #relieving = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  start(): void {
    this.#wait();
    this.#relieveAgain();
    this.#forgetRoom = this.#options.room?.onLevel((level) => {
      if (level !== 'ok') void this.relieve();
    });
  }

  /** Resolves when the running slice is done. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#reliefTimer?.cancel();
    this.#forgetRoom?.();
    this.#stop.abort();
    await this.#running;
  }

  /** One hour has passed. */
  hour(): Promise<void> {
    return this.#then(async () => {
      for (const { database, receiptedSize } of this.#options.logs()) {
        const { state, below } = ageByHour(readState(database), receiptedSize, this.#options.settings.keepDays);
        database.setMeta({
          [META_KEY]: JSON.stringify({ h: state.hours, m: state.marks.map((m) => [m.hour, m.size]) }),
        });
        await this.#remove(database, below, () => true);
      }
    });
  }

  /** Room runs out: whatever is receipted goes, oldest log first, until there is enough. */
  relieve(): Promise<void> {
    if (this.#relieving) return this.#running;
    this.#relieving = true;
    return this.#then(async () => {
      const { logs, room } = this.#options;
      try {
        for (const { database, receiptedSize } of logs()) {
          await this.#remove(database, receiptedSize, () => {
            room?.look();
            return room?.level !== 'ok';
          });
        }
      } finally {
        this.#relieving = false;
      }
    });
  }

  #wait(): void {
    this.#timer = this.#options.scheduler.after(HOUR_MS, () => {
      this.#wait();
      void this.hour();
    });
  }

  #relieveAgain(): void {
    const { room, scheduler } = this.#options;
    if (room === undefined) return;
    if (room.level !== 'ok') void this.relieve();
    this.#reliefTimer = scheduler.after(RELIEVE_EVERY_MS, () => this.#relieveAgain());
  }

  /** One after the other; a disk that does not let it happen is tried again the next time. */
  #then(work: () => Promise<void>): Promise<void> {
    this.#running = this.#running.then(async () => {
      try {
        await work();
      } catch (error) {
        if (!(error instanceof LatchkeyError)) throw error;
        this.#options.logger.warn({ reason: error.message }, 'bodies could not be removed');
      }
    });
    return this.#running;
  }

  async #remove(database: LogDatabase, below: number, goOn: () => boolean): Promise<void> {
    let removed = 0;
    while (!this.#stop.signal.aborted && goOn()) {
      const slice = database.removeBodies(below, SLICE_COMMITS);
      if (slice === 0) break;
      removed += slice;
      if (database.walCheckpointDue()) database.walCheckpoint();
      await turn();
    }
    if (removed === 0) return;
    this.#options.metrics.count('journal_bodies_removed', removed);
    this.#options.logger.info({ log: database.origin, removed, below }, 'removed bodies that are receipted');
  }
}

function readState(database: LogDatabase): RetentionState {
  const text = database.meta(META_KEY);
  if (text === undefined) return NO_AGE;
  // Written by this file and covered by a check sum.
  const { h, m } = JSON.parse(text) as { readonly h: number; readonly m: readonly (readonly [number, number])[] };
  return { hours: h, marks: m.map(([hour, size]) => ({ hour, size })) };
}
