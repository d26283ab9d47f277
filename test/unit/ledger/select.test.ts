/** Which entries are about a parcel, whatever else was read with them. */
import { expect, test } from 'vitest';
import type { LedgerEntry } from '../../../src/risk/ledger/inputs.ts';
import { EntryIndex } from '../../../src/risk/ledger/select.ts';
import { deposit, entry, PARCEL, START_MS } from './support.ts';

const DAY_MS = 86_400_000;
const OTHER = { ref: 'k1.BBBBBBBBBBBBBBBBBBBBBB', scheme: 'sscc' };

/** Of the gateway, and of no parcel; stored so many days after the deposit. */
function around(
  n: number,
  type: string,
  days: number,
  more: { compartment?: string; gateway?: string } = {},
): LedgerEntry {
  const { parcel: _, ...event } = entry(n, type, {}, more).event;
  return { ...entry(n, type, {}, more), event, storedMs: START_MS + days * DAY_MS };
}

const OWN = deposit(1, {}, { storedMs: START_MS });
/** It came to the same gateway three weeks earlier. */
const OF_OTHER = deposit(2, {}, { storedMs: START_MS - 21 * DAY_MS, event: { parcel: OTHER } });
const ALL = [
  OF_OTHER,
  around(3, 'door.forced', -20),
  around(4, 'door.forced', -15),
  around(5, 'door.forced', -13),
  OWN,
  around(6, 'door.forced', 1),
  around(7, 'door.forced', 1, { compartment: 'A02' }),
  around(8, 'door.forced', 1, { gateway: 'gw-2' }),
];
const about = (entries: readonly LedgerEntry[], ref: string): readonly number[] =>
  new EntryIndex(entries).about(ref).map(({ n }) => n);

test('what happened around a parcel counts from two weeks before it was known, whatever was read with it', () => {
  expect(about(ALL, PARCEL.ref)).toEqual([1, 5, 6]);
  expect(about(ALL.toReversed(), PARCEL.ref).toSorted()).toEqual([1, 5, 6]);
  expect(about(ALL, OTHER.ref)).toEqual([2, 3, 4, 5, 6]);
  expect(
    about(
      ALL.filter((one) => one !== OF_OTHER),
      PARCEL.ref,
    ),
  ).toEqual([1, 5, 6]);
  expect(about(ALL, 'k1.nothing')).toEqual([]);
});

test('an entry of which nobody knows when it was stored counts', () => {
  const { storedMs: _, ...unknown } = around(3, 'door.forced', -20);
  const { storedMs: __, ...own } = OWN;
  expect(about([own, unknown], PARCEL.ref)).toEqual([1, 3]);
  expect(about([OWN, unknown], PARCEL.ref)).toEqual([1, 3]);
});

test('an entry that names several parcels is about each of them, once', () => {
  const data = { parcels: [{ ...PARCEL }, { ...OTHER }] };
  const several = entry(9, 'maintenance.opened', data, { storedMs: START_MS });
  const { parcel: _, ...event } = several.event;
  expect(about([OWN, OF_OTHER, { ...several, event }], PARCEL.ref)).toEqual([1, 9]);
  expect(about([OWN, OF_OTHER, { ...several, event }], OTHER.ref)).toEqual([2, 9]);
});
