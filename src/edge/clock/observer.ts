import type { Clock } from '../../base/clock.ts';
import type { Observer } from '../contracts/observed.ts';
import type { ClockSource } from './clock-source.ts';

/** `upMs` counts from this call: make one, when the daemon starts. */
export function createObserver(clock: Clock, source: Pick<ClockSource, 'claim'>): Observer {
  const startMs = clock.monotonicMs();
  return {
    observe: () => ({
      wallMs: clock.wallMs(),
      upMs: Math.floor(clock.monotonicMs() - startMs),
      clock: source.claim(),
    }),
  };
}
