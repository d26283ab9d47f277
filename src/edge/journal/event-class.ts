/**
 * Which events go first when room runs out.
 *
 * `low` repeats itself and can be counted instead. `custody` is what begins: without it no new custody is taken. `last`
 * is what must still be said: how a running episode ended, what was forced, what the gateway says about itself.
 */
import type { EventType } from '../../evidence/event/vocabulary.ts';

export type EventClass = 'low' | 'custody' | 'last';

const CLASSES = {
  'predecessor.found': 'last',
  'journal.opened': 'last',
  'gateway.started': 'last',
  'gateway.stopped': 'last',
  'gateway.alive': 'low',
  'clock.stepped': 'last',
  'key.enrolled': 'last',
  'key.attested': 'low',
  'key.rotated': 'last',
  'anchor.made': 'last',
  'device.found': 'custody',
  'device.lost': 'custody',
  'device.faulted': 'custody',
  'device.commissioned': 'custody',
  'line.noisy': 'low',
  'code.scanned': 'custody',
  'door.opened': 'custody',
  'door.closed': 'last',
  'door.forced': 'last',
  'occupancy.changed': 'custody',
  'weight.measured': 'low',
  'tamper.raised': 'last',
  'tamper.cleared': 'custody',
  'power.lost': 'last',
  'power.restored': 'custody',
  'location.fixed': 'low',
  'photo.captured': 'custody',
  'photo.dropped': 'low',
  'access.granted': 'custody',
  'access.refused': 'custody',
  'unlock.intended': 'custody',
  'unlock.ended': 'last',
  'parcel.deposited': 'last',
  'parcel.collected': 'last',
  'parcel.returned': 'last',
  'parcel.removed': 'last',
  'compartment.disturbed': 'last',
  'compartment.counted': 'custody',
  'seal.recorded': 'custody',
  'custody.handed_over': 'last',
  'exception.reported': 'last',
  'maintenance.opened': 'custody',
  'maintenance.closed': 'last',
  'console.acted': 'custody',
  'settings.changed': 'last',
  'command.received': 'last',
  'command.executed': 'last',
  'command.refused': 'custody',
} as const satisfies Record<EventType, EventClass>;

const BY_TYPE: ReadonlyMap<string, EventClass> = new Map(Object.entries(CLASSES));

export function classOf(type: string): EventClass {
  return BY_TYPE.get(type) ?? 'custody';
}
