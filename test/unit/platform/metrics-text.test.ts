import { expect, test } from 'vitest';
import { metricsText } from '../../../src/platform/metrics-text.ts';

// Expected text after prometheus.io/docs/instrumenting/exposition_formats, "Text format example".
test('samples become lines with a prefix, sorted, with labels escaped', () => {
  const samples = [
    { name: 'intake_messages', labels: { kind: 'batch' }, value: 3 },
    { name: 'broker_up', labels: {}, value: 1 },
    { name: 'odd-name', labels: { path: 'C:\\DIR\\FILE.TXT', error: 'Cannot find file:\n"FILE.TXT"' }, value: 1.5 },
  ];
  expect(metricsText('latchkey', samples)).toBe(
    'latchkey_broker_up 1\n' +
      'latchkey_intake_messages{kind="batch"} 3\n' +
      'latchkey_odd_name{error="Cannot find file:\\n\\"FILE.TXT\\"",path="C:\\\\DIR\\\\FILE.TXT"} 1.5\n',
  );
  expect(metricsText('latchkey', [])).toBe('');
});
