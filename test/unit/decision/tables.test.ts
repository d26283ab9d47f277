/**
 * The figures of the model, written down a second time: weights, caps, grades, severities and actions. Whoever changes one
 * changes who is paid, and has to do so here too.
 */
import { describe, expect, test } from 'vitest';
import { CONTRADICTIONS } from '../../../src/risk/decision/contradictions.ts';
import { CLOCK_WEIGHT, gradeOf, LEVEL_WEIGHT } from '../../../src/risk/decision/grade.ts';
import { compareUsd } from '../../../src/risk/decision/money.ts';
import { rulesetSchema } from '../../../src/risk/decision/ruleset.ts';
import { GROUPS, SIGNALS, type SignalName } from '../../../src/risk/decision/signals.ts';
import { codes, DAY_MS, decided, facts, parcel, recent, signal } from './support.ts';

test('what a signal weighs for and against, and what its group counts at most', () => {
  const rows = Object.entries(SIGNALS).map(([name, { group, supportsDb, contradictsDb }]) => {
    return `${name} ${group} +${supportsDb} -${contradictsDb} <=${GROUPS[group].capDb}`;
  });
  expect(rows).toEqual([
    'scan claim +3 -3 <=6',
    'webhook claim +3 -3 <=6',
    'door access +6 -12 <=8',
    'weight mass +10 -14 <=12',
    'occupancy presence +8 -10 <=10',
    'code person +6 -4 <=8',
    'credential person +3 -3 <=8',
    'photo media +4 -8 <=6',
    'seal seal +5 -8 <=5',
    'geofence place +4 -6 <=4',
    'received downstream +20 -20 <=20',
  ]);
});

test('how far keys and clocks are believed', () => {
  expect(LEVEL_WEIGHT).toEqual({ unsigned: 100, declared: 1_000, A0: 400, A1: 800, A2: 1_000, A3: 1_000 });
  expect(CLOCK_WEIGHT).toEqual({ synced: 1_000, fair: 900, free: 700, rollback: 300 });
});

describe('grades at their boundaries', () => {
  const of = (...names: readonly SignalName[]) =>
    gradeOf(
      names.map((name) => signal(name)),
      [],
    );
  test.for([
    [['code'], 6_000, 'WEAK'],
    [['seal'], 5_000, 'WEAK'],
    [['geofence'], 4_000, 'NONE'],
    [['door', 'code'], 12_000, 'MODERATE'],
    [['occupancy', 'scan'], 11_000, 'WEAK'],
    [['received'], 20_000, 'WEAK'],
    [['door', 'code', 'occupancy'], 20_000, 'STRONG'],
    [['door', 'code', 'scan', 'geofence'], 19_000, 'MODERATE'],
    [['weight', 'received'], 30_000, 'MODERATE'],
  ] as const)('%j: %d thousandths of a deciban are %s', ([names, mdb, grade]) => {
    expect(of(...names)).toMatchObject({ mdb, grade });
  });

  test('two groups under a sealed key and one that is declared are not three', () => {
    const declared = signal('received', { level: 'declared' });
    expect(gradeOf([signal('door'), signal('occupancy'), declared], []).grade).toBe('MODERATE');
    expect(gradeOf([signal('door'), signal('occupancy'), signal('scan'), declared], []).grade).toBe('STRONG');
  });

  test('what speaks against: from six decibans on it contradicts', () => {
    expect(gradeOf([signal('geofence', { says: 'contradicts' })], []).grade).toBe('CONTRADICTED');
    expect(gradeOf([signal('code', { says: 'contradicts' })], []).grade).toBe('NONE');
  });
});

test('how severe a contradiction is, and what a hard one asks for', () => {
  const rows = Object.entries(CONTRADICTIONS).map(
    ([code, { name, severity, action }]) => `${code} ${name} ${severity} ${action}`,
  );
  expect(rows).toEqual([
    'C01 scan_no_door hard hold',
    'C02 door_no_auth hard investigate',
    'C03 deposit_no_occupancy hard hold',
    'C04 weight_mismatch soft review',
    'C05 empty_parcel hard hold',
    'C06 reopen_after_deposit hard investigate',
    'C07 forced_door hard investigate',
    'C08 offline_gap soft review',
    'C09 two_places hard hold',
    'C10 compartment_conflict hard hold',
    'C11 collect_before_deposit hard hold',
    'C12 duplicate_parcel hard hold',
    'C13 otp_abuse hard hold',
    'C14 geofence_miss hard hold',
    'C15 clock_rollback soft note',
    'C16 attest_fail hard hold',
    'C17 photo_reuse hard hold',
    'C18 phantom_return hard hold',
    'C19 door_implausible soft note',
    'C20 return_not_received soft investigate',
    'C21 log_fork hard hold',
    'C22 claim_after_collect hard review',
    'C23 seal_mismatch hard review',
    'C24 self_dealing hard hold',
  ]);
});

