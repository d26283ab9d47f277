/**
 * What each event of the vocabulary is in EPCIS 2.0 and CBV 2.0, and what has no counterpart there (FORMAT.md section 15).
 * One row for each type: a new event cannot be forgotten here.
 */
import type { EventType } from '../event/vocabulary.ts';

/** `put_in`, `taken_out`: the parcel and its compartment become, or cease to be, associated. */
export type EpcisKind = 'put_in' | 'taken_out' | 'observed' | 'sensed' | 'handed_over';

export interface EpcisRow {
  readonly kind: EpcisKind;
  readonly bizStep?: string;
  readonly disposition?: string;
  /** Left out of events that name no parcel: then there is nothing that it is about. */
  readonly needsParcel?: true;
}

/** Why there is no EPCIS event. */
export interface NoCounterpart {
  readonly none: 'the log itself' | 'a device' | 'access' | 'an image' | 'people and commands';
}

const LOG: NoCounterpart = { none: 'the log itself' };
const DEVICE: NoCounterpart = { none: 'a device' };
const ACCESS: NoCounterpart = { none: 'access' };
const IMAGE: NoCounterpart = { none: 'an image' };
const PEOPLE: NoCounterpart = { none: 'people and commands' };
const SENSED: EpcisRow = { kind: 'sensed', bizStep: 'sensor_reporting' };

export const EPCIS_TABLE: Readonly<Record<EventType, EpcisRow | NoCounterpart>> = {
  'parcel.deposited': { kind: 'put_in', bizStep: 'storing', disposition: 'in_progress' },
  'parcel.returned': { kind: 'put_in', bizStep: 'storing', disposition: 'returned' },
  // CBV's "collecting" is of waste: whoever fetches a parcel takes it out of storage, and it departs.
  'parcel.collected': { kind: 'taken_out', bizStep: 'departing', disposition: 'in_progress' },
  'parcel.removed': { kind: 'taken_out', bizStep: 'departing', disposition: 'in_transit' },
  'custody.handed_over': { kind: 'handed_over', disposition: 'in_transit', needsParcel: true },
  'code.scanned': { kind: 'observed', needsParcel: true },
  'seal.recorded': { kind: 'observed', bizStep: 'inspecting', needsParcel: true },
  'exception.reported': { kind: 'observed', disposition: 'unknown', needsParcel: true },
  'compartment.counted': { kind: 'observed', bizStep: 'cycle_counting' },
  'compartment.disturbed': { kind: 'sensed', bizStep: 'sensor_reporting', disposition: 'unknown' },
  'door.forced': SENSED,
  'door.opened': SENSED,
  'door.closed': SENSED,
  'occupancy.changed': SENSED,
  'weight.measured': SENSED,
  'tamper.raised': SENSED,
  'tamper.cleared': SENSED,
  'power.lost': SENSED,
  'power.restored': SENSED,
  'location.fixed': SENSED,
  'predecessor.found': LOG,
  'journal.opened': LOG,
  'gateway.started': LOG,
  'gateway.stopped': LOG,
  'gateway.alive': LOG,
  'clock.stepped': LOG,
  'key.enrolled': LOG,
  'key.attested': LOG,
  'key.rotated': LOG,
  'anchor.made': LOG,
  'device.found': DEVICE,
  'device.lost': DEVICE,
  'device.faulted': DEVICE,
  'device.commissioned': DEVICE,
  'line.noisy': DEVICE,
  'access.granted': ACCESS,
  'access.refused': ACCESS,
  'unlock.intended': ACCESS,
  'unlock.ended': ACCESS,
  'photo.captured': IMAGE,
  'photo.dropped': IMAGE,
  'maintenance.opened': PEOPLE,
  'maintenance.closed': PEOPLE,
  'console.acted': PEOPLE,
  'settings.changed': PEOPLE,
  'command.received': PEOPLE,
  'command.executed': PEOPLE,
  'command.refused': PEOPLE,
};
