/** An uplink over a fake journal, with the brokers and consumers around it: all end with the test. */
import { onTestFinished } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import { uplinkSettingsSchema } from '../../../src/edge/uplink/settings.ts';
import { createUplink, type Uplink, uplinkWill } from '../../../src/edge/uplink/uplink.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import { gatewayRoot } from '../../../src/evidence/wire/topics.ts';
import { createMqttConnection } from '../../../src/platform/mqtt/client.ts';
import { mqttSettingsSchema } from '../../../src/platform/mqtt/settings.ts';
import { startBroker, type TestBroker } from '../../support/broker.ts';
import { type FakeOutbox, ORIGIN } from '../../support/fake-outbox.ts';
import { startConsumer } from '../../support/naive-consumer.ts';
import { type ScriptedBroker, startScriptedBroker } from '../../support/scripted-broker.ts';
import { startProxy, type TcpProxy } from '../../support/tcp-proxy.ts';

const crypto = portableCrypto();
export const ROOT = gatewayRoot(crypto, 'latchkey', 'gw-0001');

const FAST = {
  memory_quiet_ms: 50,
  memory_lost_wait_ms: 300,
  stall_ms: 250,
  stall_max_ms: 1_000,
  retry: { first_ms: 20, max_ms: 100 },
  request_interval_ms: 50,
};

export interface Running {
  readonly uplink: Uplink;
  readonly metrics: MemoryMetrics;
}

export function startUplink(
  url: string,
  outbox: FakeOutbox,
  more: { readonly protocol?: '5' | '3.1.1'; readonly uplink?: Readonly<Record<string, unknown>> } = {},
): Running {
  const metrics = new MemoryMetrics();
  const shared = { scheduler: systemScheduler(), logger: silentLogger, metrics };
  const connection = createMqttConnection({
    settings: mqttSettingsSchema.parse({
      url,
      protocol: more.protocol ?? '3.1.1',
      reconnect: { first_ms: 5, max_ms: 20 },
      ack_timeout_ms: 60_000,
    }),
    clientId: 'gw-0001',
    will: uplinkWill(crypto, 'latchkey', 'gw-0001', 7),
    ...shared,
  });
  const settings = uplinkSettingsSchema.parse({ ...FAST, ...more.uplink });
  const uplink = createUplink({
    outbox,
    connection,
    gateway: 'gw-0001',
    prefix: 'latchkey',
    boot: 7,
    crypto,
    settings,
    ...shared,
  });
  uplink.start();
  onTestFinished(async () => void (await uplink.stop(0)));
  return { uplink, metrics };
}

export async function realBroker(): Promise<TestBroker> {
  const broker = await startBroker();
  onTestFinished(() => broker.stop());
  return broker;
}

export async function consumerOn(url: string, options: Parameters<typeof startConsumer>[2] = {}) {
  const consumer = await startConsumer(url, ROOT, options);
  onTestFinished(() => consumer.stop());
  return consumer;
}

export async function scripted(options: Parameters<typeof startScriptedBroker>[0] = {}): Promise<ScriptedBroker> {
  const broker = await startScriptedBroker(options);
  onTestFinished(() => broker.stop());
  return broker;
}

export function receipted(outbox: FakeOutbox, origin = ORIGIN): number {
  return outbox.logs().find((log) => log.origin === origin)?.receiptedSize ?? -1;
}

export async function proxyTo(port: number, options: Parameters<typeof startProxy>[1] = {}): Promise<TcpProxy> {
  const proxy = await startProxy(port, options);
  onTestFinished(() => proxy.stop());
  return proxy;
}
