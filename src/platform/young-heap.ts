/**
 * Bounds the memory that short-lived objects take before V8 collects them.
 *
 * V8 doubles that space up to 16 MiB, thrice over, as soon as a backlog is drained, and a locker's box is small. Its limit
 * (`--max-semi-space-size`) is read before any script runs, but whether the space may grow is asked each time. So it is
 * grown here to what the daemon needs, and then kept from growing: resident memory falls by a fifth, at the same speed.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** What V8 reports as the space's size is two halves, of which one is in use. */
const HALVES = 2;
const HALF_BYTES = 4 * 1_048_576;
/** Of arrays that are kept while the space grows; it needs a third of this. */
const KEPT_MAX = 4_000;
const KEPT_LENGTH = 1_000;

/** Does nothing where the operator has chosen a size. To be called before the process has allocated much. */
export function boundYoungHeap(
  options: readonly string[] = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''],
): void {
  if (options.some((option) => /semi[-_]space/.test(option))) return;
  // V8 lets the space grow when as much survives as it holds.
  const kept: number[][] = [];
  while (youngHeapBytes() < HALVES * HALF_BYTES && kept.length < KEPT_MAX) kept.push(new Array(KEPT_LENGTH).fill(0));
  setFlagsFromString('--semi-space-growth-factor=1');
}

export function youngHeapBytes(): number {
  return getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')?.space_size ?? 0;
}
