/** A receiver on a real broker and a real disk, and a hand that plays gateways. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import { parseCheckpoint } from '../../../src/evidence/log/checkpoint.ts';
import { verifyCosignature } from '../../../src/evidence/log/cosignature.ts';
import { formatVkey, parseNote, parseVkey, verifyLogNote } from '../../../src/evidence/log/note.ts';
import { parseOrigin } from '../../../src/evidence/log/origin.ts';
import { gatewayRoot, receiptName } from '../../../src/evidence/wire/topics.ts';
import { createMqttConnection } from '../../../src/platform/mqtt/client.ts';
import type { MqttConnection } from '../../../src/platform/mqtt/connection.ts';
import { mqttSettingsSchema } from '../../../src/platform/mqtt/settings.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import type { IntakeStatus, LogStatus } from '../../../src/risk/intake/status.ts';
import { runReceive } from '../../../src/risk/receive/receive.ts';
import { type ReceiveSettings, receiveSettingsSchema } from '../../../src/risk/receive/settings.ts';
import { startBroker, type TestBroker } from '../../support/broker.ts';
import type { TestLog } from '../../support/test-log.ts';
import { until } from '../../support/until.ts';
import { TextLogger } from '../../unit/intake/harness.ts';

const RECONNECT = { first_ms: 10, max_ms: 50 };

export interface ReceiverHandle {
  reload(): void;
  stop(): Promise<void>;
}

export class Fleet {
  readonly home = mkdtempSync(join(tmpdir(), 'latchkey-receive-'));
  readonly dataDir = join(this.home, 'data');
  readonly logger = new TextLogger();
  broker!: TestBroker;
  gateway!: MqttConnection;
  #running: ReceiverHandle[] = [];

  static async start(): Promise<Fleet> {
    const fleet = new Fleet();
    fleet.broker = await startBroker();
    fleet.gateway = createMqttConnection({
      settings: mqttSettingsSchema.parse({ url: fleet.broker.url, protocol: '3.1.1', reconnect: RECONNECT }),
      clientId: 'gateways',
      scheduler: systemScheduler(),
      logger: fleet.logger,
      metrics: new MemoryMetrics(),
    });
    fleet.gateway.start({ connected: () => undefined, lost: () => undefined, message: () => undefined });
    await until('the gateways are connected', () => fleet.gateway.connected);
    return fleet;
  }

  settings(more: object = {}): ReceiveSettings {
    return receiveSettingsSchema.parse({
      data_dir: this.dataDir,
      policy: join(this.home, 'policy.json'),
      mqtt: { url: this.broker.url, protocol: '3.1.1', reconnect: RECONNECT },
      witness: { name: 'refunds.example/receipts' },
      status_interval_s: 1,
      ...more,
    });
  }

  believe(...logs: readonly TestLog[]): void {
    const policy = { v: 1, logs: logs.map((log) => ({ vkey: formatVkey(log.vkey) })) };
    writeFileSync(join(this.home, 'policy.json'), JSON.stringify(policy));
  }

  /** Runs a receiver until it has subscribed. */
  async receive(settings: ReceiveSettings = this.settings()): Promise<ReceiverHandle> {
    const abort = new AbortController();
    let reload = (): void => undefined;
    let isReady = false;
    const running = runReceive(
      settings,
      {
        logger: this.logger,
        onReload: (listener) => {
          reload = listener;
          return () => undefined;
        },
        onReady: () => {
          isReady = true;
        },
      },
      abort.signal,
    );
    let failure: unknown;
    running.catch((error: unknown) => {
      failure = error;
    });
    await until('the receiver listens', () => isReady || failure !== undefined);
    if (failure !== undefined) throw failure;
    let stopped: Promise<void> | undefined;
    const handle = {
      reload: () => reload(),
      stop: () => {
        abort.abort();
        stopped ??= running;
        return stopped;
      },
    };
    this.#running.push(handle);
    return handle;
  }

  async send(log: TestLog, name: string, payload: Uint8Array, retain = false): Promise<void> {
    await this.gateway.publish(`${gatewayRoot(nodeCrypto, 'latchkey', gatewayOf(log))}/${name}`, payload, { retain });
  }

  /** Size of the retained receipt of a log, verified with both keys; 0 when there is none. */
  receipted(log: TestLog): number {
    const vkey = parseVkey(this.status().witness.vkey);
    const origin = parseOrigin(log.origin);
    if (!vkey.ok || !origin.ok) throw new Error('the status names the witness');
    const root = gatewayRoot(nodeCrypto, 'latchkey', gatewayOf(log));
    const bytes = this.broker.retained.get(`${root}/${receiptName(origin.value, vkey.value.keyId)}`);
    if (bytes === undefined) return 0;
    const note = parseNote(bytes);
    const checkpoint = note.ok ? parseCheckpoint(note.value.text) : note;
    const isSound = verifyLogNote(nodeCrypto, bytes, log.vkey).ok && note.ok;
    if (!isSound || !checkpoint.ok || !verifyCosignature(nodeCrypto, note.value, vkey.value).ok) {
      throw new Error('a receipt verifies');
    }
    return checkpoint.value.size;
  }

  /** Sends again and again: the same receipt is not repeated within a second. */
  async sendUntilReceipted(log: TestLog, name: string, payload: Uint8Array, size: number): Promise<void> {
    for (let i = 0; i < 600 && this.receipted(log) !== size; i += 1) {
      await this.send(log, name, payload);
      await until('an answer', () => this.receipted(log) === size, 50).catch(() => undefined);
    }
    expect(this.receipted(log)).toBe(size);
  }

  async untilReceipted(log: TestLog, size: number): Promise<void> {
    await until(`a receipt of size ${size}`, () => this.receipted(log) === size);
  }

  status(): IntakeStatus & {
    readonly state: string;
    readonly connected: boolean;
    readonly witness: { readonly vkey: string };
  } {
    return JSON.parse(readFileSync(join(this.dataDir, 'status.json'), 'utf8'));
  }

  logStatus(log: TestLog): LogStatus | undefined {
    return this.status()
      .gateways.flatMap(({ logs }) => logs)
      .find(({ origin }) => origin === log.origin);
  }

  layIn(name: string, bytes: Uint8Array): void {
    mkdirSync(join(this.dataDir, 'import'), { recursive: true });
    writeFileSync(join(this.dataDir, 'import', name), bytes);
  }

  async end(): Promise<void> {
    for (const receiver of this.#running) await receiver.stop().catch(() => undefined);
    await this.gateway.close();
    await this.broker.stop();
    rmSync(this.home, { recursive: true, force: true });
  }
}

function gatewayOf(log: TestLog): string {
  return log.origin.split('/')[1] ?? '';
}
