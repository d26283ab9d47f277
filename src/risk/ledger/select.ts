/**
 * Which entries are about a parcel: those that name it, and those about the compartments and gateways where it lay,
 * which say what happened to it without knowing it.
 */
import type { CustodyEvent } from '../../evidence/event/event.ts';
import { isObject, list } from './episode.ts';
import type { LedgerEntry } from './inputs.ts';

/** About a compartment, or about a whole gateway, whichever parcel lies there. */
const AROUND: ReadonlySet<string> = new Set([
  'door.forced',
  'tamper.raised',
  'compartment.disturbed',
  'maintenance.opened',
  'maintenance.closed',
  'device.faulted',
  'device.found',
  'power.lost',
  'power.restored',
]);

const ATTEMPTS_MAX = 3;

/** Somebody was let in after more tries than an honest memory needs. */
export function isGuessed({ type, data: { attempts } }: CustodyEvent): boolean {
  return type === 'access.granted' && typeof attempts === 'number' && attempts > ATTEMPTS_MAX;
}

export function isAround(event: CustodyEvent): boolean {
  return AROUND.has(event.type) || isGuessed(event);
}

/** References of the parcels that an event names. */
export function parcelsOf({ parcel, data }: CustodyEvent): readonly string[] {
  const others = [...list(data['parcels']), ...list(data['held'])].flatMap((one) => {
    const ref = isObject(one) ? one['ref'] : undefined;
    return typeof ref === 'string' ? [ref] : [];
  });
  return [...new Set([...(parcel === undefined ? [] : [parcel.ref]), ...others])];
}

export function entriesAbout(parcelRef: string, entries: readonly LedgerEntry[]): readonly LedgerEntry[] {
  const names = (event: CustodyEvent): boolean => parcelsOf(event).includes(parcelRef);
  const named = entries.filter(({ event }) => names(event));
  const places = new Set(named.map(({ gateway, event }) => `${gateway} ${event.compartment ?? ''}`));
  const gateways = new Set(named.map(({ gateway }) => gateway));
  return entries.filter(({ gateway, event }) => {
    if (names(event)) return true;
    if (!isAround(event) || !gateways.has(gateway) || event.parcel !== undefined) return false;
    return event.compartment === undefined || places.has(`${gateway} ${event.compartment}`);
  });
}
