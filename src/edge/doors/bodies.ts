/** Event bodies of openings, member by member in the order of their names. */
import type { Actor, EventBody, Json } from '../../evidence/event/event.ts';
import type { Ending, Intent } from './machine.ts';

export interface DoorPlace {
  readonly name: string;
  readonly device: string;
  readonly channel: number;
}

export function intendedBody(intent: Intent, place: DoorPlace): EventBody {
  const { actor, cause, method } = intent.request;
  const data: Record<string, Json> = { cause, channel: place.channel, id: intent.id };
  if (method !== undefined) data['method'] = method;
  return { ...headOf(place.name, actor), data, device: place.device, type: 'unlock.intended' };
}

export function endedBody(intent: Intent, ending: Ending, place: DoorPlace): EventBody {
  const data: Record<string, Json> = { id: intent.id };
  if (ending.result !== 'opened') data['reason'] = ending.reason;
  if (intent.reply !== undefined) data['reply'] = intent.reply;
  data['result'] = ending.result;
  if (ending.result === 'opened') data['took_ms'] = ending.tookMs;
  return { ...headOf(place.name, intent.request.actor), data, device: place.device, type: 'unlock.ended' };
}

/** Of an intent of the run before: whether its frame left is not known, and it is not tried again. */
export function cutBody(id: string, compartment: string, actor: Actor): EventBody {
  const data = { id, reason: 'restarted', result: 'unverified' };
  return { ...headOf(compartment, actor), data, type: 'unlock.ended' };
}

function headOf(compartment: string, { kind, ref }: Actor) {
  return { actor: { kind, ref }, compartment };
}
