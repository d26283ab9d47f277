/**
 * Many gateways in one process: logs with keys of their own, batches signed ahead, sent as a gateway sends them: again
 * from the newest receipt when nothing moves, and from where it is asked to. Every receipt is verified and kept.
 */
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import { verifyCosignature } from '../../../src/evidence/log/cosignature.ts';
import { type Vkey, verifyLogNote } from '../../../src/evidence/log/note.ts';
import { parseRequest } from '../../../src/evidence/wire/messages.ts';
import { fleetFilter, gatewayRoot, parseTopic } from '../../../src/evidence/wire/topics.ts';
import { createMqttConnection } from '../../../src/platform/mqtt/client.ts';
import type { MqttConnection } from '../../../src/platform/mqtt/connection.ts';
import { mqttSettingsSchema } from '../../../src/platform/mqtt/settings.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import type { TestLog } from '../../support/test-log.ts';
import { TextLogger } from '../../unit/intake/harness.ts';

export const HERD_BATCH = 5;
const PREFIX = 'latchkey';
const LOOK_MS = 20;
/** Without progress, everything from the newest receipt on is sent again. */
const STALL_MS = 3_000;

export interface SeenReceipt {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly atMs: number;
}

interface Animal {
  readonly log: TestLog;
  readonly root: string;
  readonly batches: readonly Uint8Array[];
  /** When each batch was sent first. */
  readonly sentMs: number[];
  cursor: number;
  receipted: number;
  target: number;
  movedMs: number;
}

export class Herd {
  readonly receipts: SeenReceipt[] = [];
  /** What was published as a receipt and is none. */
  readonly false: string[] = [];
  readonly #animals = new Map<string, Animal>();
  readonly #witness: Vkey;
  readonly #connection: MqttConnection;
  #timer: NodeJS.Timeout | undefined;

  constructor(url: string, witness: Vkey, logs: readonly TestLog[]) {
    this.#witness = witness;
    for (const log of logs) this.#animals.set(gatewayOf(log.origin), animalOf(log));
    this.#connection = createMqttConnection({
      settings: mqttSettingsSchema.parse({ url, reconnect: { first_ms: 20, max_ms: 200 } }),
      clientId: 'herd',
      scheduler: systemScheduler(),
      logger: new TextLogger(),
      metrics: new MemoryMetrics(),
    });
  }

  start(): void {
    const filters = (['receipt', 'request'] as const).map((name) => fleetFilter(PREFIX, '+', name));
    this.#connection.start({
      connected: () => {
        for (const animal of this.#animals.values()) animal.cursor = animal.receipted;
        void this.#connection.subscribe(filters).catch(() => this.#connection.drop('no subscription'));
      },
      lost: () => undefined,
      message: (topic, payload) => this.#message(topic, payload),
    });
    this.#timer = setInterval(() => this.#drive(), LOOK_MS);
  }

  /** Every log is to be receipted up to there, or to its end. */
  drive(target: number): void {
    for (const animal of this.#animals.values()) this.#aim(animal, target);
  }

  driveOne(origin: string, target: number): void {
    const animal = this.#animals.get(gatewayOf(origin));
    if (animal !== undefined) this.#aim(animal, target);
    this.#drive();
  }

  get isSettled(): boolean {
    return [...this.#animals.values()].every(({ receipted, target }) => receipted >= target);
  }

  /** For a failure: who waits. */
  get waiting(): string {
    const late = [...this.#animals.values()].filter(({ receipted, target }) => receipted < target);
    return late.map(({ log, receipted, target }) => `${log.origin} ${receipted}/${target}`).join(', ');
  }

  /** Milliseconds from the first sending of each batch to the first receipt that covers it. */
  delays(): readonly number[] {
    const delays: number[] = [];
    const byOrigin = new Map<string, SeenReceipt[]>();
    for (const receipt of this.receipts) {
      byOrigin.set(receipt.origin, [...(byOrigin.get(receipt.origin) ?? []), receipt]);
    }
    for (const { log, sentMs } of this.#animals.values()) {
      const own = byOrigin.get(log.origin) ?? [];
      for (const [i, from] of sentMs.entries()) {
        const covered = own.find(({ size }) => size >= (i + 1) * HERD_BATCH);
        if (covered !== undefined) delays.push(covered.atMs - from);
      }
    }
    return delays;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#connection.close();
  }

  #aim(animal: Animal, target: number): void {
    animal.target = Math.max(animal.target, Math.min(target, animal.log.size));
    animal.movedMs = performance.now();
  }

  #drive(): void {
    if (!this.#connection.connected) return;
    const nowMs = performance.now();
    for (const animal of this.#animals.values()) {
      if (animal.receipted < animal.target && nowMs - animal.movedMs > STALL_MS) {
        animal.cursor = animal.receipted;
        animal.movedMs = nowMs;
      }
      for (; animal.cursor < animal.target; animal.cursor += HERD_BATCH) {
        const at = animal.cursor / HERD_BATCH;
        const bytes = animal.batches[at];
        if (bytes === undefined) break;
        animal.sentMs[at] ??= nowMs;
        void this.#connection.publish(`${animal.root}/batch`, bytes).catch(() => undefined);
      }
    }
  }

  #message(topic: string, payload: Uint8Array): void {
    const parsed = parseTopic(nodeCrypto, PREFIX, topic);
    const animal = parsed.ok ? this.#animals.get(parsed.value.gateway) : undefined;
    if (!parsed.ok || animal === undefined) return;
    if (parsed.value.name === 'request') {
      const request = parseRequest(payload);
      if (request.ok) animal.cursor = Math.min(animal.cursor, request.value.first);
      return;
    }
    const note = verifyLogNote(nodeCrypto, payload, animal.log.vkey);
    if (!note.ok || !verifyCosignature(nodeCrypto, note.value.note, this.#witness).ok) {
      this.false.push(topic);
      return;
    }
    const { origin, size, root } = note.value.checkpoint;
    this.receipts.push({ origin, size, root, atMs: performance.now() });
    if (size <= animal.receipted) return;
    animal.receipted = size;
    animal.movedMs = performance.now();
  }
}

function animalOf(log: TestLog): Animal {
  const batches: Uint8Array[] = [];
  for (let first = 0; first < log.size; first += HERD_BATCH) batches.push(log.batch(first, first + HERD_BATCH));
  const root = gatewayRoot(nodeCrypto, PREFIX, gatewayOf(log.origin));
  return { log, root, batches, sentMs: [], cursor: 0, receipted: 0, target: 0, movedMs: 0 };
}

export function gatewayOf(origin: string): string {
  return origin.split('/')[1] ?? '';
}
