/** Scans that wait for their door: which may take them, for how long, and what is told of those that waited in vain. */
import type { EventBody } from '../../evidence/event/event.ts';
import type { Observed } from '../contracts/observed.ts';
import { loneScansBody } from './bodies.ts';
import type { Compartment } from './compartment.ts';
import { reportOf } from './lone-scans.ts';
import { ScanRow, type WaitingScan } from './scans.ts';
import type { CompartmentSettings, CustodySettings } from './settings.ts';

export interface ScanDeskOptions {
  readonly settings: CustodySettings;
  readonly boot: number;
}

export class ScanDesk {
  readonly #options: ScanDeskOptions;
  /** Commissioned compartments. */
  readonly #doors: ReadonlyMap<string, CompartmentSettings>;
  readonly #windowMs: number;
  readonly #row = new ScanRow();

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
    return this.#doors.get(name)?.scanners?.includes(scan.device) ?? true;
  }

  /** Those that the door of this name may have been opened for. */
  takeFor(name: string, observed: Observed): readonly WaitingScan[] {
    return this.#row.take((scan) => this.#waitedMs(scan, observed) <= this.#windowMs && this.serves(name, scan));
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
    const report = reportOf(expired, more, this.#options, stateOf);
    // Without a commissioned door there is nothing that a scan could have opened.
    if (this.#doors.size === 0 || report === undefined) return undefined;
    return loneScansBody(report.scans, more, report.doors, this.#options.boot);
  }

  /** A scan of the run before waits at least since this start. */
  #waitedMs(scan: WaitingScan, observed: Observed): number {
    return scan.boot === this.#options.boot ? observed.upMs - scan.upMs : observed.upMs;
  }
}
