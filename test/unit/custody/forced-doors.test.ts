/** Scans beside a door that is forced: they were made for doors that are let open. */
import { expect, test } from 'vitest';
import { custodySettingsSchema } from '../../../src/edge/custody/settings.ts';
import type { EventBody } from '../../../src/evidence/event/event.ts';
import { PARCEL_A, refOf, SETTINGS, Table } from './bench.ts';

/** Both doors of one board. */
const CONTROLLED = custodySettingsSchema.parse({
  ...SETTINGS,
  compartments: SETTINGS.compartments
    .filter(({ device }) => device === 'east')
    .map((each) => ({ ...each, controlled: true })),
});
const COURIER = { kind: 'courier', ref: 'c-7' } as const;
const SHUT = [0, 0] as const;
const OPEN = [1, 0] as const;
const FILLED = [1, 1] as const;

function table(): Table {
  const made = new Table({ settings: CONTROLLED });
  made.poll('east', { 1: SHUT, 2: SHUT }, 2);
  made.said();
  return made;
}

/** Somebody may open e1. */
function expectAtE1(made: Table): void {
  const { upMs } = made.now();
  const visit = {
    compartment: 'e1',
    actor: COURIER,
    method: 'keypad_code',
    observedUpMs: upMs,
    untilUpMs: upMs + 20_000,
  };
  made.custody.expect(visit);
}

function endsOf(made: Table): readonly EventBody[] {
  return made.said().filter(({ data }) => data['closed_by'] === 'door_shut');
}

/** The parcel goes into e1, which is open, and the door is shut. */
function fillE1(made: Table, second: readonly [0 | 1, 0 | 1] = SHUT): void {
  made.poll('east', { 1: FILLED, 2: second }, 2);
  made.poll('east', { 1: [0, 1], 2: second }, 6);
}

test('a door that is forced takes no scan that waits: the door that is let open has it', () => {
  const made = table();
  made.scan(PARCEL_A);
  made.poll('east', { 1: SHUT, 2: OPEN }, 2);
  made.poll('east', { 1: SHUT, 2: SHUT }, 6);
  const [forced] = endsOf(made);
  expect(forced).toMatchObject({ type: 'compartment.disturbed', compartment: 'e2' });
  expect(forced?.data).toMatchObject({ contradictions: ['opened_without_access'], not_seen: ['scan', 'access'] });
  expect(forced).not.toHaveProperty('parcel');
  expectAtE1(made);
  made.poll('east', { 1: OPEN, 2: SHUT }, 2);
  fillE1(made);
  const [deposited] = endsOf(made);
  expect(deposited).toMatchObject({ type: 'parcel.deposited', compartment: 'e1', parcel: refOf(PARCEL_A) });
  expect(deposited?.data).not.toHaveProperty('contradictions');
});

test('a scan while a forced door stands open waits for the door where somebody is expected', () => {
  const made = table();
  made.poll('east', { 1: SHUT, 2: OPEN }, 2);
  expectAtE1(made);
  made.scan(PARCEL_A);
  made.poll('east', { 1: OPEN, 2: OPEN }, 2);
  fillE1(made, OPEN);
  made.poll('east', { 1: [0, 1], 2: SHUT }, 6);
  const [deposited, forced] = endsOf(made);
  expect(deposited).toMatchObject({ type: 'parcel.deposited', compartment: 'e1', parcel: refOf(PARCEL_A) });
  expect(forced).toMatchObject({ type: 'compartment.disturbed', compartment: 'e2' });
  expect(forced).not.toHaveProperty('parcel');
});

test('of two open doors the one that was let open has the scan, and it is doubted', () => {
  const made = table();
  expectAtE1(made);
  made.poll('east', { 1: OPEN, 2: SHUT }, 2);
  made.poll('east', { 1: OPEN, 2: OPEN }, 2);
  made.scan(PARCEL_A);
  fillE1(made, OPEN);
  expect(endsOf(made)).toMatchObject([
    { compartment: 'e1', parcel: refOf(PARCEL_A), data: { contradictions: ['several_doors'] } },
  ]);
});

test('a forced door has the scans that come while it stands open alone, and nobody is expected', () => {
  const made = table();
  made.poll('east', { 1: SHUT, 2: OPEN }, 2);
  made.scan(PARCEL_A);
  made.poll('east', { 1: SHUT, 2: SHUT }, 6);
  expect(endsOf(made)).toMatchObject([
    {
      compartment: 'e2',
      parcel: refOf(PARCEL_A),
      data: { contradictions: ['shut_but_empty', 'opened_without_access'] },
    },
  ]);
});

test.each([
  ['that waited when a door was forced', false],
  ['left to somebody who was expected and did not come', true],
])('a scan %s does not prove that no door opened', (_, isLeft) => {
  const made = table();
  if (!isLeft) made.scan(PARCEL_A);
  made.poll('east', { 1: SHUT, 2: OPEN }, 2);
  if (isLeft) {
    expectAtE1(made);
    made.scan(PARCEL_A);
  }
  made.poll('east', { 1: SHUT, 2: SHUT }, 6);
  made.scheduler.advance(70_000);
  expect(made.bodies('exception.reported')).toMatchObject([
    { parcel: refOf(PARCEL_A), data: { what: 'scan_without_door', detail: 'a door was forced meanwhile' } },
  ]);
});

test('a scan after the forced door was shut again proves it', () => {
  const made = table();
  made.poll('east', { 1: SHUT, 2: OPEN }, 2);
  made.poll('east', { 1: SHUT, 2: SHUT }, 6);
  made.scan(PARCEL_A);
  made.scheduler.advance(70_000);
  const [told] = made.bodies('exception.reported');
  expect(told?.data).toMatchObject({ what: 'scan_without_door' });
  expect(told?.data).not.toHaveProperty('detail');
});
