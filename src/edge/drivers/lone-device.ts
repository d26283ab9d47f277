/**
 * A device that has its port to itself, as every kind of them has it: the port, whether it is there and who it is, when
 * it was heard last, and timers by name that a lost port ends.
 */

import type { Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Observed } from '../contracts/observed.ts';
import type { DeviceReading } from '../contracts/reading.ts';
import type { DeviceStatus, LineParts, LineStatus } from './line.ts';
import type { LineCounts } from './line-counts.ts';
import { LinePort } from './line-port.ts';

export interface LonePlace {
  readonly name: string;
  readonly driver: string;
  readonly what: NonNullable<DeviceReading['what']>;
}

export interface LoneListener {
  /** The chunk is counted already. */
  heard(chunk: Uint8Array, observed: Observed): void;
  opened(): void;
  /** Timers are stopped already, and the loss is said afterwards. */
  lost(): void;
}

const IDENTITY_LENGTH_MAX = 64;

export class LoneDevice<T extends string = string> {
  readonly counts: LineCounts;
  readonly #parts: LineParts;
  readonly #place: LonePlace;
  readonly #port: LinePort;
  readonly #timers = new Map<T, Timer>();
  readonly #stopped = new AbortController();
  #state: Pick<DeviceStatus, 'state' | 'reason'> = { state: 'unknown', reason: '' };
  #identity: string | undefined;
  #lastHeard: Observed | undefined;

  constructor(parts: LineParts, place: LonePlace) {
    this.#parts = parts;
    this.#place = place;
    this.#port = new LinePort(parts);
    this.counts = this.#port.counts;
  }

  get state(): DeviceStatus['state'] {
    return this.#state.state;
  }

  start(listener: LoneListener): void {
    this.#port.start({
      heard: (chunk) => listener.heard(chunk, this.#parts.observer.observe()),
      opened: () => listener.opened(),
      lost: () => {
        this.#stopTimers();
        listener.lost();
        this.become('lost', 'port_lost');
      },
    });
  }

  firstAttempt(): Promise<void> {
    return this.#port.firstAttempt();
  }

  async stop(): Promise<void> {
    this.#stopTimers();
    this.#stopped.abort(new Error('the line was stopped'));
    await this.#port.close();
  }

  status(): LineStatus {
    const { name, driver } = this.#place;
    return { ...this.#port.status(), devices: [{ name, driver, ...this.#state, ...this.#lastAnswer() }] };
  }

  /** It said something sound. */
  sound(observed: Observed): void {
    this.#lastHeard = observed;
  }

  become(state: DeviceReading['state'], reason: string): void {
    if (this.#state.state === state) return;
    this.#state = { state, reason };
    this.#say(state, reason);
  }

  /** Who it is; said with the next `found`, or at once when it is found already and was not known as that. */
  identify(identity: string): void {
    const shown = identity
      .replace(/[^\x20-\x7e]+/g, ' ')
      .replace(/ +/g, ' ')
      .trim()
      .slice(0, IDENTITY_LENGTH_MAX);
    if (shown === '' || shown === this.#identity) return;
    this.#identity = shown;
    if (this.#state.state === 'found') this.#say('found', 'identified');
  }

  /** A write that fails is logged: what was asked is then not answered, and the port says itself that it is lost. */
  write(bytes: Uint8Array): void {
    const { port, logger } = this.#parts;
    port.write(bytes, this.#stopped.signal).catch((error: unknown) => {
      logger.debug({ port: port.name, device: this.#place.name, error: messageOf(error) }, 'bytes were not sent');
    });
  }

  isArmed(name: T): boolean {
    return this.#timers.has(name);
  }

  arm(name: T, delayMs: number, callback: () => void): void {
    this.disarm(name);
    const timer = this.#parts.scheduler.after(delayMs, () => {
      this.#timers.delete(name);
      callback();
    });
    this.#timers.set(name, timer);
  }

  disarm(name: T): void {
    this.#timers.get(name)?.cancel();
    this.#timers.delete(name);
  }

  #say(state: DeviceReading['state'], reason: string): void {
    const { observer, sink, logger, port } = this.#parts;
    const { name, what } = this.#place;
    const fields = { port: port.name, device: name, state, reason };
    if (state === 'found') logger.info(fields, 'device changed');
    else logger.warn(fields, 'device changed');
    const identity = state === 'found' && this.#identity !== undefined ? { identity: this.#identity } : {};
    const observed = observer.observe();
    sink({ kind: 'device', device: name, observed, state, reason, what, ...identity, ...this.#lastAnswer() });
  }

  #lastAnswer(): { readonly lastAnswerUpMs?: number } {
    return this.#lastHeard === undefined ? {} : { lastAnswerUpMs: this.#lastHeard.upMs };
  }

  #stopTimers(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }
}
