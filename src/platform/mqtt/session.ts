/**
 * One MQTT connection from CONNECT to its end, over the library: nothing of it outlives the socket.
 *
 * Each connection gets a client object of its own, so the library never has anything to replay, and no answer of an older
 * connection can be taken for one of this. The library's queue and stores are in the way here: its offline queue loses
 * the oldest of 65,536 messages, and its replay sends one message a round trip (measured with mqtt 5.16.0).
 */
import type { Socket } from 'node:net';
import { type IConnackPacket, type IPublishPacket, MqttClient, type Packet, UniqueMessageIdProvider } from 'mqtt';
import type { Scheduler } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { type AckEntry, AckWindow } from './ack-window.ts';
import type { MqttConnectedInfo, MqttMessageInfo, MqttPublishOptions } from './connection.ts';
import { GuardedStream } from './guarded-stream.ts';
import { socketFailure } from './open-socket.ts';
import { clientOptions, connectedInfo, messageInfo, packetBytes, type SessionIdentity } from './packets.ts';

export interface SessionEvents {
  connected(info: MqttConnectedInfo): void;
  message(topic: string, payload: Uint8Array, info: MqttMessageInfo): void | Promise<void>;
  oversize(sizeBytes: number): void;
  /** Once, last. `refused` when the broker answered the CONNECT, or our certificate, with a no. */
  ended(reason: string, refused: boolean): void;
}

export interface SessionParts {
  readonly socket: Socket;
  readonly identity: SessionIdentity;
  readonly packetSizeMax: number;
  readonly ackTimeoutMs: number;
  /** Number of this connection within the start. */
  readonly connection: number;
  readonly scheduler: Scheduler;
  readonly events: SessionEvents;
}

const PACKET_TOO_LARGE = 149;
const RETAIN_NOT_SUPPORTED = 154;
const NO_ERROR = 128;

