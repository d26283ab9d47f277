/** Switches that chatter, and sources that repeat themselves: what they make of a parcel's facts stays within bounds. */
import { expect, test } from 'vitest';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { decide } from '../../../src/risk/decision/decision.ts';
import { parseFacts } from '../../../src/risk/decision/facts-schema.ts';
import { gradeOf } from '../../../src/risk/decision/grade.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';
import type { LedgerInput } from '../../../src/risk/ledger/inputs.ts';
import { facts } from '../decision/support.ts';
import { claim, declared, deposit, entry, found, ledger } from './support.ts';

const TIMES = 1_200;

function many(make: (n: number) => LedgerInput): readonly LedgerInput[] {
  return Array.from({ length: TIMES }, (_, i) => make(i + 10));
}

const NOISES: readonly (readonly [string, readonly LedgerInput[]])[] = [
  ['a door', many((n) => entry(n, 'door.forced', { reason: 'lock_engaged' }, { minute: 5 }))],
  ['an opening', many((n) => entry(n, 'compartment.disturbed', { closed_by: 'door_shut' }, { minute: 5 }))],
  ['a position', many((n) => entry(n, 'location.fixed', { geofence: 'outside', accuracy_m: 5 }, { minute: 5 }))],
  ['a seal', many((n) => entry(n, 'seal.recorded', { state: 'broken' }, { minute: 5 }))],
  ['a carrier', many(() => claim(5, { what: 'delivered', geofence: 'outside' }))],
];

test.for(NOISES)('%s that says the same again and again is decided about, kept and read again', ([, noise]) => {
  const of = ledger([declared(), deposit(), ...noise]);
  expect(new Set(found(of)).size).toBe(found(of).length);
  const asked = facts({ refund: { kind: 'not_received' }, parcels: [of.facts] });
  const ruleset = makeRuleset(nodeCrypto, {});
  const decision = decide(nodeCrypto, asked, ruleset);
  const read = parseFacts(JSON.parse(JSON.stringify(asked)));
  expect(read.ok && decide(nodeCrypto, read.value, ruleset)).toEqual(decision);
  expect(JSON.stringify(decision).length).toBeLessThan(100_000);
});

test('what is left out of so many signals is what weighs least', () => {
  const weak = many((n) => entry(n, 'location.fixed', { geofence: 'inside' }, { minute: 5, level: 'A0' }));
  const strong = entry(TIMES + 20, 'location.fixed', { geofence: 'inside' }, { minute: 9 });
  const { signals } = ledger([deposit(), ...weak, strong]).facts.forward;
  expect(signals.some(({ event }) => event === strong.ref)).toBe(true);
  expect(gradeOf(signals, []).groups.find(({ group }) => group === 'place')?.mdb).toBe(4_000);
});
