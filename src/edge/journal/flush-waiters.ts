/** Promises that wait until the log has a size. */
interface Waiter {
  readonly size: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

export class FlushWaiters {
  #waiters: Waiter[] = [];

  /** Resolves once `settle` was called with at least `size`; rejects with the signal's reason, or what `reject` gives. */
  add(size: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const abort = (): void => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        size,
        resolve: () => {
          signal.removeEventListener('abort', abort);
          resolve();
        },
        reject: (reason) => {
          signal.removeEventListener('abort', abort);
          reject(reason);
        },
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  settle(size: number): void {
    if (this.#waiters.length === 0) return;
    const done = this.#waiters.filter((waiter) => waiter.size <= size);
    this.#waiters = this.#waiters.filter((waiter) => waiter.size > size);
    for (const waiter of done) waiter.resolve();
  }

  reject(reason: unknown): void {
    const all = this.#waiters;
    this.#waiters = [];
    for (const waiter of all) waiter.reject(reason);
  }
}
