/** Event bodies of seals and maintenance, member by member in the order of their names. */
import type { EventBody, Json } from '../../evidence/event/event.ts';
import { type Compartment, recordSeal } from './compartment.ts';
import type { WaitingScan } from './scans.ts';
import { sealAgrees } from './seals.ts';
import type { CompartmentSettings } from './settings.ts';
import type { MaintenanceWindow } from './visit-book.ts';

/**
 * What a scan of a seal says in a running episode, and the compartment that knows it. The parcel is named when only one
 * can be meant. Undefined for a scan of something else.
 */
export function sealSaid(
  settings: CompartmentSettings,
  state: Compartment,
  { device, seal: scanned }: WaitingScan,
): { readonly state: Compartment; readonly body: EventBody } | undefined {
  if (scanned === undefined || state.episode === undefined) return undefined;
  const record = { ...scanned, before: state.seal };
  const { before, seal } = record;
  const agrees = sealAgrees(record);
  const data: Record<string, Json> = {};
  if (agrees !== undefined) data['agrees'] = agrees;
  if (before !== undefined) data['before'] = before;
  if (seal !== undefined) data['seal'] = seal;
  data['state'] = record.state;
  const parcels = state.episode.errand?.parcels ?? state.held;
  const [parcel] = parcels.length === 1 ? parcels : [];
  const base = { compartment: settings.name, data, device };
  const body: EventBody =
    parcel === undefined ? { ...base, type: 'seal.recorded' } : { ...base, parcel, type: 'seal.recorded' };
  return { state: recordSeal(state, record), body };
}

export function windowBody(
  type: 'maintenance.opened' | 'maintenance.closed',
  { actor, compartments, id, reason, ticket }: MaintenanceWindow,
  cause: string,
): EventBody {
  const data: Record<string, Json> = { cause };
  if (compartments.length > 0) data['compartments'] = compartments;
  if (reason !== undefined) data['reason'] = reason;
  if (ticket !== undefined) data['ticket'] = ticket;
  data['window'] = id;
  return { actor, data, type };
}
