/**
 * Every contradiction of the code, from what was seen to what is decided: when it is there, and what is nearly it and is
 * not; each of its innocent causes; and what arrives late. A new one, or a new cause, fails until it has its cases here.
 */
import { describe, expect, test } from 'vitest';
import {
  CONTRADICTION_CODES,
  CONTRADICTIONS,
  type ContradictionCode,
} from '../../../src/risk/decision/contradictions.ts';
import type { Contradiction, RefundFacts } from '../../../src/risk/decision/facts.ts';
import type { Outcome } from '../../../src/risk/decision/outcome.ts';
import type { LedgerInput, Surroundings } from '../../../src/risk/ledger/inputs.ts';
import { LEDGER_DEFAULTS } from '../../../src/risk/ledger/settings.ts';
import { decided, facts } from '../decision/support.ts';
import {
  claim,
  collect,
  declared,
  deposit,
  entry,
  HOUR_MS,
  ledger,
  MINUTE_MS,
  PUT_IN,
  START_MS,
  TAKEN_OUT,
  without,
} from './support.ts';

interface World {
  readonly inputs: readonly LedgerInput[];
  readonly around?: Surroundings;
  readonly asOfMs?: number;
  readonly refund?: Partial<RefundFacts>;
}

interface Row {
  readonly there: World;
  readonly severity: Contradiction['severity'];
  /** What its reason asks for; nothing where it weighs in the grade alone. */
  readonly asks?: Outcome;
  /** As near to it as can be. */
  readonly near: World;
  /** Innocent causes that the ledger finds by itself: worlds in which it does. */
  readonly found?: Readonly<Record<string, World>>;
  /** Those that only a person can find, and why. */
  readonly asked?: Readonly<Record<string, string>>;
  /** First it is there, or not; then something is told late, and it is the other way round. */
  readonly late: { readonly first: World; readonly told: Partial<World>; readonly appears: boolean };
}

const awaited = { gateway: 'gw-1', since_ms: START_MS };
const sites = { 'gw-1': { lat_mdeg: 48_117, lon_mdeg: 11_517 }, 'gw-2': { lat_mdeg: 52_520, lon_mdeg: 13_405 } };
const technician = { actor: { kind: 'technician', ref: 't-1' } } as const;
const courier = { event: { actor: { kind: 'courier', ref: 'c-1' } } } as const;
const lone = entry(3, 'exception.reported', { what: 'scan_without_door', count: 1 });
const unmeasured = without(PUT_IN, 'item_after', 'weight_before_g', 'weight_after_g');
const shutEmpty = entry(3, 'compartment.disturbed', {
  ...unmeasured,
  item_after: false,
  contradictions: ['shut_but_empty'],
});
const faulted = entry(2, 'device.faulted', { reason: 'damaged' });
const unauthorised = entry(5, 'door.forced', { reason: 'opened_without_access' });
const maintained = entry(4, 'maintenance.opened', { compartments: ['A01'] });
const opened = entry(5, 'door.forced', { reason: 'opened_unwatched' });
const reopened = { closed_by: 'door_shut', item_before: true, item_after: true };
const blind = deposit(1, { ...PUT_IN, blind_ms: 30 * MINUTE_MS });
const cut = entry(0, 'power.lost', { source: 'mains' });
const occupied = deposit(1, { ...PUT_IN, contradictions: ['already_occupied'] });
const elsewhere = (minute: number) => deposit(1, PUT_IN, { gateway: 'gw-2', minute });
const several = { ...LEDGER_DEFAULTS, several_parcels: ['gw-1'] };
const guessed = (attempts: number) => entry(1, 'access.granted', { method: 'code', attempts });
const located = (accuracy_m: number, geofence = 'outside') =>
  entry(1, 'location.fixed', { geofence, accuracy_m }, { minute: 2 });
const weighing = (weight_after_g: number) => deposit(1, { ...PUT_IN, weight_after_g });
const rma = claim(-5, { what: 'rma_opened' });
const returned = [deposit(), collect(), rma, deposit(20)];
const tookReturn = [deposit(), collect(), deposit(20), collect(30, TAKEN_OUT, courier)];
const dueMs = START_MS + 30 * MINUTE_MS + 72 * HOUR_MS;
const longMs = { open_min_ms: 600_001, open_max_ms: 700_000 };
const notReceived = { kind: 'not_received' } as const;
const ofReturn = { kind: 'return' } as const;

