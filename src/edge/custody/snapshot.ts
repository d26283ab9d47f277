/**
 * What custody must know again after a restart: last door and item states, what lies where, running episodes, and scans
 * that waited. Small and bounded; written by the gateway beside the journal, read back with suspicion.
 */
import { z } from 'zod';
import type { Json, JsonObject, Seen } from '../../evidence/event/event.ts';
import { type Compartment, EMPTY_COMPARTMENT, EPISODE_SCANS_MAX, type Episode, HELD_MAX } from './compartment.ts';
import { type Debounced, UNNAMED_BOOT, UNREAD } from './debounce.ts';
import { inputsSchema } from './inputs.ts';
import { instrumentsSchema } from './instruments.ts';
import { WAITING_MAX, type WaitingScan } from './scans.ts';
import type { SealScan } from './seals.ts';
import { COMPARTMENTS_MAX, type CompartmentSettings } from './settings.ts';
import { ASSIGNED_HERE_MAX } from './visit-book.ts';
import {
  actorSchema,
  errandKind,
  parcelSchema,
  type RestoredVisits,
  visitsOf,
  visitsSchema,
} from './visit-snapshot.ts';

const count = z.int().min(0);
const lookSchema = z.strictObject({ boot: count, up_ms: count, value: z.boolean() });
const seenSchema = z.strictObject({ from_boot: count.exactOptional(), from_ms: count, to_ms: count });
const sealState = z.enum(['intact', 'broken', 'missing']);
const sealReference = z.string().max(256);
const sealSchema = z.strictObject({ seal: sealReference.exactOptional(), state: sealState });
const scanSchema = z.strictObject({
  boot: count,
  device: z.string().max(64),
  meant: z.string().max(64).exactOptional(),
  parcel: parcelSchema.exactOptional(),
  quarantined: z.string().max(32).exactOptional(),
  seal: sealSchema.exactOptional(),
  up_ms: count,
});

/** Members from `access` on are absent in snapshots of before there were visits. */
const accessSchema = z.strictObject({ boot: count, method: z.string().max(40), up_ms: count });
const errandSchema = z.strictObject({ kind: errandKind, parcels: z.array(parcelSchema).max(ASSIGNED_HERE_MAX) });

const episodeSchema = z.strictObject({
  access: accessSchema.exactOptional(),
  actor: actorSchema.exactOptional(),
  errand: errandSchema.exactOptional(),
  seal: sealSchema.extend({ before: sealReference.exactOptional() }).exactOptional(),
  without_access: z.boolean().default(false),
  blind_ms: count,
  boot: count,
  closed: seenSchema.exactOptional(),
  closed_boot: count,
  cut: z.boolean(),
  first_look: z.boolean(),
  forced: z.boolean(),
  item_before: z.boolean().exactOptional(),
  item_while_shut: z.boolean(),
  left_open_said: z.boolean(),
  opened: seenSchema.exactOptional(),
  scans: z.array(scanSchema).max(EPISODE_SCANS_MAX),
  scans_more: count,
  several_doors: z.boolean(),
  shut: z.boolean(),
  unwatched: z.boolean(),
});

const compartmentSchema = z.strictObject({
  channel: count,
  device: z.string().max(64),
  door: lookSchema.exactOptional(),
  doubted: z.boolean(),
  episode: episodeSchema.exactOptional(),
  held: z.array(parcelSchema).max(HELD_MAX),
  item: lookSchema.exactOptional(),
  item_before_open: z.boolean().exactOptional(),
  item_while_shut: z.boolean(),
  name: z.string().max(64),
  polarity: z.string().max(16),
  seal: sealReference.exactOptional(),
});

const snapshotSchema = z.strictObject({
  boot: count,
  compartments: z.array(compartmentSchema).max(COMPARTMENTS_MAX),
  inputs: inputsSchema.exactOptional(),
  instruments: instrumentsSchema.exactOptional(),
  /** The log in which the start numbers count. Snapshots of version 0.1 do not say it: their starts cannot be named. */
  log: z.string().max(120).exactOptional(),
  v: z.literal(1),
  visits: visitsSchema.exactOptional(),
  waiting: z.array(scanSchema).max(WAITING_MAX),
});

/** A start of the daemon: its number in a log. */
export interface StartPlace {
  readonly log: string;
  readonly boot: number;
}

export interface Restored extends Pick<StartPlace, 'boot'> {
  /** Of the snapshot: undefined in those of version 0.1. */
  readonly log: string | undefined;
  readonly compartments: ReadonlyMap<string, Compartment>;
  readonly waiting: readonly WaitingScan[];
  readonly visits: RestoredVisits | undefined;
  readonly instruments: z.infer<typeof instrumentsSchema> | undefined;
  readonly inputs: z.infer<typeof inputsSchema> | undefined;
}

