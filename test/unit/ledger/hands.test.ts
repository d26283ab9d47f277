/** Which courier had a parcel in hands, as entries say, and on which leg. */
import { expect, test } from 'vitest';
import type { Actor, JsonObject } from '../../../src/evidence/event/event.ts';
import { foldLedger } from '../../../src/risk/ledger/fold.ts';
import { handsIn, handsOn } from '../../../src/risk/ledger/hands.ts';
import { entry, PARCEL, PUT_IN, START_MS, TAKEN_OUT } from './support.ts';

const COURIER: Actor = { kind: 'courier', ref: 'k1.Y291cmllcg' };
const by = (kind: Actor['kind'], ref = COURIER.ref) => ({ event: { actor: { kind, ref } } });
const hands = (type: string, data: JsonObject, options: object) => handsIn(entry(1, type, data, options).event);

test.each([
  ['parcel.deposited', 'put_in'],
  ['parcel.returned', 'put_in'],
  ['parcel.collected', 'taken_out'],
  ['parcel.removed', 'taken_out'],
  ['compartment.disturbed', 'opened'],
  ['seal.recorded', 'sealed'],
  ['exception.reported', 'reported'],
])('the courier of a %s had it in hands: %s', (type, deed) => {
  expect(hands(type, {}, by('courier'))).toEqual([{ courier: COURIER.ref, deed }]);
  for (const kind of ['recipient', 'technician', 'operator', 'service'] as const)
    expect(hands(type, {}, by(kind))).toEqual([]);
});

test('both ends of a handover did, and of a third nobody', () => {
  const other = { kind: 'courier', ref: 'k1.b3RoZXI' };
  expect(hands('custody.handed_over', { from: { ...COURIER }, to: other }, {})).toEqual([
    { courier: COURIER.ref, deed: 'handed_on' },
    { courier: other.ref, deed: 'taken_over' },
  ]);
  const shop = { kind: 'operator', ref: 'shop-1' };
  expect(hands('custody.handed_over', { from: shop, to: shop }, {})).toEqual([]);
});

test('who was let in, or is no pseudonym, or an entry that names no parcel, is nobody’s hand', () => {
  expect(hands('access.granted', { method: 'code' }, by('courier'))).toEqual([]);
  for (const ref of ['Jane Doe', '', 'a\u001eb', 'x'.repeat(65), 'ü']) {
    expect(hands('parcel.deposited', PUT_IN, by('courier', ref))).toEqual([]);
  }
  const { parcel: _, ...nameless } = entry(1, 'compartment.disturbed', {}, by('courier')).event;
  expect(handsIn(nameless)).toEqual([]);
});

test('each hand is on the leg that its entry moved, and only on the parcel that it names', () => {
  const story = [
    entry(1, 'parcel.deposited', PUT_IN, by('courier')),
    entry(2, 'parcel.collected', TAKEN_OUT, by('recipient')),
    entry(3, 'parcel.returned', PUT_IN, by('recipient')),
    entry(4, 'parcel.collected', TAKEN_OUT, by('courier', 'k1.YW5vdGhlcg')),
    entry(5, 'parcel.deposited', PUT_IN, {
      event: { actor: COURIER, parcel: { ref: 'k1.BBBBBBBBBBBBBBBBBBBBBB', scheme: 'sscc' } },
    }),
  ];
  const { facts } = foldLedger(PARCEL.ref, story.slice(0, 4), START_MS);
  expect(handsOn(facts, story)).toEqual([
    { courier: COURIER.ref, deed: 'put_in', event: 'lockers.example/gw-1/1-9f2c01aa#1', leg: 'forward' },
    { courier: 'k1.YW5vdGhlcg', deed: 'taken_out', event: 'lockers.example/gw-1/1-9f2c01aa#4', leg: 'return' },
  ]);
});
