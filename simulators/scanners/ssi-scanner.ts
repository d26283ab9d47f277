/**
 * A scanner that speaks Symbol's Simple Serial Interface: each scan is a packet that it repeats until the host
 * acknowledges it, twice at most.
 *
 * The codec is written here a second time on purpose: one shared with the driver would hide its mistakes.
 */
import { utf8 } from '../../src/base/bytes.ts';
import type { Timer } from '../../src/base/clock.ts';
import type { Instrument, InstrumentParts } from '../instrument.ts';
import type { Label } from './codes.ts';

export interface SsiScannerSettings {
  /** Answer to the question for its revision. */
  readonly revision: string;
  /** Sends the AIM symbology identifier before the data. */
  readonly aim: boolean;
}

const RESPONSE_MS = 2_000;
const REPEATS_MAX = 2;
const QUEUE_MAX = 32;
const CODE_TYPES: Readonly<Record<string, number>> = { ']C0': 0x03, ']C1': 0x0f, ']Q1': 0x1c, ']d1': 0x1b };

export class SsiScanner implements Instrument {
  readonly #settings: SsiScannerSettings;
  readonly #parts: InstrumentParts;
  #heard: readonly number[] = [];
  #queue: readonly (readonly number[])[] = [];
  #repeats = 0;
  #timer: Timer | undefined;

  constructor(settings: SsiScannerSettings, parts: InstrumentParts) {
    this.#settings = settings;
    this.#parts = parts;
  }

  /** No label: the trigger was pulled in vain. */
  scan(label?: Label): void {
    const data =
      label === undefined
        ? [0x01, 0x4e, 0x52]
        : [
            CODE_TYPES[label.aim] ?? 0x03,
            ...utf8(this.#settings.aim ? label.aim : ''),
            ...(label.bytes ?? utf8(label.text)),
          ];
    if (this.#queue.length >= QUEUE_MAX) return;
    this.#queue = [...this.#queue, data];
    if (this.#queue.length === 1) this.#send(false);
  }

  receive(chunk: Uint8Array): void {
    this.#heard = [...this.#heard, ...chunk].slice(-64);
    for (;;) {
      const [length = 0, opcode = 0] = this.#heard;
      if (this.#heard.length === 0) return;
      if (length < 4 || length > 32) {
        this.#heard = this.#heard.slice(1);
        continue;
      }
      if (this.#heard.length < length + 2) return;
      const packet = this.#heard.slice(0, length);
      const sum = ((this.#heard[length] ?? 0) << 8) | (this.#heard[length + 1] ?? 0);
      if (sum !== sumOf(packet)) {
        this.#heard = this.#heard.slice(1);
        continue;
      }
      this.#heard = this.#heard.slice(length + 2);
      this.#obey(opcode);
    }
  }

  close(): void {
    this.#timer?.cancel();
  }

  #obey(opcode: number): void {
    if (opcode === 0xd0) this.#next();
    else if (opcode === 0xd1) this.#again();
    else if (opcode === 0xa3) this.#say(0xa4, 0, [...utf8(this.#settings.revision)]);
    else if (opcode !== 0x74) this.#say(0xd0, 0, []);
  }

  #send(again: boolean): void {
    const [data] = this.#queue;
    if (data === undefined) return;
    if (again) this.#parts.counts.add('retransmitted');
    this.#say(0xf3, again ? 0x01 : 0x00, data);
    this.#timer?.cancel();
    this.#timer = this.#parts.scheduler.after(RESPONSE_MS, () => this.#again());
  }

  #again(): void {
    if (this.#queue.length === 0) return;
    if (this.#repeats >= REPEATS_MAX) {
      this.#next();
      return;
    }
    this.#repeats += 1;
    this.#send(true);
  }

  /** Heard, or given up. */
  #next(): void {
    this.#timer?.cancel();
    if (this.#queue.length === 0) return;
    this.#repeats = 0;
    this.#queue = this.#queue.slice(1);
    this.#send(false);
  }

  #say(opcode: number, status: number, data: readonly number[]): void {
    const packet = [4 + data.length, opcode, 0x00, status, ...data];
    const sum = sumOf(packet);
    this.#parts.emit({ what: 'scan', bytes: Uint8Array.of(...packet, sum >> 8, sum & 0xff) });
  }
}

function sumOf(packet: readonly number[]): number {
  return (0x10000 - (packet.reduce((total, byte) => total + byte, 0) % 0x10000)) % 0x10000;
}
