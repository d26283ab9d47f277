/**
 * State snapshots of other rooms, kept in the open log's record and taken along when the next log opens.
 *
 * A snapshot becomes durable in the same transaction as the events that led to it: after a crash it is neither ahead of
 * the log nor behind it. What changed without an event is written a moment later, once no event waits for the disk.
 */
import { assert } from '../../base/assert.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { SavedGroup } from './committer.ts';
import type { LogRecord } from './log-record.ts';

/** Longest time for which a snapshot is only in memory. */
const SAVE_AFTER_MS = 200;
const RETRY_AFTER_MS = 2_000;

export interface SavedStatesOptions {
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  /** The open log's record; undefined while logs change. */
  readonly record: () => LogRecord | undefined;
  /** No event waits for the disk: state that is written now is not ahead of the events that led to it. */
  readonly quiet: () => boolean;
}

export class SavedStates {
  readonly #options: SavedStatesOptions;
  #texts: Map<string, string> = new Map();
  #dirty = new Set<string>();
  #timer: Timer | undefined;

  constructor(options: SavedStatesOptions) {
    this.#options = options;
  }

  /** At the start: what the newest readable log kept. */
  load(texts: ReadonlyMap<string, string>): void {
    this.#texts = new Map(texts);
  }

  get all(): ReadonlyMap<string, string> {
    return this.#texts;
  }

  get(name: string): string | undefined {
    return this.#texts.get(name);
  }

  set(name: string, text: string): void {
    assert(/^[a-z][a-z0-9_]{0,31}$/.test(name), 'the name of a saved state is a short word');
    if (this.#texts.get(name) === text) return;
    this.#texts.set(name, text);
    this.#dirty.add(name);
    this.#timer ??= this.#options.scheduler.after(SAVE_AFTER_MS, () => this.#due());
  }

  /** A new log was opened with all of them in its record. */
  taken(): void {
    this.#dirty.clear();
  }

  /** What is not written yet, for the commit that holds the events which led to it. */
  group(record: LogRecord): SavedGroup | undefined {
    if (this.#dirty.size === 0) return undefined;
    const texts = new Map([...this.#texts].filter(([name]) => this.#dirty.has(name)));
    const stored = (): void => {
      for (const [name, text] of texts) if (this.#texts.get(name) === text) this.#dirty.delete(name);
    };
    return { values: record.savedValues(texts), stored };
  }

  /** Writes what is not written yet. Throws JOURNAL_IO or JOURNAL_FULL. */
  save(): void {
    const record = this.#options.record();
    if (record === undefined || this.#dirty.size === 0) return;
    record.setSaved(new Map([...this.#texts].filter(([name]) => this.#dirty.has(name))));
    this.#dirty.clear();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #due(): void {
    this.#timer = undefined;
    try {
      if (this.#options.quiet()) this.save();
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
      this.#options.logger.warn({ reason: messageOf(error) }, 'a state snapshot could not be stored');
    }
    if (this.#dirty.size > 0) this.#timer ??= this.#options.scheduler.after(RETRY_AFTER_MS, () => this.#due());
  }
}
