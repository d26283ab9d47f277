/**
 * A whole site that is not there: its devices on real pseudo-terminals and TCP, and hands that act on it.
 *
 * Technicians run it as `latchkey simulate`, tests and the demo start it in their own process. It knows the gateway only
 * by what comes over the cables.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { sleep } from '../src/base/abort.ts';
import type { Scheduler } from '../src/base/clock.ts';
import { LatchkeyError } from '../src/base/errors.ts';
import { systemScheduler } from '../src/base/system-scheduler.ts';
import { type Cell, type CellListener, LockerBank, type Sensor } from './boards/bank.ts';
import { type Camera, startCamera } from './camera/camera.ts';
import type { FaultKind, FaultTally, LineFault } from './faults/kinds.ts';
import type { Keypad } from './keypad/keypad.ts';
import { Receiver } from './position/receiver.ts';
import { Scale } from './scales/scale.ts';
import type { Label } from './scanners/codes.ts';
import { SsiScanner } from './scanners/ssi-scanner.ts';
import { noReadEmission, scanEmission } from './scanners/text-scanner.ts';
import { compartmentsOf, openLine, type SiteLine } from './site/devices.ts';
import type { SiteSettings } from './site/settings.ts';
import type { Step } from './site/steps.ts';

export interface SiteLink {
  readonly line: string;
  readonly kind: 'pty' | 'tcp';
  /** A device path that stays while the device name changes, or `127.0.0.1:port`. */
  readonly address: string;
}

export interface Site {
  readonly links: readonly SiteLink[];
  /** Throws USAGE for a name that the site does not have. */
  address(line: string): string;
  cells(): readonly Cell[];
  open(compartment: string): void;
  shut(compartment: string): void;
  put(compartment: string): void;
  take(compartment: string): void;
  pretendItem(compartment: string, item: boolean): void;
  /** A sensor goes on reporting what it reports now, until the compartment is mended. */
  fail(compartment: string, sensor: Sensor): void;
  mend(compartment: string): void;
  failed(compartment: string): readonly Sensor[];
  /** No label: the trigger was pulled in vain. */
  scan(scanner: string, label?: Label): void;
  /** Types the keys, and the one that ends an entry. */
  type(keypad: string, keys: string): void;
  /** What a keypad was told, newest last. */
  told(keypad: string): readonly string[];
  /** What lies on a scale, in grams. */
  weigh(scale: string, grams: number): void;
  /** Where a receiver stands, in degrees; no place is no fix. */
  move(receiver: string, to?: { readonly lat: number; readonly lon: number }): void;
  camera(name: string): Camera;
  plug(line: string): Promise<void>;
  unplug(line: string): Promise<void>;
  /** Of whatever hangs on the line: without it nothing there hears or says anything. */
  power(line: string, on: boolean): void;
  /** Befalls what is said next on the line. */
  fault(line: string, kind: LineFault): void;
  /** Bytes that no device said; without any, an answer of the line's boards that says that all their doors are open. */
  spoof(line: string, bytes?: Uint8Array): void;
  /** Called after every change of a compartment. */
  onChange(listener: CellListener): () => void;
  perform(step: Step, signal?: AbortSignal): Promise<void>;
  /** How often a fault happened, on one line or on all. */
  faults(kind: FaultKind, line?: string): number;
  /** Sound requests that the boards of a line have heard. */
  requests(line: string): number;
  report(): SiteReport;
  /** Hangs up every line and removes the links. */
  close(): Promise<void>;
}

export interface SiteReport {
  readonly lines: readonly {
    readonly line: string;
    readonly address: string;
    readonly plugged: boolean;
    readonly powered: boolean;
    /** Faults that the next emission will have. */
    readonly armed: readonly LineFault[];
    /** What lies on it, of a scale. */
    readonly grams?: number;
    readonly requests: number;
    readonly emissions: number;
    readonly faults: FaultTally;
  }[];
}

export interface StartSiteOptions {
  readonly site: SiteSettings;
  readonly scheduler?: Scheduler;
}

export async function startSite({ site, scheduler = systemScheduler() }: StartSiteOptions): Promise<Site> {
  const ownDir = site.links_dir === undefined ? await mkdtemp(join(tmpdir(), `latchkey-${site.name}-`)) : undefined;
  const linksDir = ownDir ?? resolve(site.links_dir ?? '');
  const bank = new LockerBank(compartmentsOf(site));
  const lines: SiteLine[] = [];
  const cameras = new Map<string, Camera>();
  const close = async (): Promise<void> => {
    for (const line of lines) {
      for (const bus of line.buses ?? []) bus.close();
      line.instrument?.close();
      line.faulty.close();
    }
    await Promise.all([
      ...lines.map((line) => line.cable.close()),
      ...[...cameras.values()].map((each) => each.close()),
    ]);
    if (ownDir !== undefined) await rm(ownDir, { recursive: true, force: true });
  };
  try {
    for (const line of site.lines) lines.push(await openLine(line, { site, linksDir, bank, scheduler }));
    for (const { name, port } of site.cameras) cameras.set(name, await startCamera(port));
  } catch (error) {
    await close();
    throw error;
  }
  return new RunningSite(lines, cameras, bank, scheduler, close);
}

class RunningSite implements Site {
  readonly close: () => Promise<void>;
  readonly #lines: readonly SiteLine[];
  readonly #cameras: ReadonlyMap<string, Camera>;
  readonly #bank: LockerBank;
  readonly #scheduler: Scheduler;

