/**
 * Visits of people to a simulated site: a parcel is scanned, a door opened, something put in or taken out, the door shut.
 *
 * People are slower than a bus. Between two moves the hands wait until the boards were asked about them a few times, so
 * that a gateway sees each; where no gateway asks they go on after a short while.
 */
import { sleep } from '../../src/base/abort.ts';
import type { Scheduler } from '../../src/base/clock.ts';
import { LatchkeyError } from '../../src/base/errors.ts';
import { type Label, sscc, ssccLabel } from '../scanners/codes.ts';
import type { SiteSettings } from '../site/settings.ts';
import type { Site } from '../site.ts';

/** A gateway believes two equal answers; the first may have been under way when the hands moved. */
const LOOKS = 3;
const MOVE_MIN_MS = 120;
/** Nobody asks: nobody will see it. */
const UNASKED_MS = 400;
const LOOKS_MAX_MS = 5_000;
const LOOK_AGAIN_MS = 10;
const SERIALS = 9_000_000;
/** Families whose answers tell of items. */
const SENSING: ReadonlySet<string | undefined> = new Set(['kerong_cu16', 'kerong_cu48']);

export interface VisitParts {
  readonly site: Site;
  readonly settings: SiteSettings;
  readonly scheduler: Scheduler;
  /** Ends visits that are under way. */
  readonly signal: AbortSignal;
  readonly changed: () => void;
  /** Somebody asked the boards of this line a short while ago. */
  readonly isAsked: (line: string) => boolean;
}

export interface Place {
  readonly line: string;
  readonly boards: number;
  readonly itemSensor: boolean;
  readonly controlled: boolean;
}

export class Visits {
  readonly #parts: VisitParts;
  readonly #busy = new Set<string>();
  readonly #parcels = new Map<string, Label>();
  #serial: number;

  constructor(parts: VisitParts) {
    this.#parts = parts;
    // Parcels of an earlier run of this site may still be known to a gateway.
    this.#serial = 1 + (Math.floor(parts.scheduler.wallMs() / 1_000) % SERIALS);
  }

  get nextSerial(): number {
    return this.#serial;
  }

  isBusy(compartment: string): boolean {
    return this.#busy.has(compartment);
  }

  /** What was put in here by a visit. */
  parcel(compartment: string): string | undefined {
    return this.#parcels.get(compartment)?.text;
  }

  /** That label was used. */
  used(serial: number): void {
    if (serial === this.#serial) this.#serial += 1;
  }

  place(compartment: string): Place {
    return placeOf(this.#parts.settings, this.#parts.site, compartment);
  }

  deposit(compartment: string): Promise<void> {
    return this.#visit(compartment, async () => {
      const label = ssccLabel(sscc(this.#serial));
      this.#serial += 1;
      this.#scan(label);
      await this.#through(compartment, () => this.#parts.site.put(compartment));
      this.#parcels.set(compartment, label);
    });
  }

  /** Where no sensor sees that it is gone, its label is scanned: an open door alone proves nothing. */
  collect(compartment: string): Promise<void> {
    if (!this.#cell(compartment).item) throw new LatchkeyError('USAGE', `nothing lies in ${compartment}`);
    return this.#visit(compartment, async () => {
      const label = this.#parcels.get(compartment);
      if (label !== undefined && !this.place(compartment).itemSensor) this.#scan(label);
      await this.#through(compartment, () => this.#parts.site.take(compartment));
      this.#parcels.delete(compartment);
    });
  }

  async #visit(compartment: string, work: () => Promise<void>): Promise<void> {
    const { controlled } = this.place(compartment);
    if (this.#busy.has(compartment)) throw new LatchkeyError('USAGE', `somebody is at ${compartment} already`);
    if (controlled && this.#cell(compartment).door === 'shut') {
      throw new LatchkeyError('USAGE', `${compartment} opens for the gateway alone: have it open the door first`);
    }
    this.#busy.add(compartment);
    this.#parts.changed();
    try {
      await work();
    } finally {
      this.#busy.delete(compartment);
      this.#parts.changed();
    }
  }

  async #through(compartment: string, move: () => void): Promise<void> {
    const { site } = this.#parts;
    site.open(compartment);
    await this.#seen(compartment);
    move();
    await this.#seen(compartment);
    site.shut(compartment);
  }

  #scan(label: Label): void {
    const { site, settings } = this.#parts;
    const scanner = settings.lines.find((line) => line.scanner !== undefined || line.ssi !== undefined);
    if (scanner !== undefined) site.scan(scanner.name, label);
  }

  async #seen(compartment: string): Promise<void> {
    const { site, scheduler, signal, isAsked } = this.#parts;
    const { line, boards } = this.place(compartment);
    const before = site.requests(line);
    const fromMs = scheduler.monotonicMs();
    for (;;) {
      await sleep(scheduler, LOOK_AGAIN_MS, signal);
      const forMs = scheduler.monotonicMs() - fromMs;
      const looks = site.requests(line) - before;
      if (looks >= LOOKS * boards && forMs >= MOVE_MIN_MS) return;
      const isUnseen = looks === 0 && forMs >= UNASKED_MS && !isAsked(line);
      if (isUnseen || forMs >= LOOKS_MAX_MS) return;
    }
  }

  #cell(compartment: string) {
    const cell = this.#parts.site.cells().find(({ name }) => name === compartment);
    if (cell === undefined) throw new LatchkeyError('USAGE', `no compartment is named ${compartment}`);
    return cell;
  }
}

/** Where a compartment is wired to. Throws USAGE for a name that the site does not have. */
export function placeOf(settings: SiteSettings, site: Site, compartment: string): Place {
  const cell = site.cells().find(({ name }) => name === compartment);
  const line = settings.lines.find(({ boards = [] }) => boards.some(({ name }) => name === cell?.board));
  const board = line?.boards?.find(({ name }) => name === cell?.board);
  if (line === undefined || board === undefined) {
    throw new LatchkeyError('USAGE', `no compartment is named ${compartment}`);
  }
  return {
    line: line.name,
    boards: line.boards?.length ?? 1,
    itemSensor: board.item_sensors && SENSING.has(board.family ?? line.family),
    controlled: settings.compartments?.find(({ name }) => name === compartment)?.controlled ?? false,
  };
}
