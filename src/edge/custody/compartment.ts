/**
 * One compartment as a pure machine: reads of its door and item sensor, scans and time in; changes and closings out.
 *
 * An episode begins when the door is seen open and ends when it was seen shut and the item sensor has settled. Two
 * closings can come before that end, each at most once: `left_open` after the longest time a door may stand open, and
 * `cut` after a restart. The episode then goes on, so that its end is still judged by all that was seen.
 */
import type { Actor, ParcelRef, Seen } from '../../evidence/event/event.ts';
import { type Change, type Debounced, debounce, interrupted, UNREAD } from './debounce.ts';
import type { WaitingScan } from './scans.ts';
import { type SealRecord, sealedAfter } from './seals.ts';
import type { AssignedErrand } from './visit-book.ts';

export const EPISODE_SCANS_MAX = 16;
export const HELD_MAX = 16;

/** By what right the door opened. */
export interface EpisodeAccess {
  readonly method: string;
  readonly upMs: number;
  /** The start in which that was seen. */
  readonly boot: number;
}

/** What custody knows of a door in the moment in which it opens. */
export interface Arrival {
  /** Those that waited for it. */
  readonly scans: readonly WaitingScan[];
  readonly access?: EpisodeAccess | undefined;
  readonly actor?: Actor | undefined;
  readonly errand?: AssignedErrand | undefined;
  /** Only this gateway lets it open. */
  readonly controlled?: boolean;
}

export interface Episode {
  /** The start in which it began, whose `up_ms` `opened` is in. */
  readonly boot: number;
  readonly startedMs: number;
  readonly opened: Seen | undefined;
  /** The door was open at the first look. */
  readonly firstLook: boolean;
  /** It opened while nobody could look. */
  readonly unwatched: boolean;
  readonly forced: boolean;
  /** Only this gateway lets it open, and did not. */
  readonly withoutAccess: boolean;
  readonly access: EpisodeAccess | undefined;
  readonly actor: Actor | undefined;
  /** What it was to be about. */
  readonly errand: AssignedErrand | undefined;
  /** What was said of the seal while it ran, last. */
  readonly seal: SealRecord | undefined;
  readonly closed: Seen | undefined;
  readonly closedBoot: number;
  /** When the door was confirmed shut; undefined while it is open. */
  readonly shutAtMs: number | undefined;
  readonly scans: readonly WaitingScan[];
  readonly scansMore: number;
  readonly severalDoors: boolean;
  readonly itemBefore: boolean | undefined;
  readonly itemWhileShut: boolean;
  readonly blindMs: number;
  readonly leftOpenSaid: boolean;
  readonly cut: boolean;
  /** It was shut and opened again: not open all the time from the first opening to the last closing. */
  readonly reopened: boolean;
}

export interface Compartment {
  readonly door: Debounced;
  readonly item: Debounced;
  /** What the item sensor said at the last read that saw the door shut. */
  readonly itemBeforeOpen: boolean | undefined;
  /** The item sensor changed while the door was shut, since the last episode. */
  readonly itemWhileShut: boolean;
  /** Parcels of earlier episodes that should lie here. */
  readonly held: readonly ParcelRef[];
  /** The door was open since, and no signal said what happened to them. */
  readonly doubted: boolean;
  /** The seal that was recorded on what lies here. */
  readonly seal: string | undefined;
  readonly episode: Episode | undefined;
  /** Since when the board cannot be read. */
  readonly blindSinceMs: number | undefined;
  /** Until when it could not be read, at the last time in this start. */
  readonly blindUntilMs: number | undefined;
}

export const EMPTY_COMPARTMENT: Compartment = {
  door: UNREAD,
  item: UNREAD,
  itemBeforeOpen: undefined,
  itemWhileShut: false,
  held: [],
  doubted: false,
  seal: undefined,
  episode: undefined,
  blindSinceMs: undefined,
  blindUntilMs: undefined,
};

/** What a person is shown of it. */
export interface CompartmentStatus {
  readonly name: string;
  readonly device: string;
  readonly door: 'open' | 'shut' | 'unknown';
  readonly occupied?: boolean;
  readonly held: number;
  readonly visited: boolean;
  /** Its board answers, and says that it cannot read this lock: `door` is what was seen last. */
  readonly unread?: true;
  /** Its signed walk says another polarity than its settings: nothing is concluded of it. */
  readonly distrusted?: true;
}

export function compartmentStatus(
  place: Pick<CompartmentStatus, 'name' | 'device'>,
  state: Compartment,
): CompartmentStatus {
  const { door, item, held, episode } = state;
  const word = door.value === undefined ? 'unknown' : door.value ? 'shut' : 'open';
  const occupied = item.value === undefined ? {} : { occupied: item.value };
  return {
    name: place.name,
    device: place.device,
    door: word,
    ...occupied,
    held: held.length,
    visited: episode !== undefined,
  };
}

