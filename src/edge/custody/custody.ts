/**
 * The room as a whole: takes readings in their order, keeps the state of every compartment, and drafts events.
 *
 * Only this file has a timer and an appender; what a reading means is decided by the pure machines beside it. A
 * compartment without a commissioned polarity claims nothing at all.
 */
import type { Timer } from '../../base/clock.ts';
import type { Actor, EventBody, ParcelRef } from '../../evidence/event/event.ts';
import type { Observed } from '../contracts/observed.ts';
import type {
  BoardReading,
  ChannelState,
  DeviceReading,
  Reading,
  ReadingSink,
  ScanReading,
} from '../contracts/reading.ts';
import type { Visit } from '../contracts/visit.ts';
import { deviceBody, episodeBody, holdsCard, lineBody, scanBody } from './bodies.ts';
import {
  addScan,
  type Compartment,
  type CompartmentOutput,
  type CompartmentStatus,
  compartmentStatus,
  doubtScans,
  dueClosing,
  EMPTY_COMPARTMENT,
  loseCompartment,
  readCompartment,
  scansWhileOpen,
} from './compartment.ts';
import { countBody } from './count-body.ts';
import { distrustedBody, withoutSensing } from './distrusted.ts';
import { EventOutlet } from './event-outlet.ts';
import { HeldReferences } from './held-references.ts';
import { Instruments } from './instruments.ts';
import { type ClosedBy, judgeEpisode } from './outcome.ts';
import { outputBodies } from './output-bodies.ts';
import type { Custody, CustodyOptions } from './room.ts';
import { readParts, type SavedPart, SavedParts } from './saved-parts.ts';
import { ScanDesk } from './scan-desk.ts';
import { type WaitingScan, waitingScan } from './scans.ts';
import { sealOf } from './seals.ts';
import type { CompartmentSettings } from './settings.ts';
import type { StartPlace } from './snapshot.ts';
import { UnreadLocks } from './unread-locks.ts';
import { sealSaid } from './visit-bodies.ts';
import { VisitKeeper } from './visit-keeper.ts';
import { readOf, type Wiring, wiringOf } from './wiring.ts';

const TICK_MS = 1_000;

export function createCustody(options: CustodyOptions): Custody {
  return new CustodyRoom(options);
}

