/**
 * The site as it stands, for whoever looks at its page: put together when something changed, and once a second.
 */
import type { Scheduler, Timer } from '../../src/base/clock.ts';
import { EventFan } from '../../src/platform/http/event-fan.ts';
import type { Cell, MovedBy } from '../boards/bank.ts';
import type { DemoBroker } from '../demo/broker.ts';
import { mishaps } from '../faults/kinds.ts';
import type { LineSettings, SiteSettings } from '../site/settings.ts';
import type { Site } from '../site.ts';
import type { Program } from './program.ts';
import type { CompartmentView, ConsoleView, HappenedView, LineKind, LineView, ProgramView, SiteView } from './view.ts';
import type { Visits } from './visits.ts';

const TOGETHER_MS = 30;
const TICK_MS = 1_000;
/** A gateway that is held up still comes back within this time. */
const ASKED_MS = 8_000;
const HAPPENED_MAX = 50;
const TEXT_MAX = 160;
const TOLD_MAX = 8;
/** What lasts no longer than a moment is no news. */
const PROGRAM_WORDS: Readonly<Partial<Record<ProgramView['state'], string>>> = {
  running: 'runs',
  stopped: 'has ended',
  failed: 'has ended by itself',
};
const LIMITS = { streams: 16, streamsPerPerson: 16, notesMax: 4, pingMs: 10_000 };

export interface LiveParts {
  readonly site: Site;
  readonly settings: SiteSettings;
  readonly visits: () => Visits;
  readonly broker: DemoBroker | undefined;
  readonly consumer?: Program | undefined;
  readonly gateway?: Program | undefined;
  readonly scheduler: Scheduler;
  /** Of the gateway that fits the site. */
  readonly console?: (() => ConsoleView) | undefined;
}

export class LiveSite {
  readonly #parts: LiveParts;
  readonly #fan: EventFan;
  readonly #unsubscribe: () => void;
  #happened: readonly HappenedView[] = [];
  #number = 0;
  #soon: Timer | undefined;
  #tick: Timer | undefined;
  readonly #doors: Map<string, Cell['door']>;
  readonly #requests = new Map<string, number>();
  readonly #asked = new Map<string, number>();
  /** When the boards of a line were last asked, to a second. */
  readonly #askedMs = new Map<string, number>();

  constructor(parts: LiveParts) {
    this.#parts = parts;
    this.#fan = new EventFan(LIMITS, parts.scheduler, () => undefined);
    this.#doors = new Map(parts.site.cells().map(({ name, door }) => [name, door]));
    this.#unsubscribe = parts.site.onChange((cell, by) => this.#moved(cell, by));
    for (const program of [parts.consumer, parts.gateway]) {
      program?.onChange((view) => this.#programChanged(program.name, view));
    }
    this.#everySecond();
  }

  view(): SiteView {
    const { settings, site, broker, consumer, gateway, visits } = this.#parts;
    const reports = new Map(site.report().lines.map((line) => [line.line, line]));
    return {
      name: settings.name,
      compartments: this.#compartments(),
      lines: settings.lines.flatMap((line) => {
        const report = reports.get(line.name);
        return report === undefined ? [] : [this.#line(line, report)];
      }),
      ...(broker !== undefined && {
        broker: { url: broker.url, running: broker.running, messages: broker.messages },
      }),
      ...(consumer !== undefined && { consumer: consumer.view }),
      ...(gateway !== undefined && { gateway: gateway.view }),
      ...(this.#parts.console !== undefined && { console: this.#parts.console() }),
      nextSerial: visits().nextSerial,
      happened: this.#happened,
    };
  }

  /** Server-sent `view`s, beginning with the site as it is. Undefined: too many look. */
  stream(): ReadableStream<Uint8Array> | undefined {
    this.#fan.sendState('view', this.view());
    return this.#fan.open('page', this);
  }

  happened(text: string, by: HappenedView['by']): void {
    this.#number += 1;
    const at = new Date(this.#parts.scheduler.wallMs()).toISOString();
    const short = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX - 1)}…` : text;
    this.#happened = [{ n: this.#number, at, text: short, by }, ...this.#happened].slice(0, HAPPENED_MAX);
    this.changed();
  }

  isAsked(line: string): boolean {
    const atMs = this.#askedMs.get(line) ?? Number.NEGATIVE_INFINITY;
    return this.#parts.scheduler.monotonicMs() - atMs < ASKED_MS;
  }

  /** What changed within a few milliseconds is shown together. */
  changed(): void {
    if (this.#fan.readers === 0) return;
    this.#soon ??= this.#parts.scheduler.after(TOGETHER_MS, () => {
      this.#soon = undefined;
      this.#fan.sendState('view', this.view());
    });
  }

  close(): void {
    this.#unsubscribe();
    this.#soon?.cancel();
    this.#tick?.cancel();
    this.#fan.close();
  }

  #everySecond(): void {
    this.#tick = this.#parts.scheduler.after(TICK_MS, () => {
      for (const { line, requests } of this.#parts.site.report().lines) {
        const asked = requests - (this.#requests.get(line) ?? 0);
        this.#asked.set(line, asked);
        if (asked > 0) this.#askedMs.set(line, this.#parts.scheduler.monotonicMs());
        this.#requests.set(line, requests);
      }
      this.changed();
      this.#everySecond();
    });
  }

  #moved({ name, door }: Cell, by: MovedBy): void {
    const isOpened = door === 'open' && this.#doors.get(name) !== 'open';
    this.#doors.set(name, door);
    if (isOpened && by === 'lock') this.happened(`the lock of ${name} let its door open`, 'lock');
    this.changed();
  }

  #programChanged(name: string, { state, why }: ProgramView): void {
    const words = PROGRAM_WORDS[state];
    if (words === undefined) this.changed();
    else this.happened(`the ${name} ${words}${why === undefined ? '' : ` (${why})`}`, 'program');
  }

  #compartments(): readonly CompartmentView[] {
    const { site } = this.#parts;
    const visits = this.#parts.visits();
    return site.cells().map(({ name, board, channel, door, item }) => {
      const { line, itemSensor, controlled } = visits.place(name);
      const parcel = visits.parcel(name);
      const place = { name, board, channel, line, itemSensor, controlled };
      const state = { door, item, failed: site.failed(name), busy: visits.isBusy(name) };
      return { ...place, ...state, ...(parcel !== undefined && item && { parcel }) };
    });
  }

  #line(line: LineSettings, report: ReturnType<Site['report']>['lines'][number]): LineView {
    const what = kindOf(line);
    return {
      name: line.name,
      what,
      cable: line.tcp === undefined ? 'pty' : 'tcp',
      address: report.address,
      boards: (line.boards ?? []).map((board) => `${board.name} (${board.family ?? line.family})`),
      plugged: report.plugged,
      powered: report.powered,
      asked: this.#asked.get(line.name) ?? 0,
      said: report.emissions,
      faults: mishaps(report.faults),
      armed: report.armed,
      ...(report.grams !== undefined && { grams: report.grams }),
      ...(what === 'keypad' && { told: this.#parts.site.told(line.name).slice(-TOLD_MAX) }),
    };
  }
}

function kindOf(line: LineSettings): LineKind {
  if (line.boards !== undefined) return 'boards';
  if (line.keypad !== undefined) return 'keypad';
  if (line.scale !== undefined) return 'scale';
  return line.position === undefined ? 'scanner' : 'position';
}
