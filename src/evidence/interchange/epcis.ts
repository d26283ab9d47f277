/**
 * Custody events as EPCIS 2.0 (GS1), a capture document in JSON-LD: for trading partners whose systems read that. The
 * document proves nothing by itself: each event names the entry and the leaf hash with which it can be looked up in a
 * bundle or an export, and its `eventID` is made of that hash, so that capturing it twice changes nothing.
 */
import { base64url } from '../../base/bytes.ts';
import type { Actor, CustodyEvent, Json, JsonObject, ParcelRef } from '../event/event.ts';
import { isObject } from '../event/json.ts';
import { isEventType } from '../event/vocabulary.ts';
import { actorUri, EPCIS_NAMESPACE, eventId, lockerUri, parcelUri, placeUri } from './epcis-names.ts';
import { sensorElements } from './epcis-sensors.ts';
import { EPCIS_TABLE, type EpcisRow } from './epcis-table.ts';

export const EPCIS_CONTEXT = 'https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld';

/** A verified entry whose event may be used. */
export interface EpcisEntry {
  readonly event: CustodyEvent;
  readonly leafHash: Uint8Array;
  /** When whoever writes the document stored it, 24 characters as in events: what came late is seen by it. */
  readonly storedAt?: string;
  /** Assurance level of a verdict, when there was one. */
  readonly level?: string;
  /** It may have been passed on before, and nothing shows any more that it is of this gateway. */
  readonly withdrawn?: Withdrawal;
}

/** An error declaration: the event stands as it was captured, under its name, and counts no more. */
export interface Withdrawal {
  /** 24 characters, as in events. */
  readonly declaredAt: string;
  /** Leaf hashes (base64url) of what a trusted log of the gateway says of that place instead. */
  readonly correctedBy: readonly string[];
}

/** CBV has `did_not_occur` and `incorrect_data`, and neither is known: whoever has the key now may have signed it. */
export const KEY_REVOKED = `${EPCIS_NAMESPACE}key_revoked`;

export type EpcisValue = Json | number | readonly EpcisValue[] | { readonly [name: string]: EpcisValue };
export type EpcisEvent = { readonly [name: string]: EpcisValue };

export interface EpcisDocument {
  readonly '@context': readonly EpcisValue[];
  readonly type: 'EPCISDocument';
  readonly schemaVersion: '2.0';
  readonly creationDate: string;
  readonly epcisBody: { readonly eventList: readonly EpcisEvent[] };
}

/** Whether it has a counterpart: of a known type that the table has, and about a parcel where it must be. */
export function hasCounterpart(event: CustodyEvent): boolean {
  return rowOf(event) !== undefined;
}

/** In the order given. What has no counterpart is left out. `createdAt`: 24 characters, as in events. */
export function epcisDocument(entries: readonly EpcisEntry[], createdAt: string): EpcisDocument {
  const context = { latchkey: EPCIS_NAMESPACE, 'latchkey:data': { '@type': '@json' } };
  return {
    '@context': [EPCIS_CONTEXT, context],
    type: 'EPCISDocument',
    schemaVersion: '2.0',
    creationDate: createdAt,
    epcisBody: { eventList: entries.map(epcisEvent).filter((event) => event !== undefined) },
  };
}

/** Undefined: there is no counterpart. */
export function epcisEvent(entry: EpcisEntry): EpcisEvent | undefined {
  const { event } = entry;
  const row = rowOf(event);
  if (row === undefined) return undefined;
  const place = placeUri(event.log, event.compartment);
  const parcels = parcelsOf(event).map(parcelUri);
  const sensors = sensorElements(event);
  const disposition = dispositionOf(event, row);
  const shared: EpcisEvent = {
    eventID: eventId(entry.leafHash, event.carried?.leaf),
    eventTime: event.at,
    // What a box has is UTC; where it stands is not known here.
    eventTimeZoneOffset: '+00:00',
    ...(entry.withdrawn !== undefined && { errorDeclaration: errorOf(entry.withdrawn) }),
    ...(entry.storedAt !== undefined && { recordTime: entry.storedAt }),
    ...(row.bizStep !== undefined && { bizStep: row.bizStep }),
    ...(disposition !== undefined && { disposition }),
    readPoint: { id: place },
    bizLocation: { id: lockerUri(event.log) },
    ...(sensors.length > 0 && { sensorElementList: sensors }),
    ...extensions(entry),
  };
  const isPlaced = (row.kind === 'put_in' || row.kind === 'taken_out') && event.compartment !== undefined;
  if (isPlaced && parcels.length > 0) {
    const action = row.kind === 'put_in' ? 'ADD' : 'DELETE';
    return { type: 'AssociationEvent', ...shared, action, parentID: place, childEPCs: parcels };
  }
  const moved = row.kind === 'handed_over' ? handedOver(event) : {};
  return { type: 'ObjectEvent', ...shared, action: 'OBSERVE', epcList: parcels, ...moved };
}