test('the parameters that a ruleset has unless its operator says otherwise', () => {
  expect(rulesetSchema.parse({})).toMatchObject({
    instant_usd_minor: 2_500,
    weak_usd_minor: 10_000,
    moderate_usd_minor: 50_000,
    approvals: 2,
    velocity_count: 3,
    velocity_usd_minor: 10_000,
    velocity_window_ms: DAY_MS,
    velocity_tail_micro: 100,
    after_exception_ms: 3_600_000,
    consecutive_count: 3,
    consecutive_usd_minor: 25_000,
    consecutive_window_ms: 7 * DAY_MS,
    step_up_usd_minor: 50_000,
    containment_ms: 3_600_000,
  });
});

test.for([
  ['USD', 10_000, 0],
  ['KWD', 30_769, -1],
  ['KWD', 30_770, 1],
  ['JPY', 31, 1],
  ['JPY', 30, -1],
  ['EUR', 3_077, 1],
  ['EUR', 3_076, -1],
  ['CLF', 307_693, 1],
  ['CLF', 307_692, -1],
] as const)(
  '%s %d minor units against a hundred dollars, at 3.25 dollars a unit: %d',
  ([currency, amount_minor, order]) => {
    const rate = { usd_e9: 3_250_000_000, day: '2026-11-21' };
    expect(compareUsd({ currency, amount_minor, rate }, 10_000)).toBe(order);
  },
);

test('amounts as large as a number can be are compared exactly', () => {
  const amount_minor = Number.MAX_SAFE_INTEGER;
  const rate = { usd_e9: Number.MAX_SAFE_INTEGER, day: '2026-11-21' };
  expect(compareUsd({ currency: 'USD', amount_minor }, amount_minor)).toBe(0);
  expect(compareUsd({ currency: 'USD', amount_minor }, amount_minor - 1)).toBe(1);
  expect(compareUsd({ currency: 'KWD', amount_minor, rate }, Number.MAX_SAFE_INTEGER)).toBe(1);
  expect(compareUsd({ currency: 'EUR', amount_minor }, 1)).toBeUndefined();
});

test.for([
  [7 * DAY_MS - 1, true],
  [7 * DAY_MS, false],
] as const)('R04: with the first of three %d ms ago: %j', ([agoMs, hit]) => {
  const run = [recent('r-a', 1_000, 25_000), recent('r-b', agoMs, 25_000)];
  const decision = decided(facts({ refund: { amount_minor: 25_000 }, operator: { recent: run } }));
  expect(codes(decision).includes('R04')).toBe(hit);
});

describe('what the refund itself contradicts', () => {
  test('C24: an operator who asks for the own household', () => {
    const decision = decided(facts({ refund: { self_dealing: true } }));
    expect(codes(decision)).toContain('C24');
    expect(decision).toMatchObject({ outcome: 'HOLD', pay_now: false });
    expect(codes(decided(facts({ refund: { self_dealing: false } })))).not.toContain('C24');
  });

  test('C22: not received, and collected with a code that two kinds of evidence confirm', () => {
    const collected = (certainty: 'confirmed' | 'unconfirmed', name: SignalName) => {
      const forward = { ...parcel().forward, certainty, signals: [signal(name), signal('door')] };
      return codes(decided(facts({ refund: { kind: 'not_received' }, parcels: [parcel({ forward })] })));
    };
    expect(collected('confirmed', 'code')).toContain('C22');
    expect(collected('confirmed', 'credential')).not.toContain('C22');
    expect(collected('unconfirmed', 'code')).not.toContain('C22');
  });

  test('C18: a return that nothing confirms, but not one that was inspected, nor a recall', () => {
    const empty = { ...parcel().return, signals: [] };
    expect(codes(decided(facts({ parcels: [parcel({ return: empty })] })))).toContain('C18');
    const inspected = { ...empty, state: 'R_INSPECTED_OK' } as const;
    expect(codes(decided(facts({ parcels: [parcel({ return: inspected })] })))).not.toContain('C18');
    expect(codes(decided(facts({ refund: { recall: true }, parcels: [parcel({ return: empty })] })))).not.toContain(
      'C18',
    );
  });
});
