/**
 * Scales, the position receiver, cameras and switches, beside the doors: what they say by themselves, and what an episode carries
 * of them. What is not certain to belong to an episode (a scale under two open doors, a photo of before) is not in it.
 */
import { z } from 'zod';
import { base64url } from '../../base/bytes.ts';
import type { EventBody, JsonObject } from '../../evidence/event/event.ts';
import type { Observed } from '../contracts/observed.ts';
import type { DeviceReading, PhotoReading, PositionReading, Reading, WeightReading } from '../contracts/reading.ts';
import type { CompartmentRead, Episode, Timing } from './compartment.ts';
import { Inputs } from './inputs.ts';
import { locationBody, photoBody, weightBody } from './instrument-bodies.ts';
import type { Outcome } from './outcome.ts';
import { NO_POSITION, type PositionPolicy, type PositionState, passTime, takePosition } from './position.ts';
import { COMPARTMENTS_MAX, type CompartmentSettings, type CustodySettings } from './settings.ts';
import {
  dueWeight,
  loseScale,
  type Scale,
  type StandingWeight,
  UNREAD_SCALE,
  WEIGHT_FRESH_MS,
  weigh,
  weightContradictions,
  weightSince,
  weightWhileShut,
} from './weights.ts';

/** What an episode carries of its instruments, and what it should have carried. */
export interface Measured {
  readonly weightBeforeG?: number;
  readonly weightAfterG?: number;
  /** base64url. */
  readonly photo?: string;
  readonly notSeen: readonly string[];
  readonly contradictions: readonly string[];
}

export const NOTHING_MEASURED: Measured = { notSeen: [], contradictions: [] };

interface Place {
  /** The weight at the last look that saw the door shut. */
  readonly shutWeight: StandingWeight | undefined;
  /** When the visit before ended, in this start: what was measured until then says nothing about what lies there now. */
  readonly leftAtMs: number;
  /** Of the running episode. */
  readonly beforeG: number | undefined;
  readonly photo: string | undefined;
  /** Another door over the same scale was open meanwhile. */
  readonly shared: boolean;
  readonly visited: boolean;
}

const NO_PLACE: Place = {
  shutWeight: undefined,
  leftAtMs: 0,
  beforeG: undefined,
  photo: undefined,
  shared: false,
  visited: false,
};

const grams = z.int().min(-9_999_999).max(9_999_999);
export const instrumentsSchema = z
  .array(
    z.strictObject({
      name: z.string().max(64),
      scale: z.string().max(64).exactOptional(),
      before_g: grams.exactOptional(),
      photo: z.string().max(43).exactOptional(),
      shared: z.boolean(),
      visited: z.boolean(),
    }),
  )
  .max(COMPARTMENTS_MAX);

export interface InstrumentsParts {
  readonly settings: CustodySettings;
  /** Of the running start: times of another one are not comparable. */
  readonly boot: number;
  readonly say: (observed: Observed, body: EventBody) => void;
  readonly changed: () => void;
}

export class Instruments {
  /** Tamper contacts, mains, battery. */
  readonly inputs: Inputs;
  readonly #parts: InstrumentsParts;
  readonly #settings = new Map<string, CompartmentSettings>();
  readonly #scales = new Map<string, Scale>();
  readonly #places = new Map<string, Place>();
  #position: PositionState = NO_POSITION;

  constructor(parts: InstrumentsParts) {
    this.#parts = parts;
    this.inputs = new Inputs(parts);
    for (const each of parts.settings.compartments) {
      if (each.scale !== undefined || each.camera !== undefined) this.#settings.set(each.name, each);
    }
  }

  /** Readings of other kinds are not its own. `startedMs` of the running episode of a compartment, if one runs. */
  take(reading: Reading, startedMs: (compartment: string) => number | undefined): void {
    if (reading.kind === 'weight') this.#weighed(reading);
    else if (reading.kind === 'position') this.#positioned(reading);
    else if (reading.kind === 'photo') this.#photographed(reading, startedMs);
    else if (reading.kind === 'input') this.inputs.take(reading);
  }

  deviceChanged({ device, state }: DeviceReading): void {
    if (state !== 'found') this.inputs.lose(device);
    const scale = this.#scales.get(device);
    if (state !== 'found' && scale !== undefined) this.#scales.set(device, loseScale(scale));
  }

