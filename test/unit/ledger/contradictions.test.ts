/** Contradictions to the last unit, what explains them, and what arrives late. */
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../../src/evidence/event/event.ts';
import type { LedgerEntry, LedgerInput } from '../../../src/risk/ledger/inputs.ts';
import { entriesAbout } from '../../../src/risk/ledger/select.ts';
import { LEDGER_DEFAULTS } from '../../../src/risk/ledger/settings.ts';
import { decided, facts } from '../decision/support.ts';
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
  PARCEL,
  PUT_IN,
  START_MS,
  TAKEN_OUT,
  without,
} from './support.ts';

/** As access writes it: it knows no parcel. */
function withoutParcel(one: LedgerEntry): LedgerEntry {
  const { parcel: _, ...event } = one.event;
  return { ...one, event };
}

/** Of a refusal no compartment is known either. */
function withoutPlace(one: LedgerEntry): LedgerEntry {
  const { compartment: _, ...event } = withoutParcel(one).event;
  return { ...one, event };
}

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

  test.for([
    [2_999, 2_999, false],
    [2_999, 3_000, true],
    [120_000, 130_000, true],
    [120_001, 130_000, false],
  ] as const)('a door open for %d to %d ms speaks for what went through it: %j', ([open_min_ms, open_max_ms, says]) => {
    const { door } = PUT_IN as { readonly door: JsonObject };
    const { signals } = ledger([deposit(1, { ...PUT_IN, door: { ...door, open_min_ms, open_max_ms } })]).facts.forward;
    expect(signals.some(({ name }) => name === 'door')).toBe(says);
  });

  // Of a scale that is known to err by 40 g, three of that agree.
  test.for([
    [{}, 1_051, 'soft'],
    [{ 'gw-1': 40 }, 1_120, undefined],
    [{ 'gw-1': 40 }, 1_121, 'soft'],
    [{ 'gw-2': 40 }, 1_051, 'soft'],
  ] as const)(
    'C04: scales that err by %j, %d g where 1,000 g were declared: %s',
    ([scale_sigma_g, weighed, severity]) => {
      const settings = { ...LEDGER_DEFAULTS, scale_sigma_g };
      const of = ledger([declared(), deposit(1, { ...PUT_IN, weight_after_g: weighed })], { settings });
      expect(of.facts.contradictions.find(({ code }) => code === 'C04')?.severity).toBe(severity);
    },
  );

  test('C04: what a courier weighed when it was taken over counts, whatever was declared', () => {
    const handed = claim(-30, { what: 'handed_to_courier', weight_g: 1_400 });
    const weighing = (weight_after_g: number) => deposit(1, { ...PUT_IN, weight_after_g });
    expect(found(ledger([declared(), weighing(1_400)]))).toEqual(['C04']);
    expect(found(ledger([declared(), handed, weighing(1_400)]))).toEqual([]);
    expect(found(ledger([declared(), handed, weighing(1_000)]))).toEqual(['C04']);
  });

  test.for([
    [{}, 'soft'],
    [{ distance_m: 200, accuracy_m: 50 }, undefined],
    [{ distance_m: 201, accuracy_m: 50 }, 'hard'],
    [{ distance_m: 150, accuracy_m: 50, to: 'locker' }, undefined],
    [{ distance_m: 151, accuracy_m: 50, to: 'locker' }, 'hard'],
    [{ distance_m: 251, accuracy_m: 100 }, 'hard'],
  ] as const)('C14: a delivery that its carrier says was outside, %j: %s', ([where, severity]) => {
    const said = claim(5, { what: 'delivered', geofence: 'outside', ...where });
    const of = ledger([said]).facts;
    expect(of.contradictions.find(({ code }) => code === 'C14')?.severity).toBe(severity);
    const { reasons } = decided(facts({ refund: { kind: 'not_received' }, parcels: [of] }));
    expect(reasons.some(({ code }) => code === 'R02')).toBe(severity === 'hard');
  });

  test('C14: a vague position is excused, and nobody who signs nothing holds a refund by one', () => {
    const where = { what: 'delivered', distance_m: 9_000 } as const;
    expect(excused(ledger([claim(5, { ...where, accuracy_m: 101 })])).map(({ code }) => code)).toEqual(['C14']);
    const unsigned = { ...claim(5, { ...where, accuracy_m: 50 }), level: 'unsigned' } as const;
    expect(ledger([unsigned]).facts.contradictions).toMatchObject([{ code: 'C14', severity: 'soft' }]);
  });

  // Nine degrees of latitude are 1,000.8 km, of which 1 % is taken off: 6.6 h by road, 1.1 h as anything flies.
  test.for([
    [8_900, 60, 'hard'],
    [9_200, 60, 'hard'],
    [9_200, 68, 'soft'],
    [9_200, 400, 'soft'],
    [9_200, 410, undefined],
  ] as const)('C09: %d thousandths of a degree in %d min: %s', ([lat_mdeg, minutes, severity]) => {
    const sites = { 'gw-1': { lat_mdeg: 0, lon_mdeg: 0 }, 'gw-2': { lat_mdeg, lon_mdeg: 0 } };
    const inputs = [deposit(1), collect(2), deposit(1, PUT_IN, { gateway: 'gw-2', minute: 2 + minutes })];
    const [c09] = ledger(inputs, { sites }).facts.contradictions.filter(({ code }) => code === 'C09');
    expect(c09?.severity).toBe(severity);
    if (c09 !== undefined) expect(c09.leg).toBe('both');
  });

  test('C09: taken out of a locker far from where it was put in, faster than a road lets it, concerns both legs', () => {
    const near = { 'gw-1': { lat_mdeg: 0, lon_mdeg: 0 }, 'gw-2': { lat_mdeg: 900, lon_mdeg: 0 } };
    const taken = (minute: number) => collect(2, TAKEN_OUT, { gateway: 'gw-2', minute });
    const journeys = (minute: number) =>
      ledger([deposit(1), taken(minute)], { sites: near }).facts.contradictions.filter(({ code }) => code === 'C09');
    expect(journeys(30)).toMatchObject([{ leg: 'both', severity: 'hard' }]);
    expect(journeys(60)).toEqual([]);
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

describe('C13, a code that is tried again', () => {
  const grant = (credential: string, compartment = 'A01', n = 9) =>
    entry(
      n,
      'access.granted',
      { method: 'code', attempts: 0, credential },
      { compartment, event: { device: 'keypad-1' } },
    );
  const again = (minute: number, credential = 'c-1', device = 'keypad-1') =>
    withoutPlace(
      entry(
        20,
        'access.refused',
        { method: 'code', attempts: 1, reason: 'used', credential },
        {
          minute,
          event: { device },
        },
      ),
    );

  test.for([
    [9 + 2, 'keypad-1', false],
    [9 + 2.001, 'keypad-1', true],
    [9 + 1, 'keypad-2', true],
  ] as const)('%d min after the start at %s: %j', ([minute, device, hit]) => {
    const of = ledger([deposit(), grant('c-1'), collect(), again(minute, 'c-1', device)]);
    expect(found(of).includes('C13')).toBe(hit);
  });

  test('is of the code that opened for this parcel, and of no other', () => {
    expect(found(ledger([deposit(), grant('c-1'), collect(), again(60, 'c-2')]))).toEqual([]);
    expect(found(ledger([deposit(), grant('c-1', 'B07'), collect(), again(60)]))).toEqual([]);
    expect(found(ledger([grant('c-1', 'A01', 0), deposit(), collect(), again(60)]))).toEqual([]);
    const other = {
      ...again(60),
      event: { ...again(60).event, data: { method: 'code', reason: 'expired', credential: 'c-1' } },
    };
    expect(found(ledger([deposit(), grant('c-1'), collect(), other]))).toEqual([]);
  });

  test('comes late: also before the grant that tells whose code it was', () => {
    const story = [deposit(), collect(), again(60)];
    expect(found(ledger(story))).toEqual([]);
    expect(found(ledger([again(60), grant('c-1'), collect(), deposit()]))).toEqual(['C13']);
  });

  test('is chosen among the entries of a gateway with its grant, and grants are not otherwise', () => {
    const all = [deposit(), withoutParcel(grant('c-1')), withoutParcel(grant('c-2', 'A01', 8)), collect(), again(60)];
    const chosen = entriesAbout(PARCEL.ref, all).map(({ ref }) => ref);
    expect(chosen).toEqual(expect.arrayContaining([grant('c-1').ref, again(60).ref]));
    expect(chosen).not.toContain(grant('c-2', 'A01', 8).ref);
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
