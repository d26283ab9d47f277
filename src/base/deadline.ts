/**
 * An end that is judged by two clocks: by what this machine has run since, always, and by wall time where that can be
 * trusted.
 *
 * A machine whose clock was never set still lets things end, though time without power does not count there; and a
 * restart gives back at most what passed since `leftMs` was last written down.
 */
export interface Deadline {
  /** What was left of the running time at `atUpMs`. */
  readonly leftMs: number;
  readonly atUpMs: number;
  /** Milliseconds since 1970; absent when only running time counts. */
  readonly wallMs: number | undefined;
}

/** `wallMs` is undefined when the wall clock cannot be trusted. */
export interface Moment {
  readonly upMs: number;
  readonly wallMs: number | undefined;
}

export function isOver(end: Deadline, now: Moment): boolean {
  if (leftAt(end, now.upMs) <= 0) return true;
  return end.wallMs !== undefined && now.wallMs !== undefined && now.wallMs >= end.wallMs;
}

/** What is left of the running time; 0 when nothing is. */
export function leftAt(end: Deadline, upMs: number): number {
  return Math.max(0, end.leftMs - Math.max(0, upMs - end.atUpMs));
}
