/**
 * Which courier had a parcel in hands, as signed entries say: the actor of what was done to it, and both ends of a handover.
 *
 * A courier is known by the pseudonym of the entry alone. Another reference key, or another tenant, makes another pseudonym
 * of the same person, and nobody without the keys can tell: counts begin anew with a key.
 */
import type { CustodyEvent } from '../../evidence/event/event.ts';
import type { EventRef, ParcelFacts } from '../decision/facts.ts';
import { isObject } from './episode.ts';
import type { LedgerEntry } from './inputs.ts';
import { parcelsOf } from './select.ts';

/** What a hand did: `opened` a compartment where the parcel lay, `reported` a scan for which no door opened. */
export type Deed = 'put_in' | 'taken_out' | 'opened' | 'sealed' | 'reported' | 'handed_on' | 'taken_over';

export interface Hand {
  readonly courier: string;
  readonly deed: Deed;
}

/** Of one parcel: whose hand, and which entry says so. */
export interface ParcelHand extends Hand {
  readonly event: EventRef;
  /** Absent where the entry moved neither leg. */
  readonly leg?: 'forward' | 'return';
}

const DEEDS: ReadonlyMap<string, Deed> = new Map([
  ['parcel.deposited', 'put_in'],
  ['parcel.returned', 'put_in'],
  ['parcel.collected', 'taken_out'],
  ['parcel.removed', 'taken_out'],
  ['compartment.disturbed', 'opened'],
  ['seal.recorded', 'sealed'],
  ['exception.reported', 'reported'],
]);

/** What pseudonyms are made of. Anything else is no name under which somebody may be counted. */
const NAME = /^[A-Za-z0-9._:-]{1,64}$/;

/** Of an event that names parcels; none of one that names no parcel. */
export function handsIn(event: CustodyEvent): readonly Hand[] {
  if (parcelsOf(event).length === 0) return [];
  if (event.type === 'custody.handed_over') {
    return [...handOf(event.data['from'], 'handed_on'), ...handOf(event.data['to'], 'taken_over')];
  }
  const deed = DEEDS.get(event.type);
  return deed === undefined ? [] : handOf(event.actor, deed);
}

function handOf(actor: unknown, deed: Deed): readonly Hand[] {
  if (!isObject(actor) || actor['kind'] !== 'courier') return [];
  const { ref } = actor;
  return typeof ref === 'string' && NAME.test(ref) ? [{ courier: ref, deed }] : [];
}

/** Out of the entries about a parcel and what was concluded from them. */
export function handsOn(facts: ParcelFacts, entries: readonly LedgerEntry[]): readonly ParcelHand[] {
  return entries.flatMap(({ event, ref }) => {
    if (!parcelsOf(event).includes(facts.ref)) return [];
    const leg = facts.return.events.includes(ref)
      ? 'return'
      : facts.forward.events.includes(ref)
        ? 'forward'
        : undefined;
    return handsIn(event).map((hand) => ({ ...hand, event: ref, ...(leg !== undefined && { leg }) }));
  });
}
