/**
 * How long a start waits for its TPM, all its questions together. Only the waiting counts: a slow disk takes nothing of it.
 */
import type { Scheduler } from '../../base/clock.ts';

export class Patience {
  readonly #scheduler: Scheduler;
  #leftMs: number;

  constructor(scheduler: Scheduler, budgetMs: number) {
    this.#scheduler = scheduler;
    this.#leftMs = budgetMs;
  }

  get leftMs(): number {
    return this.#leftMs;
  }

  /** Runs what waits, for `limitMs` at most: what is left, or less. Questions at one time are counted each. */
  async spend<T>(limitMs: number, wait: (limitMs: number) => Promise<T>): Promise<T> {
    const startMs = this.#scheduler.monotonicMs();
    try {
      return await wait(Math.floor(Math.min(limitMs, this.#leftMs)));
    } finally {
      this.#leftMs = Math.max(0, this.#leftMs - (this.#scheduler.monotonicMs() - startMs));
    }
  }

  /** The start is over: from now on each question has its own limit alone. */
  end(): void {
    this.#leftMs = Number.POSITIVE_INFINITY;
  }
}
