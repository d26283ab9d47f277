import type { Scheduler, Timer } from './clock.ts';

/** The real clocks of this process. `performance.now()` is CLOCK_MONOTONIC in Node on Linux. */
export function systemScheduler(): Scheduler {
  return {
    wallMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    after(delayMs, callback): Timer {
      const handle = setTimeout(callback, delayMs);
      return { cancel: () => clearTimeout(handle) };
    },
  };
}