  tick(observed: Observed): void {
    for (const device of this.#scales.keys()) this.#tellWeight(device, observed);
    const policy = this.#policy();
    if (policy === undefined) return;
    const { state, told } = passTime(this.#position, observed.upMs, policy);
    this.#position = state;
    if (told !== undefined) this.#parts.say(observed, locationBody(this.#positionDevice(), told));
  }

  /** A look at a door: `isShut` when it is known to be shut, `episode` when one runs after it. */
  looked(settings: CompartmentSettings, read: CompartmentRead, isShut: boolean, episode: Episode | undefined): void {
    if (!this.#settings.has(settings.name)) return;
    const place = this.#place(settings.name);
    if (episode !== undefined && !place.visited) this.#begin(settings, place, episode, read.atMs);
    const scale = settings.scale === undefined ? undefined : this.#scales.get(settings.scale);
    if (!isShut || scale === undefined) return;
    const standing = weightWhileShut(scale, read.askedMs);
    if (standing !== undefined && standing.sinceMs >= place.leftAtMs)
      this.#set(settings.name, { shutWeight: standing });
  }

  /** How long a shut door is looked at, and whether something of the episode is still to come. */
  timing(settings: CompartmentSettings | undefined, episode: Episode | undefined): Timing {
    const { door_open_max_s: openMaxS, settle_ms: settleMs } = this.#parts.settings;
    const isNeeded = settings?.item_sensor === true || settings?.scale !== undefined || settings?.camera !== undefined;
    const isMeasuring = settings !== undefined && episode !== undefined && this.#isMeasuring(settings, episode);
    return { doorOpenMaxMs: openMaxS * 1_000, settleMs: isNeeded ? settleMs : 0, isMeasuring };
  }

  /** A weight of after the door shut, or the photo. */
  #isMeasuring(settings: CompartmentSettings, episode: Episode): boolean {
    if (episode.shutAtMs === undefined || !this.#settings.has(settings.name)) return false;
    const place = this.#place(settings.name);
    const waitsForScale =
      settings.scale !== undefined && !place.shared && this.#afterG(settings, episode) === undefined;
    return waitsForScale || (settings.camera !== undefined && place.photo === undefined);
  }

  /** What a closing carries. `isOver`: nothing of it counts for the next one. */
  close(settings: CompartmentSettings, episode: Episode, outcome: Outcome, isOver: boolean): Measured {
    if (!this.#settings.has(settings.name)) return NOTHING_MEASURED;
    const place = this.#place(settings.name);
    if (isOver) {
      const over = { beforeG: undefined, photo: undefined, shared: false, visited: false };
      this.#set(settings.name, { ...over, shutWeight: undefined, leftAtMs: this.#shutMs(episode) ?? 0 });
    }
    const before = place.shared ? undefined : place.beforeG;
    const after = place.shared || episode.shutAtMs === undefined ? undefined : this.#afterG(settings, episode);
    const hasScale = settings.scale !== undefined;
    const { weight } = this.#parts.settings;
    return {
      ...(before === undefined ? {} : { weightBeforeG: before }),
      ...(after === undefined ? {} : { weightAfterG: after }),
      ...(place.photo === undefined ? {} : { photo: place.photo }),
      notSeen: [
        ...(hasScale && before === undefined ? ['weight_before'] : []),
        ...(hasScale && after === undefined ? ['weight_after'] : []),
        ...(settings.camera !== undefined && place.photo === undefined ? ['photo'] : []),
      ],
      contradictions: weightContradictions(outcome.type, before, after, weight.tolerance_g),
    };
  }

  /** What must survive a restart: of running episodes only, since a scale is asked again. */
  snapshot(): readonly JsonObject[] {
    return [...this.#places].flatMap(([name, { beforeG, photo, shared, visited }]) => {
      const scale = this.#settings.get(name)?.scale;
      if (!visited) return [];
      const weight = beforeG === undefined ? {} : { before_g: beforeG };
      const image = photo === undefined ? {} : { photo };
      return [{ ...weight, name, ...image, ...(scale === undefined ? {} : { scale }), shared, visited }];
    });
  }

  restore(saved: z.infer<typeof instrumentsSchema> | undefined): void {
    for (const { name, scale, before_g: beforeG, photo, shared, visited } of saved ?? []) {
      const settings = this.#settings.get(name);
      if (settings === undefined) continue;
      // Another scale than then: what the one before said is not comparable.
      const isSame = settings.scale === scale;
      this.#set(name, { beforeG: isSame ? beforeG : undefined, photo, shared, visited });
    }
  }

  #weighed(reading: WeightReading): void {
    this.#scales.set(reading.device, weigh(this.#scales.get(reading.device) ?? UNREAD_SCALE, reading));
    this.#tellWeight(reading.device, reading.observed);
  }

  #tellWeight(device: string, observed: Observed): void {
    const scale = this.#scales.get(device) ?? UNREAD_SCALE;
    const { step_g: stepG, gap_s: gapS } = this.#parts.settings.weight;
    const due = dueWeight(scale, observed.upMs, { stepG, gapMs: gapS * 1_000 });
    if (due === undefined) return;
    this.#scales.set(device, { ...scale, said: { grams: due.grams, atMs: observed.upMs } });
    const [only, ...others] = this.#over(device);
    this.#parts.say(observed, weightBody(device, others.length === 0 ? only?.name : undefined, due.grams));
  }

  #positioned(reading: PositionReading): void {
    const policy = this.#policy();
    if (policy === undefined || reading.device !== this.#positionDevice()) return;
    const { src } = reading.observed.clock;
    const { state, told } = takePosition(this.#position, reading, policy, src === 'ntp' || src === 'gps');
    this.#position = state;
    if (told !== undefined) this.#parts.say(reading.observed, locationBody(reading.device, told));
  }

  #photographed(reading: PhotoReading, startedMs: (compartment: string) => number | undefined): void {
    const { device, compartment, observed, kept, sha256 } = reading;
    const places = [...this.#settings.values()].filter(({ name, camera }) => {
      const began = startedMs(name);
      // A photo of before the door opened shows another visit.
      return camera === device && began !== undefined && observed.upMs >= began;
    });
    const [only, ...others] = compartment === undefined ? places : places.filter(({ name }) => name === compartment);
    const isOf = only !== undefined && others.length === 0 ? only.name : undefined;
    const shown = compartment ?? isOf;
    this.#parts.say(observed, photoBody(shown === undefined ? reading : { ...reading, compartment: shown }));
    if (isOf === undefined || !kept) return;
    this.#set(isOf, { photo: base64url(sha256) });
    this.#parts.changed();
  }

