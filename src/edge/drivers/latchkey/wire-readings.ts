/**
 * What an authenticated device reported, as readings. A door or item event says that two samples of the device agreed
 * (PROTOCOL.md section 7): both are handed on, so that a door which opened and shut between two polls is seen.
 */
import type { DeviceEvent, Polled } from '../../../../firmware-protocol/codec/messages.ts';
import { SecretText } from '../../../base/secret-text.ts';
import type { Observed } from '../../contracts/observed.ts';
import type { ChannelState, InputKind, InputReading } from '../../contracts/reading.ts';
import type { LineParts } from '../line.ts';
import { ScanReporter } from '../scan-report.ts';
import type { LatchkeySettings } from './settings.ts';

const SAMPLES = 2;
/** Feedback bit of a shut door: the wire's own word, whatever contact the device reads (`closed_is_1`). */
const SHUT = 1;

interface Moment {
  readonly observed: Observed;
  readonly askedUpMs: number;
}

export class WireReadings {
  readonly #parts: LineParts;
  readonly #settings: LatchkeySettings;
  readonly #scans: ScanReporter;
  #hasItems = false;
  #doors: boolean[] = [];
  #items: boolean[] = [];
  readonly #inputs = new Map<string, { readonly what: InputKind; readonly active: boolean }>();

  constructor(parts: LineParts, settings: LatchkeySettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#scans = new ScanReporter(parts, settings.name, settings.debounce_ms);
  }

  /** The device was away: what it says next is a first look. */
  forget(): void {
    this.#doors = [];
    this.#items = [];
    this.#inputs.clear();
  }

  take(polled: Polled, moment: Moment, hasItems: boolean): void {
    this.#hasItems = hasItems;
    if (this.#doors.length === 0) this.#lookBack(polled, moment);
    for (const event of polled.events) this.#happened(event, ageing(moment, polled, event));
    this.#doors = [...polled.doors];
    this.#items = [...polled.items];
    if (polled.doors.length > 0) this.#look(moment);
    this.#inputs.set('mains', { what: 'mains', active: polled.mainsLost });
    const isNamed = [...this.#inputs].some(([name, { active }]) => name.startsWith('tamper_') && active);
    this.#inputs.set('tamper', { what: 'tamper', active: polled.tampered && !isNamed });
    for (const name of this.#inputs.keys()) this.#tellInput(name, moment);
  }

  /**
   * What the device kept while nobody asked it did happen: each event is a change, so before the first of a channel was the opposite. What
   * is older than this start has no time in it; of that only the state is told.
   */
  #lookBack(polled: Polled, moment: Moment): void {
    this.#doors = [...polled.doors];
    this.#items = [...polled.items];
    for (const event of [...polled.events].reverse()) {
      if (moment.askedUpMs - ageMs(polled, event) < 0) return;
      if (event.kind === 'door') put(this.#doors, event.channel, !event.shut);
      if (event.kind === 'item') put(this.#items, event.channel, !event.there);
    }
  }

  #happened(event: DeviceEvent, moment: Moment): void {
    switch (event.kind) {
      case 'door':
        this.#changed(this.#doors, event.channel, event.shut, moment);
        break;
      case 'item':
        this.#changed(this.#items, event.channel, event.there, moment);
        break;
      case 'scan':
        this.#scans.report({ raw: event.code, ...(event.aim !== undefined && { aim: event.aim }) }, moment.observed);
        break;
      case 'keypad':
        this.#parts.sink({
          kind: 'keypad',
          device: this.#settings.name,
          observed: moment.observed,
          entry: new SecretText(event.keys),
        });
        break;
      case 'weight':
        this.#parts.sink({
          kind: 'weight',
          device: this.#settings.name,
          observed: moment.observed,
          sinceUpMs: Math.max(0, moment.askedUpMs),
          state: event.stable ? 'stable' : 'moving',
          grams: event.grams,
        });
        break;
      case 'tamper':
        this.#input(tamperName(event.input), 'tamper', event.raised, moment);
        break;
      case 'power':
        this.#input(event.source, event.source, !event.there, moment);
        break;
      default:
        this.#parts.metrics.count('wire_events_unused', 1, { port: this.#parts.port.name, kind: event.kind });
    }
  }

  #changed(of: boolean[], channel: number, value: boolean, moment: Moment): void {
    if (channel > of.length || moment.askedUpMs < 0) return;
    put(of, channel, value);
    for (let sample = 0; sample < SAMPLES; sample += 1) this.#look(moment);
  }

  #look({ observed, askedUpMs }: Moment): void {
    const channels = this.#doors.map((shut, i): ChannelState => {
      const state: ChannelState = { channel: i + 1, feedback: shut ? SHUT : 0 };
      return this.#hasItems ? { ...state, item: this.#items[i] === true ? 1 : 0 } : state;
    });
    this.#parts.sink({ kind: 'board', device: this.#settings.name, observed, askedUpMs, channels });
  }

  #input(name: string, what: InputKind, active: boolean, moment: Moment): void {
    this.#inputs.set(name, { what, active });
    for (let sample = 1; sample < SAMPLES; sample += 1) this.#tellInput(name, moment);
  }

  #tellInput(name: string, { observed, askedUpMs }: Moment): void {
    const sinceUpMs = Math.max(0, askedUpMs);
    const input = this.#inputs.get(name);
    if (input === undefined) return;
    const reading: InputReading = {
      kind: 'input',
      device: this.#settings.name,
      observed,
      askedUpMs: sinceUpMs,
      input: name,
      ...input,
    };
    this.#parts.sink(reading);
  }
}

function put(of: boolean[], channel: number, value: boolean): void {
  if (channel <= of.length) of[channel - 1] = value;
}

/** By the device's clock, which begins anew after 2^32 ms. */
function ageMs(polled: Polled, event: DeviceEvent): number {
  return (polled.uptimeMs - event.atMs) >>> 0;
}

/** It was so at the earliest before the question by its age. */
function ageing(moment: Moment, polled: Polled, event: DeviceEvent): Moment {
  return { ...moment, askedUpMs: moment.askedUpMs - ageMs(polled, event) };
}

/** Input 1 is `tamper_a`, 27 is `tamper_ba`: names of inputs are words without digits. */
function tamperName(input: number): string {
  let letters = '';
  for (let rest = input - 1; letters === '' || rest > 0; rest = Math.floor(rest / 26)) {
    letters = String.fromCharCode(97 + (((rest % 26) + 26) % 26)) + letters;
  }
  return `tamper_${letters}`;
}
