/**
 * A real broker in this process (aedes, MQTT 3.1.1) on 127.0.0.1 and a port of its own, that can die, come back on the same
 * port, lose its retained messages, or acknowledge and forget.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { Aedes, type AedesPublishPacket } from 'aedes';
import { keptPort } from '../../simulators/kept-port.ts';

export interface BrokerMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  readonly clientId: string | undefined;
}

export interface BrokerOptions {
  /** Called for every message of a client. `forget`: acknowledged, then neither stored nor delivered. */
  readonly judge?: (message: BrokerMessage) => 'deliver' | 'forget';
  /** User name to password: absent lets everybody in. */
  readonly users?: Readonly<Record<string, string>>;
}

export interface TestBroker {
  readonly url: string;
  readonly port: number;
  /** Topic to payload, as the broker would send them to a new subscriber. */
  readonly retained: ReadonlyMap<string, Uint8Array>;
  /** Messages taken from clients, forgotten ones included. */
  readonly messages: number;
  /** Replaces the judge. */
  judge(judge: (message: BrokerMessage) => 'deliver' | 'forget'): void;
  /** Cuts all connections and refuses new ones. Retained messages survive unless forgotten. */
  kill(): Promise<void>;
  /** Listens again on the same port. */
  restart(): Promise<void>;
  /** Retained messages are lost: at once when it runs, and for the next restart. */
  forgetRetained(): Promise<void>;
  /** The broker itself publishes: how tests play a consumer or a stranger. */
  publish(topic: string, payload: Uint8Array, retain?: boolean): Promise<void>;
  stop(): Promise<void>;
}

/** `$SYS` is what the broker says about itself. */
const OWN = /^\$SYS\//;
const FORGOTTEN = '$forgotten';

export async function startBroker(options: BrokerOptions = {}): Promise<TestBroker> {
  const broker = new AedesBroker(options);
  await broker.listen(await keptPort());
  return broker;
}

class AedesBroker implements TestBroker {
  readonly retained = new Map<string, Uint8Array>();
  readonly #users: Readonly<Record<string, string>> | undefined;
  readonly #sockets = new Set<Socket>();
  #judge: (message: BrokerMessage) => 'deliver' | 'forget';
  #server: Server | undefined;
  #aedes: Aedes | undefined;
  messages = 0;
  port = 0;

  constructor(options: BrokerOptions) {
    this.#judge = options.judge ?? (() => 'deliver');
    this.#users = options.users;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  judge(judge: (message: BrokerMessage) => 'deliver' | 'forget'): void {
    this.#judge = judge;
  }

  async listen(port: number): Promise<void> {
    const aedes = await Aedes.createBroker({
      authenticate: (_client, user, password, done) =>
        done(null, this.#users === undefined || this.#users[user ?? ''] === password?.toString()),
      authorizePublish: (client, packet, done) => {
        const payload = Uint8Array.from(Buffer.from(packet.payload));
        this.messages += 1;
        const message = { topic: packet.topic, payload, retain: packet.retain, clientId: client?.id };
        if (this.#judge(message) === 'forget') Object.assign(packet, { topic: FORGOTTEN, retain: false });
        done(null);
      },
    });
    aedes.on('publish', (packet) => this.#keep(packet));
    for (const [topic, payload] of this.retained) await publishOn(aedes, topic, payload, true);
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined);
      aedes.handle(socket);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    const address = server.address();
    this.port = typeof address === 'object' && address !== null ? address.port : port;
    this.#server = server;
    this.#aedes = aedes;
  }

  async kill(): Promise<void> {
    const server = this.#server;
    const aedes = this.#aedes;
    this.#server = undefined;
    this.#aedes = undefined;
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
    await new Promise<void>((resolve) => (aedes === undefined ? resolve() : aedes.close(resolve)));
  }

  restart(): Promise<void> {
    return this.listen(this.port);
  }

  async forgetRetained(): Promise<void> {
    const topics = [...this.retained.keys()];
    this.retained.clear();
    for (const topic of topics) await this.publish(topic, new Uint8Array(0), true);
  }

  async publish(topic: string, payload: Uint8Array, retain = false): Promise<void> {
    if (this.#aedes !== undefined) await publishOn(this.#aedes, topic, payload, retain);
  }

  stop(): Promise<void> {
    return this.kill();
  }

  #keep(packet: AedesPublishPacket): void {
    if (!packet.retain || OWN.test(packet.topic)) return;
    const payload = Uint8Array.from(Buffer.from(packet.payload));
    if (payload.length === 0) this.retained.delete(packet.topic);
    else this.retained.set(packet.topic, payload);
  }
}

function publishOn(aedes: Aedes, topic: string, payload: Uint8Array, retain: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    aedes.publish(
      { cmd: 'publish', qos: 1, dup: false, retain, topic, payload: Buffer.from(payload) },
      (error?: Error | null) => (error ? reject(error) : resolve()),
    );
  });
}
