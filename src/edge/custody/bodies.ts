/**
 * Event bodies of custody, member by member in the order of their names: so the leaf is written without sorting.
 */
import { base64url } from '../../base/bytes.ts';
import type { EventBody, Json, JsonObject, ParcelRef, Seen } from '../../evidence/event/event.ts';
import { codeHoldsCardNumber } from '../../evidence/event/recognise-code.ts';
import type { ScanCode } from '../../evidence/event/scan-code.ts';
import type { BoardCounts, BoardReading, DeviceReading, LineReading, ScanReading } from '../contracts/reading.ts';
import type { Compartment, CompartmentOutput, Episode, EpisodeAccess } from './compartment.ts';
import { UNNAMED_BOOT } from './debounce.ts';
import { type Measured, NOTHING_MEASURED } from './instruments.ts';
import type { LoneDoors } from './lone-scans.ts';
import type { ClosedBy, Outcome } from './outcome.ts';
import type { WaitingScan } from './scans.ts';
import type { CompartmentSettings } from './settings.ts';
import type { AssignedErrand } from './visit-book.ts';

/** Below the vocabulary's 16: so that an episode with all its lists fits one leaf. */
const SCANS_WRITTEN_MAX = 8;
const PARCELS_WRITTEN_MAX = 8;
const HELD_WRITTEN_MAX = 4;
const ASSIGNED_WRITTEN_MAX = 2;
const TROUBLED_WRITTEN_MAX = 16;
const TEXT_LENGTH_MAX = 256;
const RAW_BYTES_MAX = 256;
const COUNT_MAX = 999_999_999_999;
/** Why a scan without a door does not prove that nobody came. */
const LONE_DOORS: Readonly<Record<Exclude<LoneDoors, 'watched'>, string>> = {
  unwatched: 'not all doors were watched',
  forced: 'a door was forced meanwhile',
  others: 'a door was opened for somebody else meanwhile',
};

type Mutable = Record<string, Json>;

/**
 * A scan. Its text is written in clear text only, or when it holds what may be a card number: then the privacy guard
 * drops it and says so, and no reference was made of it.
 */
export function scanBody(
  reading: ScanReading,
  parcel: ParcelRef | undefined,
  clear: boolean,
  card: boolean,
): EventBody {
  const { code, device, quarantined, suppressed } = reading;
  const data: Mutable = {};
  if (code.aim !== undefined) data['aim'] = code.aim;
  if (code.elements !== undefined) {
    const ais = code.elements.map(({ ai }) => ai);
    data['ais'] = ais.slice(0, 16);
    if (ais.length > 16) data['ais_more'] = ais.length - 16;
  }
  const best = code.identifiers[0];
  if (best !== undefined) {
    data['candidates'] = code.identifiers.length === 1 ? [best.scheme] : schemesOf(code);
    data['certainty'] = best.certainty;
  }
  const { text } = code;
  const isShown = clear && reading.hidden !== true;
  const shown = text !== undefined && (isShown || card) ? cutText(text) : undefined;
  const raw = text === undefined && isShown ? code.raw.subarray(0, RAW_BYTES_MAX) : undefined;
  if ((shown !== undefined && shown !== text) || (raw !== undefined && raw.length < code.raw.length))
    data['cut'] = true;
  if (quarantined !== undefined) data['quarantined'] = quarantined;
  if (raw !== undefined) data['raw'] = base64url(raw);
  data['size_bytes'] = code.raw.length;
  if (suppressed > 0) data['suppressed'] = count(suppressed);
  if (shown !== undefined) data['text'] = shown;
  return parcel === undefined ? { data, device, type: 'code.scanned' } : { data, device, parcel, type: 'code.scanned' };
}

/** True when no reference may be made of the scan, not even a keyed one. */
export function holdsCard(reading: ScanReading): boolean {
  return codeHoldsCardNumber(reading.code);
}

export function doorBody(
  settings: CompartmentSettings,
  reading: BoardReading,
  output: Extract<CompartmentOutput, { kind: 'door' }>,
): EventBody {
  const feedback = reading.channels.find(({ channel }) => channel === settings.channel)?.feedback;
  const data: Mutable = { channel: settings.channel };
  if (feedback !== undefined) data['feedback'] = feedback;
  if (settings.polarity !== undefined) data['polarity'] = settings.polarity;
  data['reads'] = 2;
  const unwatchedMs = output.unwatched ? spanOf(output.seen) : undefined;
  if (unwatchedMs !== undefined) data['unwatched_ms'] = unwatchedMs;
  return changeBody(output.open ? 'door.opened' : 'door.closed', settings, data, output.seen);
}

/** Undefined for a door that opened as it may. */
export function forcedBody(
  settings: CompartmentSettings,
  { episode }: Compartment,
  output: Extract<CompartmentOutput, { kind: 'door' }>,
): EventBody | undefined {
  if (!output.open || (episode?.forced !== true && episode?.withoutAccess !== true)) return undefined;
  const reason = episode.forced ? 'opened_unwatched' : 'opened_without_access';
  const data: Mutable = { channel: settings.channel, reason };
  const unwatchedMs = episode.forced ? spanOf(output.seen) : undefined;
  if (unwatchedMs !== undefined) data['unwatched_ms'] = unwatchedMs;
  return changeBody('door.forced', settings, data, output.seen);
}

