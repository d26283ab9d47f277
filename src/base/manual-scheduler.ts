import type { Scheduler, Timer } from './clock.ts';

interface Due {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A scheduler that tests turn by hand: `advance` runs what falls due, in order of time, then of request. */
export class ManualScheduler implements Scheduler {
  #wallMs: number;
  #monotonicMs = 0;
  #order = 0;
  #due: Due[] = [];

  constructor(wallMs = Date.UTC(2026, 10, 22, 9, 0, 0)) {
    this.#wallMs = wallMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** Steps the wall clock alone, as an operator or NTP does. */
  stepWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    this.#order += 1;
    const due: Due = { dueMs: this.#monotonicMs + Math.max(0, delayMs), order: this.#order, callback };
    this.#due.push(due);
    return {
      cancel: () => {
        this.#due = this.#due.filter((other) => other !== due);
      },
    };
  }

  get pending(): number {
    return this.#due.length;
  }

  advance(byMs: number): void {
    const endMs = this.#monotonicMs + byMs;
    for (;;) {
      const next = this.#due
        .filter((due) => due.dueMs <= endMs)
        .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0];
      if (next === undefined) break;
      this.#due = this.#due.filter((due) => due !== next);
      this.#move(next.dueMs);
      next.callback();
    }
    this.#move(endMs);
  }

  #move(toMs: number): void {
    this.#wallMs += toMs - this.#monotonicMs;
    this.#monotonicMs = toMs;
  }
}
