/** Doors that were let open, and doors that were not: what an episode carries of its visit. */
import { expect, test } from 'vitest';
import type { Visit } from '../../../src/edge/contracts/visit.ts';
import { custodySettingsSchema } from '../../../src/edge/custody/settings.ts';
import type { WantedAssignment, WantedWindow } from '../../../src/edge/custody/visit-keeper.ts';
import { canonicalJson, parseSlowly } from '../../../src/evidence/event/json.ts';
import { LOG, PARCEL_A, PARCEL_B, refOf, SETTINGS, snapshotOf, Table } from './bench.ts';

const RECIPIENT = { kind: 'recipient', ref: '2026-11.AbCdEfGhIjKlMnOpQrStUg' } as const;
const COURIER = { kind: 'courier', ref: 'c-7' } as const;
const TECHNICIAN = { kind: 'technician', ref: 't-1' } as const;

const CONTROLLED = custodySettingsSchema.parse({
  ...SETTINGS,
  compartments: SETTINGS.compartments.map((each) => ({ ...each, controlled: true })),
  seals: { prefixes: ['SEAL-'], broken: ['BROKEN-SEAL'], missing: ['NO-SEAL'] },
});

function visit(table: Table, more: Partial<Visit> = {}): Visit {
  const { upMs } = table.now();
  return {
    compartment: 'e1',
    actor: RECIPIENT,
    method: 'keypad_code',
    observedUpMs: upMs,
    untilUpMs: upMs + 10_000,
    ...more,
  };
}

function assigned(more: Partial<WantedAssignment> = {}): WantedAssignment {
  return {
    id: 'a1',
    compartment: 'e1',
    parcel: refOf(PARCEL_A),
    kind: 'collect',
    actorKind: 'recipient',
    actorRef: undefined,
    end: { livesMs: 3_600_000, untilMs: undefined },
    ...more,
  };
}

function table(): Table {
  const made = new Table({ settings: CONTROLLED });
  made.east('shut', 0);
  made.said();
  return made;
}

function restarted(before: Table): Table {
  const restored = parseSlowly(canonicalJson(snapshotOf(before)));
  return new Table({ settings: CONTROLLED, boot: before.boot + 1, log: LOG, restored: restored.ok && restored.value });
}

/** A parcel that lies in e1. */
function withParcel(made: Table): Table {
  made.custody.visits.assign(assigned({ id: 'in', kind: 'deposit', actorKind: 'courier' }));
  made.custody.expect(visit(made, { actor: COURIER }));
  made.east('open', 0);
  made.east('open', 1);
  made.east('shut', 1, 6);
  expect(made.closing().body.type).toBe('parcel.deposited');
  return made;
}

test('a door that was let open carries actor, method and the assigned parcel, without any scan', () => {
  const made = table();
  made.custody.visits.assign(assigned({ kind: 'deposit', actorKind: 'courier' }));
  made.custody.expect(visit(made, { actor: COURIER, method: 'credential_scan' }));
  made.east('open', 0);
  made.east('open', 1);
  made.east('shut', 1, 6);
  const { body, data } = made.closing();
  expect(body).toMatchObject({ type: 'parcel.deposited', actor: COURIER, parcel: refOf(PARCEL_A) });
  expect(data).toMatchObject({
    access: { method: 'credential_scan', up_ms: 1_000 },
    assigned: { kind: 'deposit', parcels: [refOf(PARCEL_A)] },
    not_seen: ['scan'],
  });
  expect(data).not.toHaveProperty('contradictions');
  // What was assigned is done.
  expect(made.custody.visits.status().assignments).toBe(0);
});

test.each([
  ['collect', 'parcel.collected'],
  ['remove', 'parcel.removed'],
] as const)('who comes to %s takes what lies there: %s', (kind, type) => {
  const made = withParcel(table());
  made.custody.visits.assign(assigned({ kind }));
  made.custody.expect(visit(made));
  made.east('open', 1);
  made.east('open', 0);
  made.east('shut', 0, 6);
  expect(made.closing().body).toMatchObject({ type, actor: RECIPIENT, parcel: refOf(PARCEL_A) });
  expect(made.custody.status().find(({ name }) => name === 'e1')?.held).toBe(0);
});

test('who brings a parcel back returns it', () => {
  const made = table();
  made.custody.visits.assign(assigned({ kind: 'return' }));
  made.custody.expect(visit(made));
  made.east('open', 0);
  made.east('open', 1);
  made.east('shut', 1, 6);
  expect(made.closing().body).toMatchObject({ type: 'parcel.returned', parcel: refOf(PARCEL_A) });
});

test('the item sensor refutes an assignment: nothing was put in, and it stays assigned', () => {
  const made = table();
  made.custody.visits.assign(assigned({ kind: 'deposit', actorKind: 'courier' }));
  made.custody.expect(visit(made, { actor: COURIER }));
  made.east('open', 0);
  made.east('shut', 0, 6);
  const { body, data } = made.closing();
  expect(body).toMatchObject({ type: 'compartment.disturbed', parcel: refOf(PARCEL_A) });
  expect(data).toMatchObject({ contradictions: ['shut_but_empty'] });
  expect(made.custody.visits.status().assignments).toBe(1);
});

