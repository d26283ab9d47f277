/**
 * Whether something moves while it is owed: for how long work has waited without any progress. A connection that stands
 * and a queue that only grows look alike from outside; this tells them apart. Pure: time is an input.
 */
export class Movement {
  #progress: number | undefined;
  #stuckSinceMs: number | undefined;

  /** `progress`: any number that changes when something moved. */
  update(owed: boolean, progress: number, nowMs: number): void {
    const moved = progress !== this.#progress;
    this.#progress = progress;
    if (!owed) this.#stuckSinceMs = undefined;
    else if (moved || this.#stuckSinceMs === undefined) this.#stuckSinceMs = nowMs;
  }

  /** 0 while nothing is owed. */
  stuckMs(nowMs: number): number {
    return this.#stuckSinceMs === undefined ? 0 : Math.max(0, nowMs - this.#stuckSinceMs);
  }
}
