/**
 * How much room the journal has, and which events are still taken.
 *
 * A full disk is a state, not a crash: repeating events stop first, then new custody, and a reserve file is given up for
 * the last records. Comes back by itself when there is room again.
 */
import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import { DiskReserve } from './disk-reserve.ts';
import type { EventClass } from './event-class.ts';
import type { JournalSettings } from './journal-settings.ts';
import { journalError } from './sqlite-file.ts';

export type RoomLevel =
  | 'ok'
  /** No `low` events. */
  | 'low'
  /** No new custody either. */
  | 'custody'
  /** A write failed with the reserve already given up: nothing is taken. */
  | 'full';

const LEVELS: readonly RoomLevel[] = ['ok', 'low', 'custody', 'full'];
const LOOK_EVERY_MS = 1_000;
/** A disk that fills within that second is looked at in between, after so many bytes of events. */
const LOOK_EVERY_BYTES = 262_144;
/** Per cent below a threshold at which its level is left again. */
const HYSTERESIS_PERCENT = 1;

export interface DiskRoomOptions {
  /** The journal's directory; the reserve lies in it. */
  readonly directory: string;
  readonly settings: JournalSettings;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Bytes that all logs use now. */
  readonly usedBytes: () => number;
  /** Free bytes of the file system for this user; by default statfs asks. */
  readonly freeBytes?: (directory: string) => number;
}

export class DiskRoom {
  readonly #options: DiskRoomOptions;
  readonly #reserve: DiskReserve;
  readonly #listeners = new Set<(level: RoomLevel) => void>();
  #level: RoomLevel = 'ok';
  /** What failed writes showed, whatever the figures say, until the reserve could be made again. */
  #floor: RoomLevel = 'ok';
  #timer: Timer | undefined;
  #wroteBytes = 0;

  constructor(options: DiskRoomOptions) {
    this.#options = options;
    this.#reserve = new DiskReserve(join(options.directory, 'reserve'), options.settings.reserveBytes);
  }

  /** Makes the reserve, looks at once, and from then on every second. */
  start(): void {
    this.#options.metrics.gauge('journal_reserve_bytes', this.#reserve.make() ? this.#reserve.sizeBytes : 0);
    this.look();
    this.#timer = this.#options.scheduler.after(LOOK_EVERY_MS, () => this.#tick());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  get level(): RoomLevel {
    return this.#level;
  }

  admits(eventClass: EventClass): boolean {
    switch (this.#level) {
      case 'ok':
        return true;
      case 'low':
        return eventClass !== 'low';
      case 'custody':
        return eventClass === 'last';
      case 'full':
        return false;
    }
  }

  /** A write found no room. True when the reserve was given up, so that trying again at once makes sense. */
  foundFull(): boolean {
    const released = this.#reserve.release();
    this.#options.metrics.gauge('journal_reserve_bytes', 0);
    this.#floor = released ? 'custody' : 'full';
    this.#set(higher(this.#level, this.#floor));
    return released;
  }

  /** A write worked again: what must still be said is taken, even before the reserve can be made anew. */
  foundRoom(): void {
    if (this.#floor !== 'full') return;
    this.#floor = 'custody';
    this.#set('custody');
  }

  /** A commit took so many bytes of events. */
  wrote(bytes: number): void {
    this.#wroteBytes += bytes;
    if (this.#wroteBytes >= LOOK_EVERY_BYTES) this.look();
  }

  /** Calls back when the level changed. Returns the unsubscribe. */
  onLevel(listener: (level: RoomLevel) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks now instead of within a second. */
  look(): void {
    const { settings, metrics } = this.#options;
    this.#wroteBytes = 0;
    const figures = this.#figures();
    if (figures === undefined) return;
    const { usedBytes } = figures;
    const freeBytes = Math.max(0, figures.freeBytes - settings.freeMinBytes);
    const percent = (100 * usedBytes) / Math.max(1, Math.min(settings.sizeMaxBytes, usedBytes + freeBytes));
    metrics.gauge('journal_used_bytes', usedBytes);
    metrics.gauge('journal_fill_percent', Math.round(percent));
    const found = this.#levelAt(percent);
    if (
      this.#floor !== 'ok' &&
      found !== 'custody' &&
      freeBytes > 2 * this.#reserve.sizeBytes &&
      this.#reserve.make()
    ) {
      this.#floor = 'ok';
      metrics.gauge('journal_reserve_bytes', this.#reserve.sizeBytes);
    }
    this.#set(higher(found, this.#floor));
  }

  #tick(): void {
    this.look();
    this.#timer = this.#options.scheduler.after(LOOK_EVERY_MS, () => this.#tick());
  }

  /** A level is left only one per cent below the threshold by which it is entered. */
  #levelAt(percent: number): RoomLevel {
    const { lowStopPercent, custodyStopPercent } = this.#options.settings;
    const held = LEVELS.indexOf(this.#level);
    if (percent >= custodyStopPercent - (held >= 2 ? HYSTERESIS_PERCENT : 0)) return 'custody';
    if (percent >= lowStopPercent - (held >= 1 ? HYSTERESIS_PERCENT : 0)) return 'low';
    return 'ok';
  }

  /** Undefined when the disk does not even say that: the level then stays as it is. */
  #figures(): { readonly usedBytes: number; readonly freeBytes: number } | undefined {
    const { directory, freeBytes, logger, usedBytes } = this.#options;
    try {
      return { usedBytes: usedBytes(), freeBytes: (freeBytes ?? freeBytesOf)(directory) };
    } catch (error) {
      logger.warn({ reason: messageOf(error) }, 'the room on the disk is not known');
      return undefined;
    }
  }

  #set(level: RoomLevel): void {
    if (level === this.#level) return;
    const before = this.#level;
    this.#level = level;
    const fields = { before, level };
    if (LEVELS.indexOf(level) > LEVELS.indexOf(before)) this.#options.logger.warn(fields, 'the journal has less room');
    else this.#options.logger.info(fields, 'the journal has more room');
    this.#options.metrics.gauge('journal_room_level', LEVELS.indexOf(level));
    for (const listener of [...this.#listeners]) listener(level);
  }
}

function freeBytesOf(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

function higher(a: RoomLevel, b: RoomLevel): RoomLevel {
  return LEVELS.indexOf(a) >= LEVELS.indexOf(b) ? a : b;
}

/** A disk that is full at the start: the reserve is given up for the records that opening writes. */
export async function withRoom<T>(room: DiskRoom, work: () => Promise<T>): Promise<T> {
  try {
    return await systemErrorsNamed(work);
  } catch (error) {
    if (!(error instanceof LatchkeyError) || error.code !== 'JOURNAL_FULL' || !room.foundFull()) throw error;
    return await systemErrorsNamed(work);
  }
}

/** Key files and marks come from rooms that know nothing of journals: their errors are the system's. */
async function systemErrorsNamed<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw journalError('the journal', error);
  }
}
