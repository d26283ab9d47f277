/** A connection under test and what it said: it ends with the test. */
import { onTestFinished } from 'vitest';
import { utf8Text } from '../../../src/base/bytes.ts';
import type { LogFields, Logger } from '../../../src/base/logger.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import { createMqttConnection } from '../../../src/platform/mqtt/client.ts';
import type { MqttConnectedInfo, MqttConnection, MqttMessageInfo } from '../../../src/platform/mqtt/connection.ts';
import type { MqttLoginSource } from '../../../src/platform/mqtt/login.ts';
import { type MqttWill, mqttSettingsSchema } from '../../../src/platform/mqtt/settings.ts';
import { type ScriptedOptions, startScriptedBroker } from '../../support/scripted-broker.ts';
import { until } from '../../support/until.ts';

export interface Seen {
  readonly connection: MqttConnection;
  readonly metrics: MemoryMetrics;
  readonly connected: MqttConnectedInfo[];
  readonly lost: string[];
  readonly messages: { topic: string; text: string; info: MqttMessageInfo }[];
  readonly log: string[];
}

export function open(
  settings: Readonly<Record<string, unknown>>,
  more: { will?: MqttWill; subscribe?: string[]; credentials?: MqttLoginSource; random?: () => number } = {},
): Seen {
  const metrics = new MemoryMetrics();
  const log: string[] = [];
  const line = (fields: LogFields, message: string): void => void log.push(`${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { debug: line, info: line, warn: line, error: line, child: () => logger };
  const connection = createMqttConnection({
    settings: mqttSettingsSchema.parse({ reconnect: { first_ms: 5, max_ms: 20 }, ack_timeout_ms: 60_000, ...settings }),
    clientId: 'gw-0001',
    ...(more.will === undefined ? {} : { will: more.will }),
    ...(more.credentials === undefined ? {} : { credentials: more.credentials }),
    ...(more.random === undefined ? {} : { random: more.random }),
    scheduler: systemScheduler(),
    logger,
    metrics,
  });
  const seen: Seen = { connection, metrics, connected: [], lost: [], messages: [], log };
  connection.start({
    connected: (info) => {
      seen.connected.push(info);
      if (more.subscribe !== undefined) void connection.subscribe(more.subscribe).catch(() => undefined);
    },
    lost: (reason) => void seen.lost.push(reason),
    message: (topic, payload, info) => void seen.messages.push({ topic, text: utf8Text(payload) ?? '?', info }),
  });
  onTestFinished(() => connection.close());
  return seen;
}

export async function scripted(options: ScriptedOptions = {}) {
  const broker = await startScriptedBroker(options);
  onTestFinished(() => broker.stop());
  return broker;
}

export async function ready(seen: Seen, count = 1): Promise<void> {
  await until(`connection ${count}`, () => seen.connected.length >= count && seen.connection.connected);
}
