import { describe, expect, test } from 'vitest';
import { GATEWAY_METRICS } from '../../../src/edge/gateway/metrics-table.ts';
import { type MetricTable, outsideMetric } from '../../../src/platform/metrics/metric-row.ts';
import { CONSUMER_METRICS } from '../../../src/risk/receive/metrics-table.ts';
import { countedIn, countedInText } from './support.ts';

const PROCESSES = [
  ['a gateway', GATEWAY_METRICS, ['edge', 'platform']],
  ['a consumer', CONSUMER_METRICS, ['risk', 'platform']],
] as const satisfies readonly (readonly [string, MetricTable, readonly string[]])[];

test('names are read out of calls as they are written here', () => {
  const source = [
    "this.#parts.metrics.count('plain');",
    "metrics.gauge('level', LEVELS.indexOf(level));",
    "metrics.count(\n  'labelled',\n  1,\n  { port: port.name, fault },\n);",
    "metrics.count(code === 'REFUSED' ? 'yes' : 'no');",
  ].join('\n');
  expect(countedInText('x.ts', source).map(({ name, kind, labels }) => [name, kind, labels])).toEqual([
    ['plain', 'counter', []],
    ['level', 'gauge', []],
    ['labelled', 'counter', ['port', 'fault']],
    ['yes', 'counter', []],
    ['no', 'counter', []],
  ]);
  expect(() => countedInText('x.ts', 'metrics.count(name);')).toThrow('without a name');
});

describe.each(PROCESSES)('the metrics of %s', (_, table, folders) => {
  const counted = countedIn(folders);

  test('have a row for each name that the code counts, of its kind and with its labels', () => {
    expect(counted.length).toBeGreaterThan(20);
    for (const { name, kind, labels, file } of counted) {
      const row = table[name];
      expect(row, `${name}, counted in ${file}, has no row`).toBeDefined();
      expect(row?.kind, `${name} in ${file}`).toBe(kind);
      if (labels !== undefined)
        expect([...(row?.labels ?? [])].sort(), `${name} in ${file}`).toEqual([...labels].sort());
    }
  });

  // prometheus.io/docs/practices/naming: base units, the unit last, _total behind counters and nothing else.
  test('have names outside that follow the conventions of Prometheus, each once', () => {
    const names = Object.entries(table).map(([name, row]) => ({ name: outsideMetric(name, row).name, row }));
    expect(new Set(names.map(({ name }) => name)).size).toBe(names.length);
    for (const { name, row } of names) {
      expect(name).toMatch(/^(latchkey|process|nodejs)_[a-z0-9]+(_[a-z0-9]+)*$/);
      expect(name.endsWith('_total'), name).toBe(row.kind === 'counter');
      expect(name, name).not.toMatch(/_(ms|kib|mib|percent|millis)(_|$)/);
      expect(row.help, name).toMatch(/^[A-Z0-9].+\.$/);
      for (const label of row.labels ?? []) expect(label).toMatch(/^[a-z_]+$/);
    }
  });

  test('are counted somewhere, where their table says counter', () => {
    const used = new Set(counted.map(({ name }) => name));
    const read = new Set(['metrics_series_dropped', 'process_cpu_seconds', 'ledger_read', 'casework_late_unread']);
    const idle = Object.entries(table).filter(
      ([name, { kind }]) => kind === 'counter' && !used.has(name) && !read.has(name),
    );
    expect(idle.map(([name]) => name)).toEqual([]);
  });
});
