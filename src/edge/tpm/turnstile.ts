/** One after the other, in the order of arrival, with a bound on how many wait. */
import { LatchkeyError } from '../../base/errors.ts';

interface Waiter {
  readonly go: () => void;
}

export class Turnstile {
  readonly #what: string;
  readonly #waitingMax: number;
  #occupied = false;
  #waiting: Waiter[] = [];

  constructor(what: string, waitingMax: number) {
    this.#what = what;
    this.#waitingMax = waitingMax;
  }

  /** Runs `work` when all earlier ones are done. Rejects with TPM_BUSY when too many wait, with the signal's reason when aborted. */
  async pass<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    await this.#enter(signal);
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  async #enter(signal: AbortSignal | undefined): Promise<void> {
    if (!this.#occupied) {
      this.#occupied = true;
      return;
    }
    if (this.#waiting.length >= this.#waitingMax) {
      throw new LatchkeyError('TPM_BUSY', `${this.#what}: ${this.#waitingMax} wait already`);
    }
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        go: () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.push(waiter);
    });
  }

  /** Hands the place to the next one without a gap in which a newcomer could slip in. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#occupied = false;
    else next.go();
  }
}
