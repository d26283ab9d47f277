/** What a recount says of one compartment: its door, its item sensor, and what should lie there by earlier episodes. */
import type { Actor, EventBody, Json } from '../../evidence/event/event.ts';
import type { Compartment } from './compartment.ts';
import type { CompartmentSettings } from './settings.ts';

const HELD_WRITTEN_MAX = 4;

export function countBody(settings: CompartmentSettings, state: Compartment, actor: Actor | undefined): EventBody {
  const { door, item, held } = state;
  const data: Record<string, Json> = { door: door.value === undefined ? 'unknown' : door.value ? 'shut' : 'open' };
  if (held.length > 0) data['held'] = held.slice(0, HELD_WRITTEN_MAX).map((ref) => ({ ...ref }));
  if (held.length > HELD_WRITTEN_MAX) data['held_more'] = held.length - HELD_WRITTEN_MAX;
  if (item.value !== undefined) data['occupied'] = item.value;
  data['reason'] = 'command';
  const { name: compartment, device } = settings;
  return { ...(actor !== undefined && { actor }), compartment, data, device, type: 'compartment.counted' };
}