  #begin(settings: CompartmentSettings, place: Place, episode: Episode, atMs: number): void {
    const others = settings.scale === undefined ? [] : this.#over(settings.scale);
    const open = others.filter(({ name }) => name !== settings.name && this.#place(name).visited);
    for (const { name } of open) this.#set(name, { shared: true });
    const { shutWeight } = place;
    const isFresh = shutWeight !== undefined && atMs - shutWeight.atMs <= WEIGHT_FRESH_MS;
    const beforeG = isFresh && !episode.firstLook && !episode.unwatched ? shutWeight.grams : undefined;
    this.#set(settings.name, { beforeG, photo: undefined, shared: open.length > 0, visited: true });
  }

  #afterG(settings: CompartmentSettings, episode: Episode): number | undefined {
    const scale = settings.scale === undefined ? undefined : this.#scales.get(settings.scale);
    const shutMs = this.#shutMs(episode);
    return scale === undefined || shutMs === undefined ? undefined : weightSince(scale, shutMs);
  }

  #shutMs(episode: Episode): number | undefined {
    const isThisStart = episode.closedBoot === this.#parts.boot;
    return (isThisStart ? episode.closed?.to_ms : undefined) ?? episode.shutAtMs;
  }

  /** The compartments that one scale carries. */
  #over(device: string): readonly CompartmentSettings[] {
    return [...this.#settings.values()].filter(({ scale }) => scale === device);
  }

  #policy(): PositionPolicy | undefined {
    const { position } = this.#parts.settings;
    if (position === undefined) return undefined;
    const { geofence, every_min: everyMin, stale_s: staleS } = position;
    return {
      geofence: geofence && { latitude: geofence.lat, longitude: geofence.lon, radiusM: geofence.radius_m },
      everyMs: everyMin * 60_000,
      staleMs: staleS * 1_000,
    };
  }

  #positionDevice(): string {
    return this.#parts.settings.position?.device ?? '';
  }

  #place(name: string): Place {
    return this.#places.get(name) ?? NO_PLACE;
  }

  #set(name: string, change: Partial<Place>): void {
    this.#places.set(name, { ...this.#place(name), ...change });
  }
}
