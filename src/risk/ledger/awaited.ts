/**
 * Whether the gateway that has a parcel owes entries: what happened to the parcel may then be in them, so a decision waits
 * (R15). It stands on what the store holds alone: a fork, the end of a closed log as its successor tells it, and the age of
 * the newest entry. Batches that wait in a receiver's memory for those before them are none of it; the log stands still
 * meanwhile, which its silence shows.
 */
import { parseOrigin } from '../../evidence/log/origin.ts';
import type { Awaited } from './inputs.ts';
import type { LogRow } from './ledger-inputs.ts';
import type { Place } from './state.ts';

/** Of the places where it lies, the first whose gateway is awaited. */
export function awaitedAt(places: readonly Place[], logs: readonly LogRow[]): Awaited | undefined {
  for (const place of places) {
    const later = logs.filter(({ gateway, origin }) => gateway === place.gateway && numberOf(origin) >= logOf(place));
    // Only the newest log of a gateway grows: silence of those before it says nothing.
    const newest = Math.max(...later.map(({ origin }) => numberOf(origin)));
    const silent = later.find(({ origin }) => numberOf(origin) === newest)?.at ?? null;
    if (later.some(({ owes }) => owes)) return { gateway: place.gateway, since_ms: place.sinceMs };
    if (silent !== null) return { gateway: place.gateway, since_ms: silent.getTime() };
  }
  return undefined;
}

function logOf({ ref }: Place): number {
  return numberOf(ref.slice(0, ref.lastIndexOf('#')));
}

function numberOf(origin: string): number {
  const named = parseOrigin(origin);
  return named.ok ? named.value.number : 0;
}
