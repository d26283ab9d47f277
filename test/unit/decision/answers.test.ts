/** What must hold of every answer, whatever the facts are: of each outcome, and of each rule that can fire. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { present } from '../../../src/base/assert.ts';
import { CONTRADICTIONS } from '../../../src/risk/decision/contradictions.ts';
import { outcomeUnder, RULES } from '../../../src/risk/decision/decide.ts';
import type { Decision } from '../../../src/risk/decision/decision.ts';
import type { Contradiction, Facts, ParcelFacts } from '../../../src/risk/decision/facts.ts';
import { parseFacts } from '../../../src/risk/decision/facts-schema.ts';
import { OUTCOMES } from '../../../src/risk/decision/outcome.ts';
import { rulesetSchema } from '../../../src/risk/decision/ruleset.ts';
import { SIGNAL_NAMES, SIGNALS } from '../../../src/risk/decision/signals.ts';
import { anyFacts } from './any-facts.ts';
import { DAY_MS, decided, signal } from './support.ts';

const RUNS = { numRuns: 250 };
const PARAMETERS = rulesetSchema.parse({});

function refsOf({ parcels }: Facts): ReadonlySet<string> {
  return new Set(
    parcels.flatMap(({ forward, return: back, contradictions, exception }) => [
      ...forward.events,
      ...back.events,
      ...contradictions.flatMap(({ events }) => events),
      ...(exception === undefined ? [] : [exception.event]),
    ]),
  );
}

test('of every outcome and every rule: the same again, in three wordings, on entries of its facts, with its versions and its deadline', () => {
  const outcomes = new Set<string>();
  const fired = new Set<string>();
  fc.assert(
    fc.property(anyFacts, (of) => {
      const decision = decided(of);
      const read = parseFacts(JSON.parse(JSON.stringify(of)));
      expect(read.ok && JSON.stringify(decided(read.value))).toBe(JSON.stringify(decision));
      const { reasons, outcome, pay_now, approvals, deadline_at_ms, next_check_at_ms, rules } = decision;
      expect(reasons.length).toBeGreaterThan(0);
      const refs = refsOf(of);
      for (const { wording, events } of reasons) {
        expect(new Set(Object.values(wording)).size).toBe(3);
        expect(Object.values(wording).every((words) => words.length > 10)).toBe(true);
        for (const ref of events) expect(refs).toContain(ref);
      }
      expect(outcomeUnder(of, PARAMETERS)).toBe(outcome);
      expect(pay_now).toBe((outcome === 'PAY' || outcome === 'PAY_AND_INVESTIGATE') && approvals === 0);
      expect(pay_now).toBe(deadline_at_ms === undefined);
      expect(next_check_at_ms === undefined).toBe(pay_now);
      expect(decision.ruleset).toMatch(/^v1-[0-9a-f]{12}$/);
      expect(decision).toMatchObject({ as_of_ms: of.as_of_ms, facts_hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
      outcomes.add(outcome);
      for (const { code, hit } of rules) if (hit) fired.add(code);
    }),
    RUNS,
  );
  expect([...outcomes].sort()).toEqual([...OUTCOMES].sort());
  // A promotion changes what is usual, and holds nothing.
  expect([...fired].sort()).toEqual(RULES.map(({ code }) => code).filter((code) => code !== 'R16'));
});

type Apply = (facts: Facts) => readonly Facts[];

const each =
  (change: (parcel: ParcelFacts) => ParcelFacts): Apply =>
  (facts) => [
    { ...facts, parcels: facts.parcels.map(change) },
    ...facts.parcels.map((parcel, i) => ({ ...facts, parcels: facts.parcels.with(i, change(parcel)) })),
  ];
const asking =
  (more: Partial<Facts['refund']>): Apply =>
  (facts) => [{ ...facts, refund: { ...facts.refund, ...more } }];
const returned = (state: ParcelFacts['return']['state']): Apply =>
  each((parcel) => ({ ...parcel, return: { ...parcel.return, state } }));
const cause = (one: Contradiction): Contradiction =>
  one.innocent === undefined ? { ...one, innocent: CONTRADICTIONS[one.code].innocent[0] ?? '' } : one;

function explain(codes: readonly string[]): Apply {
  const hits = ({ code }: Contradiction) => codes.includes(code);
  return (facts) => [
    ...each((parcel) => ({
      ...parcel,
      contradictions: parcel.contradictions.map((one) => (hits(one) ? cause(one) : one)),
    }))(facts),
    ...facts.parcels.flatMap((parcel, i) =>
      parcel.contradictions.flatMap((one, j) => {
        const contradictions = parcel.contradictions.with(j, cause(one));
        return hits(one) ? [{ ...facts, parcels: facts.parcels.with(i, { ...parcel, contradictions }) }] : [];
      }),
    ),
  ];
}

/** What each text says, done by another hand; where it does not say which parcel, to one of them or to all. */
const SAYINGS: readonly (readonly [text: RegExp, apply: (found: RegExpExecArray, decision: Decision) => Apply])[] = [
  ...SIGNAL_NAMES.map((name) => {
    const apply: Apply = (facts) => {
      const leg = facts.refund.kind === 'return' ? 'return' : 'forward';
      const of = (parcel: ParcelFacts) => ({ ...parcel[leg], signals: [...parcel[leg].signals, signal(name)] });
      return each((parcel) => ({ ...parcel, [leg]: of(parcel) }))(facts);
    };
    return [new RegExp(`^${SIGNALS[name].text} confirmed it`), () => apply] as const;
  }),
  [/^the warehouse inspected it and found it sound/, () => returned('R_INSPECTED_OK')],
  [/^an inspection found what is claimed/, () => returned('R_INSPECTED_DAMAGED')],
  [
    /^it turned out that it never reached its recipient/,
    () =>
      each(({ forward, ...parcel }) => ({
        ...parcel,
        forward: { ...forward, signals: [], state: forward.state === 'COLLECTED' ? 'MISSING' : 'EXPIRED' },
      })),
  ],
  [/^(C\d\d) \(\w+\) were explained: .+/, ([, code = '']) => explain([code])],
  [/^((?:C\d\d(?:, )?)+) were explained/, ([, codes = '']) => explain(codes.split(', '))],
  [
    /^((?:C\d\d(?:, )?)+) turned out not to be so/,
    ([, codes = '']) =>
      each(({ contradictions, ...parcel }) => ({
        ...parcel,
        contradictions: contradictions.filter(({ code }) => !codes.includes(code)),
      })),
  ],
  [
    /^when the time that runs has passed/,
    (_, { until_ms = 0 }) =>
      (of) => [{ ...of, as_of_ms: until_ms }],
  ],
  [
    /^it were asked for a day later/,
    () => (of) => {
      const refund = { ...of.refund, requested_at_ms: of.refund.requested_at_ms + DAY_MS };
      return [{ ...of, as_of_ms: of.as_of_ms + DAY_MS, refund }];
    },
  ],
  [/^it went to the original instrument/, () => asking({ destination: 'original' })],
  [/^it were for a smaller amount/, () => asking({ amount_minor: 1 })],
  [
    /^no more were asked for than is left of the payment/,
    () => (of) => {
      const { captured_minor = 0, refunded_minor = 0, disputed_minor = 0 } = of.payment ?? {};
      return asking({ amount_minor: captured_minor - refunded_minor - disputed_minor })(of);
    },
  ],
  [
    /^another operator asked for it/,
    () => (of) => {
      const { self_dealing: _, ...refund } = of.refund;
      return [{ ...of, refund: { ...refund, operator: 'op-another' }, operator: { recent: [] } }];
    },
  ],
  [
    /^what was found over weeks were no longer so/,
    () =>
      ({ patterns: _, ...of }) => [of],
  ],
  [
    /^what is missing were there, and nothing in it spoke against it/,
    () => (of) => {
      const rate = { usd_e9: 1, day: '2026-11-22' };
      const recent = (of.operator?.recent ?? []).map((one) => ({ rate, ...one }));
      const payment = { captured_minor: of.refund.amount_minor, refunded_minor: 0, disputed_minor: 0 };
      const { customer, ...found } = of.patterns ?? { as_of_ms: of.as_of_ms };
      const known = { ...of, ...(customer?.unrated !== undefined && { patterns: found }) };
      return [{ rate, payment, ...known, operator: { ...of.operator, recent }, failed: [] }];
    },
  ],
  [
    /^it named a parcel whose custody confirms it/,
    () => (of) => {
      const leg = { certainty: 'confirmed', custodian: 'unknown', signals: [], events: [] } as const;
      const state = of.refund.kind === 'return' ? 'R_INSPECTED_OK' : 'R_INSPECTED_DAMAGED';
      const forward = { ...leg, state: 'MISSING' } as const;
      return [
        { ...of, parcels: [{ ref: 'p-9', ledger_version: 1, forward, return: { ...leg, state }, contradictions: [] }] },
      ];
    },
  ],
  [
    /^the other refunds of its parcels were denied or cancelled/,
    () =>
      ({ refund: { alike: _, ...refund }, ...of }) => [{ ...of, refund }],
  ],
  [
    /^the other refunds of its payment that are open were denied or cancelled/,
    () => (of) => {
      const { open_minor = 0, ...payment } = present(of.payment, 'a payment');
      return [{ ...of, payment: { ...payment, refunded_minor: payment.refunded_minor - open_minor } }];
    },
  ],
  [/^the gateway that is awaited told what it owes/, () => each(({ waiting_for: _, ...parcel }) => parcel)],
];

