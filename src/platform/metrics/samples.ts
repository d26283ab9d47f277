/** Samples by hand: gauges that are read when somebody asks, instead of being kept. */
import type { MetricSample } from '../../base/metrics.ts';

/** Sum over all labels. */
export function totalOf(samples: readonly MetricSample[], names: readonly string[]): number {
  return samples.reduce((sum, { name, value }) => (names.includes(name) ? sum + value : sum), 0);
}

/** Without labels; what is undefined is left out. */
export function plainSamples(values: Readonly<Record<string, number | undefined>>): readonly MetricSample[] {
  return Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [{ name, labels: {}, value }]));
}

/** How many there are of each word; words that nobody has are 0, so that a rule sees them fall. */
export function countByWord(
  name: string,
  label: string,
  words: readonly string[],
  found: readonly string[],
): readonly MetricSample[] {
  return words.map((word) => ({
    name,
    labels: { [label]: word },
    value: found.filter((one) => one === word).length,
  }));
}