test('a scan of another parcel than the assigned one is named, with the contradiction', () => {
  const made = table();
  made.custody.visits.assign(assigned({ kind: 'deposit', actorKind: 'courier' }));
  made.custody.expect(visit(made, { actor: COURIER }));
  made.scan(PARCEL_B);
  made.east('open', 0);
  made.east('open', 1);
  made.east('shut', 1, 6);
  const { body, data } = made.closing();
  expect(body).toMatchObject({ type: 'parcel.deposited', parcel: refOf(PARCEL_B) });
  expect(data).toMatchObject({
    assigned: { parcels: [refOf(PARCEL_A)] },
    contradictions: ['parcel_not_assigned'],
  });
});

test('an assignment counts for its kind of actor, its actor and its compartment alone, and until its end', () => {
  const made = table();
  const { visits } = made.custody;
  visits.assign(assigned({ actorRef: 'somebody else' }));
  visits.assign(assigned({ id: 'a2', actorKind: 'courier' }));
  visits.assign(assigned({ id: 'a3', compartment: 'w1' }));
  visits.assign(assigned({ id: 'a4', end: { livesMs: 1_000, untilMs: undefined } }));
  visits.assign(assigned({ id: 'a5', end: { livesMs: 3_600_000, untilMs: made.now().wallMs + 1_000 } }));
  made.east('shut', 0, 4);
  made.custody.expect(visit(made));
  made.east('open', 0);
  made.east('shut', 0, 6);
  expect(made.closing().data).not.toHaveProperty('assigned');
});

test('what would have ended already is refused, and takes no place', () => {
  const made = table();
  const { visits } = made.custody;
  const past = { livesMs: 3_600_000, untilMs: made.now().wallMs };
  expect(visits.assign(assigned({ end: past }))).toMatchObject({ ok: false, reason: 'already_over' });
  expect(visits.openWindow({ ...WINDOW, end: past })).toMatchObject({ ok: false, reason: 'already_over' });
  expect(visits.status()).toEqual({ assignments: 0, windows: [] });
  expect(made.bodies('maintenance.opened')).toEqual([]);
  const soon = { ...past, untilMs: past.untilMs + 1 };
  expect(visits.assign(assigned({ end: soon })).ok).toBe(true);
  expect(visits.openWindow({ ...WINDOW, end: soon }).ok).toBe(true);
});

test('a controlled door that opens without access is forced, and says so once and in its episode', () => {
  const made = table();
  made.east('open', 0);
  expect(made.bodies('door.forced')).toMatchObject([
    { compartment: 'e1', data: { channel: 1, reason: 'opened_without_access' } },
  ]);
  made.east('shut', 0, 6);
  const { data } = made.closing();
  expect(data['contradictions']).toContain('opened_without_access');
  expect(data['not_seen']).toContain('access');
});

test('one visit is one opening: the next one is forced, and so is one that comes too late', () => {
  const made = table();
  made.custody.expect(visit(made));
  made.east('open', 0);
  made.east('shut', 0, 6);
  expect(made.bodies('door.forced')).toEqual([]);
  made.east('open', 0);
  expect(made.bodies('door.forced')).toHaveLength(1);
  made.east('shut', 0, 6);
  made.said();
  made.custody.expect(visit(made));
  made.east('shut', 0, 30);
  made.east('open', 0);
  expect(made.bodies('door.forced')).toHaveLength(1);
});

test('a compartment that others open too knows no forced door', () => {
  const made = new Table();
  made.east('shut', 0);
  made.east('open', 0);
  expect(made.bodies('door.forced')).toEqual([]);
});

test('a visit survives a power cut between the frame and the door', () => {
  const made = table();
  made.custody.visits.assign(assigned());
  made.custody.expect(visit(made));
  const next = restarted(made);
  next.east('open', 0);
  next.east('shut', 0, 6);
  expect(next.bodies('door.forced')).toEqual([]);
  expect(next.closing().body).toMatchObject({ actor: RECIPIENT, data: { access: { boot: 1, up_ms: 1_000 } } });
});

test('a door that was still shut after the power cut was not for the visit before it', () => {
  const made = table();
  made.custody.expect(visit(made));
  const next = restarted(made);
  next.east('shut', 0, 3);
  next.east('open', 0);
  expect(next.bodies('door.forced')).toHaveLength(1);
});

test('an episode with a visit goes on over a restart as what it was', () => {
  const made = withParcel(table());
  made.custody.visits.assign(assigned());
  made.custody.expect(visit(made));
  made.east('open', 1);
  const next = restarted(restarted(made));
  next.said();
  next.east('shut', 0, 6);
  expect(next.closing().body).toMatchObject({ type: 'parcel.collected', actor: RECIPIENT, parcel: refOf(PARCEL_A) });
});

