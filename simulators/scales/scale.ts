/**
 * A scale: what lies on it, and for how long it swings after that changed. It speaks MT-SICS when it is asked, or Toledo
 * continuous output all the time.
 */
import { utf8 } from '../../src/base/bytes.ts';
import type { Timer } from '../../src/base/clock.ts';
import type { Emission } from '../faults/plan.ts';
import type { Instrument, InstrumentParts } from '../instrument.ts';

export interface ScaleSettings {
  readonly speaks: 'mt_sics' | 'toledo';
  readonly serial: string;
  /** Heaviest load in grams. */
  readonly capacityG: number;
  /** How long it swings. */
  readonly settleMs: number;
  /** Toledo: pause between two frames. */
  readonly everyMs: number;
}

const ANSWER_MS = 10;
const STREAM_MS = 100;
const LINE_MAX = 64;

export class Scale implements Instrument {
  readonly #settings: ScaleSettings;
  readonly #parts: InstrumentParts;
  readonly #timers = new Set<Timer>();
  #grams = 0;
  #movedMs: number;
  #heard = '';
  #stream: Timer | undefined;

  constructor(settings: ScaleSettings, parts: InstrumentParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#movedMs = parts.scheduler.monotonicMs() - settings.settleMs;
    if (settings.speaks === 'toledo') this.#repeat(() => this.#say(this.#toledo(), undefined), settings.everyMs);
  }

  get grams(): number {
    return this.#grams;
  }

  put(grams: number): void {
    this.#grams = grams;
    this.#movedMs = this.#parts.scheduler.monotonicMs();
  }

  receive(chunk: Uint8Array): void {
    if (this.#settings.speaks === 'toledo') return;
    for (const byte of chunk) {
      if (byte !== 0x0a) this.#heard = (this.#heard + String.fromCharCode(byte)).slice(-LINE_MAX);
      else {
        this.#obey(this.#heard.replace(/\r$/, ''));
        this.#heard = '';
      }
    }
  }

  close(): void {
    this.#stream?.cancel();
    for (const timer of this.#timers) timer.cancel();
  }

  #obey(command: string): void {
    const request = utf8(`${command}\r\n`);
    this.#stream?.cancel();
    switch (command) {
      case 'I4':
        this.#answer(() => `I4 A "${this.#settings.serial}"`, request);
        break;
      case 'SI':
        this.#answer(() => this.#weight(), request);
        break;
      case 'S':
        this.#whenStable(request, 30);
        break;
      case 'SIR':
        this.#repeat(() => this.#say(utf8(`${this.#weight()}\r\n`), undefined), STREAM_MS);
        break;
      case 'SR':
        this.#onChange(request);
        break;
      default:
        this.#answer(() => 'ES', request);
    }
  }

  #weight(): string {
    if (this.#grams > this.#settings.capacityG) return 'S +';
    if (this.#grams < 0) return 'S -';
    const swing = this.#isStable() ? 0 : 7;
    return `S ${this.#isStable() ? 'S' : 'D'} ${(this.#grams + swing).toFixed(2).padStart(10)} g`;
  }

  #isStable(): boolean {
    return this.#parts.scheduler.monotonicMs() - this.#movedMs >= this.#settings.settleMs;
  }

  #whenStable(request: Uint8Array, tries: number): void {
    if (this.#isStable() || tries === 0) {
      const text = this.#isStable() ? this.#weight() : 'S I';
      this.#say(utf8(`${text}\r\n`), request);
      return;
    }
    this.#after(STREAM_MS, () => this.#whenStable(request, tries - 1));
  }

  #onChange(request: Uint8Array): void {
    let said = '';
    this.#whenStable(request, 30);
    said = this.#weight();
    this.#repeat(() => {
      const now = this.#weight();
      if (now === said || !this.#isStable()) return;
      said = now;
      this.#say(utf8(`${now}\r\n`), undefined);
    }, STREAM_MS);
  }

  /** Kilograms with three decimals. */
  #toledo(): Uint8Array {
    const over = this.#grams > this.#settings.capacityG || this.#grams < 0;
    const flags = 0x30 | (this.#isStable() ? 0 : 0x08) | (over ? 0x04 : 0) | (this.#grams < 0 ? 0x02 : 0);
    const digits = String(Math.abs(this.#grams) % 1_000_000).padStart(6, '0');
    const body = [0x02, 0x2d, flags, 0x20, ...utf8(digits), ...utf8('000000'), 0x0d];
    const sum = body.reduce((total, byte) => total + (byte & 0x7f), 0) % 128;
    return Uint8Array.of(...body, (128 - sum) % 128);
  }

  #answer(text: () => string, request: Uint8Array): void {
    this.#after(ANSWER_MS, () => this.#say(utf8(`${text()}\r\n`), request));
  }

  #say(bytes: Uint8Array, request: Uint8Array | undefined): void {
    const emission: Emission = request === undefined ? { what: 'report', bytes } : { what: 'reply', bytes, request };
    this.#parts.emit(emission);
  }

  #repeat(work: () => void, everyMs: number): void {
    this.#stream?.cancel();
    const next = (): void => {
      this.#stream = this.#parts.scheduler.after(everyMs, () => {
        work();
        next();
      });
    };
    next();
  }

  #after(delayMs: number, work: () => void): void {
    const timer = this.#parts.scheduler.after(delayMs, () => {
      this.#timers.delete(timer);
      work();
    });
    this.#timers.add(timer);
  }
}
