import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { GATEWAY_METRICS } from '../../../src/edge/gateway/metrics-table.ts';
import { outsideMetric } from '../../../src/platform/metrics/metric-row.ts';
import { CONSUMER_METRICS } from '../../../src/risk/receive/metrics-table.ts';

const read = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../../../config/monitoring', name), 'utf8');

const rulesSchema = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^Latchkey[A-Za-z]+$/),
          expr: z.string(),
          for: z
            .string()
            .regex(/^\d+[smhd]$/)
            .optional(),
          labels: z.strictObject({ severity: z.enum(['info', 'warning', 'critical']) }),
          annotations: z.strictObject({ summary: z.string().min(10), remedy: z.string().min(10) }),
        }),
      ),
    }),
  ),
});

const dashboardSchema = z.looseObject({
  title: z.literal('Latchkey'),
  panels: z.array(
    z.looseObject({
      id: z.int(),
      title: z.string(),
      targets: z.array(z.looseObject({ expr: z.string(), legendFormat: z.string() })).optional(),
    }),
  ),
});

/** By the name outside: the labels that a rule may ask for. */
const LABELS = new Map(
  Object.entries({ ...GATEWAY_METRICS, ...CONSUMER_METRICS }).map(([name, row]) => [
    outsideMetric(name, row).name,
    ['instance', 'job', ...(row.labels ?? [])],
  ]),
);
const METRIC = /\b(?:latchkey|process|nodejs)_[a-z0-9_]+/g;

const metricsOf = (expr: string): readonly string[] => expr.match(METRIC) ?? [];

function labelsAsked(expr: string): readonly string[] {
  const matched = [...expr.matchAll(/([a-z_]+)=~?"/g)].map(([, label = '']) => label);
  const grouped = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/, */));
  return [...matched, ...grouped];
}

function check(expr: string, template: string): void {
  const metrics = metricsOf(expr);
  expect(metrics.length, expr).toBeGreaterThan(0);
  for (const metric of metrics) expect(LABELS.has(metric), `${metric} in ${expr}`).toBe(true);
  const known = metrics.flatMap((metric) => LABELS.get(metric) ?? []);
  const shown = [...template.matchAll(/\{\{ ?(?:\$labels\.)?([a-z_]+) ?\}\}/g)].map(([, label = '']) => label);
  for (const label of [...labelsAsked(expr), ...shown]) expect(known, `${label} in ${expr}`).toContain(label);
}

const { groups } = rulesSchema.parse(parse(read('latchkey.rules.yaml')));
const rules = groups.flatMap((group) => group.rules);
const dashboard = dashboardSchema.parse(JSON.parse(read('grafana.json')));

describe('the alert rules', () => {
  test('have names of their own', () => {
    expect(rules.length).toBeGreaterThan(20);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });

  test.each(rules)('$alert asks for metrics and labels that exist', ({ expr, annotations }) => {
    check(expr, annotations.summary);
  });
});

describe('the dashboard', () => {
  const targets = dashboard.panels.flatMap(({ title, targets: of = [] }) => of.map((target) => ({ title, ...target })));

  test('has panels, each once', () => {
    expect(targets.length).toBeGreaterThan(20);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });

  test.each(targets)('$title: $expr', ({ expr, legendFormat }) => {
    check(expr, legendFormat);
  });
});
