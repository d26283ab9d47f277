/** Intake with a broker that is an array, a clock that is turned by hand, and a store that can be reopened. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { utf8 } from '../../../src/base/bytes.ts';
import type { LogFields, Logger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { pae } from '../../../src/evidence/batch/pae.ts';
import { parseCheckpoint } from '../../../src/evidence/log/checkpoint.ts';
import { cosignature, cosignatureMessage, verifyCosignature } from '../../../src/evidence/log/cosignature.ts';
import { formatVkey, parseNote, verifyLogNote, witnessVkey } from '../../../src/evidence/log/note.ts';
import { parseOrigin } from '../../../src/evidence/log/origin.ts';
import type { Envelope } from '../../../src/evidence/wire/envelope.ts';
import { formatEnrolment, formatStatus } from '../../../src/evidence/wire/messages.ts';
import { SUCCESSOR_TYPE, successorEnvelope, successorPayload } from '../../../src/evidence/wire/successor.ts';
import { checkpointName, gatewayRoot, receiptName } from '../../../src/evidence/wire/topics.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { Intake, type IntakeParts } from '../../../src/risk/intake/intake.ts';
import type { IntakeStore, UseEntry } from '../../../src/risk/intake/store.ts';
import type { IntakePolicy } from '../../../src/risk/intake/trust.ts';
import type { WitnessKey } from '../../../src/risk/intake/witness-key.ts';
import { MemoryDisk, MemoryStore } from '../../contract/memory-intake-store.ts';
import type { TestLog } from '../../support/test-log.ts';
import { until } from '../../support/until.ts';

export const PREFIX = 'latchkey';

export function testWitness(name = 'lockers.example/receiver-1'): WitnessKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const vkey = witnessVkey(nodeCrypto, name, new Uint8Array(raw));
  return {
    vkey,
    cosign: (text, timestampS) =>
      cosignature(vkey, timestampS, new Uint8Array(sign(null, cosignatureMessage(text, timestampS), privateKey))),
  };
}

export function policyFor(...logs: readonly TestLog[]): IntakePolicy {
  return { logs: new Map(logs.map((log) => [log.origin, { vkey: log.vkey }])), successors: [] };
}

export interface Published {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  /** Monotonic time. */
  readonly atMs: number;
}

/** Everything that was logged, as text: for what must not be in it. */
export class TextLogger implements Logger {
  text = '';
  debug = (fields: LogFields, message: string): void => this.#line(fields, message);
  info = (fields: LogFields, message: string): void => this.#line(fields, message);
  warn = (fields: LogFields, message: string): void => this.#line(fields, message);
  error = (fields: LogFields, message: string): void => this.#line(fields, message);
  child = (): Logger => this;

  #line(fields: LogFields, message: string): void {
    this.text += `${JSON.stringify(fields)} ${message}\n`;
  }
}

export class Harness {
  readonly scheduler = new ManualScheduler();
  readonly metrics = new MemoryMetrics();
  readonly logger = new TextLogger();
  readonly published: Published[] = [];
  readonly key: WitnessKey = testWitness();
  readonly disk = new MemoryDisk();
  store: IntakeStore = new MemoryStore(this.disk);
  intake!: Intake;

  /** Opens intake over the present store. */
  async open(policy: IntakePolicy, parts: Partial<IntakeParts> = {}): Promise<this> {
    this.intake = await Intake.open({
      crypto: nodeCrypto,
      store: this.store,
      key: this.key,
      link: {
        publish: async (topic, payload, { retain }) => {
          this.published.push({ topic, payload, retain, atMs: this.scheduler.monotonicMs() });
          return 0;
        },
      },
      scheduler: this.scheduler,
      logger: this.logger,
      metrics: this.metrics,
      prefix: PREFIX,
      policy,
      ...parts,
    });
    this.intake.connected();
    await this.settle();
    return this;
  }

  get memory(): MemoryStore {
    return this.store as MemoryStore;
  }