class CustodyRoom implements Custody {
  readonly sink: ReadingSink = (reading) => {
    this.#take(reading);
    this.#tell();
  };
  readonly visits: VisitKeeper;
  readonly #options: CustodyOptions;
  readonly #outlet: EventOutlet;
  /** Commissioned compartments by board and channel. */
  readonly #wired: Wiring;
  readonly #settings = new Map<string, CompartmentSettings>();
  readonly #states = new Map<string, Compartment>();
  /** Names of compartments with a running episode. */
  readonly #visited = new Set<string>();
  readonly #scans: ScanDesk;
  readonly #unread: UnreadLocks;
  readonly #held: HeldReferences;
  readonly #instruments: Instruments;
  readonly #saved: SavedParts;
  #distrusted: ReadonlySet<string> = new Set();
  #revision = 0;
  #toldRevision = 0;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: CustodyOptions) {
    this.#options = options;
    this.#outlet = new EventOutlet(options);
    this.#scans = new ScanDesk(options, this.#settings);
    this.#held = new HeldReferences(options.references);
    const changed = (): void => {
      this.#revision += 1;
    };
    const ordered = (): void => {
      changed();
      this.#tell();
    };
    const say = (observed: Observed, body: EventBody): void => this.#append(observed, body, true);
    this.#unread = new UnreadLocks(say);
    this.visits = new VisitKeeper(options, { say, changed, ordered });
    this.#instruments = new Instruments({ ...options, say: (observed, body) => this.#append(observed, body), changed });
    this.#wired = wiringOf(options.settings.compartments);
    for (const each of options.settings.compartments) {
      if (each.polarity === undefined) continue;
      this.#settings.set(each.name, each);
      this.#states.set(each.name, EMPTY_COMPARTMENT);
    }
    this.#saved = new SavedParts([...this.#settings.values()], options);
    this.#restore();
  }

  get revision(): number {
    return this.#revision;
  }

  get refusing(): boolean {
    return this.#outlet.refusing;
  }

  start(): void {
    const observed = this.#options.observer.observe();
    for (const name of this.#visited) {
      const state = this.#state(name);
      if (state.episode === undefined) continue;
      const shutAtMs = state.episode.shutAtMs === undefined ? undefined : observed.upMs;
      this.#states.set(name, { ...state, episode: { ...state.episode, startedMs: observed.upMs, shutAtMs } });
      this.#close(name, 'cut', observed);
    }
    this.tick(observed);
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  expect(visit: Visit): void {
    const observed = this.#options.observer.observe();
    // Shut a moment ago, and somebody else comes: what was seen until now is the one before's.
    if (this.#state(visit.compartment).episode?.shutAtMs !== undefined)
      this.#close(visit.compartment, 'door_shut', observed);
    this.visits.expect(visit);
    this.#tell();
  }

  distrust(names: ReadonlySet<string>): void {
    const observed = this.#options.observer.observe();
    const fresh = [...this.#settings.values()].filter(({ name }) => names.has(name) && !this.#distrusted.has(name));
    this.#distrusted = names;
    for (const each of fresh) {
      // A visit of the run before was closed at the start.
      if (this.#state(each.name).episode?.cut === false) this.#close(each.name, 'cut', observed);
      this.#states.set(each.name, withoutSensing(this.#state(each.name)));
      this.#visited.delete(each.name);
      this.#append(observed, distrustedBody(each), true);
      this.#touch(each.name);
    }
    this.#tell();
  }

  parcelOf(reading: ScanReading): ParcelRef | undefined {
    return holdsCard(reading) ? undefined : this.#held.parcelOf(reading);
  }

  tick(observed: Observed): void {
    this.visits.tick(observed);
    this.#instruments.tick(observed);
    for (const name of this.#visited) this.#closeIfDue(name, observed);
    this.#append(
      observed,
      this.#scans.report(observed, (name) => this.#state(name)),
    );
    this.#tell();
  }

  changes({
    place,
    whole,
  }: {
    readonly place?: StartPlace | undefined;
    readonly whole: boolean;
  }): readonly SavedPart[] {
    const { upMs } = this.#options.observer.observe();
    const extras = {
      place,
      visits: (number: (boot: number) => number) => this.visits.snapshot(upMs, number),
      instruments: this.#instruments.snapshot(),
      inputs: this.#instruments.inputs.snapshot(),
    };
    return this.#saved.take({ states: this.#states, waiting: this.#scans.list(), extras }, whole);
  }

  status(): readonly CompartmentStatus[] {
    return this.#options.settings.compartments.map((each) => ({
      ...compartmentStatus(each, this.#state(each.name)),
      ...(this.#unread.has(each.name) && { unread: true as const }),
      ...(this.#distrusted.has(each.name) && { distrusted: true as const }),
    }));
  }

  recount(observed: Observed, actor?: Actor): number {
    for (const each of this.#settings.values())
      this.#append(observed, countBody(each, this.#state(each.name), actor), true);
    return this.#settings.size;
  }

  #restore(): void {
    const { restored, settings, logger } = this.#options;
    const { parts, unreadable } = readParts(restored ?? [], settings.compartments, this.#options);
    if (unreadable) logger.warn({}, 'the saved custody state is unreadable; compartments begin unknown');
    for (const read of parts) {
      for (const [name, state] of read.compartments) {
        this.#states.set(name, state);
        if (state.episode !== undefined) this.#visited.add(name);
      }
      for (const scan of read.waiting) this.#scans.push(scan);
      this.visits.restore(read.visits, this.#options.observer.observe().upMs);
      this.#instruments.restore(read.instruments);
      this.#instruments.inputs.restore(read.inputs);
    }
    this.#indexHeld();
  }

  #take(reading: Reading): void {
    switch (reading.kind) {
      case 'scan':
        this.#scanned(reading);
        break;
      case 'board':
        this.#polled(reading);
        break;
      case 'device':
        this.#deviceChanged(reading);
        break;
      case 'line':
        this.#append(reading.observed, lineBody(reading));
        break;
      default:
        this.#instruments.take(reading, (name) => this.#state(name).episode?.startedMs);
    }
  }

  #scanned(reading: ScanReading): void {
    const card = holdsCard(reading);
    const seal = card ? undefined : sealOf(reading, this.#options.settings.seals, this.#options.references);
    const parcel = card || seal !== undefined ? undefined : this.#held.parcelOf(reading);
    this.#append(reading.observed, scanBody(reading, parcel, this.#options.references.clear, card));
    const scan = waitingScan(reading, { boot: this.#options.boot, parcel, seal });
    if (this.#visited.size === 0 || !this.#claim(scan, reading.observed)) this.#scans.push(scan);
  }

  /** Gives a scan to the door that stands open; of several, to the one that opened last. */
  #claim(scan: WaitingScan, observed: Observed): boolean {
    const claimant = this.#scans.claimant(scan, this.#visited, (name) => this.#state(name), this.visits);
    if (claimant === undefined) return false;
    const latest = claimant.name;
    const before = this.#state(latest);
    const after = addScan(before, scan, claimant.severalOpen);
    this.#states.set(latest, after);
    const settings = this.#settings.get(latest);
    if (scan.seal !== undefined && settings !== undefined) this.#sealed(settings, scan, observed);
    // An episode that holds all the scans that it can only counts the next: a flood must not write a state for each.
    if (after.episode?.scans.length !== before.episode?.scans.length) this.#touch(latest);
    return true;
  }

  #polled(reading: BoardReading): void {
    const channels = this.#wired.get(reading.device);
    if (channels === undefined) return;
    for (const channel of reading.channels) {
      const settings = channels.get(channel.channel);
      if (settings !== undefined && !this.#distrusted.has(settings.name)) this.#read(settings, channel, reading);
    }
    for (const name of this.#unread.take(channels, reading))
      this.#states.set(name, loseCompartment(this.#state(name), reading.observed.upMs));
  }

  #read(settings: CompartmentSettings, channel: ChannelState, reading: BoardReading): void {
    const { observed } = reading;
    const before = this.#state(settings.name);
    const read = readOf(settings, channel, reading, this.#options.boot);
    const sealed: WaitingScan[] = [];
    const { state, outputs } = readCompartment(before, read, (isWatched) => {
      const waiting = this.#scans.before(settings.name, observed, isWatched);
      const arrival = this.visits.arrival(settings, observed, waiting);
      sealed.push(...arrival.scans.filter(({ seal }) => seal !== undefined));
      return arrival;
    });
    this.#states.set(settings.name, state);
    this.#instruments.looked(settings, read, read.shut && state.door.value === true, state.episode);
    if (state.episode !== undefined) this.#visited.add(settings.name);
    if (outputs.length > 0) this.#touch(settings.name);
    else if (state.episode !== before.episode) this.#saved.touch(settings.name);
    if (outputs.some((output) => output.kind === 'door' && output.open)) this.#doubtScans(settings.name, observed);
    for (const output of outputs) this.#say(settings, reading, state, output);
    for (const scan of sealed) this.#sealed(settings, scan, observed);
    if (this.visits.looked(settings.name, state)) this.#revision += 1;
    if (state.episode !== undefined) this.#closeIfDue(settings.name, observed);
  }

  #say(settings: CompartmentSettings, reading: BoardReading, state: Compartment, output: CompartmentOutput): void {
    const { observed } = reading;
    for (const { body, urgent } of outputBodies(settings, reading, state, output)) this.#append(observed, body, urgent);
    if (output.kind === 'door')
      this.#options.logger.info({ compartment: settings.name, open: output.open }, 'door changed');
  }

  /** A seal was scanned, or said to be broken or missing, for what lies in this compartment or is put in. */
  #sealed(settings: CompartmentSettings, scan: WaitingScan, observed: Observed): void {
    const said = sealSaid(settings, this.#state(settings.name), scan);
    if (said === undefined) return;
    this.#states.set(settings.name, said.state);
    this.#append(observed, said.body);
    this.#touch(settings.name);
  }

  /** A scan that a door left open has taken may be of the one that opens now: both say so. */
  #doubtScans(opened: string, observed: Observed): void {
    for (const name of [...this.#visited].filter((other) => other !== opened)) {
      const taken = scansWhileOpen(this.#state(name), this.#options.boot, this.#scans.sinceMs(observed));
      if (!taken.some((scan) => this.#scans.serves(opened, scan))) continue;
      for (const one of [name, opened]) {
        this.#states.set(one, doubtScans(this.#state(one)));
        this.#touch(one);
      }
    }
  }

  #deviceChanged(reading: DeviceReading): void {
    const compartments = this.#options.settings.compartments.filter(({ device }) => device === reading.device);
    const names = compartments.map(({ name }) => name);
    this.#append(reading.observed, deviceBody(reading, names));
    this.#instruments.deviceChanged(reading);
    if (reading.state === 'found') return;
    for (const { name } of this.#wired.get(reading.device)?.values() ?? [])
      this.#states.set(name, loseCompartment(this.#state(name), reading.observed.upMs));
  }

  #closeIfDue(name: string, observed: Observed): void {
    const state = this.#state(name);
    const timing = this.#instruments.timing(this.#settings.get(name), state.episode);
    const closedBy = dueClosing(state, observed.upMs, timing);
    if (closedBy !== undefined) this.#close(name, closedBy, observed);
  }

  #close(name: string, closedBy: ClosedBy, observed: Observed): void {
    const state = this.#state(name);
    const { episode } = state;
    const settings = this.#settings.get(name);
    if (episode === undefined || settings === undefined) return;
    const outcome = judgeEpisode(state, episode, closedBy);
    const isOver = closedBy === 'door_shut';
    const measured = this.#instruments.close(settings, episode, outcome, isOver);
    const { boot } = this.#options;
    this.#append(observed, episodeBody(settings, state.held, episode, outcome, closedBy, boot, measured), true);
    const goesOn = isOver ? undefined : { ...episode, leftOpenSaid: episode.leftOpenSaid || closedBy === 'left_open' };
    const seal = isOver && outcome.held.length === 0 && outcome.itemAfter !== true ? undefined : state.seal;
    this.#states.set(name, { ...state, held: outcome.held, doubted: outcome.doubted, seal, episode: goesOn });
    if (isOver) this.visits.settled(name, episode, outcome);
    if (isOver) this.#visited.delete(name);
    this.#indexHeld();
    this.#touch(name);
    this.#options.metrics.count('custody_episodes', 1, { outcome: outcome.type, closed_by: closedBy });
  }

  /** What is kept of it is another now. */
  #touch(name: string): void {
    this.#saved.touch(name);
    this.#revision += 1;
  }

  #indexHeld(): void {
    this.#held.index([...this.#states.values()].flatMap((state) => state.held));
  }

  #append(observed: Observed, body: EventBody | undefined, urgent = false): void {
    this.#outlet.append(observed, body, urgent);
  }

  #tell(): void {
    if (this.#toldRevision === this.#revision) return;
    this.#toldRevision = this.#revision;
    this.#options.onChange?.();
  }

  #state(name: string): Compartment {
    return this.#states.get(name) ?? EMPTY_COMPARTMENT;
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.scheduler.after(TICK_MS, () => {
      this.tick(this.#options.observer.observe());
      this.#arm();
    });
  }
}
