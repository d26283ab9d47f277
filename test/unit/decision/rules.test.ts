/** Each rule at its boundaries: the last value that does not fire it, and the first that does. */
import { describe, expect, test } from 'vitest';
import { judge, RULES } from '../../../src/risk/decision/decide.ts';
import type { Facts, OperatorFacts, PatternFacts, RecentRefund } from '../../../src/risk/decision/facts.ts';
import { parseFacts } from '../../../src/risk/decision/facts-schema.ts';
import { poissonTailMicro } from '../../../src/risk/decision/poisson.ts';
import { rulesetSchema } from '../../../src/risk/decision/ruleset.ts';
import { codes, contradiction, DAY_MS, decided, facts, NOW_MS, parcel, recent, refundOf } from './support.ts';

const MINUTE_MS = 60_000;

function hits(of: Facts): readonly string[] {
  return decided(of)
    .rules.filter(({ hit }) => hit)
    .map(({ code }) => code);
}

function byOperator(more: Partial<OperatorFacts>, amount_minor = 8_000): Facts {
  return facts({ refund: { amount_minor }, operator: { recent: [], ...more } });
}

describe('R01: three refunds over $100 in 24 hours', () => {
  const two = (agoMs: number, amount: number): readonly RecentRefund[] => [
    recent('r-a', 1_000, 10_001),
    recent('r-b', agoMs, amount),
  ];
  test.for([
    ['a third of $100.01', two(2_000, 10_001), 10_001, true],
    ['a third of exactly $100.00', two(2_000, 10_001), 10_000, false],
    ['one before of exactly $100.00', two(2_000, 10_000), 10_001, false],
    ['one 24 h ago less a millisecond', two(DAY_MS - 1, 10_001), 10_001, true],
    ['one exactly 24 h ago', two(DAY_MS, 10_001), 10_001, false],
    ['one at the same millisecond', two(0, 10_001), 10_001, true],
    ['one that is dated later', two(-1, 10_001), 10_001, true],
    ['one dated so much later that no window holds both', two(1_000 - DAY_MS, 10_001), 10_001, false],
    ['one dated just so much later', two(1_001 - DAY_MS, 10_001), 10_001, true],
    ['this refund among the others by mistake', [...two(DAY_MS, 1), recent('r-1', 5, 99_999)], 10_001, false],
  ] as const)('%s', ([, others, amount, hit]) => {
    const of = byOperator({ recent: others }, amount);
    expect(hits(of).includes('R01')).toBe(hit);
    if (hit) {
      expect(decided(of)).toMatchObject({ outcome: 'HOLD', investigate: true, pay_now: false });
      expect(decided(of).reasons.find(({ code }) => code === 'R01')?.refunds).toContain('r-1');
    }
  });

  test('is counted in dollars: of yen and euros by the rate of their table, to the last digit', () => {
    const rate = { usd_e9: 1_080_000_000, day: '2026-11-21' };
    // EUR 92.59 are $99.9972, EUR 92.60 are $100.008.
    const euros = (amount_minor: number): Facts => ({
      ...byOperator({ recent: two(5, 10_001) }),
      refund: refundOf({ amount_minor, currency: 'EUR' }),
      rate,
    });
    expect(hits(euros(9_259))).not.toContain('R01');
    expect(hits(euros(9_260))).toContain('R01');
    const yen = { usd_e9: 6_500_000, day: '2026-11-21' };
    const ofYen = (amount_minor: number): Facts => ({
      ...byOperator({ recent: two(5, 10_001) }),
      refund: refundOf({ amount_minor, currency: 'JPY' }),
      rate: yen,
    });
    // JPY has no minor unit: 15,384 yen are $99.996, 15,385 are $100.0025.
    expect(hits(ofYen(15_384))).not.toContain('R01');
    expect(hits(ofYen(15_385))).toContain('R01');
  });

  test('a missing rate is a hold with a short deadline, of this refund or of one before', () => {
    const own = decided(facts({ refund: { currency: 'EUR' } }));
    const before = decided(byOperator({ recent: [recent('r-a', 5, 50, { currency: 'EUR' })] }));
    for (const decision of [own, before]) {
      expect(decision.outcome).toBe('HOLD');
      expect(codes(decision)).toContain('DEPENDENCY_DOWN');
      expect(decision.deadline_at_ms).toBe(NOW_MS + rulesetSchema.parse({}).dependency_deadline_ms);
    }
  });
});