export interface CompartmentRead {
  readonly boot: number;
  readonly askedMs: number;
  readonly atMs: number;
  readonly shut: boolean;
  /** Absent when there is no sensor, or the board sent nothing of it. */
  readonly item: boolean | undefined;
}

export type CompartmentOutput =
  | { readonly kind: 'first_look' }
  | { readonly kind: 'door'; readonly open: boolean; readonly seen: Seen | undefined; readonly unwatched: boolean }
  | { readonly kind: 'item'; readonly occupied: boolean; readonly seen: Seen | undefined };

/**
 * One sound read. A door that opens starts an episode; `arrive` says who was expected and what waited for it, once, and is
 * told whether the door was watched until it opened.
 */
export function readCompartment(
  before: Compartment,
  read: CompartmentRead,
  arrive: (isWatched: boolean) => Arrival,
): { readonly state: Compartment; readonly outputs: readonly CompartmentOutput[] } {
  const outputs: CompartmentOutput[] = [];
  let state = unblind(before, read.atMs);
  const { boot, askedMs, atMs } = read;
  const door = debounce(state.door, { boot, askedMs, atMs, value: read.shut });
  state = withSensors(state, door.state, state.item, state.itemBeforeOpen);
  if (door.change !== undefined) {
    if (door.change.first) outputs.push({ kind: 'first_look' });
    else
      outputs.push({
        kind: 'door',
        open: !door.change.value,
        seen: door.change.seen,
        unwatched: door.change.unwatched,
      });
    if (door.change.value) state = shut(state, door.change, read);
    else state = opened(state, door.change, read, arrive(isWatched(door.change)));
  }
  if (read.item !== undefined) state = readItem(state, read, read.item, outputs);
  const isShut = read.shut && state.door.value === true;
  if (isShut && state.itemBeforeOpen !== state.item.value) {
    state = withSensors(state, state.door, state.item, state.item.value);
  }
  return { state, outputs };
}

/** Member by member: at each poll the outcome of the poll before comes here, which makes spreads slow (see `copyBus`). */
function withSensors(
  state: Compartment,
  door: Debounced,
  item: Debounced,
  itemBeforeOpen: boolean | undefined,
): Compartment {
  return {
    door,
    item,
    itemBeforeOpen,
    itemWhileShut: state.itemWhileShut,
    held: state.held,
    doubted: state.doubted,
    seal: state.seal,
    episode: state.episode,
    blindSinceMs: state.blindSinceMs,
    blindUntilMs: state.blindUntilMs,
  };
}

/** The board went away, or answers wrongly. */
export function loseCompartment(state: Compartment, atMs: number): Compartment {
  return {
    ...state,
    door: interrupted(state.door),
    item: interrupted(state.item),
    blindSinceMs: state.blindSinceMs ?? atMs,
  };
}

export function addScan(state: Compartment, scan: WaitingScan, severalDoors: boolean): Compartment {
  if (state.episode === undefined) return state;
  return {
    ...state,
    episode: withScans({ ...state.episode, severalDoors: state.episode.severalDoors || severalDoors }, [scan]),
  };
}

/** What was said of the seal of what lies here, or is put in. */
export function recordSeal(state: Compartment, seal: SealRecord): Compartment {
  if (state.episode === undefined) return state;
  return { ...state, seal: sealedAfter(state.seal, seal), episode: { ...state.episode, seal } };
}

/** Whether the door is known, and its board could be read all the time since then. */
export function isWatchedSince({ door, blindSinceMs, blindUntilMs }: Compartment, sinceMs: number): boolean {
  if (door.value === undefined || blindSinceMs !== undefined) return false;
  return blindUntilMs === undefined || blindUntilMs < sinceMs;
}

/** Scans of this start, not older than `sinceMs`, that came while the door stood open. */
export function scansWhileOpen(state: Compartment, boot: number, sinceMs: number): readonly WaitingScan[] {
  const { episode } = state;
  if (episode === undefined || episode.shutAtMs !== undefined) return [];
  const fromMs = Math.max(sinceMs, episode.startedMs);
  return episode.scans.filter((scan) => scan.boot === boot && scan.upMs >= fromMs);
}

/** The episode's scans, or the lack of them, may be another door's. */
export function doubtScans(state: Compartment): Compartment {
  return state.episode === undefined ? state : { ...state, episode: { ...state.episode, severalDoors: true } };
}

export interface Timing {
  readonly doorOpenMaxMs: number;
  readonly settleMs: number;
  /** A scale or a camera has not spoken since the door was shut. */
  readonly isMeasuring?: boolean;
}