export class MqttSession {
  readonly #parts: SessionParts;
  readonly #stream: GuardedStream;
  readonly #client: MqttClient;
  readonly #window: AckWindow;
  #info: MqttConnectedInfo | undefined;
  #reason: string | undefined;
  #refused = false;
  #ended = false;
  /** The PUBACK that the library handles in this very turn; its callback does not say the code of a success. */
  #puback = { messageId: 0, code: 0 };

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#stream = new GuardedStream(parts.socket, parts.packetSizeMax, parts.events.oversize);
    this.#window = new AckWindow(parts.scheduler, parts.ackTimeoutMs, () =>
      this.destroy(`no acknowledgement in ${parts.ackTimeoutMs} ms`),
    );
    const options = clientOptions(parts.identity, parts.packetSizeMax);
    this.#client = new MqttClient(() => this.#stream, { ...options, messageIdProvider: new UniqueMessageIdProvider() });
    this.#client.handleMessage = (packet, done) => this.#receive(packet, done);
    this.#client.on('packetreceive', (packet) => this.#inspect(packet));
    this.#client.on('connect', (packet) => this.#welcome(packet));
    this.#client.on('disconnect', (packet) => this.destroy(`the broker said DISCONNECT ${packet.reasonCode ?? 0}`));
    // The library goes on after some errors (a packet it cannot parse, for one); here any error ends the connection.
    this.#client.on('error', (error) => {
      const failure = socketFailure(parts.socket, error);
      this.#refused ||= failure.refused;
      this.destroy(failure.reason);
    });
    this.#client.on('close', () => this.#finish());
  }

  get connected(): boolean {
    return this.#info !== undefined && this.#reason === undefined;
  }

  publish(topic: string, payload: Uint8Array, options: MqttPublishOptions): Promise<number> {
    const info = this.#info;
    if (info === undefined || !this.connected) return Promise.reject(unreachable('not connected'));
    if (options.retain === true && !info.retainAvailable) return Promise.resolve(RETAIN_NOT_SUPPORTED);
    if (packetBytes(topic, payload, options) > (info.maximumPacketSize ?? Number.POSITIVE_INFINITY)) {
      return Promise.resolve(PACKET_TOO_LARGE);
    }
    return this.#window.add((entry) => this.#send(entry, topic, payload, options), options.signal);
  }

  async subscribe(filters: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    await this.#control('SUBACK', signal, (done) => this.#client.subscribe([...filters], { qos: 1 }, done));
  }

  async unsubscribe(filters: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    await this.#control('UNSUBACK', signal, (done) => this.#client.unsubscribe([...filters], done));
  }

  /** Ends at once, without a DISCONNECT: the broker publishes the will. */
  destroy(reason: string): void {
    this.#reason ??= reason;
    this.#stream.destroy();
  }

  /** Says DISCONNECT and closes. The caller bounds the wait, and destroys. */
  end(reason: string): void {
    if (!this.connected) {
      this.destroy(reason);
      return;
    }
    this.#reason ??= reason;
    // Or the library would first wait for the acknowledgement of everything outstanding.
    this.#client.outgoing = {};
    this.#client.end(false);
  }

  #send(entry: AckEntry, topic: string, payload: Uint8Array, options: MqttPublishOptions): void {
    const { contentType, userProperties } = options;
    const properties = {
      ...(contentType === undefined ? {} : { contentType }),
      ...(userProperties === undefined ? {} : { userProperties: { ...userProperties } }),
    };
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    this.#client.publish(topic, bytes, { qos: 1, retain: options.retain ?? false, properties }, (error, packet) => {
      if (error === undefined || error === null) {
        entry.resolve(packet?.messageId === this.#puback.messageId ? this.#puback.code : 0);
      } else if ('code' in error && typeof error.code === 'number' && error.code >= NO_ERROR) {
        entry.resolve(error.code);
      } else {
        entry.reject(unreachable(error.message));
      }
    });
  }

  #control(what: string, signal: AbortSignal | undefined, send: (done: (error?: Error | null) => void) => void) {
    return new Promise<void>((resolve, reject) => {
      if (!this.connected) return reject(unreachable('not connected'));
      if (signal?.aborted === true) return reject(signal.reason);
      const settle = (error?: unknown): void => {
        timer.cancel();
        signal?.removeEventListener('abort', abort);
        if (error === undefined || error === null) resolve();
        else reject(error);
      };
      const abort = (): void => settle(signal?.reason);
      const timer = this.#parts.scheduler.after(this.#parts.ackTimeoutMs, () => {
        settle(new LatchkeyError('TIMED_OUT', `no ${what} in ${this.#parts.ackTimeoutMs} ms`));
        this.destroy(`no ${what} in ${this.#parts.ackTimeoutMs} ms`);
      });
      signal?.addEventListener('abort', abort, { once: true });
      send((error) => {
        if (error === undefined || error === null) settle();
        else if (this.connected) settle(new LatchkeyError('BROKER_REFUSED', `${what}: ${error.message}`));
        else settle(unreachable(error.message));
      });
    });
  }

  #welcome(packet: IConnackPacket): void {
    if (this.#ended || this.#reason !== undefined) return;
    this.#info = connectedInfo(packet, this.#parts.identity.protocol, this.#parts.connection);
    this.#window.open(this.#info.receiveMaximum);
    this.#parts.events.connected(this.#info);
  }

  #inspect(packet: Packet): void {
    if (packet.cmd === 'puback') this.#puback = { messageId: packet.messageId ?? 0, code: packet.reasonCode ?? 0 };
    if (packet.cmd === 'connack') this.#refused = (packet.reasonCode ?? packet.returnCode ?? 0) > 0;
  }

  #receive(packet: IPublishPacket, done: (error?: Error) => void): void {
    if (!this.connected) {
      done();
      return;
    }
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    const answer = this.#parts.events.message(packet.topic, Uint8Array.from(payload), messageInfo(packet));
    if (answer === undefined) done();
    else void answer.catch(() => undefined).then(() => done());
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    const reason = this.#reason ?? 'the broker closed the connection';
    this.#reason = reason;
    this.#window.close(unreachable(reason));
    this.#client.end(true);
    this.#parts.events.ended(reason, this.#refused);
  }
}

function unreachable(why: string): LatchkeyError {
  return new LatchkeyError('BROKER_UNREACHABLE', `expected a connection to the broker, found: ${why}`);
}