export function occupancyBody(
  settings: CompartmentSettings,
  state: Compartment,
  output: Extract<CompartmentOutput, { kind: 'item' }>,
): EventBody {
  const data = { channel: settings.channel, door: doorWord(state), occupied: output.occupied };
  return changeBody('occupancy.changed', settings, data, output.seen);
}

export function firstLookBody(settings: CompartmentSettings, state: Compartment): EventBody {
  const data: Mutable = { door: doorWord(state) };
  if (state.item.value !== undefined) data['occupied'] = state.item.value;
  data['reason'] = 'first_look';
  return { compartment: settings.name, data, device: settings.device, type: 'compartment.counted' };
}

export function episodeBody(
  settings: CompartmentSettings,
  held: readonly ParcelRef[],
  episode: Episode,
  outcome: Outcome,
  closedBy: ClosedBy,
  boot: number,
  measured: Measured = NOTHING_MEASURED,
): EventBody {
  const contradictions = [...outcome.contradictions, ...measured.contradictions];
  const notSeen = [...outcome.notSeen, ...measured.notSeen];
  const data: Mutable = {};
  if (episode.access !== undefined) data['access'] = accessJson(episode.access, boot);
  if (episode.errand !== undefined) data['assigned'] = errandJson(episode.errand);
  if (episode.blindMs > 0) data['blind_ms'] = count(episode.blindMs);
  data['closed_by'] = closedBy;
  if (contradictions.length > 0) data['contradictions'] = contradictions;
  if (episode.cut) data['cut'] = true;
  data['door'] = doorSeen(episode, boot);
  put(data, 'held', held, HELD_WRITTEN_MAX);
  if (outcome.itemAfter !== undefined) data['item_after'] = outcome.itemAfter;
  if (episode.itemBefore !== undefined) data['item_before'] = episode.itemBefore;
  if (notSeen.length > 0) data['not_seen'] = notSeen;
  const [only, ...others] = outcome.parcels;
  if (others.length > 0) put(data, 'parcels', outcome.parcels, PARCELS_WRITTEN_MAX);
  if (measured.photo !== undefined) data['photo'] = measured.photo;
  const scans = episode.scans.filter(({ seal }) => seal === undefined);
  putScans(data, scans, episode.scansMore, boot);
  if (measured.weightAfterG !== undefined) data['weight_after_g'] = measured.weightAfterG;
  if (measured.weightBeforeG !== undefined) data['weight_before_g'] = measured.weightBeforeG;
  const { actor } = episode;
  const base = { ...(actor !== undefined && { actor }), compartment: settings.name, data, device: settings.device };
  return only !== undefined && others.length === 0
    ? { ...base, parcel: only, type: outcome.type }
    : { ...base, type: outcome.type };
}

/** Scans for which no door was seen to open in time; `more` of them were not kept. */
export function loneScansBody(scans: readonly WaitingScan[], more: number, doors: LoneDoors, boot: number): EventBody {
  const data: Mutable = { count: count(scans.length + more) };
  if (doors !== 'watched') data['detail'] = LONE_DOORS[doors];
  putScans(data, scans, more, boot);
  data['what'] = 'scan_without_door';
  const [only] = scans;
  if (scans.length !== 1 || more > 0 || only?.parcel === undefined) return { data, type: 'exception.reported' };
  return { data, device: only.device, parcel: only.parcel, type: 'exception.reported' };
}

export function deviceBody(reading: DeviceReading, compartments: readonly string[]): EventBody {
  const data: Mutable = {};
  put(data, 'compartments', compartments, 16);
  if (reading.identity !== undefined) data['identity'] = reading.identity;
  const kind = reading.what ?? (compartments.length > 0 ? 'board' : undefined);
  if (kind !== undefined) data['kind'] = kind;
  if (reading.lastAnswerUpMs !== undefined) data['last_answer_up_ms'] = count(reading.lastAnswerUpMs);
  if (reading.missing !== undefined) data['missing'] = count(reading.missing);
  data['reason'] = reading.reason;
  return { data, device: reading.device, type: `device.${reading.state}` };
}

export function lineBody(reading: LineReading): EventBody {
  const { boards = [], foreign, unasked } = reading;
  const more = boards.length - TROUBLED_WRITTEN_MAX;
  const data = {
    ...(boards.length > 0 && { boards: boards.slice(0, TROUBLED_WRITTEN_MAX).map(boardCounts) }),
    ...(more > 0 && { boards_more: more }),
    bytes: count(reading.bytes),
    checksum_errors: count(reading.checksumErrors),
    echoes: count(reading.echoes),
    ...(foreign > 0 && { foreign: count(foreign) }),
    frames: count(reading.frames),
    noise_bytes: count(reading.noiseBytes),
    port: reading.port,
    since_up_ms: count(reading.sinceUpMs),
    timeouts: count(reading.timeouts),
    ...(unasked > 0 && { unasked: count(unasked) }),
  };
  return { data, type: 'line.noisy' };
}

