/**
 * When to ask a gateway for entries again: at most once in 10 s per log, less often the longer nothing comes of it.
 * Pure: the last questions and the time in, an answer out.
 */

/** One rewind in 10 s is all that a gateway grants (FORMAT.md section 7). */
const ASK_INTERVAL_MS = 10_000;
const ASK_INTERVAL_MAX_MS = 320_000;
/** So many questions for one place without an answer, and what is offered instead is taken (a gap). */
const ASKS_BEFORE_GAP = 2;

export interface Asked {
  /** Index that was asked for last. */
  readonly first: number;
  /** Questions for it. */
  readonly count: number;
  readonly atMs: number;
}

/** Monotonic time from which `first` may be asked for. */
export function askDueMs(asked: Asked | undefined, first: number): number {
  if (asked === undefined) return 0;
  if (asked.first !== first) return asked.atMs + ASK_INTERVAL_MS;
  return asked.atMs + Math.min(ASK_INTERVAL_MAX_MS, ASK_INTERVAL_MS * 2 ** Math.min(asked.count - 1, 10));
}

export function askedNow(asked: Asked | undefined, first: number, nowMs: number): Asked {
  return { first, count: asked?.first === first ? asked.count + 1 : 1, atMs: nowMs };
}

/** The gateway was asked often enough for what lies below, and offers only what lies above. */
export function gapIsOffered(asked: Asked | undefined, wanted: number): boolean {
  return asked !== undefined && asked.first === wanted && asked.count >= ASKS_BEFORE_GAP;
}
