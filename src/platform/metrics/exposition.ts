/**
 * Samples in the text exposition format 0.0.4 of Prometheus, with help and type from a table.
 *
 * A library would hold a second store of what the house's `Metrics` hold already; the format is three kinds of lines.
 */
import type { MetricSample } from '../../base/metrics.ts';
import { type MetricRow, type MetricTable, outsideMetric } from './metric-row.ts';

export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Shown all the same, so that nothing that is counted is hidden. */
const UNDOCUMENTED: MetricRow = { kind: 'gauge', help: 'Not documented.' };

export function exposition(table: MetricTable, samples: readonly MetricSample[]): string {
  const families = new Map<string, { readonly row: MetricRow; readonly lines: string[] }>();
  for (const { name, labels, value } of samples) {
    const row = Object.hasOwn(table, name) ? (table[name] ?? UNDOCUMENTED) : UNDOCUMENTED;
    const outside = outsideMetric(name, row);
    const family = plain(outside.name);
    const known = families.get(family) ?? { row, lines: [] };
    known.lines.push(`${family}${labelText(labels)} ${value / outside.divisor}`);
    families.set(family, known);
  }
  // Lines of one name stand together, as the format asks.
  return [...families]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { row, lines }]) => {
      const head = [`# HELP ${name} ${escaped(row.help)}`, `# TYPE ${name} ${row.kind}`];
      return `${[...head, ...lines.sort()].join('\n')}\n`;
    })
    .join('');
}

function labelText(labels: MetricSample['labels']): string {
  const pairs = Object.keys(labels)
    .sort()
    .map((label) => `${plain(label)}="${escaped(labels[label] ?? '').replaceAll('"', '\\"')}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function plain(name: string): string {
  return name.replaceAll(/[^a-zA-Z0-9_]/g, '_');
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
