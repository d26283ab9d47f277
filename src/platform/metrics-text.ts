/** Metrics in the text exposition format 0.0.4 of Prometheus, each name after a prefix, one sample a line. */
import type { MetricSample } from '../base/metrics.ts';

export function metricsText(prefix: string, samples: readonly MetricSample[]): string {
  const lines = samples.map(({ name, labels, value }) => {
    const pairs = Object.keys(labels)
      .sort()
      .map((label) => `${plain(label)}="${escaped(labels[label] ?? '')}"`);
    return `${plain(`${prefix}_${name}`)}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`;
  });
  // Samples of one name stand together, as the format asks.
  return lines
    .sort()
    .map((line) => `${line}\n`)
    .join('');
}

function plain(name: string): string {
  return name.replaceAll(/[^a-zA-Z0-9_]/g, '_');
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