describe('the other rules', () => {
  test('R01b: what is usual for one operator is not for another', () => {
    const others = Array.from({ length: 5 }, (_, i) => recent(`r-${i + 10}`, i * 1_000, 20_000));
    expect(hits(byOperator({ recent: others, usual_per_day_milli: 100 }, 20_000))).toContain('R01b');
    expect(hits(byOperator({ recent: others, usual_per_day_milli: 5_000 }, 20_000))).not.toContain('R01b');
    expect(hits(byOperator({ recent: others }, 20_000))).not.toContain('R01b');
  });

  test('R01b: one large refund is never too many, however rare it is; a second one may be', () => {
    expect(hits(byOperator({ recent: [], usual_per_day_milli: 0 }, 20_000))).not.toContain('R01b');
    expect(hits(byOperator({ recent: [recent('r-a', 1, 20_000)], usual_per_day_milli: 0 }, 20_000))).toContain('R01b');
  });

  test('R01b: what is large, and how long a day is, is what R01 says', () => {
    const two = byOperator({ recent: [recent('r-a', 7_200_000, 20_000)], usual_per_day_milli: 0 }, 20_000);
    const settings = [{}, { velocity_usd_minor: 20_000 }, { velocity_window_ms: 7_200_000 }];
    const fired = settings.map((one) => decided(two, one).rules.some(({ code, hit }) => code === 'R01b' && hit));
    expect(fired).toEqual([true, false, false]);
  });

  test('the tail of the distribution is that of the tables', () => {
    // 1 - e^-0.5 (1 + 0.5 + 0.125) = 0.0143877, 1 - e^-1 (1 + 1 + 0.5) = 0.0803013, 1 - e^-2 * 5 = 0.3233235.
    expect([500, 1_000, 2_000].map((mean) => poissonTailMicro(3, mean))).toEqual([14_387, 80_301, 323_323]);
    expect(poissonTailMicro(0, 500)).toBe(1_000_000);
    expect(poissonTailMicro(1, 0)).toBe(0);
  });

  test.for([
    [60 * MINUTE_MS, true],
    [60 * MINUTE_MS + 1, false],
    [0, true],
    [-1, false],
  ] as const)('R03: %d ms after an exception: %j', ([agoMs, hit]) => {
    const exception = { at_ms: NOW_MS - agoMs, event: 'e#1', operator: 'op-1' };
    expect(hits(facts({ parcels: [parcel({ exception })] })).includes('R03')).toBe(hit);
  });

  test('R03: an exception after the request hides none before it', () => {
    const exception = { at_ms: NOW_MS + 1, event: 'e#2' };
    const before = { at_ms: NOW_MS - 60 * MINUTE_MS, event: 'e#1', operator: 'op-1' };
    const told = (...exceptions_before: readonly (typeof before)[]): Facts =>
      facts({ parcels: [parcel({ exception, ...(exceptions_before.length > 0 && { exceptions_before }) })] });
    expect(hits(told())).not.toContain('R03');
    expect(hits(told(before))).toContain('R03');
    expect(hits(told({ ...before, at_ms: before.at_ms - 1 }))).not.toContain('R03');
    expect(parseFacts(JSON.parse(JSON.stringify(told(before))))).toMatchObject({ ok: true });
  });

  test('R04: a lower refund in between ends the run, one exactly at the limit does not', () => {
    const run = (middle: number): Facts =>
      byOperator({ recent: [recent('r-a', 1_000, middle), recent('r-b', 2_000, 25_000)] }, 25_000);
    expect(hits(run(25_000))).toContain('R04');
    expect(hits(run(24_999))).not.toContain('R04');
    const p95 = byOperator(
      { recent: [recent('r-a', 1, 25_000), recent('r-b', 2, 25_000)], tenant_p95_usd_minor: 30_000 },
      25_000,
    );
    expect(hits(p95)).not.toContain('R04');
    expect(decided(run(25_000)).approvals).toBe(2);
  });

  test('R06: to the last cent, and nothing but a person can release it', () => {
    const of = (refunded_minor: number): Facts =>
      facts({ payment: { captured_minor: 10_000, refunded_minor, disputed_minor: 1_000 } });
    expect(hits(of(1_000))).not.toContain('R06');
    expect(decided(of(1_001))).toMatchObject({ outcome: 'HOLD', blocked: true, pay_now: false });
  });

  test('R06: what another open refund takes up may be left again, and what is paid may not', () => {
    const of = (open_minor: number): Facts =>
      facts({ wording: 3, payment: { captured_minor: 8_000, refunded_minor: 8_000, disputed_minor: 0, open_minor } });
    const ended = 'if the other refunds of its payment that are open were denied or cancelled';
    expect(decided(of(8_000)).counterfactuals).toEqual([{ outcome: 'PAY', text: ended }]);
    expect(decided(of(1)).counterfactuals).toEqual([
      {
        outcome: 'PAY',
        text: expect.stringMatching(`^${ended} and (no more were asked for than is left|it were for a smaller)`),
      },
    ]);
    const paid = facts({ payment: { captured_minor: 8_000, refunded_minor: 8_000, disputed_minor: 0 } });
    expect(decided(paid)).toMatchObject({ blocked: true, counterfactuals: [] });
  });

  test('R07 and R08 ask for a second person and for approvals', () => {
    const elsewhere = decided(facts({ refund: { destination: 'other' } }));
    expect(elsewhere).toMatchObject({ outcome: 'STEP_UP', approvals: 2, pay_now: false });
    expect(hits(facts({ refund: { amount_minor: 49_999 } }))).not.toContain('R08');
    expect(hits(facts({ refund: { amount_minor: 50_000 } }))).toContain('R08');
  });

  test.for([
    ['R09', { approvals: { total: 10, top_pair: 7 } }, true],
    ['R09', { approvals: { total: 10, top_pair: 6 } }, false],
    ['R09', { approvals: { total: 9, top_pair: 9 } }, false],
    ['R11', { weak_share: { refunds: 10, own_milli: 301, peers_milli: 100 } }, true],
    ['R11', { weak_share: { refunds: 10, own_milli: 300, peers_milli: 100 } }, false],
    ['R11', { weak_share: { refunds: 9, own_milli: 900, peers_milli: 100 } }, false],
  ] as const)('%s of %j: %j', ([code, more, hit]) => {
    expect(hits(byOperator(more)).includes(code)).toBe(hit);
  });

  test.for([
    ['R10', { courier_lift: { refunds: 5, lift_milli: 3_000, p_micro: 9_999 } }, true],
    ['R10', { courier_lift: { refunds: 5, lift_milli: 2_999, p_micro: 9_999 } }, false],
    ['R10', { courier_lift: { refunds: 5, lift_milli: 3_000, p_micro: 10_000 } }, false],
    ['R10', { courier_lift: { refunds: 4, lift_milli: 9_000, p_micro: 1 } }, false],
    ['R12', { customer: { orders: 5, refunded_milli: 401 } }, true],
    ['R12', { customer: { orders: 5, refunded_milli: 400 } }, false],
    ['R12', { customer: { orders: 4, refunded_milli: 900 } }, false],
    ['R13', { locker_loss: { upper_milli: 31, fleet_milli: 10 } }, true],
    ['R13', { locker_loss: { upper_milli: 30, fleet_milli: 10 } }, false],
    ['R14', { chargebacks: { count: 3, shared: 'courier c-1' } }, true],
    ['R14', { chargebacks: { count: 2, shared: 'courier c-1' } }, false],
    ['R16', { promotion: true }, false],
  ] as const)('%s of %j: %j', ([code, more, hit]) => {
    const patterns: PatternFacts = { as_of_ms: NOW_MS, ...more };
    expect(hits(facts({ patterns })).includes(code)).toBe(hit);
  });

  test('R16: while a promotion runs more is usual, and nothing else changes', () => {
    const others = Array.from({ length: 3 }, (_, i) => recent(`r-${i + 10}`, i, 20_000));
    const of = (promotion: boolean): Facts => ({
      ...byOperator({ recent: others, usual_per_day_milli: 190 }, 20_000),
      patterns: { as_of_ms: NOW_MS, promotion },
    });
    expect(hits(of(false))).toContain('R01b');
    expect(hits(of(true))).not.toContain('R01b');
    expect(hits(of(true))).toContain('R01');
  });

  test('R02, R05 and R15 stand on what the ledger found', () => {
    expect(hits(facts({ parcels: [parcel({ contradictions: [contradiction('C14')] })] }))).toContain('R02');
    const innocent = contradiction('C14', { innocent: 'a position that is not accurate' });
    expect(hits(facts({ parcels: [parcel({ contradictions: [innocent] })] }))).not.toContain('R02');
    const claimed = parcel({ return: { ...parcel().return, signals: [] } });
    expect(hits(facts({ parcels: [claimed] }))).toContain('R05');
    // A small sum may be paid ahead of the parcel, but not on a claim that nothing confirms.
    const small = { amount_minor: 2_500 };
    const nothing = parcel({ return: { ...parcel().return, state: 'RMA_OPEN', signals: [], events: [] } });
    expect(hits(facts({ refund: small, parcels: [nothing] }))).not.toContain('R05');
    expect(hits(facts({ refund: small, parcels: [claimed] }))).toContain('R05');
    const against = { ...nothing, contradictions: [contradiction('C12')] };
    expect(hits(facts({ refund: small, parcels: [against] }))).toContain('R05');
    const waiting = parcel({ waiting_for: { gateway: 'gw-1', since_ms: NOW_MS } });
    expect(hits(facts({ parcels: [waiting] }))).toContain('R15');
    const outside = parcel({ contradictions: [contradiction('C14', { events: ['e#14'] })] });
    const late = { ...outside, exception: { at_ms: NOW_MS, event: 'wms:3' } };
    const reasons = decided(facts({ parcels: [late] })).reasons.filter(({ code }) => code === 'R02' || code === 'R03');
    expect(reasons.map(({ events }) => events)).toEqual([['e#14'], ['wms:3']]);
    for (const { wording } of reasons) expect(wording.regulator).toContain('which a person can change');
    expect(hits(facts())).toEqual([]);
  });
});

describe('a rule that fails', () => {
  test.for(RULES.map((rule) => [rule.code, rule] as const))(
    '%s counts as fired, at its own severity',
    ([code, rule]) => {
      const broken = {
        ...rule,
        look: () => {
          throw new Error('a bug');
        },
      };
      const rules = RULES.map((one) => (one.code === code ? broken : one));
      const verdict = judge(facts(), rulesetSchema.parse({}), { rules });
      expect(verdict.outcome).toBe(rule.outcome);
      expect(verdict.rules.find((trace) => trace.code === code)).toMatchObject({ hit: true, error: true });
    },
  );

  test('all rules are there, each with its trace, fired or not', () => {
    const expected = ['R01', 'R01b', ...Array.from({ length: 15 }, (_, i) => `R${String(i + 2).padStart(2, '0')}`)];
    expect(decided(facts()).rules.map(({ code }) => code)).toEqual(expected);
    for (const { observed, threshold } of decided(facts()).rules) expect(`${observed}${threshold}`).not.toBe('');
  });
});
