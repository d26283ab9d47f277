/**
 * What the console shows of the last hour and the journal does not keep: how the lines answered, what lay on a scale and
 * under a scanner last, and which event each compartment had. Bounded by the settings' own names.
 *
 * Which doors were forced and not counted since outlasts a restart and a log: it is a state that the journal keeps, written
 * in the transaction of the event that changed it.
 */
import { z } from 'zod';
import { utf8Text } from '../../base/bytes.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import type { EventBody } from '../../evidence/event/event.ts';
import { QUALITY_STEP_S } from '../contracts/console-view.ts';
import type { Reading, ReadingSink, ScanReading } from '../contracts/reading.ts';
import type { Line, LineStatus } from '../drivers/line.ts';
import type { CustodyKeeper } from './custody-keeper.ts';
import type { GatewaySettings } from './settings.ts';

const POINTS_MAX = 360;
/** Of all lines together: a view stays small enough to be sent often. */
const POINTS_TOGETHER_MAX = 5_760;
const TEXT_CHARS_MAX = 64;
const RECALLED = /"type":"(?:door\.forced|compartment\.counted)"/;
/** Of the newest entries, at a start that finds no state of doors: some milliseconds of work, and weeks of a quiet locker. */
export const RECALL_MAX = 5_000;

const stateSchema = z.strictObject({ v: z.literal(1), forced: z.array(z.string()) });

export interface QualitySample {
  readonly atMs: number;
  /** Share of the questions since the sample before that were answered. */
  readonly answered: number;
  readonly cycleMs?: number;
}

export interface LastEvent {
  readonly type: string;
  /** Its index in the log that was open then. */
  readonly n: number;
  readonly atMs: number;
}

export interface LastScan {
  readonly text: string;
  readonly atMs: number;
}

export interface ConsoleMemoryParts {
  readonly settings: Pick<GatewaySettings, 'custody' | 'ports'>;
  readonly keeper: Pick<CustodyKeeper, 'onEvent' | 'onDurable' | 'parcelOf'>;
  /** What the journal keeps for it. */
  readonly state: { load(): string | undefined; save(text: string): void };
  readonly lines: () => readonly Pick<Line, 'status'>[];
  readonly scheduler: Scheduler;
}

interface Counts {
  readonly asked: number;
  readonly answered: number;
}

export class ConsoleMemory {
  readonly #parts: ConsoleMemoryParts;
  readonly #compartments: ReadonlySet<string>;
  readonly #points: number;
  readonly #quality = new Map<string, QualitySample[]>();
  readonly #counts = new Map<string, Counts>();
  readonly #events = new Map<string, LastEvent>();
  readonly #refs = new Map<string, string>();
  /** When, by compartment; undefined: in an earlier start, from which no running time leads here. */
  readonly #forced = new Map<string, number | undefined>();
  readonly #grams = new Map<string, number>();
  readonly #scans = new Map<string, LastScan>();
  /** Nothing that could be read says which doors were forced before this start. */
  readonly isBlank: boolean;
  #timer: Timer | undefined;

