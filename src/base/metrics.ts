/**
 * Counters and gauges by name (`snake_case`, unit last). Labels have few values: never an identifier from outside.
 */
export type MetricLabels = Readonly<Record<string, string>>;

export interface Metrics {
  count(name: string, by?: number, labels?: MetricLabels): void;
  gauge(name: string, value: number, labels?: MetricLabels): void;
}

export interface MetricSample {
  readonly name: string;
  readonly labels: MetricLabels;
  readonly value: number;
}

/** Series beyond this many are dropped into `metrics_series_dropped`, so that a bad label cannot eat the memory. */
const SERIES_MAX = 2_000;

/** Metrics held in memory and read as a snapshot, for status and for tests. */
export class MemoryMetrics implements Metrics {
  readonly #series = new Map<string, { name: string; labels: MetricLabels; value: number }>();

  count(name: string, by = 1, labels: MetricLabels = {}): void {
    const series = this.#find(name, labels);
    series.value += by;
  }

  gauge(name: string, value: number, labels: MetricLabels = {}): void {
    this.#find(name, labels).value = value;
  }

  value(name: string, labels: MetricLabels = {}): number {
    return this.#series.get(keyOf(name, labels))?.value ?? 0;
  }

  snapshot(): readonly MetricSample[] {
    return [...this.#series.values()].map((series) => ({ ...series }));
  }

  #find(name: string, labels: MetricLabels): { value: number } {
    const key = keyOf(name, labels);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (this.#series.size >= SERIES_MAX && name !== 'metrics_series_dropped') {
      this.count('metrics_series_dropped');
      return { value: 0 };
    }
    const fresh = { name, labels, value: 0 };
    this.#series.set(key, fresh);
    return fresh;
  }
}

function keyOf(name: string, labels: MetricLabels): string {
  const names = Object.keys(labels);
  // Counted for each chunk of each line: most have one label.
  const [only] = names;
  if (only === undefined) return name;
  if (names.length === 1) return `${name}{${only}=${labels[only]}}`;
  const pairs = names.sort().map((label) => `${label}=${labels[label]}`);
  return `${name}{${pairs.join(',')}}`;
}
