/**
 * How often may be guessed: a pure count of failures, with a lock that doubles.
 *
 * One such count is kept for each keypad or scanner and one for the whole site. Time is the box's own running time, which
 * goes on over restarts (`RunClock`), so that pulling the plug shortens no lock. A granted access takes back its own
 * attempt and nothing else: whoever holds one good credential cannot wash away his guesses with it.
 */
export interface LockoutRule {
  /** Failures that cost nothing. */
  readonly free: number;
  readonly firstMs: number;
  readonly maxMs: number;
  /** One failure is forgotten in this time. */
  readonly forgiveMs: number;
}

export interface Guard {
  readonly failures: number;
  /** From when the next failure is forgotten. */
  readonly sinceMs: number;
  readonly lockedUntilMs: number;
}

export const NO_FAILURES: Guard = { failures: 0, sinceMs: 0, lockedUntilMs: 0 };
const FAILURES_MAX = 1_000;
const DOUBLINGS_MAX = 30;

/** What is left of a lock; 0 when there is none. */
export function lockedFor(guard: Guard, nowMs: number): number {
  return Math.max(0, guard.lockedUntilMs - nowMs);
}

/** An attempt begins: it counts as a failure until it is granted. */
export function attempted(guard: Guard, nowMs: number, rule: LockoutRule): Guard {
  const now = forgiven(guard, nowMs, rule);
  const failures = Math.min(now.failures + 1, FAILURES_MAX);
  const over = failures - rule.free;
  const lockMs = over <= 0 ? 0 : Math.min(rule.maxMs, rule.firstMs * 2 ** Math.min(over - 1, DOUBLINGS_MAX));
  return { ...now, failures, lockedUntilMs: Math.max(now.lockedUntilMs, lockMs === 0 ? 0 : nowMs + lockMs) };
}

/** It was granted: as if it had not been made. `before` is the guard as it was when it began. */
export function granted(guard: Guard, before: Guard): Guard {
  return { ...guard, failures: Math.max(0, guard.failures - 1), lockedUntilMs: before.lockedUntilMs };
}

/** Nothing is forgotten while the lock lasts. */
function forgiven(guard: Guard, nowMs: number, { forgiveMs }: LockoutRule): Guard {
  const fromMs = Math.max(guard.sinceMs, guard.lockedUntilMs);
  const count = Math.floor(Math.max(0, nowMs - fromMs) / forgiveMs);
  if (guard.failures === 0 || count >= guard.failures) return { ...guard, failures: 0, sinceMs: nowMs };
  return count === 0 ? guard : { ...guard, failures: guard.failures - count, sinceMs: fromMs + count * forgiveMs };
}
