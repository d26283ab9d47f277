import { expect, test } from 'vitest';
import { canonicalJson, parseSlowly } from '../../../src/evidence/event/json.ts';
import { PARCEL_A, PARCEL_B, refOf, SETTINGS, snapshotOf, Table } from './bench.ts';

test('an episode cut by a restart closes as cut, and its end is still judged', () => {
  const table = opened();
  const next = restarted(table);
  expect(next.closing()).toMatchObject({
    body: { type: 'compartment.disturbed', compartment: 'e1', parcel: refOf(PARCEL_A) },
    data: {
      closed_by: 'cut',
      cut: true,
      door: { opened: { from_ms: 980, to_ms: 1_500 }, opened_boot: 1 },
      item_before: false,
      not_seen: ['closing'],
      scans: [{ boot: 1, up_ms: 1_000 }],
    },
  });
  next.east('shut', 1, 6);
  const { body, data } = next.closing();
  expect(body).toMatchObject({ type: 'parcel.deposited', parcel: refOf(PARCEL_A) });
  expect(data).toMatchObject({
    closed_by: 'door_shut',
    cut: true,
    door: { opened_boot: 1, closed: { from_boot: 1, from_ms: 1_980, to_ms: 500 } },
  });
  expect(data['door']).not.toHaveProperty('open_max_ms');
});

test('a door that was opened during the restart is an opening that nobody watched, not a forced one', () => {
  const table = new Table();
  table.east('shut', 0);
  const next = restarted(table);
  expect(next.said()).toEqual([]);
  next.east('open', 0);
  expect(next.said()).toMatchObject([{ type: 'door.opened', seen: { from_boot: 1, from_ms: 980, to_ms: 500 } }]);
  next.east('shut', 0, 6);
  expect(next.closing().data).toMatchObject({ contradictions: ['opened_unwatched'] });
});

test('a known state that did not change is not told again', () => {
  const table = new Table();
  table.east('shut', 0);
  const next = restarted(table);
  next.east('shut', 0, 10);
  expect(next.said()).toEqual([]);
});

test('a scan from before the restart still explains a door after it', () => {
  const table = new Table();
  table.east('shut', 0);
  table.scan(PARCEL_A);
  const next = restarted(table);
  next.east('open', 0);
  next.east('open', 1);
  next.east('shut', 1, 6);
  expect(next.closing()).toMatchObject({
    body: { type: 'parcel.deposited', parcel: refOf(PARCEL_A) },
    data: { scans: [{ boot: 1, device: 'desk', up_ms: 1_000 }] },
  });
});

test('a scan from before the restart that no door took is reported with its start', () => {
  const table = new Table();
  table.scan(PARCEL_A);
  const next = restarted(table);
  next.scheduler.advance(62_000);
  expect(next.said()).toMatchObject([{ type: 'exception.reported', data: { scans: [{ boot: 1, up_ms: 0 }] } }]);
});

test('starts of another log are not named', () => {
  // Also where the numbers would fit.
  const next = new Table({ boot: 2, log: 'lockers.example/gw-0001/2-0011aabb', restored: saved(opened()) });
  const cut = next.closing();
  expect(cut.data['door']).toEqual({});
  // A time is told with the start that it counts in, or not at all.
  const [scan] = cut.data['scans'] as readonly object[];
  expect(scan).toEqual({ device: 'desk', parcel: refOf(PARCEL_A) });
  next.east('shut', 1, 6);
  expect(next.said()[0]).not.toHaveProperty('seen');
});

test('what lies where survives two restarts, and leaves with a rewired compartment only its door state', () => {
  const table = opened();
  table.east('open', 1);
  table.east('shut', 1, 6);
  const third = restarted(restarted(table));
  expect(third.custody.status()[0]).toMatchObject({ door: 'shut', occupied: true, held: 1 });
  const settings = {
    ...SETTINGS,
    compartments: SETTINGS.compartments.map((each) => ({ ...each, channel: each.channel + 4 })),
  };
  const rewired = new Table({ boot: 4, restored: saved(third), settings });
  expect(rewired.custody.status()[0]).toEqual({ name: 'e1', device: 'east', door: 'unknown', held: 1, visited: false });
  const removed = new Table({ boot: 4, restored: saved(third), settings: { ...SETTINGS, compartments: [] } });
  expect(removed.custody.status()).toEqual([]);
  expect(removed.said()).toEqual([]);
});

test.each([null, 7, {}, { v: 1 }, { v: 2, boot: 1, compartments: [], waiting: [] }, 'text'])(
  'what is no snapshot (%j) is ignored',
  (restored) => {
    const table = new Table({ restored });
    table.east('shut', 0);
    expect(table.types()).toEqual(['compartment.counted']);
  },
);

test('the revision counts what a snapshot must not lose, and nothing else', () => {
  const table = new Table();
  table.east('shut', 0);
  const known = table.custody.revision;
  table.east('shut', 0, 20);
  expect(table.custody.revision).toBe(known);
  table.east('open', 0);
  const open = table.custody.revision;
  expect(open).toBeGreaterThan(known);
  table.scan(PARCEL_B);
  expect(table.custody.revision).toBeGreaterThan(open);
  for (let i = 0; i < 500; i += 1) table.scan(`parcel ${i}`);
  expect(table.custody.revision).toBeLessThan(open + 20);
});

/** Parcel A was scanned and e1 stands open. */
function opened(): Table {
  const table = new Table();
  table.east('shut', 0);
  table.scan(PARCEL_A);
  table.east('open', 0);
  return table;
}

function restarted(table: Table): Table {
  return new Table({ boot: table.boot + 1, restored: saved(table) });
}

/** Through the form in which it lies on disk. */
function saved(table: Table): unknown {
  const text = canonicalJson(snapshotOf(table));
  const parsed = parseSlowly(text);
  expect(parsed.ok).toBe(true);
  return JSON.parse(text);
}
