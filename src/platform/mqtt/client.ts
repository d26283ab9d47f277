/**
 * Keeps one MQTT connection up: reads the credentials, connects, waits with jitter, connects again.
 */

import { assert } from '../../base/assert.ts';
import { Backoff } from '../../base/backoff.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { MqttConnectedInfo, MqttConnection, MqttHandlers, MqttPublishOptions } from './connection.ts';
import { type BrokerAddress, brokerAddress, openSocket, readCredentials } from './open-socket.ts';
import { MqttSession } from './session.ts';
import type { MqttSettings, MqttWill } from './settings.ts';

export interface MqttConnectionParts {
  readonly settings: MqttSettings;
  /** Used when the settings name none. */
  readonly clientId: string;
  readonly will?: MqttWill;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Uniform in [0, 1), for the jitter. */
  readonly random?: () => number;
}

/** A connection that lived this long was a good one: the next wait begins small again. Two clients that share a name
 * throw each other out at once, and must not do it ever faster. */
const GOOD_CONNECTION_MS = 5_000;

export function createMqttConnection(parts: MqttConnectionParts): MqttConnection {
  return new SupervisedConnection(parts);
}

class SupervisedConnection implements MqttConnection {
  readonly #parts: MqttConnectionParts;
  readonly #address: BrokerAddress;
  readonly #logger: Logger;
  readonly #backoff: Backoff;
  #handlers: MqttHandlers | undefined;
  #session: MqttSession | undefined;
  #retry: Timer | undefined;
  #connections = 0;
  #connectedAtMs: number | undefined;
  #failure = '';
  #closing: Promise<void> | undefined;
  #ended: (() => void) | undefined;

  constructor(parts: MqttConnectionParts) {
    const { url, reconnect } = parts.settings;
    this.#parts = parts;
    this.#address = brokerAddress(url);
    this.#logger = parts.logger.child({ broker: `${this.#address.host}:${this.#address.port}` });
    this.#backoff = new Backoff({ firstMs: reconnect.first_ms, maxMs: reconnect.max_ms }, parts.random ?? Math.random);
  }

  get connected(): boolean {
    return this.#session?.connected ?? false;
  }

  start(handlers: MqttHandlers): void {
    assert(this.#handlers === undefined, 'an MQTT connection is started once');
    this.#handlers = handlers;
    if (!this.#address.tls && !this.#address.loopback) {
      this.#parts.metrics.gauge('mqtt_plain_text', 1);
      this.#logger.warn(
        {},
        'MQTT RUNS IN PLAIN TEXT TO ANOTHER MACHINE: whoever is on the line reads it; use mqtts://',
      );
    }
    void this.#attempt();
  }

  publish(topic: string, payload: Uint8Array, options: MqttPublishOptions = {}): Promise<number> {
    return this.#session?.publish(topic, payload, options) ?? Promise.reject(offline());
  }

  subscribe(filters: readonly string[], signal?: AbortSignal): Promise<void> {
    return this.#session?.subscribe(filters, signal) ?? Promise.reject(offline());
  }

  unsubscribe(filters: readonly string[], signal?: AbortSignal): Promise<void> {
    return this.#session?.unsubscribe(filters, signal) ?? Promise.reject(offline());
  }

  drop(reason: string): void {
    this.#session?.destroy(reason);
  }

  close(lastWords?: { readonly topic: string; readonly payload: Uint8Array; readonly retain: boolean }): Promise<void> {
    this.#closing ??= this.#close(lastWords);
    return this.#closing;
  }

  async #close(lastWords: Parameters<MqttConnection['close']>[0]): Promise<void> {
    this.#retry?.cancel();
    const session = this.#session;
    if (session === undefined) return;
    const ended = new Promise<void>((resolve) => {
      this.#ended = resolve;
    });
    const limit = this.#parts.scheduler.after(this.#parts.settings.ack_timeout_ms, () =>
      session.destroy('closed late'),
    );
    if (lastWords !== undefined && session.connected) {
      const { topic, payload, retain } = lastWords;
      await session.publish(topic, payload, { retain }).catch(() => undefined);
    }
    session.end('closed');
    await ended;
    limit.cancel();
  }

  async #attempt(): Promise<void> {
    const { settings, clientId, will, scheduler, metrics } = this.#parts;
    metrics.count('mqtt_connection_attempts');
    try {
      const credentials = await readCredentials(settings);
      if (this.#closing !== undefined) return;
      this.#session = new MqttSession({
        socket: openSocket(this.#address, credentials),
        identity: {
          protocol: settings.protocol === '5' ? 5 : 4,
          clientId: settings.client_id ?? clientId,
          username: settings.username,
          password: credentials.password,
          keepaliveS: settings.keepalive_s,
          connectTimeoutMs: settings.connect_timeout_ms,
          will,
        },
        packetSizeMax: settings.packet_size_max,
        ackTimeoutMs: settings.ack_timeout_ms,
        connection: this.#connections + 1,
        scheduler,
        events: {
          connected: (info) => this.#connected(info),
          message: (topic, payload, info) => this.#handlers?.message(topic, payload, info),
          oversize: (sizeBytes) => this.#oversize(sizeBytes),
          ended: (reason, refused) => this.#lost(reason, refused),
        },
      });
    } catch (error) {
      this.#lost(messageOf(error), false);
    }
  }

  #connected(info: MqttConnectedInfo): void {
    this.#connections = info.connection;
    this.#connectedAtMs = this.#parts.scheduler.monotonicMs();
    this.#failure = '';
    this.#parts.metrics.count('mqtt_connections');
    this.#parts.metrics.gauge('mqtt_connected', 1);
    this.#logger.info({ connection: info.connection, protocol: info.protocol }, 'connected to the broker');
    this.#handlers?.connected(info);
  }

  #lost(reason: string, refused: boolean): void {
    const sinceMs = this.#connectedAtMs;
    const nowMs = this.#parts.scheduler.monotonicMs();
    this.#session = undefined;
    this.#connectedAtMs = undefined;
    this.#parts.metrics.gauge('mqtt_connected', 0);
    if (sinceMs === undefined) this.#reportFailure(reason, refused);
    else {
      if (nowMs - sinceMs >= GOOD_CONNECTION_MS) this.#backoff.reset();
      this.#parts.metrics.count('mqtt_connections_lost');
      this.#logger.warn({ reason, lived_ms: Math.round(nowMs - sinceMs) }, 'lost the broker');
      this.#handlers?.lost(reason);
    }
    if (this.#closing !== undefined) this.#ended?.();
    else this.#retry = this.#parts.scheduler.after(this.#backoff.nextMs(), () => void this.#attempt());
  }

  /** One line per change: a broker that is away for a week must not fill the disk. */
  #reportFailure(reason: string, refused: boolean): void {
    this.#parts.metrics.count(refused ? 'mqtt_connections_refused' : 'mqtt_connections_failed');
    const code = refused ? 'BROKER_REFUSED' : 'BROKER_UNREACHABLE';
    if (this.#failure === `${code} ${reason}`) this.#logger.debug({ reason, code }, 'cannot connect to the broker');
    else this.#logger.warn({ reason, code }, 'cannot connect to the broker; trying again');
    this.#failure = `${code} ${reason}`;
  }

  #oversize(sizeBytes: number): void {
    this.#parts.metrics.count('mqtt_messages_oversize');
    this.#logger.debug({ size_bytes: sizeBytes }, 'dropped an oversize message');
  }
}

function offline(): LatchkeyError {
  return new LatchkeyError('BROKER_UNREACHABLE', 'expected a connection to the broker, found none');
}
