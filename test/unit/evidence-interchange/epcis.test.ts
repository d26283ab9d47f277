/** Custody events as EPCIS 2.0: the documents are what GS1's own schema takes, and each event is found again by its hash. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { CustodyEvent, JsonObject } from '../../../src/evidence/event/event.ts';
import { judgeLeaf } from '../../../src/evidence/event/guard.ts';
import { encodeLeaf, parseLeaf } from '../../../src/evidence/event/leaf.ts';
import { EVENT_TYPES, type EventType } from '../../../src/evidence/event/vocabulary.ts';
import { type EpcisEntry, epcisDocument, epcisEvent, hasCounterpart } from '../../../src/evidence/interchange/epcis.ts';
import { EPCIS_TABLE } from '../../../src/evidence/interchange/epcis-table.ts';
import { leafHash } from '../../../src/evidence/log/tree.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { epcisProblems as problems } from '../../support/epcis-schema.ts';
import { eventOf } from '../../support/test-events.ts';
import { TestLog } from '../../support/test-log.ts';
import { PARCEL, PUT_IN, TAKEN_OUT } from '../ledger/support.ts';

const AT = '2026-11-22T12:00:00.000Z';
const SSCC = { ref: '340123450000000017', scheme: 'sscc' };
const log = new TestLog('epcis');
const courier = { kind: 'courier', ref: 'c-7' } as const;
const recipient = { kind: 'recipient', ref: 'k1.RRRRRRRRRRRRRRRRRRRRRR' } as const;
const here = { compartment: 'A07', device: 'board-1' };

/** An event of each type that has a counterpart, as a gateway writes it. */
const SAMPLES: Readonly<Partial<Record<EventType, readonly (readonly [JsonObject, object])[]>>> = {
  'parcel.deposited': [
    [PUT_IN, { ...here, parcel: SSCC }],
    [PUT_IN, here],
  ],
  'parcel.returned': [[PUT_IN, { ...here, parcel: PARCEL }]],
  'parcel.collected': [[TAKEN_OUT, { ...here, parcel: PARCEL, actor: recipient }]],
  'parcel.removed': [[{ ...TAKEN_OUT, parcels: [PARCEL, SSCC] }, here]],
  'custody.handed_over': [
    [{ from: courier, to: recipient, parcels: [PARCEL, SSCC] }, {}],
    [{ from: recipient, to: courier }, { parcel: PARCEL }],
  ],
  'code.scanned': [[{ size_bytes: 20 }, { device: 'scanner-1', parcel: PARCEL }]],
  'seal.recorded': [
    [{ state: 'intact' }, { parcel: PARCEL }],
    [{ state: 'broken' }, { parcel: PARCEL }],
  ],
  'exception.reported': [[{ what: 'scan_without_door' }, { parcel: PARCEL }]],
  'compartment.counted': [[{ reason: 'command', held: [PARCEL], occupied: true }, here]],
  'compartment.disturbed': [[{ ...TAKEN_OUT, held: [PARCEL] }, here]],
  'door.forced': [[{ reason: 'tamper' }, here]],
  'door.opened': [[{ feedback: 0 }, here]],
  'door.closed': [[{ feedback: 1 }, { ...here, seen: { from_ms: 10, to_ms: 110 } }]],
  'occupancy.changed': [[{ occupied: true }, here]],
  'weight.measured': [[{ weight_g: 1_250, stable: true }, { device: 'scale-1' }]],
  'tamper.raised': [[{ input: 'lid' }, { device: 'board-1' }]],
  'tamper.cleared': [[{ input: 'lid' }, { device: 'board-1' }]],
  'power.lost': [[{ source: 'mains' }, {}]],
  'power.restored': [[{ source: 'mains' }, {}]],
  'location.fixed': [
    [
      { geofence: 'inside', lat_mdeg: 52_520, lon_mdeg: -13_405 },
      { device: 'gps-1', parcel: PARCEL },
    ],
    [{ geofence: 'unknown' }, { device: 'gps-1' }],
  ],
};

function entryOf(event: CustodyEvent): EpcisEntry {
  const leaf = encodeLeaf(event);
  const parsed = parseLeaf(leaf);
  // A sample that no gateway may write would prove nothing.
  expect(parsed.ok && judgeLeaf(parsed.value), event.type).toEqual({ use: 'accepted' });
  return { event, leafHash: leafHash(nodeCrypto, leaf) };
}

function entries(): readonly EpcisEntry[] {
  let n = 0;
  return Object.entries(SAMPLES).flatMap(([type, samples]) =>
    samples.map(([data, more]) => {
      n += 1;
      return entryOf(eventOf(log, n, type, data, more));
    }),
  );
}

