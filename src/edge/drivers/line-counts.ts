/**
 * Counts of one line, as a `line` reading at most once a minute and only when something went wrong on it.
 */
import type { Scheduler, Timer } from '../../base/clock.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Observer } from '../contracts/observed.ts';
import type { BoardCounts, LineReading, ReadingSink } from '../contracts/reading.ts';
import type { Cut } from './frame-cutter.ts';

export const LINE_READING_EVERY_MS = 60_000;

type Counted = 'bytes' | 'frames' | 'noiseBytes' | 'checksumErrors' | 'timeouts' | 'echoes' | 'unasked' | 'foreign';

const METRIC: Readonly<Record<Counted, string>> = {
  bytes: 'line_bytes',
  frames: 'line_frames',
  noiseBytes: 'line_noise_bytes',
  checksumErrors: 'line_checksum_errors',
  timeouts: 'line_timeouts',
  echoes: 'line_echoes',
  unasked: 'bus_unasked',
  foreign: 'bus_foreign',
};

const NOTHING: Readonly<Record<Counted, number>> = {
  bytes: 0,
  frames: 0,
  noiseBytes: 0,
  checksumErrors: 0,
  timeouts: 0,
  echoes: 0,
  unasked: 0,
  foreign: 0,
};

/** Bytes, frames and echoes are the line at work; the rest is a reason to speak. */
const TROUBLE: ReadonlySet<Counted> = new Set(['noiseBytes', 'checksumErrors', 'timeouts', 'unasked', 'foreign']);

export interface LineCountsParts {
  readonly port: string;
  readonly sink: ReadingSink;
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  readonly metrics: Metrics;
  /** Of polled boards, since the start. */
  readonly boards?: () => readonly BoardCounts[];
}

export class LineCounts {
  readonly #parts: LineCountsParts;
  #counts: Record<Counted, number> = { ...NOTHING };
  #sinceUpMs: number;
  #boardsBefore: readonly BoardCounts[] = [];
  #timer: Timer | undefined;

  constructor(parts: LineCountsParts) {
    this.#parts = parts;
    this.#sinceUpMs = parts.observer.observe().upMs;
  }

  add(what: Counted, by = 1): void {
    if (by === 0) return;
    this.#counts[what] += by;
    this.#parts.metrics.count(METRIC[what], by, { port: this.#parts.port });
    if (!TROUBLE.has(what) || this.#timer !== undefined) return;
    this.#timer = this.#parts.scheduler.after(LINE_READING_EVERY_MS, () => {
      this.#timer = undefined;
      this.#report();
    });
  }

  addCuts(cuts: readonly Cut[]): void {
    for (const cut of cuts) {
      if (cut.kind === 'frame') this.add('frames');
      else {
        this.add('noiseBytes', cut.sizeBytes);
        if (cut.reason === 'checksum') this.add('checksumErrors');
      }
    }
  }

  /** What was counted and not reported yet is reported now. */
  stop(): void {
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#timer = undefined;
    this.#report();
  }

  #report(): void {
    const { port, observer, sink } = this.#parts;
    const observed = observer.observe();
    const reading: LineReading = { kind: 'line', port, observed, sinceUpMs: this.#sinceUpMs, ...this.#counts };
    const boards = this.#troubledBoards();
    this.#counts = { ...NOTHING };
    this.#sinceUpMs = observed.upMs;
    sink(boards.length === 0 ? reading : { ...reading, boards });
  }

  /** What each board that failed did since the reading before. */
  #troubledBoards(): readonly BoardCounts[] {
    const now = this.#parts.boards?.() ?? [];
    const before = this.#boardsBefore;
    this.#boardsBefore = now;
    return now
      .map((counts, index) => since(counts, before[index]))
      .filter(({ silent, damaged, doubles }) => silent + damaged + doubles > 0);
  }
}

function since(now: BoardCounts, before: BoardCounts | undefined): BoardCounts {
  if (before === undefined) return now;
  return {
    device: now.device,
    asked: now.asked - before.asked,
    answered: now.answered - before.answered,
    silent: now.silent - before.silent,
    damaged: now.damaged - before.damaged,
    doubles: now.doubles - before.doubles,
  };
}
