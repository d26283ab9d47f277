/** Scans that wait for their door: which may take them, for how long, and what is told of those that waited in vain. */
import type { EventBody } from '../../evidence/event/event.ts';
import type { Observed } from '../contracts/observed.ts';
import { loneScansBody } from './bodies.ts';
import { type Claimant, claimantOf } from './claim.ts';
import type { Compartment } from './compartment.ts';
import { reportOf } from './lone-scans.ts';
import { ScanRow, type WaitingScan } from './scans.ts';
import type { CompartmentSettings, CustodySettings } from './settings.ts';

export interface ScanDeskOptions {
  readonly settings: CustodySettings;
  readonly boot: number;
}

/** What was scanned before a door opened. */
export interface WaitingScans {
  /** The door was watched until it opened. */
  readonly isWatched: boolean;
  /** Takes out those that it may have been opened for. */
  take(): readonly WaitingScan[];
  /** It is opened for maintenance: leaves those that asked for it, since whoever scanned them was not let in. */
  takeUnasked(): readonly WaitingScan[];
  /** It was forced: leaves them to others. */
  leave(): readonly [];
}

export class ScanDesk {
  readonly #options: ScanDeskOptions;
  /** Commissioned compartments. */
  readonly #doors: ReadonlyMap<string, CompartmentSettings>;
  readonly #windowMs: number;
  readonly #row = new ScanRow();
  /** When a door last had no scan because it was forced: it did open, for whatever scan. */
  readonly #forcedUpMs = new Map<string, number>();
  /** When a door last stood open for whoever was let in, or for a technician: what asked for another may lie there. */
  readonly #openedUpMs = new Map<string, number>();

  constructor(options: ScanDeskOptions, doors: ReadonlyMap<string, CompartmentSettings>) {
    this.#options = options;
    this.#doors = doors;
    this.#windowMs = options.settings.scan_window_s * 1_000;
  }

  push(scan: WaitingScan): void {
    this.#row.push(scan);
  }

  list(): readonly WaitingScan[] {
    return this.#row.list();
  }

  serves(name: string, scan: WaitingScan): boolean {
    return (scan.meant ?? name) === name && this.#reaches(name, scan);
  }

  #reaches(name: string, scan: WaitingScan): boolean {
    return this.#doors.get(name)?.scanners?.includes(scan.device) ?? true;
  }

  /** For the door of this name, which opens now. */
  before(name: string, observed: Observed, isWatched: boolean): WaitingScans {
    const isDue = (scan: WaitingScan): boolean =>
      this.#waitedMs(scan, observed) <= this.#windowMs && this.serves(name, scan);
    return {
      isWatched,
      take: () => {
        this.#openedUpMs.set(name, observed.upMs);
        return this.#row.take(isDue);
      },
      takeUnasked: () => {
        this.#openedUpMs.set(name, observed.upMs);
        return this.#row.take((scan) => scan.meant === undefined && isDue(scan));
      },
      leave: () => {
        this.#forcedUpMs.set(name, observed.upMs);
        return [];
      },
    };
  }

  /** The visited compartment that has this scan; undefined when it waits for its door. */
  claimant(
    scan: WaitingScan,
    visited: ReadonlySet<string>,
    stateOf: (name: string) => Compartment,
    visits: { isExpected(where: (compartment: string) => boolean): boolean },
  ): Claimant | undefined {
    // One that asks for a door that was shut a moment ago is of the visit that begins.
    const begins = (name: string): boolean => scan.meant !== undefined && stateOf(name).episode?.shutAtMs !== undefined;
    const served = [...visited].filter((name) => this.serves(name, scan) && !begins(name));
    const isExpected = (beside: readonly string[]): boolean =>
      visits.isExpected((name) => this.serves(name, scan) && !beside.includes(name));
    const claimant = claimantOf(served, stateOf, isExpected);
    if (claimant === undefined) {
      for (const name of served) this.#forcedUpMs.set(name, scan.upMs);
      for (const name of visited) if (!served.includes(name)) this.#openedUpMs.set(name, scan.upMs);
    }
    return claimant;
  }

  /** From when on a scan may be of a door that opens now. */
  sinceMs({ upMs }: Observed): number {
    return upMs - this.#windowMs;
  }

  /** Takes out those that waited too long; undefined when there is nothing to tell of them. */
  report(observed: Observed, stateOf: (name: string) => Compartment): EventBody | undefined {
    if (this.#row.size === 0) return undefined;
    const expired = this.#row.take((scan) => this.#waitedMs(scan, observed) > this.#windowMs);
    const more = this.#row.takePushedOut(observed.upMs, this.#windowMs);
    const isForced = (name: string, sinceMs: number): boolean => (this.#forcedUpMs.get(name) ?? -1) >= sinceMs;
    const isOpened = (name: string, sinceMs: number): boolean => (this.#openedUpMs.get(name) ?? -1) >= sinceMs;
    const report = reportOf(expired, more, this.#options, { stateOf, isForced, isOpened });
    // Without a commissioned door there is nothing that a scan could have opened.
    if (this.#doors.size === 0 || report === undefined) return undefined;
    return loneScansBody(report.scans, more, report.doors, this.#options.boot);
  }

  /** A scan of the run before waits at least since this start. */
  #waitedMs(scan: WaitingScan, observed: Observed): number {
    return scan.boot === this.#options.boot ? observed.upMs - scan.upMs : observed.upMs;
  }
}