  constructor(
    lines: readonly SiteLine[],
    cameras: ReadonlyMap<string, Camera>,
    bank: LockerBank,
    scheduler: Scheduler,
    close: () => Promise<void>,
  ) {
    this.#cameras = cameras;
    this.#lines = lines;
    this.#bank = bank;
    this.#scheduler = scheduler;
    this.close = close;
  }

  get links(): readonly SiteLink[] {
    return this.#lines.map(({ name, kind, cable }) => ({ line: name, kind, address: cable.address }));
  }

  address(line: string): string {
    return this.#line(line).cable.address;
  }

  cells(): readonly Cell[] {
    return this.#bank.cells();
  }

  open(compartment: string): void {
    this.#bank.open(compartment);
  }

  shut(compartment: string): void {
    this.#bank.shut(compartment);
  }

  put(compartment: string): void {
    this.#bank.put(compartment);
  }

  take(compartment: string): void {
    this.#bank.take(compartment);
  }

  pretendItem(compartment: string, item: boolean): void {
    this.#bank.pretendItem(compartment, item);
  }

  fail(compartment: string, sensor: Sensor): void {
    this.#bank.fail(compartment, sensor);
  }

  mend(compartment: string): void {
    this.#bank.mend(compartment);
  }

  failed(compartment: string): readonly Sensor[] {
    return this.#bank.failed(compartment);
  }

  onChange(listener: CellListener): () => void {
    return this.#bank.onChange(listener);
  }

  scan(name: string, label?: Label): void {
    const { scanner, faulty, instrument } = this.#line(name);
    if (instrument instanceof SsiScanner) {
      instrument.scan(label);
      return;
    }
    if (scanner === undefined) throw new LatchkeyError('USAGE', `line ${name} has no scanner`);
    const emission = label === undefined ? noReadEmission(scanner) : scanEmission(scanner, label);
    if (emission !== undefined) faulty.emit(emission);
  }

  type(name: string, keys: string): void {
    const { faulty } = this.#line(name);
    faulty.emit(this.#keypad(name).emission(keys));
  }

  told(name: string): readonly string[] {
    return this.#keypad(name).told;
  }

  weigh(name: string, grams: number): void {
    const { instrument } = this.#line(name);
    if (!(instrument instanceof Scale)) throw new LatchkeyError('USAGE', `line ${name} has no scale`);
    instrument.put(grams);
  }

  move(name: string, to?: { readonly lat: number; readonly lon: number }): void {
    const { instrument } = this.#line(name);
    if (!(instrument instanceof Receiver)) throw new LatchkeyError('USAGE', `line ${name} has no position receiver`);
    instrument.move(to);
  }

  camera(name: string): Camera {
    const camera = this.#cameras.get(name);
    if (camera === undefined) throw new LatchkeyError('USAGE', `no camera of this site is named ${name}`);
    return camera;
  }

  plug(line: string): Promise<void> {
    return this.#line(line).cable.plug();
  }

  unplug(line: string): Promise<void> {
    return this.#line(line).cable.unplug();
  }

  power(line: string, on: boolean): void {
    this.#line(line).faulty.power(on);
  }

  fault(line: string, kind: LineFault): void {
    this.#line(line).faulty.arm(kind);
  }

  spoof(name: string, bytes?: Uint8Array): void {
    const { cable, buses = [] } = this.#line(name);
    const forged = bytes ?? buses.map((bus) => bus.forgedAnswer()).find((answer) => answer !== undefined);
    if (forged === undefined) throw new LatchkeyError('USAGE', `no question was heard on ${name}: nothing to forge`);
    cable.send(forged);
  }

  async perform(step: Step, signal?: AbortSignal): Promise<void> {
    switch (step.do) {
      case 'scan':
        return this.scan(step.scanner, step.label);
      case 'type':
        return this.type(step.keypad, step.keys);
      case 'weigh':
        return this.weigh(step.scale, step.grams);
      case 'move':
        return this.move(step.receiver, step.to);
      case 'pretend':
        return this.pretendItem(step.compartment, step.item);
      case 'plug':
      case 'unplug':
        return this[step.do](step.line);
      case 'power':
        return this.power(step.line, step.on);
      case 'fault':
        return this.fault(step.line, step.kind);
      case 'spoof':
        return this.spoof(step.line, step.bytes);
      case 'fail':
        return this.fail(step.compartment, step.sensor);
      case 'wait':
        return sleep(this.#scheduler, step.waitMs, signal);
      default:
        return this[step.do](step.compartment);
    }
  }

  faults(kind: FaultKind, line?: string): number {
    const lines = line === undefined ? this.#lines : [this.#line(line)];
    return lines.reduce((sum, { counts }) => sum + counts.of(kind), 0);
  }

  requests(line: string): number {
    return requestsOf(this.#line(line));
  }

  report(): SiteReport {
    const lines = this.#lines.map((line) => ({
      line: line.name,
      address: line.cable.address,
      plugged: line.cable.plugged,
      powered: line.faulty.powered,
      armed: line.faulty.armed,
      ...(line.instrument instanceof Scale && { grams: line.instrument.grams }),
      requests: requestsOf(line),
      emissions: line.faulty.emissions,
      faults: line.counts.snapshot(),
    }));
    return { lines };
  }

  #keypad(name: string): Keypad {
    const { keypad } = this.#line(name);
    if (keypad === undefined) throw new LatchkeyError('USAGE', `line ${name} has no keypad`);
    return keypad;
  }

  #line(name: string): SiteLine {
    const line = this.#lines.find((one) => one.name === name);
    if (line === undefined) throw new LatchkeyError('USAGE', `no line of this site is named ${name}`);
    return line;
  }
}

function requestsOf({ buses = [] }: SiteLine): number {
  return buses.reduce((sum, { requests }) => sum + requests, 0);
}
