/** A gateway's history in the store, read into its state and extended by one event at a time. */
import { LatchkeyError } from '../../base/errors.ts';
import { formatEvent, type GatewayEvent, parseEvent } from './events.ts';
import { type GatewayState, stateOf } from './history.ts';
import type { EnrolmentStore } from './store.ts';

/** Writers that meet at one gateway: the service and a person. */
const TRIES = 8;

export async function readGateway(store: EnrolmentStore, gateway: string): Promise<GatewayState> {
  const texts = await store.read(gateway);
  return stateOf(texts.map((text, i) => parseEvent(text, gateway, i)));
}

/**
 * Appends what `decide` makes of the present state; when somebody else was faster it decides anew. Nothing is appended
 * when it makes something else than an event.
 */
export async function extendGateway<T>(
  store: EnrolmentStore,
  gateway: string,
  decide: (state: GatewayState) => { readonly event: GatewayEvent; readonly result: T } | { readonly instead: T },
): Promise<T> {
  for (let i = 0; i < TRIES; i += 1) {
    const state = await readGateway(store, gateway);
    const decision = decide(state);
    if ('instead' in decision) return decision.instead;
    if ((await store.append(gateway, state.size, formatEvent(decision.event))) === 'stored') return decision.result;
  }
  throw new LatchkeyError('STORE_IO', `the history of ${gateway} changes faster than it can be read`);
}
