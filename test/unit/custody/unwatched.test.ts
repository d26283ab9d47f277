/** What nobody saw is not claimed: times in which a board could not be read, and doors that nobody commissioned. */
import { describe, expect, test } from 'vitest';
import { PARCEL_A, SETTINGS, Table } from './bench.ts';

test('an item that changed while nobody looked is not said to have changed behind a shut door', () => {
  const table = deposited();
  table.device('lost', 'unplugged');
  table.scheduler.advance(60_000);
  table.device('found', 'answers again');
  table.east('shut', 0);
  expect(table.said().at(-1)).toMatchObject({ type: 'occupancy.changed', seen: { to_ms: expect.any(Number) } });
  table.east('open', 0);
  table.east('shut', 0, 6);
  expect(table.closing().data['contradictions']).toBeUndefined();
});

test('a visit in which the door was shut in between, or could not be read, claims no least time of standing open', () => {
  const table = new Table();
  table.east('shut', 0);
  table.east('open', 0);
  table.east('shut', 0);
  table.east('open', 0, 20);
  table.east('shut', 0, 6);
  const door = table.closing().data['door'];
  expect(door).toHaveProperty('open_max_ms');
  expect(door).not.toHaveProperty('open_min_ms');
  table.east('open', 0);
  table.device('lost', 'unplugged');
  table.scheduler.advance(30_000);
  table.device('found', 'answers again');
  table.east('open', 0);
  table.east('shut', 0, 6);
  expect(table.closing().data['door']).not.toHaveProperty('open_min_ms');
  table.east('open', 0);
  table.east('shut', 0, 6);
  expect(table.closing().data['door']).toMatchObject({ open_min_ms: 480 });
});

test('a door that opened again while nobody looked, before its visit was over, makes the visit one that was not watched', () => {
  const table = new Table();
  table.east('shut', 0);
  table.east('open', 0);
  table.east('shut', 0);
  table.device('lost', 'unplugged');
  table.scheduler.advance(500);
  table.device('found', 'answers again');
  table.east('open', 0);
  table.east('shut', 0, 6);
  expect(table.closing().data).toMatchObject({ contradictions: ['opened_unwatched'] });
});

describe('of a scan that no door followed', () => {
  const lone = (table: Table) => table.bodies('exception.reported').map(({ data }) => data['detail']);
  const scanned = (compartments: (typeof SETTINGS)['compartments'], act: (table: Table) => void = () => undefined) => {
    const table = new Table({ settings: { ...SETTINGS, compartments } });
    table.east('shut', 0);
    table.scan(PARCEL_A);
    act(table);
    table.scheduler.advance(61_000);
    return table;
  };
  const [e1, e2, , u1] = SETTINGS.compartments as [Named, Named, Named, Named];
  type Named = (typeof SETTINGS)['compartments'][number];

  test('it is claimed that no door opened where all of them were watched', () => {
    expect(lone(scanned([e1]))).toEqual([undefined]);
  });

  test('it is said when a door was not commissioned, not yet seen, or could not be read', () => {
    const unwatched = ['not all doors were watched'];
    expect(lone(scanned([e1, u1]))).toEqual(unwatched);
    expect(lone(scanned([e1, e2]))).toEqual(unwatched);
    expect(lone(scanned([e1], (table) => table.device('lost', 'unplugged')))).toEqual(unwatched);
    const back = scanned([e1], (table) => {
      table.device('lost', 'unplugged');
      table.scheduler.advance(10_000);
      table.device('found', 'answers again');
      table.east('shut', 0);
    });
    expect(lone(back)).toEqual(unwatched);
  });

  test('nothing is said when it can only have been for doors that are not commissioned', () => {
    const elsewhere = { ...e1, scanners: ['other'] };
    expect(lone(scanned([elsewhere, u1]))).toEqual([]);
  });
});

function deposited(): Table {
  const table = new Table();
  table.east('shut', 0);
  table.scan(PARCEL_A);
  table.east('open', 0);
  table.east('open', 1);
  table.east('shut', 1, 6);
  expect(table.said().at(-1)?.type).toBe('parcel.deposited');
  return table;
}
