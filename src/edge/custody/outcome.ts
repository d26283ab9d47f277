/**
 * What an episode amounts to: deposited, collected, or only disturbed.
 *
 * `parcel.*` always names a parcel, and stands on a scan or on what earlier episodes said lies there, together with the
 * door; the item sensor, where there is one, can refute it. Everything else is `compartment.disturbed` with what was
 * seen. What was not seen is named and never taken for a "no".
 */
import type { ParcelRef } from '../../evidence/event/event.ts';
import { judgeAssigned, type Verdict } from './assigned.ts';
import { type Compartment, type Episode, HELD_MAX, itemAfter } from './compartment.ts';
import { sameParcel } from './references.ts';
import { sealContradictions } from './seals.ts';

export type ClosedBy = 'door_shut' | 'left_open' | 'cut';

export interface Outcome {
  readonly type: Verdict['type'];
  /** The parcels that it is about. */
  readonly parcels: readonly ParcelRef[];
  readonly contradictions: readonly string[];
  readonly notSeen: readonly string[];
  readonly itemAfter: boolean | undefined;
  readonly held: readonly ParcelRef[];
  readonly doubted: boolean;
}

export function judgeEpisode(state: Compartment, episode: Episode, closedBy: ClosedBy): Outcome {
  const after = itemAfter(state);
  const scanned = distinct(episode.scans.flatMap(({ parcel }) => (parcel === undefined ? [] : [parcel])));
  const verdict =
    closedBy === 'door_shut'
      ? judgeWhole(state, episode, after, scanned)
      : { ...disturbed(scanned), held: state.held, doubted: state.doubted };
  return {
    ...verdict,
    contradictions: [...verdict.contradictions, ...circumstances(episode)],
    notSeen: notSeen(state, episode, after),
    itemAfter: after,
  };
}

function judgeWhole(
  state: Compartment,
  episode: Episode,
  after: boolean | undefined,
  scanned: readonly ParcelRef[],
): Verdict {
  const { errand, itemBefore: before } = episode;
  if (errand === undefined) return judgeShut(state, before, after, scanned);
  return judgeAssigned(errand, { held: state.held, doubted: state.doubted, before, after, scanned });
}

function judgeShut(
  state: Compartment,
  before: boolean | undefined,
  after: boolean | undefined,
  scanned: readonly ParcelRef[],
): Verdict {
  const fresh = scanned.filter((parcel) => !state.held.some((held) => sameParcel(held, parcel)));
  const known = scanned.filter((parcel) => state.held.some((held) => sameParcel(held, parcel)));
  if (fresh.length > 0)
    return after === false ? scannedButEmpty(state, before, fresh) : deposited(state, before, fresh);
  if (known.length > 0) return scannedHeld(state, before, after, known);
  return unscanned(state, before, after);
}

function deposited(state: Compartment, before: boolean | undefined, fresh: readonly ParcelRef[]): Verdict {
  const stillThere = before === false || state.doubted ? [] : state.held;
  const contradictions = [
    ...(before === true || (before === undefined && stillThere.length > 0) ? ['already_occupied'] : []),
    ...(fresh.length > 1 ? ['several_parcels'] : []),
  ];
  const held = [...stillThere, ...fresh].slice(-HELD_MAX);
  return { type: 'parcel.deposited', parcels: fresh, contradictions, held, doubted: false };
}

/** A parcel was scanned, the door was open and shut, and nothing lies inside. */
function scannedButEmpty(state: Compartment, before: boolean | undefined, fresh: readonly ParcelRef[]): Verdict {
  const gone = { held: [], doubted: false };
  if (before !== true) return { ...disturbed(fresh), ...gone, contradictions: ['shut_but_empty'] };
  if (state.held.length === 0)
    return { ...disturbed(fresh), ...gone, contradictions: ['item_gone', 'scan_without_item'] };
  const contradictions = ['other_parcel', 'scan_without_item'];
  return { type: 'parcel.collected', parcels: state.held, contradictions, ...gone };
}

/** A scan of what should lie here. */
function scannedHeld(
  state: Compartment,
  before: boolean | undefined,
  after: boolean | undefined,
  known: readonly ParcelRef[],
): Verdict {
  const others = state.held.filter((held) => !known.some((parcel) => sameParcel(held, parcel)));
  if (after === false) {
    const contradictions = before === false ? ['shut_but_empty'] : [];
    return { type: 'parcel.collected', parcels: state.held, contradictions, held: [], doubted: false };
  }
  // The sensor sees that something lies there, not how much.
  if (after === true && others.length === 0) {
    return { ...disturbed(known), contradictions: ['still_occupied'], held: state.held, doubted: state.doubted };
  }
  return { type: 'parcel.collected', parcels: known, contradictions: [], held: others, doubted: state.doubted };
}

function unscanned(state: Compartment, before: boolean | undefined, after: boolean | undefined): Verdict {
  const { held, doubted } = state;
  if (after === false) {
    const gone = { held: [], doubted: false };
    if (before === false) return { ...disturbed([]), ...gone };
    if (held.length > 0) return { type: 'parcel.collected', parcels: held, contradictions: [], ...gone };
    return { ...disturbed([]), ...gone, contradictions: before === true ? ['item_gone'] : [] };
  }
  if (after === true && before === false) {
    return { ...disturbed([]), contradictions: ['item_without_scan'], held: [], doubted: false };
  }
  return { ...disturbed(held), held, doubted: doubted || (after === undefined && held.length > 0) };
}

function disturbed(parcels: readonly ParcelRef[]): Verdict {
  return { type: 'compartment.disturbed', parcels, contradictions: [], held: [], doubted: false };
}

function circumstances(episode: Episode): readonly string[] {
  const all: string[] = [];
  if (episode.scans.some(({ parcel, seal }) => parcel === undefined && seal === undefined)) all.push('unread_scan');
  if (episode.severalDoors) all.push('several_doors');
  if (episode.unwatched) all.push('opened_unwatched');
  if (episode.itemWhileShut) all.push('item_while_shut');
  if (episode.withoutAccess) all.push('opened_without_access');
  all.push(...sealContradictions(episode.seal));
  return all;
}

function notSeen(state: Compartment, episode: Episode, after: boolean | undefined): readonly string[] {
  const all: string[] = [];
  if (episode.opened === undefined) all.push('opening');
  if (episode.closed === undefined) all.push('closing');
  if (episode.scans.every(({ seal }) => seal !== undefined)) all.push('scan');
  if (episode.itemBefore === undefined) all.push('item_before');
  if (after === undefined) all.push('item_after');
  if (episode.withoutAccess) all.push('access');
  if (state.seal !== undefined && episode.seal === undefined) all.push('seal');
  return all;
}

function distinct(parcels: readonly ParcelRef[]): readonly ParcelRef[] {
  return parcels.filter((parcel, i) => parcels.findIndex((other) => sameParcel(other, parcel)) === i);
}
