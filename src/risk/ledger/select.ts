/**
 * Which entries are about a parcel: those that name it, and those about the compartments and gateways where it lay,
 * which say what happened to it without knowing it.
 */
import type { CustodyEvent, Json } from '../../evidence/event/event.ts';
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

export function entriesAbout(parcelRef: string, entries: readonly LedgerEntry[]): readonly LedgerEntry[] {
  const named = entries.filter(({ event }) => names(event, parcelRef));
  const places = new Set(named.map(({ gateway, event }) => `${gateway} ${event.compartment ?? ''}`));
  const gateways = new Set(named.map(({ gateway }) => gateway));
  return entries.filter(({ gateway, event }) => {
    if (names(event, parcelRef)) return true;
    if (!AROUND.has(event.type) || !gateways.has(gateway) || event.parcel !== undefined) return false;
    return event.compartment === undefined || places.has(`${gateway} ${event.compartment}`);
  });
}

function names({ parcel, data }: CustodyEvent, ref: string): boolean {
  const others = [...list(data['parcels']), ...list(data['held'])];
  return parcel?.ref === ref || others.some((one) => isObject(one as Json) && (one as { ref?: unknown }).ref === ref);
}
