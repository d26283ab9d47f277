import type { ClockClaim } from '../../evidence/event/event.ts';

/** When something was observed, on both clocks, taken in the moment of observation and never later. */
export interface Observed {
  /** Wall clock, ms since 1970 UTC: a claim. */
  readonly wallMs: number;
  /** Monotonic milliseconds since the start of the daemon (integer): the ordering in time. */
  readonly upMs: number;
  readonly clock: ClockClaim;
}

/** The daemon's one source of `Observed`. */
export interface Observer {
  observe(): Observed;
}