  constructor(parts: ConsoleMemoryParts) {
    this.#parts = parts;
    this.#compartments = new Set(parts.settings.custody.compartments.map(({ name }) => name));
    const lines = Math.max(1, parts.settings.ports.length);
    this.#points = Math.min(POINTS_MAX, Math.floor(POINTS_TOGETHER_MAX / lines));
    const saved = stateOf(parts.state.load());
    this.isBlank = saved === undefined;
    for (const name of saved ?? []) if (this.#compartments.has(name)) this.#forced.set(name, undefined);
    // At once, so that the state goes to the disk with this event, and is shown where no disk takes it.
    parts.keeper.onEvent((body) => this.#forcedBy(body));
    parts.keeper.onDurable((body, n) => this.#heard(body, n));
  }

  start(): void {
    this.#timer = this.#parts.scheduler.after(QUALITY_STEP_S * 1_000, () => {
      this.sample();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Readings pass through on their way to custody, where no code that opens a door comes by. */
  tapping(sink: ReadingSink): ReadingSink {
    return (reading) => {
      sink(reading);
      this.#read(reading);
    };
  }

  /** One point for each line that asks its devices. */
  sample(): void {
    const nowMs = this.nowMs();
    for (const line of this.#parts.lines()) {
      const status = line.status();
      const counts = countsOf(status);
      if (counts === undefined) continue;
      const before = this.#counts.get(status.port) ?? { asked: 0, answered: 0 };
      this.#counts.set(status.port, counts);
      const asked = counts.asked - before.asked;
      const answered = asked > 0 ? Math.min(1, Math.max(0, (counts.answered - before.answered) / asked)) : 0;
      const points = this.#quality.get(status.port) ?? [];
      points.push({ atMs: nowMs, answered, ...(status.cycleMs !== undefined && { cycleMs: status.cycleMs }) });
      if (points.length > this.#points) points.shift();
      this.#quality.set(status.port, points);
    }
  }

  /** Oldest first. */
  quality(port: string): readonly QualitySample[] {
    return this.#quality.get(port) ?? [];
  }

  lastEvent(compartment: string): LastEvent | undefined {
    return this.#events.get(compartment);
  }

  /** That its door was forced, and when, until it is counted again; `atMs` is absent for an earlier start. */
  forced(compartment: string): { readonly atMs?: number } | undefined {
    if (!this.#forced.has(compartment)) return undefined;
    const atMs = this.#forced.get(compartment);
    return atMs === undefined ? {} : { atMs };
  }

  /**
   * What entries of earlier starts say, oldest first, where no state does: of a version that kept none, or of a log whose
   * record is lost. Throws what reading them throws; what was read until then counts.
   */
  recall(entries: Iterable<{ readonly leaf?: Uint8Array }>): void {
    for (const { leaf } of entries) {
      // A fraction of the entries is worth parsing.
      const text = leaf === undefined ? undefined : utf8Text(leaf);
      if (text === undefined || !RECALLED.test(text)) continue;
      const { type, compartment } = JSON.parse(text) as { readonly type?: unknown; readonly compartment?: unknown };
      if (typeof compartment !== 'string' || !this.#compartments.has(compartment)) continue;
      if (type === 'door.forced') this.#forced.set(compartment, undefined);
      else if (type === 'compartment.counted') this.#forced.delete(compartment);
    }
    this.#save();
  }

  lastRef(compartment: string): string | undefined {
    return this.#refs.get(compartment);
  }

  grams(scale: string): number | undefined {
    return this.#grams.get(scale);
  }

  lastScan(device: string): LastScan | undefined {
    return this.#scans.get(device);
  }

  #heard(body: EventBody, n: number): void {
    const { compartment, type } = body;
    // Only names of the settings: as many as there are.
    if (compartment === undefined || !this.#compartments.has(compartment)) return;
    this.#events.set(compartment, { type, n, atMs: this.nowMs() });
    const ref = refOf(body);
    if (ref !== undefined) this.#refs.set(compartment, ref);
  }

  #forcedBy({ compartment, type }: EventBody): void {
    if (compartment === undefined || !this.#compartments.has(compartment)) return;
    if (type === 'door.forced') this.#forced.set(compartment, this.nowMs());
    else if (type !== 'compartment.counted' || !this.#forced.delete(compartment)) return;
    this.#save();
  }

  #save(): void {
    this.#parts.state.save(JSON.stringify({ v: 1, forced: [...this.#forced.keys()] }));
  }

  #read(reading: Reading): void {
    if (reading.kind === 'weight') {
      if (reading.state === 'stable' && reading.grams !== undefined) this.#grams.set(reading.device, reading.grams);
      else if (reading.state !== 'moving') this.#grams.delete(reading.device);
    } else if (reading.kind === 'scan') {
      this.#scans.set(reading.device, { text: this.#shown(reading), atMs: this.nowMs() });
    }
  }

  /** As the journal names it: a pseudonym, unless the settings say clear text. */
  #shown(reading: ScanReading): string {
    if (reading.hidden === true) return 'damaged, and not shown';
    if (reading.quarantined !== undefined) return `no parcel: ${reading.quarantined}`;
    const ref = this.#parts.keeper.parcelOf(reading);
    return ref === undefined ? 'no parcel' : `${ref.scheme} ${ref.ref}`.slice(0, TEXT_CHARS_MAX);
  }

  nowMs(): number {
    return this.#parts.scheduler.monotonicMs();
  }
}

/** Undefined where there is none, or none that can be read. */
function stateOf(text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  try {
    return stateSchema.safeParse(JSON.parse(text)).data?.forced;
  } catch {
    return undefined;
  }
}

/** Undefined for a line that asks nothing. */
function countsOf({ devices }: LineStatus): Counts | undefined {
  const polls = devices.flatMap((device) => device.polls ?? []);
  if (polls.length === 0) return undefined;
  return {
    asked: polls.reduce((sum, { asked }) => sum + asked, 0),
    answered: polls.reduce((sum, { answered }) => sum + answered, 0),
  };
}

/** The parcel that the event is about, or the last of several. */
function refOf({ parcel, data }: EventBody): string | undefined {
  if (parcel !== undefined) return parcel.ref;
  const parcels = data['parcels'];
  const last: unknown = Array.isArray(parcels) ? parcels.at(-1) : undefined;
  const ref: unknown = typeof last === 'object' && last !== null ? (last as { readonly ref?: unknown }).ref : undefined;
  return typeof ref === 'string' ? ref.slice(0, TEXT_CHARS_MAX) : undefined;
}