/** What time alone has decided: whether the episode is to be closed now, and how. */
export function dueClosing(state: Compartment, nowMs: number, timing: Timing): 'door_shut' | 'left_open' | undefined {
  const { episode } = state;
  if (episode === undefined) return undefined;
  if (episode.shutAtMs === undefined) {
    return !episode.leftOpenSaid && nowMs - episode.startedMs >= timing.doorOpenMaxMs ? 'left_open' : undefined;
  }
  const waited = nowMs - episode.shutAtMs;
  // A sensor that keeps changing, or a board that went away, must not keep the episode open for ever.
  const settled = state.item.candidate === undefined && state.blindSinceMs === undefined && timing.isMeasuring !== true;
  return waited >= 4 * timing.settleMs || (settled && waited >= timing.settleMs) ? 'door_shut' : undefined;
}

/** What the item sensor says after the door was shut: only a look from after that counts. */
export function itemAfter(state: Compartment): boolean | undefined {
  const { episode, item } = state;
  if (item.value === undefined || item.look === undefined || state.blindSinceMs !== undefined) return undefined;
  if (episode?.shutAtMs === undefined) return item.value;
  const isSameStart = item.look.boot === episode.closedBoot;
  return isSameStart && item.look.upMs >= (episode.closed?.to_ms ?? episode.shutAtMs) ? item.value : undefined;
}

function unblind(state: Compartment, atMs: number): Compartment {
  if (state.blindSinceMs === undefined) return state;
  const { episode } = state;
  const blindMs = Math.max(0, atMs - state.blindSinceMs);
  return {
    ...state,
    blindSinceMs: undefined,
    blindUntilMs: atMs,
    episode: episode === undefined ? undefined : { ...episode, blindMs: episode.blindMs + blindMs },
  };
}

function opened(state: Compartment, change: Change, read: CompartmentRead, arrival: Arrival): Compartment {
  const { scans, access } = arrival;
  // Shut and open again before the item sensor settled: still the same visit.
  if (state.episode !== undefined) {
    const unwatched = state.episode.unwatched || change.unwatched || change.restarted;
    const goesOn = { ...state.episode, closed: undefined, shutAtMs: undefined, reopened: true, unwatched };
    return { ...state, episode: withScans(goesOn, scans) };
  }
  const episode: Episode = {
    boot: read.boot,
    startedMs: change.seen?.to_ms ?? read.atMs,
    opened: change.seen,
    firstLook: change.first,
    unwatched: change.unwatched || change.restarted,
    // While its board could not be read nothing could tell it to open; a scan beforehand still explains it.
    forced: change.unwatched && !change.restarted && scans.length === 0 && access === undefined,
    // What opened while nobody could look may have been let open before.
    withoutAccess: arrival.controlled === true && access === undefined && isWatched(change),
    access,
    actor: arrival.actor,
    errand: arrival.errand,
    seal: undefined,
    closed: undefined,
    closedBoot: read.boot,
    shutAtMs: undefined,
    scans: [],
    scansMore: 0,
    severalDoors: false,
    itemBefore: change.first ? undefined : state.itemBeforeOpen,
    itemWhileShut: state.itemWhileShut,
    blindMs: 0,
    leftOpenSaid: false,
    cut: false,
    reopened: false,
  };
  return { ...state, itemWhileShut: false, episode: withScans(episode, scans) };
}

function isWatched({ first, restarted, unwatched }: Change): boolean {
  return !first && !restarted && !unwatched;
}

function shut(state: Compartment, change: Change, read: CompartmentRead): Compartment {
  if (state.episode === undefined) return state;
  return { ...state, episode: { ...state.episode, closed: change.seen, closedBoot: read.boot, shutAtMs: read.atMs } };
}

function readItem(state: Compartment, read: CompartmentRead, item: boolean, outputs: CompartmentOutput[]): Compartment {
  const { boot, askedMs, atMs } = read;
  const result = debounce(state.item, { boot, askedMs, atMs, value: item });
  const { change } = result;
  if (change === undefined || change.first) return withSensors(state, state.door, result.state, state.itemBeforeOpen);
  outputs.push({ kind: 'item', occupied: change.value, seen: change.seen });
  // While nobody looked, the door may have been opened and shut again.
  const isWatched = !change.unwatched && !change.restarted;
  const isShut = state.episode === undefined && state.door.value === true && state.door.candidate === undefined;
  return { ...state, item: result.state, itemWhileShut: state.itemWhileShut || (isShut && isWatched) };
}

function withScans(episode: Episode, scans: readonly WaitingScan[]): Episode {
  if (scans.length === 0) return episode;
  const room = Math.max(0, EPISODE_SCANS_MAX - episode.scans.length);
  return {
    ...episode,
    scans: [...episode.scans, ...scans.slice(0, room)],
    scansMore: episode.scansMore + Math.max(0, scans.length - room),
  };
}
