/** A position receiver: RMC and GGA once a second, of where it was put, or without a fix. */
import { utf8 } from '../../src/base/bytes.ts';
import type { Timer } from '../../src/base/clock.ts';
import type { Instrument, InstrumentParts } from '../instrument.ts';

export interface ReceiverSettings {
  /** Two letters: GP, GN, GL, ... */
  readonly talker: string;
  readonly everyMs: number;
}

export class Receiver implements Instrument {
  readonly #settings: ReceiverSettings;
  readonly #parts: InstrumentParts;
  #place: { readonly lat: number; readonly lon: number } | undefined;
  #timer: Timer | undefined;

  constructor(settings: ReceiverSettings, parts: InstrumentParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#tick();
  }

  /** Degrees; undefined is a void fix. */
  move(place: { readonly lat: number; readonly lon: number } | undefined): void {
    this.#place = place;
  }

  receive(): void {
    // It takes no commands.
  }

  close(): void {
    this.#timer?.cancel();
  }

  #tick(): void {
    this.#timer = this.#parts.scheduler.after(this.#settings.everyMs, () => {
      this.#parts.emit({ what: 'report', bytes: utf8(this.#sentences()) });
      this.#tick();
    });
  }

  #sentences(): string {
    const now = new Date(this.#parts.scheduler.wallMs()).toISOString();
    const time = `${now.slice(11, 19).replaceAll(':', '')}.${now.slice(20, 22)}`;
    const date = `${now.slice(8, 10)}${now.slice(5, 7)}${now.slice(2, 4)}`;
    const { talker } = this.#settings;
    if (this.#place === undefined) {
      return framed(`${talker}RMC,${time},V,,,,,,,${date},,,N`) + framed(`${talker}GGA,${time},,,,,0,00,99.99,,,,,,`);
    }
    const lat = `${angle(this.#place.lat, 2)},${this.#place.lat < 0 ? 'S' : 'N'}`;
    const lon = `${angle(this.#place.lon, 3)},${this.#place.lon < 0 ? 'W' : 'E'}`;
    return (
      framed(`${talker}RMC,${time},A,${lat},${lon},0.01,0.0,${date},,,A`) +
      framed(`${talker}GGA,${time},${lat},${lon},1,08,0.9,30.0,M,40.0,M,,`)
    );
  }
}

function angle(degrees: number, digits: number): string {
  const size = Math.abs(degrees);
  const whole = Math.floor(size);
  return `${String(whole).padStart(digits, '0')}${((size - whole) * 60).toFixed(5).padStart(8, '0')}`;
}

function framed(text: string): string {
  let sum = 0;
  for (const character of text) sum ^= character.charCodeAt(0);
  return `$${text}*${sum.toString(16).padStart(2, '0').toUpperCase()}\r\n`;
}
