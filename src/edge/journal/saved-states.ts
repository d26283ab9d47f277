/**
 * State snapshots of other rooms, kept in the open log's record and taken along when the next log opens.
 *
 * A snapshot becomes durable in the same transaction as the last event that led to it: after a crash it is neither ahead
 * of the log nor behind it. So each one remembers how many events waited for the disk when it was taken, and goes with
 * the commit that holds the last of them, also while more events keep coming. What changed without an event is written a
 * moment later, once no event waits.
 */
import { assert } from '../../base/assert.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { SavedGroup } from './committer.ts';
import type { LogRecord } from './log-record.ts';

/** Longest time for which a snapshot is only in memory while no event waits. */
const SAVE_AFTER_MS = 200;
const RETRY_AFTER_MS = 2_000;
/** Bounds of what waits for its events; beyond them every second moment is joined with the next, and goes with its events. */
const VERSIONS_MAX = 4_096;
const VERSION_CHARS_MAX = 16_777_216;

export interface SavedStatesOptions {
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  /** The open log's record; undefined while logs change. */
  readonly record: () => LogRecord | undefined;
  /** Events that other rooms appended so far in this run. */
  readonly appended: () => number;
  /** No event waits for the disk, in the open log or for the next one. */
  readonly quiet: () => boolean;
}

/** A state as it was when so many events had been appended. */
interface Version {
  readonly name: string;
  readonly text: string;
  readonly after: number;
}

export class SavedStates {
  readonly #options: SavedStatesOptions;
  #texts: Map<string, string> = new Map();
  /** What the disk holds. */
  #stored: Map<string, string> = new Map();
  /** What it does not hold yet, in the order in which it was taken. */
  #versions: readonly Version[] = [];
  /** What was given for the record of a new log. */
  #settled: readonly Version[] = [];
  /** How many of the appended events are durable. */
  #passed = 0;
  #timer: Timer | undefined;

  constructor(options: SavedStatesOptions) {
    this.#options = options;
  }

  /** At the start: what the newest readable log kept. */
  load(texts: ReadonlyMap<string, string>): void {
    this.#texts = new Map(texts);
    this.#stored = new Map(texts);
  }

  /** For the record of a new log: what agrees with the events that are durable. The rest follows with its events. */
  settle(): ReadonlyMap<string, string> {
    this.#settled = this.#due(this.#passed);
    return new Map([...this.#stored, ...this.#settled.map(({ name, text }) => [name, text] as const)]);
  }

  /** That record is written. What changed while it was is not in it. */
  taken(texts: ReadonlyMap<string, string>): void {
    const waiting = new Set(this.#versions.map(({ name }) => name));
    for (const [name, text] of texts) if (!waiting.has(name)) this.#texts.set(name, text);
    this.#forget(this.#settled, texts);
    this.#settled = [];
  }

  get(name: string): string | undefined {
    return this.#texts.get(name);
  }

  /** Whether a room's newest state, which is JSON, holds that string: a number or a longer string is another. */
  includes(text: string): boolean {
    return [...this.#texts.values()].some((state) => state.includes(JSON.stringify(text)));
  }

  set(name: string, text: string): void {
    assert(/^[a-z][a-z0-9_]{0,31}$/.test(name), 'the name of a saved state is a short word');
    if (this.#texts.get(name) === text) return;
    this.#texts.set(name, text);
    const after = this.#options.appended();
    this.#versions = thinnedOut([...without(this.#versions, name, after), { name, text, after }]);
    this.#timer ??= this.#options.scheduler.after(SAVE_AFTER_MS, () => this.#try());
  }

  /** A state that no event leads to: in the open log's record when this returns. Throws JOURNAL_IO or JOURNAL_FULL. */
  setNow(name: string, text: string): void {
    const record = this.#options.record();
    if (record === undefined) throw new LatchkeyError('JOURNAL_IO', `no log is open: the state ${name} is not stored`);
    const texts = new Map([[name, text]]);
    record.setSaved(texts);
    this.#texts.set(name, text);
    this.#forget(
      this.#versions.filter((version) => version.name === name),
      texts,
    );
  }

  /** For the commit that holds the next `count` events: the newest state of each name that these events led to. */
  group(record: LogRecord, count: number): SavedGroup | undefined {
    const due = this.#due(this.#passed + count);
    if (due.length === 0) return undefined;
    const texts = new Map(due.map(({ name, text }) => [name, text]));
    return { values: record.savedValues(texts), stored: () => this.#forget(due, texts) };
  }

  /** So many events more are durable. */
  advance(count: number): void {
    this.#passed += count;
  }

  /** The nth appended event was refused after all: what followed it follows the one before. */
  dropped(nth: number): void {
    this.#versions = this.#versions.map((each) => (each.after < nth ? each : { ...each, after: each.after - 1 }));
  }

  /** Writes what no event leads to any more. Throws JOURNAL_IO or JOURNAL_FULL. */
  save(): void {
    const record = this.#options.record();
    if (record === undefined || this.#versions.length === 0 || !this.#options.quiet()) return;
    const texts = new Map(this.#versions.map(({ name, text }) => [name, text]));
    record.setSaved(texts);
    this.#forget(this.#versions, texts);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #due(passed: number): readonly Version[] {
    return this.#versions.filter(({ after }) => after <= passed);
  }

  #forget(versions: readonly Version[], texts: ReadonlyMap<string, string>): void {
    for (const [name, text] of texts) this.#stored.set(name, text);
    const gone = new Set(versions);
    this.#versions = this.#versions.filter((version) => !gone.has(version));
  }

  #try(): void {
    this.#timer = undefined;
    try {
      this.save();
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
      this.#options.logger.warn({ reason: messageOf(error) }, 'a state snapshot could not be stored');
    }
    if (this.#versions.length > 0) this.#timer ??= this.#options.scheduler.after(RETRY_AFTER_MS, () => this.#try());
  }
}

/** Those that are not replaced by a later one of the same moment. */
function without(versions: readonly Version[], name: string, after: number): readonly Version[] {
  const at = versions.findLastIndex((each) => each.after !== after || each.name === name);
  const found = versions[at];
  return found?.name === name && found.after === after ? versions.filter((each) => each !== found) : versions;
}

/**
 * States of one moment stay together, whatever their names: a room may keep several that are about each other. So a moment
 * is not left out but joined with the next one, whose states take the place of its own.
 */
function thinnedOut(versions: readonly Version[]): readonly Version[] {
  const chars = versions.reduce((sum, { text }) => sum + text.length, 0);
  if (versions.length <= VERSIONS_MAX && chars <= VERSION_CHARS_MAX) return versions;
  const moments = [...new Set(versions.map(({ after }) => after))];
  const joined = new Map(moments.map((after, i) => [after, i % 2 === 0 ? (moments[i + 1] ?? after) : after]));
  const kept = new Map<string, Version>();
  for (const version of versions) {
    const after = joined.get(version.after) ?? version.after;
    const key = `${after} ${version.name}`;
    // At its latest place among the others: they stand in the order in which they were taken.
    kept.delete(key);
    kept.set(key, version.after === after ? version : { ...version, after });
  }
  return [...kept.values()];
}
