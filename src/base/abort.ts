/** Waits that end: each has a limit and an AbortSignal. */
import type { Scheduler } from './clock.ts';
import { LatchkeyError } from './errors.ts';

/** Resolves after `delayMs`, or rejects with the signal's reason. */
export function sleep(scheduler: Scheduler, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason);
    const abort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = scheduler.after(delayMs, () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/** The promise's outcome, or `LatchkeyError('TIMED_OUT')` that names `what`. The work itself is not stopped. */
export function withTimeout<T>(scheduler: Scheduler, limitMs: number, what: string, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = scheduler.after(limitMs, () =>
      reject(new LatchkeyError('TIMED_OUT', `${what} took longer than ${limitMs} ms`)),
    );
    work.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}

/** The promise's outcome, or the signal's reason as soon as it fires. The work itself is not stopped. */
export function orAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/**
 * Aborts after a time in ms (or with the AbortSignal.timeout that is given), or as soon as one of the others does, with its
 * reason.
 *
 * AbortSignal.any alone does not do here: Node 20 holds what it is made of weakly, so that after a garbage collection an
 * AbortSignal.timeout among them never fires and a wait has no end. A listener keeps a timeout until it has fired.
 */
export function within(limit: number | AbortSignal, ...others: readonly AbortSignal[]): AbortSignal {
  const timeout = typeof limit === 'number' ? AbortSignal.timeout(limit) : limit;
  const either = AbortSignal.any([timeout, ...others]);
  timeout.addEventListener('abort', () => either.aborted);
  return either;
}