export interface SnapshotExtras {
  readonly place?: StartPlace | undefined;
  readonly visits?: (number: Nameable) => JsonObject | undefined;
  readonly instruments?: readonly JsonObject[];
  readonly inputs?: readonly JsonObject[];
}

/**
 * `home` is the running start in the log in which the states count their starts. In another log, opened while the daemon
 * runs, the running start has another number (`place`), and those before it have none.
 */
export function takeSnapshot(
  settings: readonly CompartmentSettings[],
  states: ReadonlyMap<string, Compartment>,
  waiting: readonly WaitingScan[],
  home: StartPlace,
  { place = home, visits, instruments = [], inputs = [] }: SnapshotExtras = {},
): JsonObject {
  const isHome = place.log === home.log;
  const number = (boot: number): number => (isHome ? boot : boot === home.boot ? place.boot : UNNAMED_BOOT);
  return {
    boot: place.boot,
    compartments: settings.flatMap((each) => {
      const state = states.get(each.name);
      if (state === undefined || each.polarity === undefined) return [];
      return [compartmentJson(each, each.polarity, isHome ? state : renumbered(state, number))];
    }),
    ...(inputs.length > 0 && { inputs }),
    ...(instruments.length > 0 && { instruments }),
    log: place.log,
    v: 1,
    ...optional('visits', visits?.(number)),
    waiting: waiting.map((scan) => scanJson({ ...scan, boot: number(scan.boot) })),
  };
}

function renumbered(state: Compartment, number: Nameable): Compartment {
  const look = (each: Debounced): Debounced =>
    each.look === undefined ? each : { ...each, look: { ...each.look, boot: number(each.look.boot) } };
  const { episode } = state;
  return {
    ...state,
    door: look(state.door),
    item: look(state.item),
    episode: episode && {
      ...episode,
      boot: number(episode.boot),
      access: episode.access && { ...episode.access, boot: number(episode.access.boot) },
      opened: nameableSeen(episode.opened),
      closed: nameableSeen(episode.closed),
      closedBoot: number(episode.closedBoot),
      scans: episode.scans.map((scan) => ({ ...scan, boot: number(scan.boot) })),
    },
  };
}

/** An interval that began in an earlier start cannot be told where that start has no number. */
function nameableSeen(seen: Seen | undefined): Seen | undefined {
  return seen?.from_boot === undefined ? seen : undefined;
}

/**
 * Undefined when the value is no snapshot. Compartments that are no longer configured are dropped; door and item states
 * of those that were rewired too. `home` is the running start; the starts of a snapshot that counts in another log
 * cannot be named in this one.
 */
export function readSnapshot(
  value: unknown,
  settings: readonly CompartmentSettings[],
  home: StartPlace,
): Restored | undefined {
  const parsed = snapshotSchema.safeParse(value);
  if (!parsed.success) return undefined;
  const { data } = parsed;
  const isSameLog = data.log === home.log && data.boot < home.boot;
  const nameable = (each: number) => (isSameLog && each < home.boot ? each : UNNAMED_BOOT);
  const saved = new Map(data.compartments.map((each) => [each.name, each]));
  const compartments = new Map<string, Compartment>();
  for (const each of settings) {
    const one = saved.get(each.name);
    if (one === undefined || each.polarity === undefined) continue;
    const isSameWiring = one.device === each.device && one.channel === each.channel && one.polarity === each.polarity;
    compartments.set(each.name, compartmentOf(one, isSameWiring, nameable));
  }
  const visits = data.visits && visitsOf(data.visits, nameable);
  const waiting = data.waiting.map((scan) => scanOf(scan, nameable));
  const { boot, log, instruments, inputs } = data;
  return { boot, log, compartments, waiting, visits, instruments, inputs };
}

type Saved = z.infer<typeof compartmentSchema>;
type Nameable = (boot: number) => number;

function compartmentOf(saved: Saved, isSameWiring: boolean, nameable: Nameable): Compartment {
  return {
    ...EMPTY_COMPARTMENT,
    door: isSameWiring ? debouncedOf(saved.door, nameable) : UNREAD,
    item: isSameWiring ? debouncedOf(saved.item, nameable) : UNREAD,
    itemBeforeOpen: isSameWiring ? saved.item_before_open : undefined,
    itemWhileShut: saved.item_while_shut,
    held: saved.held,
    doubted: saved.doubted,
    seal: saved.seal,
    episode: saved.episode === undefined ? undefined : episodeOf(saved.episode, nameable),
  };
}

