/**
 * Keeps one MQTT connection up: reads the credentials, connects, waits with jitter, connects again, and renews a login
 * that expires.
 */

import { assert } from '../../base/assert.ts';
import { Backoff } from '../../base/backoff.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { type ErrorCode, LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { MqttConnectedInfo, MqttConnection, MqttHandlers, MqttPublishOptions } from './connection.ts';
import { readCredentialFiles } from './credential-files.ts';
import { LoginKeeper, type MadeLogin, type MqttLoginSource } from './login.ts';
import { type BrokerAddress, brokerAddress, openSocket } from './open-socket.ts';
import { MqttSession } from './session.ts';
import type { MqttSettings, MqttWill } from './settings.ts';

export interface MqttConnectionParts {
  readonly settings: MqttSettings;
  /** Used when the settings name none. */
  readonly clientId: string;
  readonly will?: MqttWill;
  /** Where user name and password come from instead of the settings; the connection is renewed before they expire. */
  readonly credentials?: MqttLoginSource;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Uniform in [0, 1), for the jitter. */
  readonly random?: () => number;
}

/** A connection that lived this long was a good one: the next wait begins small again. Two clients that share a name
 * throw each other out at once, and must not do it ever faster. */
const GOOD_CONNECTION_MS = 5_000;

/** Throws CONFIG_INVALID when the settings name a password beside a source of logins. */
export function createMqttConnection(parts: MqttConnectionParts): MqttConnection {
  return new SupervisedConnection(parts);
}

class SupervisedConnection implements MqttConnection {
  readonly #parts: MqttConnectionParts;
  readonly #address: BrokerAddress;
  readonly #logger: Logger;
  readonly #backoff: Backoff;
  readonly #logins: LoginKeeper | undefined;
  #handlers: MqttHandlers | undefined;
  #session: MqttSession | undefined;
  #retry: Timer | undefined;
  #connections = 0;
  #connectedAtMs: number | undefined;
  #failure = '';
  /** For the connection that follows at once: its predecessor was ended for it. */
  #renewed: MadeLogin | undefined;
  #ending: Timer | undefined;
  #closing: Promise<void> | undefined;
  #ended: (() => void) | undefined;

  constructor(parts: MqttConnectionParts) {
    const { reconnect, password_file } = parts.settings;
    if (parts.credentials !== undefined && password_file !== undefined) {
      throw new LatchkeyError('CONFIG_INVALID', 'mqtt.password_file: expected none, since a key makes the password');
    }
    this.#parts = parts;
    this.#address = brokerAddress(parts.settings);
    this.#logger = parts.logger.child({ broker: `${this.#address.host}:${this.#address.port}` });
    this.#backoff = new Backoff({ firstMs: reconnect.first_ms, maxMs: reconnect.max_ms }, parts.random ?? Math.random);
    this.#logins = parts.credentials === undefined ? undefined : this.#keepLogins(parts.credentials);
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
    this.#logins?.close();
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
    const renewed = this.#renewed;
    this.#renewed = undefined;
    try {
      const files = await readCredentialFiles(settings);
      const made = renewed ?? (await this.#logins?.make());
      if (this.#closing !== undefined) return;
      this.#session = new MqttSession({
        socket: openSocket(this.#address, files),
        identity: {
          protocol: settings.protocol === '5' ? 5 : 4,
          clientId: settings.client_id ?? clientId,
          username: made?.login.username ?? settings.username,
          password: made === undefined ? files.password : Buffer.from(made.login.password),
          keepaliveS: settings.keepalive_s,
          connectTimeoutMs: settings.connect_timeout_ms,
          will,
        },
        packetSizeMax: settings.packet_size_max,
        ackTimeoutMs: settings.ack_timeout_ms,
        connection: this.#connections + 1,
        scheduler,
        events: {
          connected: (info) => this.#connected(info, made),
          message: (topic, payload, info) => this.#handlers?.message(topic, payload, info),
          oversize: (sizeBytes) => this.#oversize(sizeBytes),
          ended: (reason, refused) => this.#lost(reason, refused ? 'BROKER_REFUSED' : 'BROKER_UNREACHABLE'),
        },
      });
    } catch (error) {
      this.#lost(messageOf(error), error instanceof LatchkeyError ? error.code : 'BROKER_UNREACHABLE');
    }
  }

  #keepLogins(source: MqttLoginSource): LoginKeeper {
    const { scheduler, settings, random, metrics } = this.#parts;
    return new LoginKeeper({
      source,
      limitMs: settings.connect_timeout_ms,
      scheduler,
      random: random ?? Math.random,
      renewed: (made) => this.#exchange(made),
      failed: (error) => {
        metrics.count('mqtt_logins_failed');
        this.#logger.warn({ reason: messageOf(error) }, 'cannot renew the login; the connection stays while it may');
      },
    });
  }

  /** Says DISCONNECT, so that the broker does not publish the will, and connects again at once. */
  #exchange(made: MadeLogin): void {
    const session = this.#session;
    if (session === undefined || this.#closing !== undefined) return;
    this.#renewed = made;
    const { scheduler, settings } = this.#parts;
    this.#ending = scheduler.after(settings.ack_timeout_ms, () => session.destroy('ended late'));
    session.end('the login is renewed');
  }

  #connected(info: MqttConnectedInfo, made: MadeLogin | undefined): void {
    if (made !== undefined) this.#logins?.watch(made);
    this.#connections = info.connection;
    this.#connectedAtMs = this.#parts.scheduler.monotonicMs();
    this.#failure = '';
    this.#parts.metrics.count('mqtt_connections');
    this.#parts.metrics.gauge('mqtt_connected', 1);
    this.#logger.info({ connection: info.connection, protocol: info.protocol }, 'connected to the broker');
    this.#handlers?.connected(info);
  }

  #lost(reason: string, code: ErrorCode): void {
    const sinceMs = this.#connectedAtMs;
    const nowMs = this.#parts.scheduler.monotonicMs();
    const renewing = this.#renewed !== undefined;
    this.#session = undefined;
    this.#connectedAtMs = undefined;
    this.#logins?.unwatch();
    this.#parts.metrics.gauge('mqtt_connected', 0);
    this.#ending?.cancel();
    if (sinceMs === undefined) this.#reportFailure(reason, code);
    else {
      if (nowMs - sinceMs >= GOOD_CONNECTION_MS) this.#backoff.reset();
      this.#parts.metrics.count(renewing ? 'mqtt_logins_renewed' : 'mqtt_connections_lost');
      if (renewing) this.#logger.debug({}, 'connecting again with a new login');
      else this.#logger.warn({ reason, lived_ms: Math.round(nowMs - sinceMs) }, 'lost the broker');
      this.#handlers?.lost(reason);
    }
    if (this.#closing !== undefined) this.#ended?.();
    else this.#retry = this.#parts.scheduler.after(renewing ? 0 : this.#backoff.nextMs(), () => void this.#attempt());
  }

  /** One line per change: a broker that is away for a week must not fill the disk. */
  #reportFailure(reason: string, code: ErrorCode): void {
    if (this.#closing !== undefined) return;
    this.#parts.metrics.count(code === 'BROKER_REFUSED' ? 'mqtt_connections_refused' : 'mqtt_connections_failed');
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
