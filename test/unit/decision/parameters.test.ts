/** Each parameter of a ruleset just below, at and just above its value: of its default, and of another, so that none is fixed. */
import { describe, expect, test } from 'vitest';
import type { Decision } from '../../../src/risk/decision/decision.ts';
import type { Facts, OperatorFacts, PatternFacts, RefundFacts, Signal } from '../../../src/risk/decision/facts.ts';
import { poissonTailMicro } from '../../../src/risk/decision/poisson.ts';
import { type Parameters, rulesetSchema } from '../../../src/risk/decision/ruleset.ts';
import { codes, decided, facts, NOW_MS, parcel, recent, signal } from './support.ts';

type Probe = readonly [of: Facts, expected: boolean];

interface Row {
  /** Another value that the parameter may have. */
  readonly other: number;
  readonly sees: (decision: Decision, value: number) => boolean;
  /** What is just below, at and just above. */
  readonly around: (value: number) => readonly Probe[];
}

const fires =
  (code: string) =>
  ({ rules }: Decision): boolean =>
    rules.some((rule) => rule.code === code && rule.hit);

function asked(amount_minor: number, operator: Partial<OperatorFacts> = {}): Facts {
  return facts({ refund: { amount_minor }, operator: { recent: [], ...operator } });
}

/** A return of which these signals tell, of below, at and above an amount. */
function returns(value: number, signals: readonly Signal[], last: 'at' | 'above'): readonly Probe[] {
  const none = signals.length === 0 ? ({ state: 'RMA_OPEN', events: [] } as const) : {};
  const back = { ...parcel().return, ...none, signals };
  const of = (amount_minor: number): Facts => facts({ refund: { amount_minor }, parcels: [parcel({ return: back })] });
  return [
    [of(value - 1), false],
    [of(value), last === 'at'],
    [of(value + 1), true],
  ];
}

/** So many others of that amount beside one of the same. */
function run(others: number, amount: number, agoMs = 1_000): Facts {
  const all = Array.from({ length: others }, (_, i) => recent(`r-${i + 10}`, i === 0 ? agoMs : i, amount));
  return asked(amount, { recent: all });
}

function operator(more: (value: number) => Partial<OperatorFacts>): (value: number) => Facts {
  return (value) => asked(8_000, more(value));
}

function patterns(more: (value: number) => Omit<PatternFacts, 'as_of_ms'>): (value: number) => Facts {
  return (value) => facts({ patterns: { as_of_ms: NOW_MS, ...more(value) } });
}

type Of = (value: number) => Facts;
/** Where the value itself fires. */
const fromOn =
  (of: Of): Row['around'] =>
  (value) => [
    [of(value - 1), false],
    [of(value), true],
    [of(value + 1), true],
  ];
/** Where only what is more fires. */
const above =
  (of: Of): Row['around'] =>
  (value) => [
    [of(value - 1), false],
    [of(value), false],
    [of(value + 1), true],
  ];
/** Where only what is less fires. */
const below =
  (of: Of): Row['around'] =>
  (value) => [
    [of(value - 1), true],
    [of(value), false],
    [of(value + 1), false],
  ];

const holds = ({ outcome }: Decision): boolean => outcome !== 'PAY';
const waits = ({ deadline_at_ms }: Decision, value: number): boolean => deadline_at_ms === NOW_MS + value;
const always =
  (of: Facts): Row['around'] =>
  () => [[of, true]];
const secondPerson: Partial<RefundFacts> = { destination: 'other' };

/** The mean at which so many are that unlikely: in steps of less than a millionth. */
function meanOf(tailMicro: number): number {
  for (let mean = 1; mean < 20_000; mean += 1) if (poissonTailMicro(TAIL_COUNT, mean) === tailMicro) return mean;
  throw new Error(`no mean has a tail of ${tailMicro}`);
}
const TAIL_COUNT = 8;

