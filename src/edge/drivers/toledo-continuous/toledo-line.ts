/** A line with a scale that sends all the time. Nothing is ever written to it. */
import type { Observed } from '../../contracts/observed.ts';
import type { Line, LineParts, LineStatus, UnlockAnswer } from '../line.ts';
import { LoneDevice } from '../lone-device.ts';
import { parseToledo, toledoCutter, toledoGrams } from './frames.ts';
import { TOLEDO_CONTINUOUS, type ToledoSettings } from './settings.ts';

export interface ToledoLineParts extends LineParts {
  readonly settings: ToledoSettings;
}

export class ToledoLine implements Line {
  readonly #parts: ToledoLineParts;
  readonly #cutter;
  readonly #device: LoneDevice<'settle' | 'silence'>;

  constructor(parts: ToledoLineParts) {
    this.#parts = parts;
    this.#cutter = toledoCutter(parts.settings.checksum);
    this.#device = new LoneDevice(parts, { name: parts.settings.name, driver: TOLEDO_CONTINUOUS, what: 'scale' });
  }

  start(): void {
    this.#device.start({
      heard: (chunk, observed) => this.#hear(chunk, observed),
      opened: () => this.#device.arm('settle', this.#parts.settings.settle_ms, () => this.#watch()),
      lost: () => this.#device.counts.addCuts(this.#cutter.flush()),
    });
  }

  firstAttempt(): Promise<void> {
    return this.#device.firstAttempt();
  }

  unlock(): Promise<UnlockAnswer> {
    return this.#device.unlock();
  }

  async stop(): Promise<void> {
    this.#device.counts.addCuts(this.#cutter.flush());
    await this.#device.stop();
  }

  status(): LineStatus {
    return this.#device.status();
  }

  #watch(): void {
    this.#device.arm('silence', this.#parts.settings.silence_ms, () => {
      this.#device.counts.addCuts(this.#cutter.flush());
      this.#device.counts.add('timeouts');
      this.#device.become('lost', 'silent');
    });
  }

  #hear(chunk: Uint8Array, observed: Observed): void {
    const { counts } = this.#device;
    if (this.#device.isArmed('settle')) {
      counts.add('noiseBytes', chunk.length);
      return;
    }
    const cuts = this.#cutter.push(chunk);
    counts.addCuts(cuts);
    for (const cut of cuts) if (cut.kind === 'frame') this.#weighed(cut.frame, observed);
  }

  #weighed(bytes: Uint8Array, observed: Observed): void {
    this.#device.sound(observed);
    this.#device.become('found', 'heard');
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
