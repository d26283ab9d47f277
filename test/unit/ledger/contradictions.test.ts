/** Each contradiction that the ledger finds: when it is there, when its innocent cause is, and when a fact comes late. */
import { describe, expect, test } from 'vitest';
import { CONTRADICTION_CODES, type ContradictionCode } from '../../../src/risk/decision/contradictions.ts';
import type { LedgerInput, Surroundings } from '../../../src/risk/ledger/inputs.ts';
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

interface Case {
  readonly code: ContradictionCode;
  readonly inputs: readonly LedgerInput[];
  readonly around?: Surroundings;
  readonly asOfMs?: number;
  /** The same with its innocent cause: it is excused, or not found at all. */
  readonly innocent?: { readonly inputs?: readonly LedgerInput[]; readonly around?: Surroundings };
}

const awaited = { gateway: 'gw-1', since_ms: START_MS };
const sites = { 'gw-1': { lat_mdeg: 48_117, lon_mdeg: 11_517 }, 'gw-2': { lat_mdeg: 52_520, lon_mdeg: 13_405 } };
const lone = entry(3, 'exception.reported', { what: 'scan_without_door', count: 1 });
const empty = entry(3, 'compartment.disturbed', {
  ...without(PUT_IN, 'item_after', 'weight_before_g', 'weight_after_g'),
  item_after: false,
  contradictions: ['shut_but_empty'],
});
const light = { ...PUT_IN, weight_after_g: 150 };
const technician = { actor: { kind: 'technician', ref: 't-1' } } as const;
const tookReturn = [
  deposit(),
  collect(),
  deposit(20),
  entry(30, 'parcel.collected', TAKEN_OUT, { event: { actor: { kind: 'courier', ref: 'c' } } }),
];

