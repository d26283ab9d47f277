/**
 * Time as an input. Two clocks that are never mixed: wall time is a claim and may jump; monotonic time orders.
 */
export interface Clock {
  /** Wall clock, milliseconds since 1970 UTC. A claim: it may step in either direction. */
  wallMs(): number;
  /** Milliseconds on a clock that never steps; its zero means nothing. May be fractional. */
  monotonicMs(): number;
}

export interface Timer {
  cancel(): void;
}

/** Timers apart from the clock, so that tests can turn time by hand. */
export interface Scheduler extends Clock {
  /** Calls back once after `delayMs`; never before, never synchronously. */
  after(delayMs: number, callback: () => void): Timer;
}

/** `2026-11-22T09:00:00.123Z`: exactly 24 characters for years 0000 to 9999; clamped outside of them. */
export function wallText(wallMs: number): string {
  const bounded = Math.min(Math.max(Math.trunc(wallMs), -62_167_219_200_000), 253_402_300_799_999);
  return new Date(bounded).toISOString();
}
