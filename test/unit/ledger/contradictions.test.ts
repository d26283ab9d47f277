/** Contradictions to the last unit, what explains them, and what arrives late. */
import { describe, expect, test } from 'vitest';
import type { LedgerInput } from '../../../src/risk/ledger/inputs.ts';
import {
  claim,
  collect,
  declared,
  deposit,
  entry,
  excused,
  found,
  HOUR_MS,
  ledger,
  MINUTE_MS,
  PUT_IN,
  START_MS,
  TAKEN_OUT,
  without,
} from './support.ts';

const tookReturn = [
  deposit(),
  collect(),
  deposit(20),
  entry(30, 'parcel.collected', TAKEN_OUT, { event: { actor: { kind: 'courier', ref: 'c' } } }),
];

describe('to the last unit', () => {
  test.for([
    [1_999, 1_999, true],
    [1_999, 2_000, false],
    [600_000, 700_000, false],
    [600_001, 700_000, true],
  ] as const)('C19: a door open for %d to %d ms', ([open_min_ms, open_max_ms, hit]) => {
    const of = ledger([deposit(1, { ...PUT_IN, door: { open_min_ms, open_max_ms } })]);
    expect(found(of).includes('C19')).toBe(hit);
  });

  test.for([
    [72 * HOUR_MS - 1, undefined],
    [72 * HOUR_MS, 'soft'],
    [7 * 24 * HOUR_MS - 1, 'soft'],
    [7 * 24 * HOUR_MS, 'hard'],
  ] as const)('C20: %d ms after the courier took it: %s', ([afterMs, severity]) => {
    const { contradictions } = ledger(tookReturn, {}, START_MS + 30 * MINUTE_MS + afterMs).facts;
    expect(contradictions.find(({ code }) => code === 'C20')?.severity).toBe(severity);
  });

  test('C14: a position of 100 m says something, one of 101 m does not', () => {
    const outside = (accuracy_m: number): readonly string[] =>
      found(ledger([entry(1, 'location.fixed', { geofence: 'outside', accuracy_m })]));
    expect(outside(100)).toEqual(['C14']);
    expect(outside(101)).toEqual([]);
  });

  test.for([
    ['C04', 1_050, undefined],
    ['C04', 1_051, 'soft'],
    ['C04', 1_250, 'soft'],
    ['C04', 1_251, 'hard'],
  ] as const)('%s: %d g where 1,000 g were declared: %s', ([code, weight_after_g, severity]) => {
    const { contradictions } = ledger([declared(), deposit(1, { ...PUT_IN, weight_after_g })]).facts;
    expect(contradictions.find((one) => one.code === code)?.severity).toBe(severity);
  });

  // A hundredth of a degree of latitude is 1.1 km; a hundred kilometres take forty minutes at 150 km/h.
  test.for([
    [18, 0, false],
    [19, 0, true],
    [900, 41, false],
    [900, 38, true],
  ] as const)('C09: %d thousandths of a degree in %d min: %j', ([mdeg, minutes, hit]) => {
    const near = { 'gw-1': { lat_mdeg: 0, lon_mdeg: 0 }, 'gw-2': { lat_mdeg: mdeg, lon_mdeg: 0 } };
    const inputs = [deposit(1), collect(2), deposit(1, PUT_IN, { gateway: 'gw-2', minute: 2 + minutes })];
    expect(found(ledger(inputs, { sites: near })).includes('C09')).toBe(hit);
  });
});

describe('what the warehouse weighs', () => {
  const opened = [declared(), claim(0, { what: 'rma_opened' })];
  const arrived = (weight_g: number): readonly LedgerInput[] => [
    ...opened,
    claim(60, { what: 'warehouse_received', weight_g }),
  ];

  // Declared are 1,000 g with 100 g of packaging: empty up to 100 + 180, hard beyond 250 off, agreement within 50.
  test.for([
    [280, ['C05'], 'contradicts'],
    [281, ['C04'], 'contradicts'],
    [749, ['C04'], 'contradicts'],
    [750, ['C04'], 'supports'],
    [949, ['C04'], 'supports'],
    [950, [], 'supports'],
    [1_050, [], 'supports'],
    [1_251, ['C04'], 'contradicts'],
  ] as const)('%d g: %j, and that it arrived %s', ([grams, codes, says]) => {
    const of = ledger(arrived(grams));
    expect(found(of)).toEqual(codes);
    expect(of.facts.return.state).toBe('R_RECEIVED');
    expect(of.facts.return.signals).toMatchObject([{ name: 'received', says }]);
  });

  test('without a weight, or one to compare it with, nothing contradicts it', () => {
    expect(found(ledger([...opened, claim(60, { what: 'warehouse_received' })]))).toEqual([]);
    expect(found(ledger([claim(60, { what: 'warehouse_received', weight_g: 1 })]))).toEqual([]);
  });

  test('is explained by an inspection that finds it whole, and by no other', () => {
    const inspected = (result: 'ok' | 'empty'): readonly LedgerInput[] => [
      ...arrived(90),
      claim(70, { what: 'inspected', result }),
    ];
    expect(excused(ledger(inspected('ok'))).map(({ code }) => code)).toEqual(['C05']);
    expect(found(ledger(inspected('empty')))).toEqual(['C05']);
  });

  test('a second declaration adds to the first, and takes no weight back', () => {
    expect(found(ledger([claim(-30, { what: 'declared', seal: 's-1' }), ...arrived(90)]))).toEqual(['C05']);
  });
});

describe('what arrives late', () => {
  test('takes its place: a collection without a deposit is in order once the deposit is here', () => {
    expect(found(ledger([collect()]))).toContain('C11');
    expect(found(ledger([collect(), deposit()]))).not.toContain('C11');
  });

  test('two lockers at once are none once the collection between them is here', () => {
    const other = deposit(1, PUT_IN, { gateway: 'gw-2', minute: 9 });
    expect(found(ledger([other, deposit(1)]))).toContain('C12');
    expect(found(ledger([other, deposit(1), collect(2)]))).not.toContain('C12');
  });

  test('a forced door that is told late turns a collection into a loss', () => {
    const taken = collect(10, without(TAKEN_OUT, 'access'));
    expect(ledger([deposit(), taken]).facts.forward.state).toBe('COLLECTED');
    expect(ledger([deposit(), taken, entry(5, 'door.forced', { reason: 'lock_engaged' })]).facts.forward.state).toBe(
      'MISSING',
    );
  });

  test('a maintenance window that is told late excuses the door', () => {
    const story = [deposit(), entry(5, 'door.forced', { reason: 'opened_without_access' })];
    const late = entry(4, 'maintenance.opened', {});
    expect(found(ledger([...story, late]))).toEqual([]);
  });
});
