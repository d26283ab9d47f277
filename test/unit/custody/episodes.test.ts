import { expect, test } from 'vitest';
import { PARCEL_A, PARCEL_B, refOf, Table } from './bench.ts';

test('scan, door, item, shut: deposited, with all that was seen', () => {
  const table = new Table();
  table.east('shut', 0);
  expect(table.said()).toMatchObject([
    {
      type: 'compartment.counted',
      compartment: 'e1',
      device: 'east',
      data: { door: 'shut', occupied: false, reason: 'first_look' },
    },
  ]);
  table.scan(PARCEL_A);
  table.east('open', 0);
  table.east('open', 1);
  table.east('shut', 1, 6);
  expect(table.types()).toEqual([
    'code.scanned',
    'door.opened',
    'occupancy.changed',
    'door.closed',
    'parcel.deposited',
  ]);
  expect(table.drafts.map(({ urgent }) => urgent === true)).toEqual([false, false, false, false, true]);
  const [scanned, openedBody, occupancy] = table.bodies();
  expect(scanned).toEqual({
    type: 'code.scanned',
    device: 'desk',
    parcel: refOf(PARCEL_A),
    data: { candidates: ['sscc'], certainty: 'check_digit', size_bytes: 18 },
  });
  expect(openedBody).toEqual({
    type: 'door.opened',
    compartment: 'e1',
    device: 'east',
    seen: { from_ms: 980, to_ms: 1_500 },
    data: { channel: 1, feedback: 1, polarity: 'closed_is_0', reads: 2 },
  });
  expect(occupancy).toMatchObject({
    seen: { from_ms: 1_980, to_ms: 2_500 },
    data: { channel: 1, door: 'open', occupied: true },
  });
  expect(table.closing()).toMatchObject({
    body: { compartment: 'e1', device: 'east', parcel: refOf(PARCEL_A) },
    data: {
      closed_by: 'door_shut',
      door: {
        opened: { from_ms: 980, to_ms: 1_500 },
        closed: { from_ms: 2_980, to_ms: 3_500 },
        open_min_ms: 1_480,
        open_max_ms: 2_520,
      },
      item_before: false,
      item_after: true,
      scans: [{ device: 'desk', parcel: refOf(PARCEL_A), up_ms: 1_000 }],
    },
  });
});

test('what is taken out without a scan is collected under the reference of its deposit', () => {
  const table = deposited();
  table.east('open', 1);
  table.east('open', 0);
  table.east('shut', 0, 6);
  const { body, data } = table.closing();
  expect(body).toMatchObject({ type: 'parcel.collected', parcel: refOf(PARCEL_A) });
  expect(data).toMatchObject({ item_before: true, item_after: false, held: [refOf(PARCEL_A)], not_seen: ['scan'] });
  expect(table.custody.status()[0]).toEqual({
    name: 'e1',
    device: 'east',
    door: 'shut',
    occupied: false,
    held: 0,
    visited: false,
  });
});

test('a scan without a door claims no deposit; it is said that no door opened', () => {
  const table = new Table();
  table.east('shut', 0);
  table.said();
  table.scan(PARCEL_A);
  table.scheduler.advance(61_000);
  expect(table.said()).toMatchObject([
    { type: 'code.scanned' },
    {
      type: 'exception.reported',
      device: 'desk',
      parcel: refOf(PARCEL_A),
      data: { what: 'scan_without_door', count: 1, scans: [{ up_ms: 1_000 }] },
    },
  ]);
  table.east('open', 0);
  table.east('shut', 0, 6);
  expect(table.closing().data).toMatchObject({ not_seen: ['scan'] });
});

test('a door without a scan is stated and accuses nobody', () => {
  const table = new Table();
  table.east('shut', 0);
  table.east('open', 0);
  table.east('shut', 0, 6);
  expect(table.types()).not.toContain('door.forced');
  const { body, data } = table.closing();
  expect(body.type).toBe('compartment.disturbed');
  expect(body.parcel).toBeUndefined();
  expect(data).toMatchObject({ closed_by: 'door_shut', not_seen: ['scan'], item_before: false, item_after: false });
  expect(data['contradictions']).toBeUndefined();
});

test('scanned, opened, shut and still empty: disturbed, with the contradiction', () => {
  const table = new Table();
  table.east('shut', 0);
  table.scan(PARCEL_A);
  table.east('open', 0);
  table.east('shut', 0, 6);
  const { body, data } = table.closing();
  expect(body).toMatchObject({ type: 'compartment.disturbed', parcel: refOf(PARCEL_A) });
  expect(data).toMatchObject({ item_after: false, contradictions: ['shut_but_empty'] });
  expect(table.custody.status()[0]?.held).toBe(0);
});

