/**
 * The batch analysis in a service, at its interval. Of several services on one database the first one makes each round; the
 * others find it made.
 */
import { orAborted, sleep, withTimeout } from '../../base/abort.ts';
import type { Scheduler } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { type AnalysisParts, type AnalysisReport, analyse, latestAnalysis } from './analysis.ts';
import { STALE_MS } from './findings.ts';

export interface RoundsParts extends AnalysisParts {
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly everyMs: number;
}

export interface PatternsStatus {
  /** Since what decisions read was found; absent before the first time. */
  readonly age_ms?: number;
  /** How long the last analysis of this service took. */
  readonly took_ms?: number;
  /** Decisions count nothing of it: the rules that need it are blind. */
  readonly stale: boolean;
  readonly failure?: string;
}

/** Of all counts together. */
const LIMIT_MS = 5 * 60_000;
/** Clocks and rounds of several services are not quite alike. */
const SPARE = 0.9;
/** After a failure, however long the interval. */
const AGAIN_MS = 60_000;

export class PatternRounds {
  readonly #parts: RoundsParts;
  #asOfMs: number | undefined;
  #tookMs: number | undefined;
  #failure: string | undefined;

  constructor(parts: RoundsParts) {
    this.#parts = parts;
  }

  /** Until the signal fires; the first round at once. */
  async run(signal: AbortSignal): Promise<void> {
    const { scheduler, everyMs } = this.#parts;
    while (!signal.aborted) {
      const done = await this.#round(signal);
      await sleep(scheduler, done ? everyMs : Math.min(everyMs, AGAIN_MS), signal).catch(() => undefined);
    }
  }

  status(nowMs = this.#parts.scheduler.wallMs()): PatternsStatus {
    const ageMs = this.#asOfMs === undefined ? undefined : Math.max(0, nowMs - this.#asOfMs);
    return {
      ...(ageMs !== undefined && { age_ms: ageMs }),
      ...(this.#tookMs !== undefined && { took_ms: this.#tookMs }),
      stale: ageMs === undefined || ageMs >= STALE_MS,
      ...(this.#failure !== undefined && { failure: this.#failure }),
    };
  }

  async #round(signal: AbortSignal): Promise<boolean> {
    const { scheduler, logger } = this.#parts;
    const stop = new AbortController();
    const abort = (): void => stop.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      const beganMs = scheduler.monotonicMs();
      const work = this.#find(scheduler.wallMs(), stop.signal);
      const report = await orAborted(signal, withTimeout(scheduler, LIMIT_MS, 'the batch analysis', work));
      if (report !== undefined) this.#tookMs = scheduler.monotonicMs() - beganMs;
      if (report?.kept) this.#asOfMs = report.as_of_ms;
      if (this.#failure !== undefined) logger.info({}, 'patterns are found again');
      this.#failure = undefined;
      return true;
    } catch (error) {
      // What ran out of time ends with its statement.
      stop.abort(error);
      if (signal.aborted) return false;
      const failure = messageOf(error);
      if (this.#failure !== failure) logger.error({ error: failure }, 'patterns could not be found');
      this.#failure = failure;
      return false;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Undefined where another service did it. */
  async #find(nowMs: number, signal: AbortSignal): Promise<AnalysisReport | undefined> {
    const { database, everyMs } = this.#parts;
    const known = await latestAnalysis(database);
    // What was set may have changed before this start: the first round is always made.
    const fresh = this.#asOfMs !== undefined && known !== undefined && known > nowMs - everyMs * SPARE;
    this.#asOfMs = known ?? this.#asOfMs;
    return fresh ? undefined : analyse(this.#parts, nowMs, signal);
  }
}