const WINDOW: WantedWindow = {
  id: 'AAECAwQFBgcICQoLDA0ODw',
  actor: TECHNICIAN,
  compartments: ['e1'],
  reason: 'lock swapped',
  ticket: 'T-101',
  end: { livesMs: 60_000, untilMs: undefined },
};

test('inside a maintenance window an open door is the technician’s and no alarm; it closes by itself', () => {
  const made = table();
  made.custody.visits.openWindow(WINDOW);
  made.east('open', 0);
  made.east('shut', 0, 6);
  expect(made.bodies('maintenance.opened')).toMatchObject([{ actor: TECHNICIAN, data: { ticket: 'T-101' } }]);
  expect(made.bodies('door.forced')).toEqual([]);
  expect(made.closing().body).toMatchObject({ actor: TECHNICIAN, data: { access: { method: 'maintenance' } } });
  made.scheduler.advance(60_000);
  expect(made.bodies('maintenance.closed')).toMatchObject([{ data: { cause: 'ended', window: WINDOW.id } }]);
  made.east('open', 0);
  expect(made.bodies('door.forced')).toHaveLength(1);
});

test('a window is over its own compartments only', () => {
  const made = table();
  made.custody.visits.openWindow({ ...WINDOW, compartments: ['w1'] });
  made.east('open', 0);
  expect(made.bodies('door.forced')).toHaveLength(1);
});

test('a window outlives a restart with what is left of its time', () => {
  const made = table();
  made.custody.visits.openWindow(WINDOW);
  made.scheduler.advance(40_000);
  const next = restarted(made);
  expect(next.custody.visits.status().windows).toHaveLength(1);
  next.scheduler.advance(15_000);
  expect(next.bodies('maintenance.closed')).toEqual([]);
  next.scheduler.advance(10_000);
  expect(next.bodies('maintenance.closed')).toHaveLength(1);
});

test('a seal that is scanned again agrees; another one, a broken one and one not scanned are told', () => {
  const made = table();
  const lie = (): void => {
    made.custody.visits.assign(assigned({ kind: 'deposit', actorKind: 'courier' }));
    made.custody.expect(visit(made, { actor: COURIER }));
    made.scan('SEAL-0001');
    made.east('open', 0);
    made.east('open', 1);
    made.east('shut', 1, 6);
  };
  const take = (...labels: readonly string[]) => {
    made.custody.visits.assign(assigned());
    made.custody.expect(visit(made));
    made.east('open', 1);
    for (const label of labels) made.scan(label);
    made.east('open', 0);
    made.east('shut', 0, 6);
    const recorded = made.bodies('seal.recorded').map(({ data }) => data);
    return { recorded, data: made.closing().data };
  };
  lie();
  expect(made.bodies('seal.recorded')).toMatchObject([
    { compartment: 'e1', parcel: refOf(PARCEL_A), data: { state: 'intact' } },
  ]);
  expect(JSON.stringify(made.said())).not.toContain('SEAL-0001');
  expect(take('SEAL-0001')).toMatchObject({ recorded: [{ state: 'intact', agrees: true }] });
  lie();
  made.said();
  expect(take('SEAL-0002')).toMatchObject({
    recorded: [{ state: 'intact', agrees: false }],
    data: { contradictions: ['other_seal'] },
  });
  lie();
  made.said();
  expect(take('BROKEN-SEAL')).toMatchObject({
    recorded: [{ state: 'broken' }],
    data: { contradictions: ['seal_broken'] },
  });
  lie();
  made.said();
  expect(take()).toMatchObject({ recorded: [], data: { not_seen: ['scan', 'seal'] } });
});

test('a seal outlives a restart, and names no parcel', () => {
  const made = table();
  made.custody.visits.assign(assigned({ kind: 'deposit', actorKind: 'courier' }));
  made.custody.expect(visit(made, { actor: COURIER }));
  made.scan('SEAL-0001');
  made.east('open', 0);
  made.east('open', 1);
  made.east('shut', 1, 6);
  expect(made.bodies('code.scanned')[0]).not.toHaveProperty('parcel');
  const next = restarted(made);
  next.east('open', 1);
  next.scan('SEAL-0003');
  expect(next.bodies('seal.recorded')).toMatchObject([{ data: { agrees: false } }]);
});

test('no more is assigned than fits: the ninth parcel for one compartment is refused', () => {
  const made = table();
  for (let i = 0; i < 8; i += 1) expect(made.custody.visits.assign(assigned({ id: `a${i}` })).ok).toBe(true);
  expect(made.custody.visits.assign(assigned({ id: 'a8' }))).toMatchObject({ ok: false, reason: 'compartment_full' });
  // Under an id that is known, it takes its place.
  expect(made.custody.visits.assign(assigned({ id: 'a7' })).ok).toBe(true);
});