test('an item that nobody scanned is disturbed, and names no parcel', () => {
  const table = new Table();
  table.east('shut', 0);
  table.east('open', 0);
  table.east('open', 1);
  table.east('shut', 1, 6);
  const { body, data } = table.closing();
  expect(body).not.toHaveProperty('parcel');
  expect(data).toMatchObject({ contradictions: ['item_without_scan'], not_seen: ['scan'] });
  table.east('open', 1);
  table.east('open', 0);
  table.east('shut', 0, 6);
  expect(table.closing().data).toMatchObject({ contradictions: ['item_gone'] });
});

test('looking in and shutting again changes nothing of what lies there', () => {
  const table = deposited();
  table.east('open', 1);
  table.east('shut', 1, 6);
  expect(table.closing()).toMatchObject({ body: { type: 'compartment.disturbed', parcel: refOf(PARCEL_A) } });
  expect(table.custody.status()[0]?.held).toBe(1);
});

test('scanning what lies there without taking it out is no collection', () => {
  const table = deposited();
  table.scan(PARCEL_A);
  table.east('open', 1);
  table.east('shut', 1, 6);
  expect(table.closing()).toMatchObject({
    body: { type: 'compartment.disturbed' },
    data: { contradictions: ['still_occupied'] },
  });
});

test('a second parcel into an occupied compartment is deposited, and contradicted', () => {
  const table = deposited();
  table.scan(PARCEL_B);
  table.east('open', 1);
  table.east('shut', 1, 6);
  const { body, data } = table.closing();
  expect(body).toMatchObject({ type: 'parcel.deposited', parcel: refOf(PARCEL_B) });
  expect(data).toMatchObject({ held: [refOf(PARCEL_A)], contradictions: ['already_occupied'] });
  expect(table.custody.status()[0]?.held).toBe(2);
  table.scan(PARCEL_B);
  table.east('open', 1);
  table.east('shut', 1, 6);
  expect(table.closing().body).toMatchObject({ type: 'parcel.collected', parcel: refOf(PARCEL_B) });
});

test('several parcels in one visit are all named', () => {
  const table = new Table();
  table.east('shut', 0);
  table.scan(PARCEL_A);
  table.scan(PARCEL_A);
  table.east('open', 0);
  table.scan(PARCEL_B);
  table.east('open', 1);
  table.east('shut', 1, 6);
  const { body, data } = table.closing();
  expect(body.type).toBe('parcel.deposited');
  expect(body).not.toHaveProperty('parcel');
  expect(data).toMatchObject({ parcels: [refOf(PARCEL_A), refOf(PARCEL_B)], contradictions: ['several_parcels'] });
  expect(data['scans']).toHaveLength(3);
});

test('another parcel scanned while the one inside disappears', () => {
  const table = deposited();
  table.scan(PARCEL_B);
  table.east('open', 1);
  table.east('open', 0);
  table.east('shut', 0, 6);
  expect(table.closing()).toMatchObject({
    body: { type: 'parcel.collected', parcel: refOf(PARCEL_A) },
    data: { contradictions: ['other_parcel', 'scan_without_item'] },
  });
});

test('without an item sensor a scan and a door make a deposit whose item was not seen', () => {
  const table = new Table();
  table.west('shut');
  table.scan(PARCEL_A);
  table.west('open');
  table.west('shut');
  expect(table.closing()).toMatchObject({
    body: { type: 'parcel.deposited', parcel: refOf(PARCEL_A) },
    data: { not_seen: ['item_before', 'item_after'] },
  });
  table.west('open');
  table.west('shut');
  // Nobody saw what the second visitor did: no collection is claimed, and the next deposit is no contradiction.
  expect(table.closing()).toMatchObject({ body: { type: 'compartment.disturbed', parcel: refOf(PARCEL_A) } });
  table.scan(PARCEL_B);
  table.west('open');
  table.west('shut');
  const { data } = table.closing();
  expect(data).toMatchObject({ held: [refOf(PARCEL_A)] });
  expect(data).not.toHaveProperty('contradictions');
  table.scan(PARCEL_B);
  table.west('open');
  table.west('shut');
  expect(table.closing().body).toMatchObject({ type: 'parcel.collected', parcel: refOf(PARCEL_B) });
});

test('a door left open is said once, and its end is still judged', () => {
  const table = new Table();
  table.east('shut', 0);
  table.scan(PARCEL_A);
  table.east('open', 0);
  table.east('open', 1);
  table.said();
  table.east('open', 1, 240);
  expect(table.closing()).toMatchObject({
    body: { type: 'compartment.disturbed', parcel: refOf(PARCEL_A) },
    data: { closed_by: 'left_open', not_seen: ['closing'], item_after: true },
  });
  table.east('open', 1, 500);
  expect(table.said()).toEqual([]);
  table.east('shut', 1, 6);
  expect(table.closing()).toMatchObject({ body: { type: 'parcel.deposited' }, data: { closed_by: 'door_shut' } });
});