const CASES: readonly Case[] = [
  { code: 'C01', inputs: [lone], innocent: { around: { awaited } } },
  {
    code: 'C02',
    inputs: [deposit(), entry(5, 'door.forced', { reason: 'opened_without_access' })],
    innocent: {
      inputs: [
        deposit(),
        entry(4, 'maintenance.opened', { compartments: ['A01'] }),
        entry(5, 'door.forced', { reason: 'opened_without_access' }),
      ],
    },
  },
  {
    code: 'C03',
    inputs: [empty],
    innocent: { inputs: [entry(2, 'device.faulted', { reason: 'damaged' }), empty] },
  },
  {
    code: 'C04',
    inputs: [declared(), deposit(1, { ...PUT_IN, weight_after_g: 1_300 })],
    innocent: { inputs: [declared(), deposit(1, { ...PUT_IN, weight_after_g: 1_050 })] },
  },
  {
    code: 'C05',
    inputs: [declared(), claim(0, { what: 'rma_opened' }), deposit(1, light)],
    innocent: { inputs: [claim(0, { what: 'rma_opened' }), deposit(1, light)] },
  },
  {
    code: 'C06',
    inputs: [
      deposit(),
      entry(5, 'compartment.disturbed', { closed_by: 'door_shut', item_before: true, item_after: true }),
    ],
    innocent: {
      inputs: [
        deposit(),
        entry(5, 'compartment.disturbed', { closed_by: 'door_shut', item_after: true }, { event: technician }),
      ],
    },
  },
  {
    code: 'C07',
    inputs: [deposit(), entry(5, 'door.forced', { reason: 'lock_engaged' })],
    innocent: { inputs: [deposit(), entry(5, 'door.forced', { reason: 'lock_engaged' }, { compartment: 'B07' })] },
  },
  {
    code: 'C08',
    inputs: [deposit(1, { ...PUT_IN, blind_ms: 60_000 })],
    innocent: { inputs: [entry(0, 'power.lost', { source: 'mains' }), deposit(1, { ...PUT_IN, blind_ms: 60_000 })] },
  },
  {
    code: 'C09',
    inputs: [deposit(1), collect(2), deposit(1, PUT_IN, { gateway: 'gw-2', minute: 40 })],
    around: { sites },
    innocent: {
      inputs: [deposit(1), collect(2), deposit(1, PUT_IN, { gateway: 'gw-2', minute: 400 })],
      around: { sites },
    },
  },
  {
    code: 'C10',
    inputs: [deposit(1, { ...PUT_IN, contradictions: ['already_occupied'] })],
    innocent: { around: { severalParcels: true } },
  },
  { code: 'C11', inputs: [collect()], innocent: { around: { awaited } } },
  {
    code: 'C12',
    inputs: [deposit(1), deposit(1, PUT_IN, { gateway: 'gw-2', minute: 9 })],
    innocent: { inputs: [deposit(1), collect(2), deposit(1, PUT_IN, { gateway: 'gw-2', minute: 9 })] },
  },
  {
    code: 'C13',
    inputs: [entry(1, 'access.granted', { method: 'code', attempts: 4 })],
    innocent: { inputs: [entry(1, 'access.granted', { method: 'code', attempts: 3 })] },
  },
  {
    code: 'C14',
    inputs: [entry(1, 'location.fixed', { geofence: 'outside', accuracy_m: 10 })],
    innocent: { inputs: [entry(1, 'location.fixed', { geofence: 'outside', accuracy_m: 101 })] },
  },
  {
    code: 'C15',
    inputs: [deposit(1, PUT_IN, { minute: 5 }), collect(2, TAKEN_OUT, { minute: 4 })],
    innocent: { inputs: [deposit(1, PUT_IN, { minute: 5 }), collect(2, TAKEN_OUT, { minute: 5 })] },
  },
  { code: 'C16', inputs: [deposit(1, PUT_IN, { refused: true })], innocent: { inputs: [deposit()] } },
  {
    code: 'C17',
    inputs: [deposit(1, { ...PUT_IN, photo: 'x'.repeat(43) }, { photoSeen: true })],
    innocent: { inputs: [deposit(1, { ...PUT_IN, photo: 'x'.repeat(43) })] },
  },
  {
    code: 'C19',
    inputs: [deposit(1, { ...PUT_IN, door: { open_min_ms: 600_001, open_max_ms: 700_000 } })],
    innocent: { inputs: [deposit(1, { ...PUT_IN, door: { open_min_ms: 600_000, open_max_ms: 700_000 } })] },
  },
  {
    code: 'C20',
    inputs: tookReturn,
    asOfMs: START_MS + 30 * MINUTE_MS + 72 * HOUR_MS,
    innocent: { inputs: [...tookReturn, claim(99, { what: 'warehouse_received' })] },
  },
  { code: 'C21', inputs: [deposit(1, PUT_IN, { forked: true })], innocent: { inputs: [deposit()] } },
  {
    code: 'C23',
    inputs: [entry(1, 'seal.recorded', { state: 'broken' })],
    innocent: { inputs: [entry(1, 'seal.recorded', { state: 'intact', seal: 's-1' })] },
  },
];

describe('the ledger finds', () => {
  test.for(CASES.map((one) => [one.code, one] as const))('%s', ([code, { inputs, around, asOfMs }]) => {
    expect(found(ledger(inputs, around, asOfMs))).toContain(code);
  });

  test('all of them but those of the refund itself', () => {
    const others = CONTRADICTION_CODES.filter((code) => !CASES.some((one) => one.code === code));
    expect(others).toEqual(['C18', 'C22', 'C24']);
  });
});

describe('with its innocent cause', () => {
  test.for(CASES.flatMap((one) => (one.innocent === undefined ? [] : [[one.code, one] as const])))(
    '%s is none',
    ([code, one]) => {
      const { inputs = one.inputs, around = one.around } = one.innocent ?? {};
      const of = ledger(inputs, around, one.asOfMs);
      expect(found(of)).not.toContain(code);
      for (const { innocent } of excused(of)) expect(innocent).not.toBe('');
    },
  );

  test('every contradiction has such a case', () => {
    expect(CASES.filter(({ innocent }) => innocent === undefined)).toEqual([]);
  });
});

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

  test('every other contradiction stands whether its entry comes first or last', () => {
    for (const { code, inputs, around, asOfMs } of CASES) {
      expect(found(ledger([...inputs].reverse(), around, asOfMs)), code).toContain(code);
    }
  });
});