const one = (type: EventType, at = 0): Readonly<Record<string, unknown>> => {
  const [data, more] = SAMPLES[type]?.[at] ?? [{}, {}];
  const event = epcisEvent(entryOf(eventOf(log, 9, type, data, more)));
  if (event === undefined) throw new Error(`${type} has no counterpart`);
  return event;
};

describe('the document', () => {
  test("is what GS1's schema takes, with an event of each type that has a counterpart", () => {
    const mapped = EVENT_TYPES.filter((type) => !('none' in EPCIS_TABLE[type]));
    expect(Object.keys(SAMPLES).sort()).toEqual([...mapped].sort());
    const all = entries();
    const document = JSON.parse(JSON.stringify(epcisDocument(all, AT))) as { epcisBody: { eventList: object[] } };
    expect(problems(document)).toEqual([]);
    expect(document.epcisBody.eventList).toHaveLength(all.length);
    expect(new Set(all.map((each) => JSON.stringify(epcisEvent(each)))).size).toBe(all.length);
  });

  test('would be refused by that schema with a word that CBV does not have, or without what it needs', () => {
    const [sample] = epcisDocument(entries(), AT).epcisBody.eventList;
    const broken = (change: object): readonly string[] =>
      problems({ ...epcisDocument([], AT), epcisBody: { eventList: [{ ...sample, ...change }] } });
    expect(broken({})).toEqual([]);
    for (const change of [
      { bizStep: 'depositing' },
      { disposition: 'forced' },
      { eventTimeZoneOffset: 'Z' },
      { eventTime: 'today' },
      { extension: 1 },
      { parentID: 'not a uri' },
      { sensorElementList: [{ sensorReport: [{ type: 'Weight' }] }] },
    ]) {
      expect(broken(change), JSON.stringify(change)).not.toEqual([]);
    }
  });

  test('leaves out what has no counterpart, and what is about no parcel where it must be', () => {
    const without = EVENT_TYPES.filter((type) => 'none' in EPCIS_TABLE[type]);
    expect(without.length).toBeGreaterThan(20);
    for (const type of without) {
      const event = eventOf(log, 1, type, {});
      expect(hasCounterpart(event), type).toBe(false);
      expect(epcisEvent({ event, leafHash: new Uint8Array(32) })).toBeUndefined();
    }
    expect(hasCounterpart(eventOf(log, 1, 'code.scanned', { size_bytes: 3 }))).toBe(false);
    expect(hasCounterpart(eventOf(log, 1, 'parcel.teleported', {}))).toBe(false);
  });
});