function errorOf({ declaredAt, correctedBy }: Withdrawal): EpcisEvent {
  const named = correctedBy.map((leaf) => eventId(new Uint8Array(), leaf));
  return {
    declarationTime: declaredAt,
    reason: KEY_REVOKED,
    ...(named.length > 0 && { correctiveEventIDs: named }),
  };
}

function rowOf(event: CustodyEvent): EpcisRow | undefined {
  const row = isEventType(event.type) ? EPCIS_TABLE[event.type] : undefined;
  if (row === undefined || 'none' in row) return undefined;
  return row.needsParcel === true && parcelsOf(event).length === 0 ? undefined : row;
}

/** The one in the envelope, then those of the episode or the count; each once. */
function parcelsOf({ type, parcel, data }: CustodyEvent): readonly ParcelRef[] {
  // What an episode held before is what was disturbed, or what was counted.
  const more = type === 'compartment.disturbed' || type === 'compartment.counted' ? data['held'] : [];
  const all = [...(parcel === undefined ? [] : [parcel]), ...refsIn(data['parcels']), ...refsIn(more)];
  const first = new Map(all.map((each) => [`${each.scheme} ${each.ref}`, each]));
  return [...first.values()];
}

function refsIn(value: Json | undefined): readonly ParcelRef[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((item: Json) => {
    const { ref, scheme } = isObject(item) ? item : {};
    return typeof ref === 'string' && typeof scheme === 'string' ? [{ ref, scheme }] : [];
  });
}

function dispositionOf({ type, data }: CustodyEvent, row: EpcisRow): string | undefined {
  if (type !== 'seal.recorded') return row.disposition;
  const isWhole = data['state'] === 'intact' && data['agrees'] !== false;
  return isWhole ? 'container_closed' : 'non_conformant';
}

/** Who had it, and who has it now: what EPCIS calls the possessing party. */
function handedOver({ data }: CustodyEvent): EpcisEvent {
  const from = actorIn(data['from']);
  const to = actorIn(data['to']);
  return {
    bizStep: to?.kind === 'courier' ? 'shipping' : 'receiving',
    ...(from !== undefined && { sourceList: [{ type: 'possessing_party', source: actorUri(from) }] }),
    ...(to !== undefined && { destinationList: [{ type: 'possessing_party', destination: actorUri(to) }] }),
  };
}

function actorIn(value: Json | undefined): Actor | undefined {
  const { kind, ref } = isObject(value) ? value : {};
  return typeof kind === 'string' && typeof ref === 'string' ? { kind: kind as Actor['kind'], ref } : undefined;
}

function extensions({ event, leafHash, level }: EpcisEntry): EpcisEvent {
  const { actor, carried, clock, data, seen, type, log, n } = event;
  const clockText = clock.err_ms === undefined ? clock.src : `${clock.src} ${clock.err_ms}`;
  return {
    'latchkey:type': type,
    'latchkey:entry': `${log}#${n}`,
    'latchkey:leaf': base64url(leafHash),
    'latchkey:clock': clockText,
    ...(level !== undefined && { 'latchkey:level': level }),
    ...(actor !== undefined && { 'latchkey:actor': actorUri(actor) }),
    ...(carried !== undefined && { 'latchkey:original': `${carried.log}#${carried.n}` }),
    ...(seen !== undefined && { 'latchkey:seenMs': seen.to_ms - seen.from_ms }),
    'latchkey:data': data satisfies JsonObject,
  };
}
