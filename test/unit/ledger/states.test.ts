/** Where a parcel is, who has it, and what confirms that. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseFacts } from '../../../src/risk/decision/facts-schema.ts';
import { foldLedger } from '../../../src/risk/ledger/fold.ts';
import type { LedgerEntry, LedgerInput } from '../../../src/risk/ledger/inputs.ts';
import { facts } from '../decision/support.ts';
import {
  claim,
  collect,
  declared,
  deposit,
  entry,
  found,
  HOUR_MS,
  ledger,
  PARCEL,
  PUT_IN,
  START_MS,
  TAKEN_OUT,
  without,
} from './support.ts';

describe('the forward leg', () => {
  test('a claim moves what is said and confirms nothing', () => {
    const { facts } = ledger([claim(0, { what: 'handed_to_courier' }), claim(1, { what: 'delivered' })]);
    expect(facts.forward).toMatchObject({ state: 'WITH_COURIER', certainty: 'unconfirmed', custodian: 'courier' });
  });

  test('a deposit that sensors saw is confirmed, and the locker has it', () => {
    const { facts } = ledger([declared(), deposit()]);
    expect(facts.forward).toMatchObject({ state: 'IN_LOCKER', certainty: 'confirmed', custodian: 'locker_operator' });
    expect(facts.forward.signals.map(({ name }) => name).sort()).toEqual([
      'code',
      'door',
      'occupancy',
      'scan',
      'weight',
    ]);
    expect(facts.ledger_version).toBe(2);
  });

  test('one kind of evidence alone confirms nothing', () => {
    const only = {
      closed_by: 'door_shut',
      door: { opened: { from_ms: 1, to_ms: 2 }, closed: { from_ms: 3, to_ms: 4 } },
    };
    expect(ledger([deposit(1, only)]).facts.forward).toMatchObject({ state: 'IN_LOCKER', certainty: 'unconfirmed' });
  });

  test('collected with a code, taken back by a courier', () => {
    expect(ledger([deposit(), collect()]).facts.forward).toMatchObject({
      state: 'COLLECTED',
      certainty: 'confirmed',
      custodian: 'customer',
    });
    const courier = collect(10, TAKEN_OUT, { event: { actor: { kind: 'courier', ref: 'c-1' } } });
    const credential = {
      ...courier,
      event: { ...courier.event, data: { ...TAKEN_OUT, access: { method: 'credential', up_ms: 1 } } },
    };
    expect(ledger([deposit(), credential]).facts.forward).toMatchObject({ state: 'RETRIEVED', custodian: 'courier' });
  });

  test.for([
    ['a courier', TAKEN_OUT, 'parcel.removed'],
    ['somebody who forced a door', { ...without(TAKEN_OUT, 'access'), door: { forced: true } }, 'parcel.collected'],
  ] as const)('collected, it is taken by nobody else from where it does not lie: %s', ([, data, type]) => {
    const { facts } = ledger([declared(), deposit(), collect(), entry(20, type, data, { compartment: 'B02' })]);
    expect(facts.forward).toMatchObject({ state: 'COLLECTED', certainty: 'confirmed', custodian: 'customer' });
  });

  test('collected and handed to a courier it is on its way back', () => {
    const handed = entry(20, 'custody.handed_over', { to: { kind: 'courier', ref: 'c-1' } });
    const { facts } = ledger([declared(), deposit(), collect(), handed]);
    expect(facts).toMatchObject({ forward: { state: 'COLLECTED' }, return: { state: 'R_WITH_COURIER', signals: [] } });
  });

  test('gone after the door was forced: missing, and nobody knows who has it', () => {
    const forced = entry(5, 'door.forced', { reason: 'opened_without_access' });
    const of = ledger([deposit(), forced, collect(6, without(TAKEN_OUT, 'access'))]);
    expect(of.facts.forward).toMatchObject({ state: 'MISSING', custodian: 'unknown' });
    expect(found(of)).toEqual(['C02', 'C07']);
  });

  test('an exception is remembered with who raised it, and does not undo a deposit', () => {
    const exception = claim(2, { what: 'exception', operator: 'op-7' });
    expect(ledger([exception]).facts).toMatchObject({
      forward: { state: 'EXCEPTION' },
      exception: { operator: 'op-7' },
    });
    expect(ledger([deposit(), exception]).facts.forward.state).toBe('IN_LOCKER');
  });

  test('every exception is remembered, the last one first', () => {
    const all = [2, 3, 4].map((minute) => claim(minute, { what: 'exception', operator: `op-${minute}` }));
    const { exception, exceptions_before } = ledger([...all].reverse()).facts;
    expect(exception?.operator).toBe('op-4');
    expect(exceptions_before?.map(({ operator }) => operator)).toEqual(['op-3', 'op-2']);
  });

  test('times to collect and to deliver are carried to the decision', () => {
    const until = claim(3, { what: 'collect_by', until_ms: START_MS + HOUR_MS });
    const promised = claim(0, { what: 'declared', promised_by_ms: START_MS });
    expect(ledger([until, promised]).facts).toMatchObject({
      collect_by_ms: START_MS + HOUR_MS,
      promised_by_ms: START_MS,
    });
  });
});

describe('the return leg', () => {
  const returned = (): readonly LedgerInput[] => [
    declared(),
    deposit(),
    collect(),
    claim(11, { what: 'rma_opened' }),
    deposit(20),
  ];

  test('from an opened return to the inspection', () => {
    const story: LedgerInput[] = [...returned()];
    expect(ledger(story).facts.return).toMatchObject({
      state: 'R_IN_LOCKER',
      certainty: 'confirmed',
      custodian: 'locker_operator',
    });
    story.push(entry(30, 'parcel.collected', TAKEN_OUT, { event: { actor: { kind: 'courier', ref: 'c-1' } } }));
    expect(ledger(story).facts.return).toMatchObject({ state: 'R_WITH_COURIER', custodian: 'courier' });
    story.push(claim(60, { what: 'warehouse_received', weight_g: 1_000 }));
    expect(ledger(story).facts.return).toMatchObject({
      state: 'R_RECEIVED',
      custodian: 'warehouse',
      certainty: 'confirmed',
    });
    story.push(claim(61, { what: 'inspected', result: 'ok' }));
    expect(ledger(story).facts.return.state).toBe('R_INSPECTED_OK');
    expect(ledger(story).facts.forward.state).toBe('COLLECTED');
  });

  test('a deposit after a collection is a return, whether or not one was announced', () => {
    expect(ledger([deposit(), collect(), deposit(20)]).facts.return.state).toBe('R_IN_LOCKER');
    expect(ledger([entry(1, 'parcel.returned', PUT_IN)]).facts.return.state).toBe('R_IN_LOCKER');
  });

  test('taken out again by who brought it, with a code of their own: it is awaited as if it had never been there', () => {
    const taken = collect(30, TAKEN_OUT, { event: { actor: { kind: 'recipient', ref: 'k1.me' } } });
    const of = ledger([...returned(), taken]);
    expect(of.facts.return).toMatchObject({ state: 'RMA_OPEN', custodian: 'customer', signals: [] });
    expect(of.facts.forward.state).toBe('COLLECTED');
    expect(ledger([...returned(), taken, deposit(40)]).facts.return).toMatchObject({
      state: 'R_IN_LOCKER',
      certainty: 'confirmed',
    });
  });

  test.for([
    ['a receipt that is told later', () => claim(90, { what: 'warehouse_received' })],
    ['a receipt of the same moment', () => ({ ...claim(61, { what: 'warehouse_received' }), ref: 'wms:z' })],
    ['a way out through a locker', () => deposit(90)],
    ['a courier who has it', () => entry(90, 'custody.handed_over', { to: { kind: 'courier', ref: 'c-1' } })],
    ['a scan without an item', () => entry(90, 'compartment.disturbed', { item_before: false, item_after: false })],
    ['an episode of the locker', () => collect(90, without(TAKEN_OUT, 'access'))],
  ] as const)('found empty it stays so, whatever follows: %s', ([, later]) => {
    const story = [...returned(), { ...claim(61, { what: 'inspected', result: 'empty' }), ref: 'wms:a' } as const];
    const { facts } = ledger([...story, later()]);
    expect(facts.return).toMatchObject({ state: 'R_INSPECTED_EMPTY', custodian: 'warehouse' });
    expect(facts.forward.state).toBe('COLLECTED');
  });

  test('taken out by a clock that is ahead of the warehouse: it arrived', () => {
    const courier = { event: { actor: { kind: 'courier', ref: 'c-1' } } } as const;
    const of = ledger([...returned(), claim(60, { what: 'warehouse_received' }), collect(61, TAKEN_OUT, courier)]);
    expect(of.facts).toMatchObject({ forward: { state: 'COLLECTED' }, return: { state: 'R_RECEIVED' } });
  });

  test('put in and taken out by a clock that is ahead of the warehouse: it arrived, and nothing is missed later', () => {
    const courier = { event: { actor: { kind: 'courier', ref: 'c-1' } } } as const;
    const out = [declared(), deposit(), collect(), claim(11, { what: 'rma_opened' })];
    const ahead = [claim(60, { what: 'warehouse_received' }), deposit(61), collect(62, TAKEN_OUT, courier)];
    const { facts } = foldLedger(PARCEL.ref, [...out, ...ahead], START_MS + 30 * 24 * HOUR_MS);
    expect(facts).toMatchObject({
      forward: { state: 'COLLECTED' },
      return: { state: 'R_RECEIVED', custodian: 'warehouse', certainty: 'confirmed' },
      contradictions: [],
    });
    expect(facts.return.signals.map(({ name }) => name)).toEqual(expect.arrayContaining(['received', 'scan', 'door']));
  });

  test('a parcel that a courier took back and puts into another locker is no return', () => {
    const courier = { event: { actor: { kind: 'courier', ref: 'c-1' } } } as const;
    const takenBack = collect(10, without(TAKEN_OUT, 'access'), courier);
    const { facts } = ledger([declared(), deposit(), takenBack, deposit(20, PUT_IN, { compartment: 'B02' })]);
    expect(facts.forward).toMatchObject({ state: 'IN_LOCKER', certainty: 'confirmed' });
    expect(facts.return.state).toBe('NONE');
  });

  test('taken by somebody after the customer brought it: the deposit stays proved', () => {
    const forced = entry(25, 'door.forced', { reason: 'lock_engaged' });
    const of = ledger([...returned(), forced, collect(26, without(TAKEN_OUT, 'access'))]);
    expect(of.facts.return).toMatchObject({ state: 'R_DISTURBED', custodian: 'unknown', certainty: 'confirmed' });
  });
});

describe('what happens to a return in its locker', () => {
  const brought = [declared(), deposit(), collect(), deposit(20)];
  const opened = entry(25, 'compartment.disturbed', { closed_by: 'door_shut' });

  test('says nothing about the delivery, however often the door opens', () => {
    const gone = entry(26, 'compartment.disturbed', { closed_by: 'door_shut', item_before: true, item_after: false });
    const forced = entry(26, 'door.forced', { reason: 'lock_engaged' });
    for (const last of [gone, forced]) {
      const { facts } = ledger([...brought, opened, last]);
      expect(facts.forward).toMatchObject({ state: 'COLLECTED', certainty: 'confirmed' });
      expect(facts.return.state).toBe('R_DISTURBED');
      expect(new Set(facts.contradictions.map(({ leg }) => leg))).toEqual(new Set(['return']));
    }
  });
});

describe('the fold', () => {
  const story: readonly LedgerInput[] = [
    declared(),
    claim(0, { what: 'handed_to_courier' }),
    deposit(1),
    entry(5, 'door.forced', { reason: 'lock_engaged' }),
    collect(10),
    claim(11, { what: 'rma_opened' }),
    deposit(20),
    claim(90, { what: 'warehouse_received' }),
  ];

  test('is the same in whatever order the inputs came, and however often', () => {
    const whole = ledger(story);
    expect(whole.timeline).toHaveLength(story.length);
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...story], { minLength: story.length }),
        fc.subarray([...story]),
        (shuffled, again) => {
          expect(ledger([...shuffled, ...again])).toEqual(whole);
        },
      ),
    );
  });

  test('keeps the order of a log against the wall clock, and says that the clock went back', () => {
    const late = collect(10, TAKEN_OUT, { minute: -500 });
    const of = ledger([deposit(1, PUT_IN, { minute: 0 }), late]);
    expect(of.facts.forward.state).toBe('COLLECTED');
    expect(found(of)).toContain('C15');
    expect(of.facts.forward.signals.every(({ clock }) => clock === 'rollback')).toBe(true);
  });

  test('a clock that ran ahead of what was stored moves no delivery behind the return that was announced after it', () => {
    const ahead = (one: LedgerEntry): LedgerEntry => ({
      ...one,
      event: { ...one.event, at: '2040-01-01T00:00:00.000Z' },
      storedMs: START_MS + one.n * 60_000,
    });
    const of = ledger([declared(), ahead(deposit(1)), ahead(collect(10)), claim(60, { what: 'rma_opened' })]);
    expect(of.facts).toMatchObject({ forward: { state: 'COLLECTED' }, return: { state: 'RMA_OPEN' } });
    expect(of.facts.forward.signals.every(({ clock }) => clock === 'free')).toBe(true);
    const late = deposit(1, PUT_IN, { storedMs: START_MS });
    expect(ledger([late]).facts.forward.since_ms).toBe(START_MS + 60_000);
  });

  test.for(['0000-01-01T00:00:00.000Z', '1969-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'])(
    'clocks at %s make facts that can be kept and read again',
    (at) => {
      const old = deposit();
      const until_ms = Date.parse(at);
      const { facts: folded } = ledger([
        { ...old, event: { ...old.event, at } },
        { ...claim(0, { what: 'exception' }), at_ms: until_ms },
        claim(1, { what: 'collect_by', until_ms }),
        claim(1, { what: 'declared', promised_by_ms: until_ms }),
      ]);
      expect(parseFacts(JSON.parse(JSON.stringify(facts({ parcels: [folded] }))))).toMatchObject({ ok: true });
    },
  );

  test('a gateway that is awaited is named', () => {
    const awaited = { gateway: 'gw-2', since_ms: START_MS };
    expect(ledger([deposit()], { awaited }).facts.waiting_for).toEqual(awaited);
  });
});
