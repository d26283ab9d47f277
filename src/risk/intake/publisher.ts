/**
 * What goes out: receipts and requests. The newest payload of a topic replaces one that still waits, so nothing piles
 * up behind a slow broker; what a lost connection swallowed is said again by whoever called, when the next one stands.
 */
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';

/** The part of a connection that intake needs (platform/mqtt: `MqttConnection`). Resolves with the PUBACK's reason code. */
export interface IntakeLink {
  publish(
    topic: string,
    payload: Uint8Array,
    options: { readonly retain: boolean; readonly contentType: string },
  ): Promise<number>;
}

interface Outgoing {
  readonly payload: Uint8Array;
  readonly retain: boolean;
  readonly contentType: string;
}

const IN_FLIGHT_MAX = 32;
/** MQTT 5: the topic was taken, but nobody listens. A retained receipt is kept all the same. */
const NO_SUBSCRIBERS = 16;

export class Publisher {
  readonly #link: IntakeLink;
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #waiting = new Map<string, Outgoing>();
  readonly #inFlight = new Set<string>();
  #isUp = false;
  #connection = 0;

  constructor(link: IntakeLink, logger: Logger, metrics: Metrics) {
    this.#link = link;
    this.#logger = logger;
    this.#metrics = metrics;
  }

  connected(): void {
    this.#isUp = true;
    this.#connection += 1;
    this.#inFlight.clear();
    this.#pump();
  }

  lost(): void {
    this.#isUp = false;
    this.#waiting.clear();
  }

  /** Dropped while there is no connection. */
  put(topic: string, message: Outgoing): void {
    if (!this.#isUp) return;
    this.#waiting.set(topic, message);
    this.#pump();
  }

  get isIdle(): boolean {
    return this.#waiting.size === 0 && this.#inFlight.size === 0;
  }

  #pump(): void {
    for (const [topic, message] of this.#waiting) {
      if (!this.#isUp || this.#inFlight.size >= IN_FLIGHT_MAX) return;
      // One topic at a time, so that an older receipt never overtakes a newer one.
      if (this.#inFlight.has(topic)) continue;
      this.#waiting.delete(topic);
      this.#inFlight.add(topic);
      void this.#send(topic, message, this.#connection);
    }
  }

  async #send(topic: string, message: Outgoing, connection: number): Promise<void> {
    const { payload, retain, contentType } = message;
    try {
      const code = await this.#link.publish(topic, payload, { retain, contentType });
      const isTaken = code === 0 || code === NO_SUBSCRIBERS;
      this.#metrics.count('intake_published', 1, { outcome: isTaken ? 'taken' : 'refused' });
      if (!isTaken) this.#logger.warn({ topic, code }, 'the broker refused what the receiver published');
    } catch (error) {
      this.#metrics.count('intake_published', 1, { outcome: 'lost' });
      this.#logger.debug({ topic, error: messageOf(error) }, 'not published');
    }
    // An answer to a former connection says nothing about this one.
    if (connection !== this.#connection) return;
    this.#inFlight.delete(topic);
    this.#pump();
  }
}