test('a door that opens while its board cannot be read is forced, unless a scan explains it', () => {
  const table = deposited();
  table.device('lost', 'no_reply');
  table.scheduler.advance(30_000);
  table.device('found', 'answered');
  table.east('open', 0);
  const said = table.said();
  expect(said.map(({ type }) => type)).toEqual([
    'device.lost',
    'device.found',
    'door.opened',
    'door.forced',
    'occupancy.changed',
  ]);
  expect(said[3]).toMatchObject({ compartment: 'e1', data: { reason: 'opened_unwatched', unwatched_ms: 30_520 } });
  table.east('shut', 0, 6);
  expect(table.closing()).toMatchObject({
    body: { type: 'parcel.collected' },
    data: { contradictions: ['opened_unwatched'], door: { forced: true }, not_seen: ['scan'] },
  });

  const explained = deposited();
  explained.device('lost', 'no_reply');
  explained.scan(PARCEL_A);
  explained.scheduler.advance(30_000);
  explained.east('open', 0);
  expect(explained.types()).not.toContain('door.forced');
  explained.east('shut', 0, 6);
  expect(explained.closing().data).toMatchObject({ contradictions: ['opened_unwatched'] });
});

test('a board that is lost while the door is open makes the episode say how long nobody looked', () => {
  const table = new Table();
  table.east('shut', 0);
  table.scan(PARCEL_A);
  table.east('open', 0);
  table.device('faulted', 'duplicate_address');
  table.scheduler.advance(10_000);
  table.east('open', 1);
  table.east('shut', 1, 6);
  expect(table.closing()).toMatchObject({ body: { type: 'parcel.deposited' }, data: { blind_ms: 10_500 } });
});

test('a board that is lost right after the door shut leaves the item unseen, not absent', () => {
  const table = new Table();
  table.east('shut', 0);
  table.scan(PARCEL_A);
  table.east('open', 0);
  table.east('shut', 0);
  table.device('lost', 'port_lost');
  table.said();
  table.scheduler.advance(10_000);
  const { body, data } = table.closing();
  expect(body.type).toBe('parcel.deposited');
  expect(data).not.toHaveProperty('item_after');
  expect(data).toMatchObject({ not_seen: ['item_after'] });
});

test('a door open at the first look has an episode whose opening was not seen', () => {
  const table = new Table();
  table.east('open', 0);
  expect(table.said()).toMatchObject([{ type: 'compartment.counted', data: { door: 'open' } }]);
  table.east('shut', 0, 6);
  expect(table.closing().data).toMatchObject({
    door: { first_look: true },
    not_seen: ['opening', 'scan', 'item_before'],
  });
});

test('shut and opened again before the sensor settled is one visit', () => {
  const table = new Table();
  table.east('shut', 0);
  table.scan(PARCEL_A);
  table.east('open', 0);
  table.east('shut', 0);
  table.east('open', 0);
  table.east('open', 1);
  table.east('shut', 1, 6);
  expect(table.closing().body.type).toBe('parcel.deposited');
});

test('an item that changes behind a shut door is told, and remembered for the next visit', () => {
  const table = deposited();
  table.east('shut', 0);
  expect(table.said()).toMatchObject([{ type: 'occupancy.changed', data: { door: 'shut', occupied: false } }]);
  table.east('open', 0);
  table.east('shut', 0, 6);
  expect(table.closing().data).toMatchObject({
    contradictions: ['item_while_shut'],
    item_before: false,
    held: [refOf(PARCEL_A)],
  });
});

test('a scan goes to the door that opened last when several stand open', () => {
  const table = new Table();
  table.poll('east', { 1: [0, 0], 2: [0, 0] }, 2);
  table.poll('east', { 1: [1, 0], 2: [0, 0] }, 2);
  table.poll('east', { 1: [1, 0], 2: [1, 0] }, 2);
  table.scan(PARCEL_A);
  table.poll('east', { 1: [1, 1], 2: [1, 1] }, 2);
  table.poll('east', { 1: [0, 1], 2: [0, 1] }, 6);
  const closings = table.said().filter(({ data }) => data['closed_by'] === 'door_shut');
  expect(closings).toMatchObject([
    { compartment: 'e1', type: 'compartment.disturbed', data: { contradictions: ['item_without_scan'] } },
    { compartment: 'e2', type: 'parcel.deposited', data: { contradictions: ['several_doors'] } },
  ]);
});

test('a scanner that does not serve a compartment explains nothing there', () => {
  const table = new Table();
  table.poll('east', { 2: [0, 0] }, 2);
  table.scan(PARCEL_A, { device: 'dock' });
  table.poll('east', { 2: [1, 0] }, 2);
  table.poll('east', { 2: [0, 0] }, 6);
  expect(table.closing().data).toMatchObject({ not_seen: ['scan'] });
});

/** A table on which parcel A lies in e1, and nothing more is to be said of it. */
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