const ROWS: Readonly<Record<keyof Parameters, Row>> = {
  instant_usd_minor: { other: 700, sees: holds, around: (value) => returns(value, [], 'above') },
  weak_usd_minor: { other: 6_000, sees: holds, around: (value) => returns(value, [signal('door')], 'above') },
  moderate_usd_minor: {
    other: 30_000,
    sees: (decision) => codes(decision).includes('evidence_below_value'),
    around: (value) => returns(value, [signal('door'), signal('occupancy')], 'above'),
  },
  approvals: {
    other: 3,
    sees: ({ approvals }, value) => approvals === value,
    around: always(facts({ refund: secondPerson })),
  },
  velocity_count: { other: 4, sees: fires('R01'), around: fromOn((value) => run(value - 1, 10_001)) },
  velocity_usd_minor: { other: 15_000, sees: fires('R01'), around: above((value) => run(2, value)) },
  velocity_window_ms: { other: 7_200_000, sees: fires('R01'), around: below((value) => run(2, 10_001, value)) },
  velocity_tail_micro: {
    other: 50,
    sees: fires('R01b'),
    around: below((value) => {
      const { operator: of } = run(TAIL_COUNT - 1, 20_000);
      return asked(20_000, { ...of, usual_per_day_milli: meanOf(value) });
    }),
  },
  after_exception_ms: {
    other: 600_000,
    sees: fires('R03'),
    around: (value) =>
      [value - 1, value, value + 1].map((agoMs): Probe => {
        const exception = { at_ms: NOW_MS - agoMs, event: 'wms:1' };
        return [facts({ parcels: [parcel({ exception })] }), agoMs <= value];
      }),
  },
  consecutive_count: { other: 4, sees: fires('R04'), around: fromOn((value) => run(value - 1, 25_000)) },
  consecutive_usd_minor: { other: 30_000, sees: fires('R04'), around: fromOn((value) => run(2, value)) },
  consecutive_window_ms: { other: 7_200_000, sees: fires('R04'), around: below((value) => run(2, 25_000, value)) },
  step_up_usd_minor: { other: 8_000, sees: fires('R08'), around: fromOn((value) => asked(value)) },
  pair_share_milli: {
    other: 300,
    sees: fires('R09'),
    around: above(operator((top_pair) => ({ approvals: { total: 1_000, top_pair } }))),
  },
  pair_approvals: {
    other: 4,
    sees: fires('R09'),
    around: fromOn(operator((total) => ({ approvals: { total, top_pair: total } }))),
  },
  lift_milli: {
    other: 1_500,
    sees: fires('R10'),
    around: fromOn(patterns((lift_milli) => ({ courier_lift: { refunds: 5, lift_milli, p_micro: 1 } }))),
  },
  lift_refunds: {
    other: 8,
    sees: fires('R10'),
    around: fromOn(patterns((refunds) => ({ courier_lift: { refunds, lift_milli: 9_000, p_micro: 1 } }))),
  },
  lift_p_micro: {
    other: 500,
    sees: fires('R10'),
    around: below(patterns((p_micro) => ({ courier_lift: { refunds: 5, lift_milli: 3_000, p_micro } }))),
  },
  weak_share_times_milli: {
    other: 2_000,
    sees: fires('R11'),
    around: above(operator((own_milli) => ({ weak_share: { refunds: 10, own_milli, peers_milli: 1_000 } }))),
  },
  weak_share_refunds: {
    other: 20,
    sees: fires('R11'),
    around: fromOn(operator((refunds) => ({ weak_share: { refunds, own_milli: 900, peers_milli: 100 } }))),
  },
  customer_refunded_milli: {
    other: 250,
    sees: fires('R12'),
    around: above(patterns((refunded_milli) => ({ customer: { orders: 5, refunded_milli } }))),
  },
  customer_orders: {
    other: 12,
    sees: fires('R12'),
    around: fromOn(patterns((orders) => ({ customer: { orders, refunded_milli: 900 } }))),
  },
  locker_times_milli: {
    other: 2_000,
    sees: fires('R13'),
    around: above(patterns((upper_milli) => ({ locker_loss: { upper_milli, fleet_milli: 1_000 } }))),
  },
  chargebacks: {
    other: 7,
    sees: fires('R14'),
    around: fromOn(patterns((count) => ({ chargebacks: { count, shared: 'operator' } }))),
  },
  promotion_milli: {
    other: 3_000,
    sees: ({ rules }, value) =>
      rules.some(({ code, observed }) => code === 'R01b' && observed.includes(` ${(190 * value) / 1_000} thousandths`)),
    around: always({
      ...asked(20_000, { usual_per_day_milli: 190 }),
      patterns: { as_of_ms: NOW_MS, promotion: true },
    }),
  },
  dependency_deadline_ms: { other: 120_000, sees: waits, around: always(facts({ failed: ['payment'] })) },
  arrival_deadline_ms: {
    other: 7_200_000,
    sees: waits,
    around: always(facts({ parcels: [parcel({ waiting_for: { gateway: 'gw-1', since_ms: NOW_MS } })] })),
  },
  hold_deadline_ms: { other: 7_200_000, sees: waits, around: always(facts({ refund: secondPerson })) },
  // Of cases, which follow from a decision: test/integration/risk/casework.test.ts.
  containment_ms: { other: 120_000, sees: () => true, around: () => [] },
};

const NAMES = Object.keys(rulesetSchema.shape) as readonly (keyof Parameters)[];

test('every parameter has its row, and its other value is one that it may have', () => {
  expect(Object.keys(ROWS).sort()).toEqual([...NAMES].sort());
  for (const name of NAMES) {
    const { other } = ROWS[name];
    expect(rulesetSchema.parse({ [name]: other })[name]).toBe(other);
    expect(rulesetSchema.parse({})[name]).not.toBe(other);
  }
});

describe.each(['its default', 'another value'] as const)('at %s', (which) => {
  test.for(NAMES.map((name) => [name] as const))('%s', ([name]) => {
    const { other, around, sees } = ROWS[name];
    const value = which === 'another value' ? other : rulesetSchema.parse({})[name];
    for (const [at, [of, expected]] of around(value).entries()) {
      expect([at, sees(decided(of, { [name]: value }), value)]).toEqual([at, expected]);
    }
  });
});
