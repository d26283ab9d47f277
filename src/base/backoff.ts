/**
 * Exponential back-off with full jitter: a fleet that lost its broker together must not come back together.
 */
export interface BackoffSettings {
  readonly firstMs: number;
  readonly maxMs: number;
}

export class Backoff {
  readonly #settings: BackoffSettings;
  readonly #random: () => number;
  #attempt = 0;

  constructor(settings: BackoffSettings, random: () => number = Math.random) {
    this.#settings = settings;
    this.#random = random;
  }

  /** The next wait: uniform between half a step and the step, the step doubling up to `maxMs`. */
  nextMs(): number {
    const ceilingMs = Math.min(this.#settings.maxMs, this.#settings.firstMs * 2 ** Math.min(this.#attempt, 30));
    this.#attempt += 1;
    return Math.round(ceilingMs / 2 + (this.#random() * ceilingMs) / 2);
  }

  reset(): void {
    this.#attempt = 0;
  }
}