const ROWS: Readonly<Record<ContradictionCode, Row>> = {
  C01: {
    there: { inputs: [lone] },
    severity: 'hard',
    asks: 'HOLD',
    near: { inputs: [entry(3, 'exception.reported', { ...lone.event.data, detail: 'not all doors were watched' })] },
    found: { 'events of the gateway not yet arrived': { inputs: [lone], around: { awaited } } },
    late: { first: { inputs: [deposit(5)] }, told: { inputs: [lone] }, appears: true },
  },
  C02: {
    there: { inputs: [deposit(), unauthorised] },
    severity: 'hard',
    asks: 'PAY_AND_INVESTIGATE',
    near: { inputs: [deposit(), { ...unauthorised, event: { ...unauthorised.event, compartment: 'B07' } }] },
    found: { 'a technician, with a maintenance window': { inputs: [deposit(), maintained, unauthorised] } },
    late: { first: { inputs: [deposit(), unauthorised] }, told: { inputs: [maintained] }, appears: false },
  },
  C03: {
    there: { inputs: [shutEmpty] },
    severity: 'hard',
    asks: 'HOLD',
    near: { inputs: [entry(3, 'compartment.disturbed', { ...unmeasured, item_after: false })] },
    found: { 'a faulty item sensor': { inputs: [faulted, shutEmpty] } },
    late: { first: { inputs: [shutEmpty] }, told: { inputs: [faulted] }, appears: false },
  },
  C04: {
    there: { inputs: [declared(), weighing(1_051)] },
    severity: 'soft',
    asks: 'REVIEW',
    near: { inputs: [declared(), weighing(1_050)] },
    found: {
      'a wrong declared weight': {
        inputs: [declared(), rma, weighing(1_200), claim(60, { what: 'inspected', result: 'ok' })],
        refund: ofReturn,
      },
    },
    late: { first: { inputs: [weighing(1_051)] }, told: { inputs: [declared()] }, appears: true },
  },
  C05: {
    there: { inputs: [declared(), rma, weighing(280)], refund: ofReturn },
    severity: 'hard',
    asks: 'HOLD',
    near: { inputs: [declared(), rma, weighing(281)], refund: ofReturn },
    found: {
      'a wrong weight in the catalogue': {
        inputs: [declared(), rma, weighing(150), claim(60, { what: 'inspected', result: 'ok' })],
        refund: ofReturn,
      },
    },
    late: { first: { inputs: [rma, weighing(150)], refund: ofReturn }, told: { inputs: [declared()] }, appears: true },
  },
  C06: {
    there: { inputs: [deposit(), entry(5, 'compartment.disturbed', reopened)] },
    severity: 'hard',
    asks: 'PAY_AND_INVESTIGATE',
    near: { inputs: [deposit(), collect(), entry(15, 'compartment.disturbed', reopened)] },
    found: {
      'a courier who sorted shelves, with a session': {
        inputs: [deposit(), entry(5, 'compartment.disturbed', reopened, { event: technician })],
      },
    },
    late: {
      first: { inputs: [deposit(), collect()] },
      told: { inputs: [entry(5, 'compartment.disturbed', reopened)] },
      appears: true,
    },
  },
  C07: {
    there: { inputs: [deposit(), opened] },
    severity: 'hard',
    asks: 'PAY_AND_INVESTIGATE',
    near: { inputs: [deposit(), { ...opened, event: { ...opened.event, compartment: 'B07' } }] },
    asked: { 'a glitch of the sensor: two reads are needed': 'the box reads twice before it says so' },
    late: { first: { inputs: [deposit(), collect()] }, told: { inputs: [opened] }, appears: true },
  },
  C08: {
    there: { inputs: [blind] },
    severity: 'soft',
    asks: 'REVIEW',
    near: { inputs: [deposit(1, { ...PUT_IN, blind_ms: 30 * MINUTE_MS - 1 })] },
    found: { 'a power cut that the log names': { inputs: [cut, blind] } },
    late: { first: { inputs: [blind] }, told: { inputs: [cut] }, appears: false },
  },
  C09: {
    there: { inputs: [deposit(1), collect(2), elsewhere(40)], around: { sites } },
    severity: 'hard',
    asks: 'HOLD',
    near: { inputs: [deposit(1), collect(2), elsewhere(400)], around: { sites } },
    asked: {
      'a copied label': 'two parcels with one label look like one that travels',
      'two parcels with one number': 'no event tells one from the other',
    },
    late: {
      first: { inputs: [deposit(1), collect(2)], around: { sites } },
      told: { inputs: [elsewhere(40)] },
      appears: true,
    },
  },
  C10: {
    there: { inputs: [occupied] },
    severity: 'hard',
    asks: 'HOLD',
    near: { inputs: [deposit()] },
    found: {
      'several parcels in one compartment, when allowed': { inputs: [occupied], around: { settings: several } },
    },
    late: { first: { inputs: [collect()] }, told: { inputs: [occupied] }, appears: true },
  },
  C11: {
    there: { inputs: [collect()] },
    severity: 'hard',
    asks: 'HOLD',
    near: { inputs: [deposit(), collect()] },
    found: {
      'late arrival': { inputs: [collect()], around: { awaited } },
      'a wrong clock': { inputs: [entry(1, 'door.changed', {}, { minute: 9 }), collect(2, TAKEN_OUT, { minute: 8 })] },
    },
    late: { first: { inputs: [collect()] }, told: { inputs: [deposit()] }, appears: false },
  },
  C12: {
    there: { inputs: [deposit(1), elsewhere(9)] },
    severity: 'hard',
    asks: 'HOLD',
    near: { inputs: [deposit(1), collect(2), elsewhere(9)] },
    asked: { 'a new label on an old number': 'no event tells one number from the other' },
    late: { first: { inputs: [deposit(1), elsewhere(9)] }, told: { inputs: [collect(2)] }, appears: false },
  },
  C13: {
    there: { inputs: [guessed(4)] },
    severity: 'hard',
    asks: 'HOLD',
    near: { inputs: [guessed(3)] },
    late: { first: { inputs: [deposit(5), collect()] }, told: { inputs: [guessed(4)] }, appears: true },
  },
  C14: {
    there: { inputs: [located(100)] },
    severity: 'hard',
    asks: 'HOLD',
    near: { inputs: [located(100, 'inside')] },
    found: { 'a position that is not accurate': { inputs: [located(101)] } },
    late: { first: { inputs: [deposit(5)] }, told: { inputs: [located(100)] }, appears: true },
  },
  C15: {
    there: { inputs: [deposit(1, PUT_IN, { minute: 5 }), collect(2, TAKEN_OUT, { minute: 4 })] },
    severity: 'soft',
    near: { inputs: [deposit(1, PUT_IN, { minute: 5 }), collect(2, TAKEN_OUT, { minute: 5 })] },
    asked: { 'an empty clock battery': 'a clock that went back looks the same whatever moved it' },
    late: {
      first: { inputs: [collect(2, TAKEN_OUT, { minute: 4 })] },
      told: { inputs: [deposit(1, PUT_IN, { minute: 5 })] },
      appears: true,
    },
  },
  C16: {
    there: { inputs: [deposit(1, PUT_IN, { refused: true })] },
    severity: 'hard',
    asks: 'HOLD',
    near: { inputs: [deposit()] },
    asked: { 'a firmware that the policy does not know yet': 'whoever writes the policy knows what was rolled out' },
    late: { first: { inputs: [collect()] }, told: { inputs: [deposit(1, PUT_IN, { refused: true })] }, appears: true },
  },
  C17: {
    there: { inputs: [deposit(1, { ...PUT_IN, photo: 'x'.repeat(43) }, { photoSeen: true })] },
    severity: 'hard',
    asks: 'HOLD',
    near: { inputs: [deposit(1, { ...PUT_IN, photo: 'x'.repeat(43) })] },
    asked: { 'a fixed camera': 'images of one empty compartment differ in their bytes; who sees both can tell' },
    late: {
      first: { inputs: [collect()] },
      told: { inputs: [deposit(1, { ...PUT_IN, photo: 'x'.repeat(43) }, { photoSeen: true })] },
      appears: true,
    },
  },
  C18: {
    there: { inputs: [rma], refund: ofReturn },
    severity: 'hard',
    asks: 'HOLD',
    near: { inputs: returned, refund: ofReturn },
    late: { first: { inputs: [rma], refund: ofReturn }, told: { inputs: [deposit(20)] }, appears: false },
  },
  C19: {
    there: { inputs: [deposit(1, { ...PUT_IN, door: longMs })] },
    severity: 'soft',
    near: { inputs: [deposit(1, { ...PUT_IN, door: { ...longMs, open_min_ms: 600_000 } })] },
    late: {
      first: { inputs: [collect()] },
      told: { inputs: [deposit(1, { ...PUT_IN, door: longMs })] },
      appears: true,
    },
  },
  C20: {
    there: { inputs: tookReturn, asOfMs: dueMs, refund: ofReturn },
    severity: 'soft',
    asks: 'PAY_AND_INVESTIGATE',
    near: { inputs: tookReturn, asOfMs: dueMs - 1, refund: ofReturn },
    asked: { 'a slow warehouse system': 'silence looks the same; its word takes the finding away when it comes' },
    late: {
      first: { inputs: tookReturn, asOfMs: dueMs, refund: ofReturn },
      told: { inputs: [claim(99, { what: 'warehouse_received' })] },
      appears: false,
    },
  },
  C21: {
    there: { inputs: [deposit(1, PUT_IN, { forked: true })] },
    severity: 'hard',
    asks: 'HOLD',
    near: { inputs: [deposit()] },
    late: { first: { inputs: [collect()] }, told: { inputs: [deposit(1, PUT_IN, { forked: true })] }, appears: true },
  },
  C22: {
    there: { inputs: [deposit(), collect()] },
    severity: 'hard',
    asks: 'REVIEW',
    near: { inputs: [deposit(), collect(10, without(TAKEN_OUT, 'access'))] },
    asked: { 'a member of the household collected it': 'a code says nothing of the hand that typed it' },
    late: { first: { inputs: [deposit()] }, told: { inputs: [collect()] }, appears: true },
  },
  C23: {
    there: { inputs: [entry(1, 'seal.recorded', { state: 'broken' })] },
    severity: 'hard',
    asks: 'REVIEW',
    near: {
      inputs: [
        claim(-9, { what: 'declared', seal: 's-1' }),
        entry(1, 'seal.recorded', { state: 'intact', seal: 's-1' }),
      ],
    },
    asked: { 'a new seal that nobody recorded': 'what nobody recorded, nobody finds in the records' },
    late: {
      first: { inputs: [entry(1, 'seal.recorded', { state: 'intact', seal: 's-1' })] },
      told: { inputs: [claim(-9, { what: 'declared', seal: 's-0' })] },
      appears: true,
    },
  },
  C24: {
    there: { inputs: [deposit()], refund: { self_dealing: true } },
    severity: 'hard',
    asks: 'HOLD',
    near: { inputs: [deposit()], refund: { self_dealing: false } },
    late: { first: { inputs: [deposit()] }, told: { refund: { self_dealing: true } }, appears: true },
  },
};

