/** A line with a scale that sends all the time. Nothing is ever written to it. */
import type { Observed } from '../../contracts/observed.ts';
import type { LineParts } from '../line.ts';
import { LoneLine } from '../lone-line.ts';
import { parseToledo, toledoCutter, toledoGrams } from './frames.ts';
import { TOLEDO_CONTINUOUS, type ToledoSettings } from './settings.ts';

export interface ToledoLineParts extends LineParts {
  readonly settings: ToledoSettings;
}

export class ToledoLine extends LoneLine<'settle' | 'silence'> {
  readonly #parts: ToledoLineParts;
  readonly #cutter;

  constructor(parts: ToledoLineParts) {
    super(parts, { name: parts.settings.name, driver: TOLEDO_CONTINUOUS, what: 'scale' });
    this.#parts = parts;
    this.#cutter = toledoCutter(parts.settings.checksum);
  }

  #watch(): void {
    this.device.arm('silence', this.#parts.settings.silence_ms, () => {
      this.device.counts.addCuts(this.#cutter.flush());
      this.device.counts.add('timeouts');
      this.device.become('lost', 'silent');
    });
  }

  protected override forget(): void {
    this.device.counts.addCuts(this.#cutter.flush());
  }

  protected override opened(): void {
    this.device.arm('settle', this.#parts.settings.settle_ms, () => this.#watch());
  }

  protected override heard(chunk: Uint8Array, observed: Observed): void {
    const { counts } = this.device;
    if (this.device.isArmed('settle')) {
      counts.add('noiseBytes', chunk.length);
      return;
    }
    const cuts = this.#cutter.push(chunk);
    counts.addCuts(cuts);
    for (const cut of cuts) if (cut.kind === 'frame') this.#weighed(cut.frame, observed);
  }

  #weighed(bytes: Uint8Array, observed: Observed): void {
    this.device.sound(observed);
    this.device.become('found', 'heard');
    this.#watch();
    const frame = parseToledo(bytes);
    const grams = toledoGrams(frame);
    const isWeight = frame.state === 'stable' || frame.state === 'moving';
    const state = isWeight && grams === undefined ? 'invalid' : frame.state;
    const value = isWeight && grams !== undefined ? { grams } : {};
    const { name, latency_ms: latencyMs } = this.#parts.settings;
    const sinceUpMs = Math.max(0, observed.upMs - latencyMs);
    this.#parts.sink({ kind: 'weight', device: name, observed, sinceUpMs, state, ...value });
  }
}
