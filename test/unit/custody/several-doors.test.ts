/** Scans that more than one door could claim. */
import { expect, test } from 'vitest';
import { PARCEL_A, Table } from './bench.ts';

test('a scan that a door left open took is doubted when another door opens after it, on both sides', () => {
  const table = new Table();
  table.poll('east', { 1: [0, 0], 2: [0, 0] }, 2);
  table.poll('east', { 1: [1, 0], 2: [0, 0] }, 2);
  table.scan(PARCEL_A);
  table.poll('east', { 1: [1, 0], 2: [1, 0] }, 2);
  table.poll('east', { 1: [1, 0], 2: [1, 1] }, 2);
  table.poll('east', { 1: [1, 0], 2: [0, 1] }, 6);
  table.poll('east', { 1: [0, 0], 2: [0, 1] }, 6);
  const closings = table.said().filter(({ data }) => data['closed_by'] === 'door_shut');
  expect(closings).toMatchObject([
    { compartment: 'e2', data: { contradictions: ['item_without_scan', 'several_doors'] } },
    { compartment: 'e1', type: 'compartment.disturbed', data: { contradictions: ['shut_but_empty', 'several_doors'] } },
  ]);
});

test('a scan before its door opened is not doubted by the next door', () => {
  const table = new Table();
  table.poll('east', { 1: [0, 0], 2: [0, 0] }, 2);
  table.scan(PARCEL_A);
  table.poll('east', { 1: [1, 0], 2: [0, 0] }, 2);
  table.poll('east', { 1: [1, 1], 2: [1, 0] }, 2);
  table.poll('east', { 1: [0, 1], 2: [0, 0] }, 6);
  const deposited = table.said().filter(({ type }) => type === 'parcel.deposited');
  expect(deposited).toMatchObject([{ compartment: 'e1' }]);
  expect(deposited[0]?.data).not.toHaveProperty('contradictions');
});
