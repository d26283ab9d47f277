/**
 * What several files hold of one log, as one history: `judgeContinuity` takes each log once. All of it was verified, each
 * file against its own tree; whether the trees are one is asked elsewhere, and two anchors of one value show it here.
 */
import type { HeldRange, LogHistory, SeenStart } from './history.ts';

/** Two histories of one log. */
export function mergeHistories(a: LogHistory, b: LogHistory): LogHistory {
  const opening = a.opening ?? b.opening;
  return {
    origin: a.origin,
    held: mergeHeld(a.held, b.held),
    anchors: [...a.anchors, ...b.anchors],
    starts: mergeStarts([...a.starts, ...b.starts]),
    times: [...a.times, ...b.times],
    ...(opening !== undefined && { opening }),
  };
}

/** Ranges with a hole between them are not one: the longer is held, so that nothing in the hole is called absent. */
function mergeHeld(a: HeldRange, b: HeldRange): HeldRange {
  if (a.first <= b.end && b.first <= a.end) {
    return { first: Math.min(a.first, b.first), end: Math.max(a.end, b.end) };
  }
  return b.end - b.first > a.end - a.first ? b : a;
}

/** The same start out of two files is one; the file with the entry before it knows more of it. */
function mergeStarts(starts: readonly SeenStart[]): readonly SeenStart[] {
  const merged = new Map<string, SeenStart>();
  for (const start of starts) {
    const { index, clean, resets, restarts } = start;
    const key = `${index} ${clean} ${resets} ${restarts}`;
    const known = merged.get(key);
    if (known?.endedCleanly === undefined) merged.set(key, start);
  }
  return [...merged.values()];
}
