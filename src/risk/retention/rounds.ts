/**
 * Retention in a service, at its interval: what `latchkey risk retention run` does, beside intake and decisions. Of several
 * services on one database one does it, and the others find it done; so does a service that starts anew.
 */
import { sleep } from '../../base/abort.ts';
import type { Scheduler } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Metrics } from '../../base/metrics.ts';
import { type RetentionCounts, type RetentionParts, RetentionRoom } from './run.ts';
import { onTurn, RetentionTurns } from './turns.ts';

export interface RetentionRoundsParts extends Omit<RetentionParts, 'renew' | 'beside' | 'clock'> {
  readonly metrics: Metrics;
  readonly scheduler: Scheduler;
}

export interface RetentionStatus {
  /** Since it was last done, by whichever service; absent before the first time. */
  readonly age_ms?: number;
  /** Of this service since its start: rows, and rounds that failed. */
  readonly rows_gone: number;
  readonly failures: number;
  /** Not done for longer than twice the interval: data is kept longer than was set. */
  readonly overdue: boolean;
  readonly failure?: string;
}

const HOUR_MS = 3_600_000;
/** A short look whether it is due: another service may have done it, or have failed. */
const LOOK_MS = 10 * 60_000;
/** After a failure. */
const AGAIN_MS = 5 * 60_000;
const OVERDUE_TIMES = 2;

export class RetentionRounds {
  readonly #parts: RetentionRoundsParts;
  readonly #everyMs: number | undefined;
  readonly #turns: RetentionTurns;
  #startedMs: number | undefined;
  #doneAtMs: number | undefined;
  #failingSinceMs: number | undefined;
  #rowsGone = 0;
  #failures = 0;
  #failure: string | undefined;

  constructor(parts: RetentionRoundsParts) {
    this.#parts = parts;
    const { every_h } = parts.settings;
    this.#everyMs = every_h === 'off' ? undefined : every_h * HOUR_MS;
    this.#turns = new RetentionTurns(parts);
  }

  /** Until the signal fires; the first look at once. Resolves at once when it is off. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#everyMs === undefined) return;
    this.#startedMs = this.#parts.scheduler.wallMs();
    while (!signal.aborted) {
      const done = await this.round(signal);
      const pauseMs = done ? Math.min(this.#everyMs, LOOK_MS) : AGAIN_MS;
      await sleep(this.#parts.scheduler, pauseMs, signal).catch(() => undefined);
    }
  }

  /** Undefined when it is off. */
  status(nowMs = this.#parts.scheduler.wallMs()): RetentionStatus | undefined {
    if (this.#everyMs === undefined) return undefined;
    const sinceMs = this.#failingSinceMs ?? nowMs;
    const ageMs = this.#doneAtMs === undefined ? undefined : Math.max(0, nowMs - this.#doneAtMs);
    const limitMs = OVERDUE_TIMES * this.#everyMs;
    return {
      ...(ageMs !== undefined && { age_ms: ageMs }),
      rows_gone: this.#rowsGone,
      failures: this.#failures,
      overdue: nowMs - sinceMs > limitMs || nowMs - (this.#doneAtMs ?? this.#startedMs ?? nowMs) > limitMs,
      ...(this.#failure !== undefined && { failure: this.#failure }),
    };
  }

  /** One look, and the work when it is due and nobody else does it. False when it failed; it does not reject. */
  async round(signal: AbortSignal): Promise<boolean> {
    const { logger, scheduler } = this.#parts;
    try {
      await this.#look();
      if (this.#isDue(scheduler.wallMs())) await this.#work(signal);
      if (this.#failure !== undefined) logger.info({}, 'retention runs again');
      this.#failure = undefined;
      return true;
    } catch (error) {
      if (signal.aborted) return true;
      this.#failures += 1;
      this.#parts.metrics.count('retention_failures');
      this.#failingSinceMs ??= scheduler.wallMs();
      const failure = messageOf(error);
      if (this.#failure !== failure) logger.error({ error: failure }, 'retention failed, and is tried again');
      this.#failure = failure;
      return false;
    }
  }

  #isDue(nowMs: number): boolean {
    return this.#everyMs !== undefined && (this.#doneAtMs === undefined || nowMs - this.#doneAtMs >= this.#everyMs);
  }

  async #look(): Promise<void> {
    const { doneAtMs, failingSinceMs } = await this.#turns.state();
    this.#doneAtMs = doneAtMs;
    this.#failingSinceMs = failingSinceMs;
  }

  async #work(signal: AbortSignal): Promise<void> {
    const { scheduler } = this.#parts;
    const wallMs = (): number => scheduler.wallMs();
    const done = await onTurn(
      this.#turns,
      wallMs,
      async (renew) => {
        // Another may have done it while this one asked for its turn.
        await this.#look();
        if (!this.#isDue(wallMs())) return undefined;
        const room = new RetentionRoom({ ...this.#parts, clock: scheduler, renew, beside: true });
        return room.run('service', signal);
      },
      signal,
    );
    if (done?.value === undefined) return;
    const rows = rowsOf(done.value.counts);
    this.#rowsGone += rows;
    this.#parts.metrics.count('retention_rows_gone', rows);
    await this.#look();
  }
}

function rowsOf({ days: _, ...rows }: RetentionCounts): number {
  return Object.values(rows).reduce((sum, count) => sum + count, 0);
}
