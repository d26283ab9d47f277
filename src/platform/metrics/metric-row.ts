/**
 * What a metric means: one row for each name that the code counts. Tables of rows give monitoring its help texts and its
 * names, and tests hold code, alert rules and dashboards against them.
 */
export interface MetricRow {
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
  /** Names of its labels; their values are few, and never from outside. */
  readonly labels?: readonly string[];
  /** The name outside, where the rule below would make a bad one. */
  readonly as?: string;
}

/** By the name that the code uses. */
export type MetricTable = Readonly<Record<string, MetricRow>>;

/** Conventions of Prometheus: base units, the unit last, `_total` behind a counter. */
const UNITS: readonly (readonly [ending: string, base: string, divisor: number])[] = [
  ['_ms', '_seconds', 1_000],
  ['_kib', '_bytes', 1 / 1_024],
  ['_percent', '_ratio', 100],
];
const PREFIX = 'latchkey_';
/** What every exporter calls the same has no prefix, so that common dashboards know it. */
const COMMON = /^(process|nodejs)_/;

export interface OutsideMetric {
  readonly name: string;
  /** A value of the code is divided by this. */
  readonly divisor: number;
}

export function outsideMetric(name: string, { kind, as }: MetricRow): OutsideMetric {
  const unit = UNITS.find(([ending]) => name.endsWith(ending));
  const based = unit === undefined ? name : `${name.slice(0, -unit[0].length)}${unit[1]}`;
  const outside = as ?? based;
  const prefixed = COMMON.test(outside) ? outside : `${PREFIX}${outside}`;
  return { name: kind === 'counter' ? `${prefixed}_total` : prefixed, divisor: unit?.[2] ?? 1 };
}