function episodeOf(saved: NonNullable<Saved['episode']>, nameable: Nameable): Episode {
  return {
    boot: nameable(saved.boot),
    access: saved.access && {
      boot: nameable(saved.access.boot),
      method: saved.access.method,
      upMs: saved.access.up_ms,
    },
    actor: saved.actor,
    errand: saved.errand,
    seal: saved.seal && { state: saved.seal.state, seal: saved.seal.seal, before: saved.seal.before },
    withoutAccess: saved.without_access,
    // Times of another start: the caller sets them to now.
    startedMs: 0,
    opened: seenOf(saved.opened),
    firstLook: saved.first_look,
    unwatched: saved.unwatched,
    forced: saved.forced,
    closed: seenOf(saved.closed),
    closedBoot: nameable(saved.closed_boot),
    shutAtMs: saved.shut ? 0 : undefined,
    scans: saved.scans.map((scan) => scanOf(scan, nameable)),
    scansMore: saved.scans_more,
    severalDoors: saved.several_doors,
    itemBefore: saved.item_before,
    itemWhileShut: saved.item_while_shut,
    blindMs: saved.blind_ms,
    leftOpenSaid: saved.left_open_said,
    cut: true,
    // Matters only for a visit that begins and ends in one start.
    reopened: false,
  };
}

function compartmentJson(settings: CompartmentSettings, polarity: string, state: Compartment): JsonObject {
  // Of every compartment at every change: one by one, since spreads of what may be absent are slow.
  const json: { [name: string]: Json } = { channel: settings.channel, device: settings.device };
  const door = debouncedJson(state.door);
  if (door !== undefined) json['door'] = door;
  json['doubted'] = state.doubted;
  if (state.episode !== undefined) json['episode'] = episodeJson(state.episode);
  json['held'] = state.held.map((parcel) => ({ ...parcel }));
  const item = debouncedJson(state.item);
  if (item !== undefined) json['item'] = item;
  if (state.itemBeforeOpen !== undefined) json['item_before_open'] = state.itemBeforeOpen;
  json['item_while_shut'] = state.itemWhileShut;
  json['name'] = settings.name;
  json['polarity'] = polarity;
  if (state.seal !== undefined) json['seal'] = state.seal;
  return json;
}

function episodeJson(episode: Episode): JsonObject {
  const { access, actor, errand, seal } = episode;
  return {
    ...optional('access', access && { boot: access.boot, method: access.method, up_ms: access.upMs }),
    ...optional('actor', actor && { ...actor }),
    blind_ms: episode.blindMs,
    boot: episode.boot,
    ...optional('closed', seenJson(episode.closed)),
    closed_boot: episode.closedBoot,
    cut: episode.cut,
    ...optional('errand', errand && { kind: errand.kind, parcels: errand.parcels.map((each) => ({ ...each })) }),
    first_look: episode.firstLook,
    forced: episode.forced,
    ...optional('item_before', episode.itemBefore),
    item_while_shut: episode.itemWhileShut,
    left_open_said: episode.leftOpenSaid,
    ...optional('opened', seenJson(episode.opened)),
    scans: episode.scans.map(scanJson),
    scans_more: episode.scansMore,
    ...optional('seal', seal && { ...optional('before', seal.before), ...sealJson(seal) }),
    several_doors: episode.severalDoors,
    shut: episode.shutAtMs !== undefined,
    unwatched: episode.unwatched,
    without_access: episode.withoutAccess,
  };
}

function sealJson({ seal, state }: SealScan): JsonObject {
  return { ...optional('seal', seal), state };
}

function scanJson(scan: WaitingScan): JsonObject {
  return {
    boot: scan.boot,
    device: scan.device,
    ...optional('meant', scan.meant),
    ...optional('parcel', scan.parcel === undefined ? undefined : { ...scan.parcel }),
    ...optional('quarantined', scan.quarantined),
    ...optional('seal', scan.seal && sealJson(scan.seal)),
    up_ms: scan.upMs,
  };
}

function scanOf(saved: z.infer<typeof scanSchema>, nameable: Nameable): WaitingScan {
  const { device, meant, parcel, quarantined } = saved;
  const seal = saved.seal && { state: saved.seal.state, seal: saved.seal.seal };
  return { device, meant, parcel, quarantined, seal, boot: nameable(saved.boot), upMs: saved.up_ms };
}

function debouncedJson(state: Debounced): JsonObject | undefined {
  if (state.value === undefined || state.look === undefined) return undefined;
  return { boot: state.look.boot, up_ms: state.look.upMs, value: state.value };
}

function debouncedOf(saved: z.infer<typeof lookSchema> | undefined, nameable: Nameable): Debounced {
  if (saved === undefined) return UNREAD;
  const look = { boot: nameable(saved.boot), upMs: saved.up_ms };
  return { value: saved.value, look, candidate: undefined, unwatched: false };
}

function seenJson(seen: Seen | undefined): JsonObject | undefined {
  return seen === undefined ? undefined : { ...seen };
}

function seenOf(saved: z.infer<typeof seenSchema> | undefined): Seen | undefined {
  return saved;
}

function optional<T>(name: string, value: T | undefined): { readonly [name: string]: T } {
  return value === undefined ? {} : { [name]: value };
}