/** All facts that a text may mean. */
function meant(facts: Facts, text: string, decision: Decision): readonly Facts[] {
  let rest = text.replace(/^if /, '');
  let worlds: readonly Facts[] = [facts];
  while (rest !== '') {
    const [said, apply] = sayingOf(rest);
    worlds = worlds.flatMap((of) => apply(said, decision)(of));
    rest = rest.slice(said[0].length).replace(/^ and /, '');
  }
  return worlds;
}

function sayingOf(rest: string): readonly [RegExpExecArray, (typeof SAYINGS)[number][1]] {
  for (const [text, apply] of SAYINGS) {
    const said = text.exec(rest);
    if (said !== null) return [said, apply];
  }
  throw new Error(`nobody knows what it means: ${rest}`);
}

test('every counterfactual comes true when what it says is done, and is milder; only what already pays, or never can, has none', () => {
  const texts = new Set<string>();
  fc.assert(
    fc.property(anyFacts, (of) => {
      const decision = decided(of);
      const { outcome, counterfactuals, pay_now } = decision;
      for (const one of counterfactuals) {
        expect(OUTCOMES.indexOf(one.outcome)).toBeLessThan(OUTCOMES.indexOf(outcome));
        const outcomes = meant(of, one.text, decision).map((world) => decided({ ...world, wording: 2 }).outcome);
        expect(outcomes, one.text).toContain(one.outcome);
        texts.add(one.text.includes(' and ') ? 'several' : one.text.replaceAll(/C\d\d.*/g, 'C'));
      }
      const { captured_minor = 1, refunded_minor = 0, open_minor = 0, disputed_minor = 0 } = of.payment ?? {};
      const nothingLeft = captured_minor - (refunded_minor - open_minor) - disputed_minor < 1;
      if (!pay_now && outcome !== 'PAY' && outcome !== 'PAY_AND_INVESTIGATE' && !nothingLeft)
        expect(counterfactuals.length, JSON.stringify(of)).toBeGreaterThan(0);
      else if (outcome === 'PAY') expect(counterfactuals).toEqual([]);
    }),
    RUNS,
  );
  expect([...texts]).toContain('several');
  expect(texts.size).toBeGreaterThan(12);
});
