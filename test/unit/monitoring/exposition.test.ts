import { expect, test } from 'vitest';
import { exposition } from '../../../src/platform/metrics/exposition.ts';

// Expected lines after prometheus.io/docs/instrumenting/exposition_formats, "Text format example".
test('samples become lines under their help and type, with labels escaped', () => {
  const table = {
    requests: { kind: 'counter', labels: ['code', 'method'], help: 'The total number of HTTP requests.' },
    odd: { kind: 'gauge', help: 'A "quoted" C:\\DIR\nand a line.' },
  } as const;
  const samples = [
    { name: 'requests', labels: { method: 'post', code: '200' }, value: 1_027 },
    { name: 'odd', labels: { path: 'C:\\DIR\\FILE.TXT', error: 'Cannot find file:\n"FILE.TXT"' }, value: 1.5 },
    { name: 'requests', labels: { method: 'post', code: '400' }, value: 3 },
  ];
  expect(exposition(table, samples)).toBe(
    '# HELP latchkey_odd A "quoted" C:\\\\DIR\\nand a line.\n' +
      '# TYPE latchkey_odd gauge\n' +
      'latchkey_odd{error="Cannot find file:\\n\\"FILE.TXT\\"",path="C:\\\\DIR\\\\FILE.TXT"} 1.5\n' +
      '# HELP latchkey_requests_total The total number of HTTP requests.\n' +
      '# TYPE latchkey_requests_total counter\n' +
      'latchkey_requests_total{code="200",method="post"} 1027\n' +
      'latchkey_requests_total{code="400",method="post"} 3\n',
  );
  expect(exposition(table, [])).toBe('');
});

test('units become base units, and what has no row is shown all the same', () => {
  const table = {
    age_ms: { kind: 'gauge', help: 'Age.' },
    fill_percent: { kind: 'gauge', help: 'Fill.' },
    process_cpu_seconds: { kind: 'counter', help: 'Time.' },
  } as const;
  const text = exposition(table, [
    { name: 'age_ms', labels: {}, value: 1_500 },
    { name: 'fill_percent', labels: {}, value: 25 },
    { name: 'process_cpu_seconds', labels: {}, value: 2 },
    { name: 'constructor', labels: {}, value: 7 },
  ]);
  expect(text).toContain('\nlatchkey_age_seconds 1.5\n');
  expect(text).toContain('\nlatchkey_fill_ratio 0.25\n');
  expect(text).toContain('\nprocess_cpu_seconds_total 2\n');
  expect(text).toContain('\nlatchkey_constructor 7\n');
});