describe('an event', () => {
  test('puts a parcel into a compartment and takes it out again', () => {
    const locker = 'urn:x-latchkey:locker:lockers.example:gw-0001';
    const compartment = 'urn:x-latchkey:compartment:lockers.example:gw-0001:A07';
    const put = { type: 'AssociationEvent', action: 'ADD', parentID: compartment };
    expect(one('parcel.deposited')).toMatchObject({
      ...put,
      childEPCs: ['https://id.gs1.org/00/340123450000000017'],
      bizStep: 'storing',
      readPoint: { id: compartment },
      bizLocation: { id: locker },
    });
    expect(one('parcel.collected')).toMatchObject({ type: 'AssociationEvent', action: 'DELETE', bizStep: 'departing' });
    expect(one('parcel.removed')['childEPCs']).toEqual([
      'urn:x-latchkey:parcel:sscc:k1.AAAAAAAAAAAAAAAAAAAAAA',
      'https://id.gs1.org/00/340123450000000017',
    ]);
    // Of a parcel that nobody read, the deposit was observed and nothing can be associated.
    expect(one('parcel.deposited', 1)).toMatchObject({ type: 'ObjectEvent', action: 'OBSERVE', epcList: [] });
  });

  test('carries weights in grams, positions in degrees, and alarms', () => {
    const reports = (type: EventType, at = 0): unknown =>
      (one(type, at)['sensorElementList'] as readonly { readonly sensorReport: unknown }[])[0]?.sensorReport;
    expect(reports('weight.measured')).toEqual([
      { type: 'Mass', value: 1_250, uom: 'GRM', 'latchkey:when': 'measured' },
    ]);
    expect(reports('parcel.deposited')).toMatchObject([
      { type: 'Mass', value: 0, 'latchkey:when': 'before' },
      { type: 'Mass', value: 1_000, 'latchkey:when': 'after' },
      { type: 'latchkey:occupied', booleanValue: false },
      { type: 'latchkey:occupied', booleanValue: true },
    ]);
    expect(reports('location.fixed')).toMatchObject([{}, { value: 52.52, uom: 'DD' }, { value: -13.405 }]);
    expect(reports('door.forced')).toEqual([
      { type: 'latchkey:doorForced', exception: 'ALARM_CONDITION', stringValue: 'tamper' },
    ]);
    expect(JSON.stringify(reports('power.restored'))).not.toContain('ALARM');
  });

  test('says who had it and who has it now', () => {
    expect(one('custody.handed_over')).toMatchObject({
      bizStep: 'receiving',
      sourceList: [{ type: 'possessing_party', source: 'urn:x-latchkey:actor:courier:c-7' }],
      destinationList: [{ type: 'possessing_party' }],
    });
    expect(one('custody.handed_over', 1)['bizStep']).toBe('shipping');
    expect(one('seal.recorded')['disposition']).toBe('container_closed');
    expect(one('seal.recorded', 1)['disposition']).toBe('non_conformant');
  });

  test('is named by its leaf hash, which names the entry; carried over it keeps its name', () => {
    const event = eventOf(log, 4, 'parcel.deposited', PUT_IN, { ...here, parcel: PARCEL });
    const entry = entryOf(event);
    // RFC 6920, of 0x00 and the line, by another hand.
    const line = Buffer.concat([Buffer.from([0]), encodeLeaf(event)]);
    const digest = createHash('sha256').update(line).digest('base64url');
    expect(epcisEvent(entry)).toMatchObject({
      eventID: `ni:///sha-256;${digest}`,
      'latchkey:leaf': digest,
      'latchkey:entry': `${log.origin}#4`,
      'latchkey:data': PUT_IN,
    });
    const next = new TestLog('next', 'gw-0001', 2);
    const carried = { log: log.origin, n: 4, boot: 1, up_ms: 4_000, leaf: digest };
    const again = entryOf(eventOf(next, 1, 'parcel.deposited', PUT_IN, { ...here, parcel: PARCEL, carried }));
    expect(epcisEvent(again)).toMatchObject({
      eventID: `ni:///sha-256;${digest}`,
      'latchkey:entry': `${next.origin}#1`,
      'latchkey:original': `${log.origin}#4`,
    });
    expect(epcisEvent({ ...entry, level: 'A2' })).toMatchObject({ 'latchkey:level': 'A2' });
  });

  test('says when it was stored, which is no part of its name: what came late keeps its own time', () => {
    const entry = entryOf(eventOf(log, 4, 'parcel.deposited', PUT_IN, { ...here, parcel: PARCEL }));
    const late = { ...entry, storedAt: AT };
    expect(problems(epcisDocument([late], AT))).toEqual([]);
    expect(epcisEvent(late)).toEqual({ ...epcisEvent(entry), recordTime: AT });
    expect(epcisEvent(late)?.['eventTime']).not.toBe(AT);
  });

  test('is declared in error under its own name, with what corrects it, as that schema takes it', () => {
    const entry = entryOf(eventOf(log, 4, 'parcel.deposited', PUT_IN, { ...here, parcel: PARCEL }));
    const leaf = Buffer.alloc(32, 7).toString('base64url');
    const withdrawn = { ...entry, withdrawn: { declaredAt: AT, correctedBy: [leaf] } };
    expect(problems(epcisDocument([withdrawn], AT))).toEqual([]);
    expect(epcisEvent(withdrawn)).toEqual({
      ...epcisEvent(entry),
      errorDeclaration: {
        declarationTime: AT,
        reason: 'urn:x-latchkey:epcis:key_revoked',
        correctiveEventIDs: [`ni:///sha-256;${leaf}`],
      },
    });
    const bare = { ...entry, withdrawn: { declaredAt: AT, correctedBy: [] } };
    expect(problems(epcisDocument([bare], AT))).toEqual([]);
    expect(epcisEvent(bare)?.['errorDeclaration']).not.toHaveProperty('correctiveEventIDs');
    expect(problems(epcisDocument([{ ...bare, withdrawn: { declaredAt: 'then', correctedBy: [] } }], AT))).not.toEqual(
      [],
    );
  });

  test('escapes what is no URI in a clear-text reference', () => {
    const parcel = { ref: 'ÄB 1/2?#', scheme: 'unknown' };
    const entry = entryOf(eventOf(log, 4, 'parcel.deposited', PUT_IN, { ...here, parcel }));
    expect(problems(epcisDocument([entry], AT))).toEqual([]);
    expect(epcisEvent(entry)?.['childEPCs']).toEqual(['urn:x-latchkey:parcel:unknown:%C3%84B%201%2F2%3F%23']);
  });
});