function look({ inputs, around, asOfMs, refund }: World) {
  const of = ledger(inputs, around, asOfMs).facts;
  const decision = decided(facts({ refund: { ...notReceived, ...refund }, parcels: [of] }));
  return { contradictions: of.contradictions, decision };
}

/** The ledger says so without an excuse, or its reason stands in the decision. */
function isThere(code: ContradictionCode, world: World): boolean {
  const { contradictions, decision } = look(world);
  const found = contradictions.some((one) => one.code === code && one.innocent === undefined);
  return found || decision.reasons.some((reason) => reason.code === code);
}

test('each contradiction of the code has its row, and each of its innocent causes a case or a reason why it has none', () => {
  expect(Object.keys(ROWS)).toEqual(CONTRADICTION_CODES);
  for (const code of CONTRADICTION_CODES) {
    const { found = {}, asked = {} } = ROWS[code];
    expect([...Object.keys(found), ...Object.keys(asked)].sort(), code).toEqual(
      [...CONTRADICTIONS[code].innocent].sort(),
    );
  }
});

describe.each(CONTRADICTION_CODES.map((code) => ({ code, ...ROWS[code] })))('$code', (row) => {
  const { code, there, severity, asks, near, found = {}, late } = row;

  test('is found, as severe as it is, with what it stands on, and the decision asks for what it should', () => {
    const { contradictions, decision } = look(there);
    const one = contradictions.find((each) => each.code === code);
    const reason = decision.reasons.find((each) => each.code === code);
    const refs = there.inputs.map(({ ref }) => ref);
    // What only the refund contradicts, no ledger of a parcel knows.
    if (one !== undefined) expect(one).toMatchObject({ severity });
    expect(one === undefined).toBe(['C18', 'C22', 'C24'].includes(code));
    expect(reason?.outcome).toBe(asks);
    if (code !== 'C24') expect((one ?? reason)?.events.length).toBeGreaterThan(0);
    for (const ref of [...(one?.events ?? []), ...(reason?.events ?? [])]) expect(refs).toContain(ref);
    expect(CONTRADICTIONS[code].severity).toBe(severity);
  });

  test('is not found in what is as near to it as can be', () => {
    expect(isThere(code, there)).toBe(true);
    expect(isThere(code, near)).toBe(false);
  });

  test.for(Object.entries(found))('is excused by %s, and nobody is held for it', ([cause, world]) => {
    const { contradictions, decision } = look(world);
    const own = contradictions.filter((each) => each.code === code);
    expect(own).toMatchObject([{ severity, innocent: cause }]);
    expect(decision.reasons.map((reason) => reason.code)).not.toContain(code);
  });

  test('comes, or goes, with what is told late, whichever way round it is read', () => {
    const { first, told, appears } = late;
    const after: World = {
      ...first,
      ...told,
      inputs: [...first.inputs, ...(told.inputs ?? [])],
    };
    expect([isThere(code, first), isThere(code, after)]).toEqual([!appears, appears]);
    expect(isThere(code, { ...after, inputs: after.inputs.toReversed() })).toBe(appears);
  });
});
