/** Scans that asked for a door: whether it is opened or refused, they are of no other. */
import { expect, test } from 'vitest';
import { custodySettingsSchema } from '../../../src/edge/custody/settings.ts';
import { canonicalJson, parseSlowly } from '../../../src/evidence/event/json.ts';
import { LOG, PARCEL_A, PARCEL_B, refOf, SETTINGS, snapshotOf, Table, type TableOptions } from './bench.ts';

const CONTROLLED = custodySettingsSchema.parse({
  ...SETTINGS,
  compartments: SETTINGS.compartments
    .filter(({ device }) => device === 'east')
    .map((each) => ({ ...each, controlled: true })),
});
const COURIER = { kind: 'courier', ref: 'c-7' } as const;
const TECHNICIAN = { kind: 'technician', ref: 't-1' } as const;
const SHUT = [0, 0] as const;
const OPEN = [1, 0] as const;

function table(more: TableOptions = {}): Table {
  const made = new Table({ settings: CONTROLLED, ...more });
  both(made, SHUT, SHUT);
  made.said();
  return made;
}

function both(made: Table, e1: readonly [0 | 1, 0 | 1], e2: readonly [0 | 1, 0 | 1], times = 2): void {
  made.poll('east', { 1: e1, 2: e2 }, times);
}

function expectAt(made: Table, compartment: string): void {
  const { upMs } = made.now();
  const visit = { compartment, actor: COURIER, method: 'code_scan', observedUpMs: upMs, untilUpMs: upMs + 20_000 };
  made.custody.expect(visit);
}

function maintain(made: Table): void {
  const end = { livesMs: 600_000, untilMs: undefined };
  const opened = made.custody.visits.openWindow({
    id: 'w',
    actor: TECHNICIAN,
    compartments: ['e1'],
    reason: undefined,
    ticket: undefined,
    end,
  });
  expect(opened.ok).toBe(true);
}

test('a technician’s door takes no scan that asked for it and was refused; the scan is told, and proves nothing', () => {
  const made = table();
  made.scan(PARCEL_A, { meant: 'e1' });
  maintain(made);
  both(made, OPEN, SHUT);
  both(made, SHUT, SHUT, 6);
  const { body } = made.closing();
  expect(body).toMatchObject({ type: 'compartment.disturbed', actor: TECHNICIAN });
  expect(body).not.toHaveProperty('parcel');
  made.scheduler.advance(70_000);
  const detail = 'a door was opened for somebody else meanwhile';
  expect(made.bodies('exception.reported')).toMatchObject([
    { parcel: refOf(PARCEL_A), data: { what: 'scan_without_door', detail } },
  ]);
});

test('what a technician scans before a door is the door’s', () => {
  const made = table();
  maintain(made);
  made.scan(PARCEL_A);
  both(made, OPEN, SHUT);
  both(made, [1, 1], SHUT);
  both(made, [0, 1], SHUT, 6);
  expect(made.closing().body).toMatchObject({ type: 'parcel.deposited', parcel: refOf(PARCEL_A) });
});

test('the next door that is opened for another parcel does not take it; its own door still has it', () => {
  const made = table();
  made.scan(PARCEL_A, { meant: 'e1' });
  made.scan(PARCEL_B, { meant: 'e2' });
  expectAt(made, 'e2');
  both(made, SHUT, OPEN);
  both(made, SHUT, [1, 1]);
  both(made, SHUT, [0, 1], 6);
  const other = made.closing();
  expect(other.body).toMatchObject({ type: 'parcel.deposited', compartment: 'e2', parcel: refOf(PARCEL_B) });
  expect(other.data).not.toHaveProperty('contradictions');
  expectAt(made, 'e1');
  both(made, OPEN, [0, 1]);
  both(made, [1, 1], [0, 1]);
  both(made, [0, 1], [0, 1], 6);
  expect(made.closing().body).toMatchObject({ type: 'parcel.deposited', compartment: 'e1', parcel: refOf(PARCEL_A) });
});

test('while another door stands open it is not that door’s', () => {
  const made = table();
  made.scan(PARCEL_B, { meant: 'e2' });
  expectAt(made, 'e2');
  both(made, SHUT, OPEN, 4);
  made.scan(PARCEL_A, { meant: 'e1' });
  both(made, SHUT, [1, 1]);
  both(made, SHUT, [0, 1], 6);
  const other = made.closing();
  expect(other.body).toMatchObject({ compartment: 'e2', parcel: refOf(PARCEL_B) });
  expect(other.data).not.toHaveProperty('contradictions');
  made.scheduler.advance(70_000);
  const detail = 'a door was opened for somebody else meanwhile';
  expect(made.bodies('exception.reported')).toMatchObject([{ parcel: refOf(PARCEL_A), data: { detail } }]);
});

test('the door that it asked for has it while it stands open, and after it was shut only by opening again', () => {
  const made = table();
  expectAt(made, 'e1');
  both(made, OPEN, SHUT);
  made.scan(PARCEL_A, { meant: 'e1' });
  both(made, [1, 1], SHUT);
  both(made, [0, 1], SHUT);
  made.scan(PARCEL_B, { meant: 'e1' });
  both(made, [0, 1], SHUT, 6);
  const { body, data } = made.closing();
  expect(body).toMatchObject({ type: 'parcel.deposited', parcel: refOf(PARCEL_A) });
  expect(data).not.toHaveProperty('contradictions');
});

test('a scan that was refused while every door stayed shut proves that nothing was put in', () => {
  const made = table();
  made.scan(PARCEL_A, { meant: 'e1' });
  both(made, SHUT, SHUT, 6);
  made.scheduler.advance(70_000);
  const [told] = made.bodies('exception.reported');
  expect(told).toMatchObject({ parcel: refOf(PARCEL_A), data: { what: 'scan_without_door' } });
  expect(told?.data).not.toHaveProperty('detail');
});

test('over a restart it stays of the door that it asked for', () => {
  const before = table();
  before.scan(PARCEL_A, { meant: 'e1' });
  const restored = parseSlowly(canonicalJson(snapshotOf(before)));
  const made = table({ boot: 2, log: LOG, restored: restored.ok && restored.value });
  maintain(made);
  made.said();
  both(made, OPEN, SHUT);
  both(made, SHUT, SHUT, 6);
  expect(made.closing().body).not.toHaveProperty('parcel');
});
