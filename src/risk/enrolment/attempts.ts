/** How often each token was tried since the start: bounded, so that a box in a loop does not keep the service busy. */
const KEPT_MAX = 100_000;

export class Attempts {
  readonly #max: number;
  readonly #counts = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Counts one more; false when that is too many. */
  allow(name: string): boolean {
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.delete(name);
    this.#counts.set(name, count);
    for (const oldest of this.#counts.keys()) {
      if (this.#counts.size <= KEPT_MAX) break;
      this.#counts.delete(oldest);
    }
    return count <= this.#max;
  }
}
