/** A consumer that orders nothing and verifies nothing: it takes what is next, asks for gaps, and writes receipts. */
import { silentLogger } from '../../src/base/logger.ts';
import { MemoryMetrics } from '../../src/base/metrics.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { formatRequest } from '../../src/evidence/wire/messages.ts';
import { createMqttConnection } from '../../src/platform/mqtt/client.ts';
import type { MqttConnection } from '../../src/platform/mqtt/connection.ts';
import { mqttSettingsSchema } from '../../src/platform/mqtt/settings.ts';
import { fakeReceipt, parseFakeBatch } from './fake-outbox.ts';
import { until } from './until.ts';

export interface NaiveConsumer {
  /** Log to the number of entries taken, all of [0, n) once and in order. */
  readonly taken: ReadonlyMap<string, number>;
  readonly batches: number;
  /** Entries that came again. */
  readonly duplicates: number;
  /** Batches that began beyond what was held. */
  readonly gaps: number;
  /** While false it takes batches and writes no receipts. */
  receipting(on: boolean): void;
  stop(): Promise<void>;
}

const KEY_ID = 'c0ffee00';

export async function startConsumer(
  url: string,
  root: string,
  options: {
    readonly receiptMs?: number;
    readonly asks?: boolean;
    readonly receipts?: boolean;
    readonly protocol?: '5' | '3.1.1';
  } = {},
): Promise<NaiveConsumer> {
  const consumer = new Consumer(url, root, options);
  await until('the consumer', () => consumer.ready);
  return consumer;
}

class Consumer implements NaiveConsumer {
  readonly #connection: MqttConnection;
  readonly #root: string;
  readonly #asks: boolean;
  readonly #receipted = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  readonly taken = new Map<string, number>();
  #receipting: boolean;
  batches = 0;
  duplicates = 0;
  gaps = 0;
  ready = false;

  constructor(
    url: string,
    root: string,
    options: { receiptMs?: number; asks?: boolean; receipts?: boolean; protocol?: '5' | '3.1.1' },
  ) {
    this.#root = root;
    this.#asks = options.asks ?? true;
    this.#receipting = options.receipts ?? true;
    this.#connection = createMqttConnection({
      settings: mqttSettingsSchema.parse({
        url,
        protocol: options.protocol ?? '3.1.1',
        reconnect: { first_ms: 5, max_ms: 20 },
      }),
      clientId: 'consumer',
      scheduler: systemScheduler(),
      logger: silentLogger,
      metrics: new MemoryMetrics(),
    });
    this.#connection.start({
      connected: () => {
        this.#connection.subscribe([`${root}/batch`]).then(
          () => {
            this.ready = true;
          },
          () => undefined,
        );
      },
      lost: () => {
        this.ready = false;
        this.#receipted.clear();
      },
      message: (_topic, payload) => this.#take(payload),
    });
    this.#timer = setInterval(() => this.#writeReceipts(), options.receiptMs ?? 10);
  }

  receipting(on: boolean): void {
    this.#receipting = on;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#connection.close();
  }

  #take(payload: Uint8Array): void {
    const batch = parseFakeBatch(payload);
    const next = this.taken.get(batch.log) ?? 0;
    const end = batch.first + batch.count;
    this.batches += 1;
    if (batch.indices.length !== batch.count || batch.indices.some((n, i) => n !== batch.first + i)) {
      throw new Error(`a batch that is not whole: ${batch.first}`);
    }
    if (batch.first > next) {
      this.gaps += 1;
      if (this.#asks) this.#publish('request', formatRequest({ origin: batch.log, first: next }), false);
      return;
    }
    this.duplicates += Math.min(batch.count, next - batch.first);
    this.taken.set(batch.log, Math.max(next, end));
    // A resent range that is stored already is receipted again.
    if (end <= next) this.#receipted.delete(batch.log);
  }

  #writeReceipts(): void {
    if (!this.#connection.connected || !this.#receipting) return;
    for (const [log, size] of this.taken) {
      if (this.#receipted.get(log) === size) continue;
      this.#receipted.set(log, size);
      this.#publish(`receipt/${log.slice(log.lastIndexOf('/') + 1)}/${KEY_ID}`, fakeReceipt(log, size), true);
    }
  }

  #publish(name: string, payload: Uint8Array, retain: boolean): void {
    this.#connection.publish(`${this.#root}/${name}`, payload, { retain }).catch(() => undefined);
  }
}
