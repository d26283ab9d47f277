/** So many at a time, and so many that wait for their turn: whoever comes then is told so at once. */
import { orAborted } from '../../../base/abort.ts';

export class Gate {
  readonly #atATime: number;
  readonly #waitMax: number;
  readonly #waiting: (() => void)[] = [];
  #inside = 0;

  constructor(atATime: number, waitMax: number) {
    this.#atATime = atATime;
    this.#waitMax = waitMax;
  }

  /** Whoever came now would be told so. */
  get isFull(): boolean {
    return this.#inside >= this.#atATime && this.#waiting.length >= this.#waitMax;
  }

  /** Runs it in its turn; `busy` when too many wait, or when `signal` fires before. */
  async pass<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | 'busy'> {
    if (this.#inside >= this.#atATime) {
      if (this.#waiting.length >= this.#waitMax) return 'busy';
      const { promise, resolve } = newTurn();
      this.#waiting.push(resolve);
      try {
        await orAborted(signal, promise);
      } catch {
        const at = this.#waiting.indexOf(resolve);
        if (at >= 0) this.#waiting.splice(at, 1);
        // Its turn had come already: it is the next one's.
        else this.#waiting.shift()?.();
        return 'busy';
      }
    }
    this.#inside += 1;
    try {
      return await work();
    } finally {
      this.#inside -= 1;
      this.#waiting.shift()?.();
    }
  }
}

function newTurn(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
