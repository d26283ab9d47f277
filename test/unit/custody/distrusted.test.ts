/** Doors whose signed walk contradicts their settings: nothing is concluded of them. */
import { describe, expect, test } from 'vitest';
import { PARCEL_A, snapshotOf, Table } from './bench.ts';

const nobody: ReadonlySet<string> = new Set();
const e1 = new Set(['e1']);
const statusOf = (table: Table) => table.custody.status().find(({ name }) => name === 'e1');

describe('a door that is not believed', () => {
  test('is told once, reads unknown, and says nothing of what its contact does', () => {
    const table = new Table();
    table.east('shut', 0, 4);
    table.custody.distrust(e1);
    table.custody.distrust(e1);
    expect(table.bodies('exception.reported')).toEqual([
      { compartment: 'e1', data: { what: 'polarity_contradicted' }, device: 'east', type: 'exception.reported' },
    ]);
    const before = table.bodies().length;
    table.east('open', 1, 4);
    table.east('shut', 0, 20);
    expect(table.bodies().slice(before)).toEqual([]);
    expect(statusOf(table)).toMatchObject({ door: 'unknown', distrusted: true, visited: false });
    expect(statusOf(table)).not.toHaveProperty('occupied');
    table.custody.recount(table.now());
    expect(table.bodies('compartment.counted').find(({ data }) => data['reason'] === 'command')).toMatchObject({
      compartment: 'e1',
      data: { door: 'unknown' },
    });
  });

  test('leaves the others as they are', () => {
    const table = new Table();
    table.west('shut', 4);
    table.custody.distrust(e1);
    table.west('open', 2);
    expect(table.bodies('door.opened')).toMatchObject([{ compartment: 'w1' }]);
  });

  test('ends a visit that runs with what was seen, and what lay there is in doubt from then on', () => {
    const table = new Table();
    table.east('shut', 0, 4);
    table.scan(PARCEL_A);
    table.east('open', 0);
    table.east('shut', 1, 6);
    expect(table.bodies('parcel.deposited')).toHaveLength(1);
    table.east('open', 1);
    table.custody.distrust(e1);
    expect(table.bodies('compartment.disturbed')).toMatchObject([{ data: { closed_by: 'cut' } }]);
    expect(statusOf(table)).toMatchObject({ held: 1, visited: false });
    const saved = snapshotOf(table)['compartments'];
    expect(saved).toMatchObject([{ name: 'e1', doubted: true }, {}, {}]);
    expect(JSON.stringify(saved)).not.toContain('episode');
  });

  test('is seen anew once it is believed again: a first look, and no opening that nobody saw', () => {
    const table = new Table();
    table.east('shut', 0, 4);
    table.custody.distrust(e1);
    table.east('open', 0, 4);
    table.custody.distrust(nobody);
    const before = table.bodies().length;
    table.east('shut', 0, 4);
    expect(
      table
        .bodies()
        .slice(before)
        .map(({ type }) => type),
    ).toEqual(
      table
        .bodies()
        .slice(0, 1)
        .map(({ type }) => type),
    );
    expect(statusOf(table)).toMatchObject({ door: 'shut' });
    expect(statusOf(table)).not.toHaveProperty('distrusted');
  });
});
