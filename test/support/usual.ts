/**
 * What a repeated action usually takes: the upper quartile. A limit on the slowest of all would be one on the machine,
 * which may stand still for seconds in the middle of one of them.
 */
export function usualMs(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  const usual = sorted[Math.ceil(0.75 * sorted.length) - 1];
  if (usual === undefined) throw new Error('nothing was measured');
  return usual;
}
