/**
 * What an episode amounts to when it was assigned beforehand what the visit is for.
 *
 * An assignment stands where a scan would: who was let in for a parcel, opened the door and shut it, has put it in or
 * taken it out, unless a signal refutes it. A scan counts for more: another parcel than the assigned one is named, with
 * the contradiction.
 */
import type { ParcelRef } from '../../evidence/event/event.ts';
import type { Errand } from '../contracts/visit.ts';
import { HELD_MAX } from './compartment.ts';
import { sameParcel } from './references.ts';
import type { AssignedErrand } from './visit-book.ts';

export interface Verdict {
  readonly type:
    | 'parcel.deposited'
    | 'parcel.collected'
    | 'parcel.returned'
    | 'parcel.removed'
    | 'compartment.disturbed';
  readonly parcels: readonly ParcelRef[];
  readonly contradictions: readonly string[];
  readonly held: readonly ParcelRef[];
  readonly doubted: boolean;
}

export interface Signals {
  readonly held: readonly ParcelRef[];
  readonly doubted: boolean;
  /** The item sensor, where there is one. */
  readonly before: boolean | undefined;
  readonly after: boolean | undefined;
  readonly scanned: readonly ParcelRef[];
}

const TYPES: Readonly<Record<Errand, Verdict['type']>> = {
  deposit: 'parcel.deposited',
  return: 'parcel.returned',
  collect: 'parcel.collected',
  remove: 'parcel.removed',
};

export function judgeAssigned(errand: AssignedErrand, signals: Signals): Verdict {
  const isOther = signals.scanned.some((parcel) => !includes(errand.parcels, parcel));
  const named = signals.scanned.length > 0 ? signals.scanned : errand.parcels;
  const verdict =
    errand.kind === 'deposit' || errand.kind === 'return'
      ? putIn(TYPES[errand.kind], named, signals)
      : takenOut(TYPES[errand.kind], named, signals);
  if (!isOther) return verdict;
  return { ...verdict, contradictions: [...verdict.contradictions, 'parcel_not_assigned'] };
}

function putIn(type: Verdict['type'], named: readonly ParcelRef[], signals: Signals): Verdict {
  const { held, doubted, before, after, scanned } = signals;
  if (after === false) {
    const lost = before === true ? 'item_gone' : 'shut_but_empty';
    const gone = before === true && held.length > 0 ? held : [];
    const contradictions = [lost, ...(scanned.length > 0 ? ['scan_without_item'] : [])];
    return { type: 'compartment.disturbed', parcels: [...named, ...gone], contradictions, held: [], doubted: false };
  }
  const fresh = named.filter((parcel) => !includes(held, parcel));
  // It lies there already: nothing went in.
  if (fresh.length === 0) return { type: 'compartment.disturbed', parcels: named, contradictions: [], held, doubted };
  const stillThere = before === false || doubted ? [] : held;
  const occupied = before === true || (before === undefined && stillThere.length > 0);
  const contradictions = occupied ? ['already_occupied'] : [];
  return { type, parcels: fresh, contradictions, held: [...stillThere, ...fresh].slice(-HELD_MAX), doubted: false };
}

function takenOut(type: Verdict['type'], named: readonly ParcelRef[], signals: Signals): Verdict {
  const { held, doubted, before, after, scanned } = signals;
  const others = held.filter((parcel) => !includes(named, parcel));
  // The sensor sees that something lies there, not how much.
  if (after === true && others.length === 0) {
    const contradictions = ['still_occupied'];
    return { type: 'compartment.disturbed', parcels: named, contradictions, held, doubted };
  }
  if (before === false && after === false && scanned.length === 0) {
    const contradictions = ['shut_but_empty'];
    return { type: 'compartment.disturbed', parcels: named, contradictions, held: [], doubted: false };
  }
  const isEmpty = after === false;
  const contradictions = [
    ...(isEmpty && before === false ? ['shut_but_empty'] : []),
    // Whoever came for one has left none.
    ...(isEmpty && others.length > 0 ? ['other_parcel'] : []),
  ];
  const parcels = isEmpty ? [...named, ...others] : named;
  return { type, parcels, contradictions, held: isEmpty ? [] : others, doubted: isEmpty ? false : doubted };
}

function includes(parcels: readonly ParcelRef[], parcel: ParcelRef): boolean {
  return parcels.some((each) => sameParcel(each, parcel));
}