  /** Everything that was handed in is stored, receipted and published. */
  async settle(): Promise<void> {
    for (let round = 0; round < 3; round += 1) {
      await this.intake.settled();
      for (let turn = 0; turn < 6; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
    await until('everything is published', () => this.intake.isPublished);
  }

  async send(gateway: string, name: string, payload: Uint8Array): Promise<void> {
    await this.intake.message(`${gatewayRoot(nodeCrypto, PREFIX, gateway)}/${name}`, payload);
    await this.settle();
  }

  async batch(log: TestLog, bytes: Uint8Array): Promise<void> {
    await this.send(gatewayOf(log), 'batch', bytes);
  }

  async checkpoint(log: TestLog, note: Uint8Array): Promise<void> {
    const parsed = parseOrigin(log.origin);
    if (parsed.ok) await this.send(parsed.value.gateway, checkpointName(parsed.value), note);
  }

  async enrolment(gateway: string, ...successors: readonly Envelope[]): Promise<void> {
    await this.send(gateway, 'enrolment', formatEnrolment({ successors }));
  }

  async online(gateway: string): Promise<void> {
    await this.send(gateway, 'status', formatStatus({ boot: 1, state: 'online' }));
  }

  async advance(byMs: number): Promise<void> {
    for (let left = byMs; left > 0; left -= 1_000) {
      this.scheduler.advance(Math.min(1_000, left));
      await this.settle();
    }
  }

  outcomes(outcome: string): number {
    return this.metrics.value('intake_batches', { outcome });
  }

  /** Sizes of the receipts sent for a log, in order. Each is verified: the log's signature and ours. */
  receipts(log: TestLog): readonly number[] {
    const parsed = parseOrigin(log.origin);
    if (!parsed.ok) return [];
    const name = `${gatewayRoot(nodeCrypto, PREFIX, parsed.value.gateway)}/${receiptName(parsed.value, this.key.vkey.keyId)}`;
    return this.published
      .filter(({ topic }) => topic === name)
      .map(({ payload, retain }) => {
        const note = parseNote(payload);
        if (!note.ok || !retain) throw new Error('a receipt is a retained note');
        const own = verifyLogNote(nodeCrypto, payload, log.vkey);
        const ours = verifyCosignature(nodeCrypto, note.value, this.key.vkey);
        const checkpoint = parseCheckpoint(note.value.text);
        if (!own.ok || !ours.ok || !checkpoint.ok) throw new Error('a receipt verifies');
        return checkpoint.value.size;
      });
  }

  requests(): readonly unknown[] {
    return this.published
      .filter(({ topic }) => topic.endsWith('/request'))
      .map(({ payload }) => JSON.parse(Buffer.from(payload).toString()) as unknown);
  }

  async used(log: TestLog): Promise<readonly UseEntry[]> {
    const entries: UseEntry[] = [];
    for await (const entry of this.store.entries(log.origin, 0)) entries.push(entry);
    return entries;
  }

  alarm(kind: string): number {
    return this.metrics.value('intake_alarms', { kind });
  }

  /** The process dies: nothing in memory survives, and the store is opened anew. */
  async restart(policy: IntakePolicy, parts: Partial<IntakeParts> = {}): Promise<void> {
    await this.intake.close();
    this.store = new MemoryStore(this.disk);
    await this.open(policy, parts);
  }
}

export function gatewayOf(log: TestLog): string {
  return log.origin.split('/')[1] ?? '';
}

/** The old log's key says which log goes on. */
export function statement(old: TestLog, next: TestLog, end?: number): Envelope {
  const checkpoint = end === undefined ? undefined : old.checkpoint(end);
  const payload = successorPayload({
    gateway: gatewayOf(old),
    old: old.origin,
    successor: next.vkey,
    cause: 'rotation',
    ...(checkpoint === undefined ? {} : { last: { size: checkpoint.size, root: checkpoint.root } }),
  });
  return successorEnvelope(payload, old.vkey.keyId, old.key.sign(pae(SUCCESSOR_TYPE, payload)));
}

export const vkeyText = (log: TestLog): string => formatVkey(log.vkey);
export const bytesOf = (text: string): Uint8Array => utf8(text);