function accessJson({ boot: seenIn, method, upMs }: EpisodeAccess, boot: number): JsonObject {
  // A time without the start that it counts in would be read as one of the event's own start.
  if (seenIn === UNNAMED_BOOT) return { method };
  return seenIn === boot ? { method, up_ms: upMs } : { boot: seenIn, method, up_ms: upMs };
}

function errandJson({ kind, parcels }: AssignedErrand): JsonObject {
  const data: Mutable = { kind };
  put(data, 'parcels', parcels, ASSIGNED_WRITTEN_MAX);
  return data;
}

function boardCounts({ device, asked, answered, silent, damaged, doubles }: BoardCounts): JsonObject {
  return {
    answered: count(answered),
    asked: count(asked),
    ...(damaged > 0 && { damaged: count(damaged) }),
    device,
    ...(doubles > 0 && { doubles: count(doubles) }),
    ...(silent > 0 && { silent: count(silent) }),
  };
}

function schemesOf(code: ScanCode): readonly string[] {
  return [...new Set(code.identifiers.map(({ scheme }) => scheme))].slice(0, 8);
}

function changeBody(type: string, settings: CompartmentSettings, data: JsonObject, seen: Seen | undefined): EventBody {
  const base = { compartment: settings.name, data, device: settings.device };
  return seen === undefined ? { ...base, type } : { ...base, seen, type };
}

function doorWord(state: Compartment): string {
  return state.door.value === undefined ? 'unknown' : state.door.value ? 'shut' : 'open';
}

function doorSeen(episode: Episode, boot: number): JsonObject {
  const { opened, closed } = episode;
  const data: Mutable = {};
  const openedNamed = episode.boot !== UNNAMED_BOOT ? opened : undefined;
  const closedNamed = episode.closedBoot !== UNNAMED_BOOT ? closed : undefined;
  if (closedNamed !== undefined) data['closed'] = { ...closedNamed };
  if (closedNamed !== undefined && episode.closedBoot !== boot) data['closed_boot'] = episode.closedBoot;
  if (episode.firstLook) data['first_look'] = true;
  if (episode.forced) data['forced'] = true;
  if (openedNamed !== undefined && closedNamed !== undefined && isOneStart(episode, openedNamed, closedNamed)) {
    data['open_max_ms'] = Math.max(0, closedNamed.to_ms - openedNamed.from_ms);
    // Shut in between, or perhaps while the board could not be read, it stood open for less.
    if (!episode.reopened && episode.blindMs === 0)
      data['open_min_ms'] = Math.max(0, closedNamed.from_ms - openedNamed.to_ms);
  }
  if (openedNamed !== undefined) data['opened'] = { ...openedNamed };
  if (openedNamed !== undefined && episode.boot !== boot) data['opened_boot'] = episode.boot;
  return data;
}

function isOneStart(episode: Episode, opened: Seen, closed: Seen): boolean {
  return episode.boot === episode.closedBoot && opened.from_boot === undefined && closed.from_boot === undefined;
}

function putScans(data: Mutable, scans: readonly WaitingScan[], more: number, boot: number): void {
  if (scans.length > 0) {
    data['scans'] = scans.slice(0, SCANS_WRITTEN_MAX).map((scan) => {
      const item: Mutable = {};
      const isNamed = scan.boot !== UNNAMED_BOOT;
      if (isNamed && scan.boot !== boot) item['boot'] = scan.boot;
      item['device'] = scan.device;
      if (scan.parcel !== undefined) item['parcel'] = { ...scan.parcel };
      if (scan.quarantined !== undefined) item['quarantined'] = scan.quarantined;
      // A time without the start that it counts in would be read as one of the event's own start.
      if (isNamed) item['up_ms'] = scan.upMs;
      return item;
    });
  }
  const unwritten = more + Math.max(0, scans.length - SCANS_WRITTEN_MAX);
  if (unwritten > 0) data['scans_more'] = count(unwritten);
}

function put(data: Mutable, name: string, items: readonly (string | ParcelRef)[], max: number): void {
  if (items.length > 0) data[name] = items.slice(0, max).map((item) => (typeof item === 'string' ? item : { ...item }));
  if (items.length > max) data[`${name}_more`] = items.length - max;
}

function spanOf(seen: Seen | undefined): number | undefined {
  return seen === undefined || seen.from_boot !== undefined ? undefined : seen.to_ms - seen.from_ms;
}

/** Never ends in half a surrogate pair. */
function cutText(text: string): string {
  if (text.length <= TEXT_LENGTH_MAX) return text;
  const last = text.charCodeAt(TEXT_LENGTH_MAX - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? TEXT_LENGTH_MAX - 1 : TEXT_LENGTH_MAX);
}

function count(value: number): number {
  return Math.min(Math.max(0, Math.trunc(value)), COUNT_MAX);
}
