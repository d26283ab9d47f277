/**
 * A small MQTT 5 and 3.1.1 broker on 127.0.0.1 that misbehaves to order: it answers each PUBLISH with whatever reason
 * code a test wants, late or never, states limits in its CONNACK, and sends packets as they are given.
 */
import { createServer, type Socket } from 'node:net';
import { generate, type IConnackPacket, type IPublishPacket, type Packet, parser } from 'mqtt-packet';
import { matchesFilter } from './topic-filter.ts';

export interface ScriptedOptions {
  readonly connack?: Partial<IConnackPacket>;
  /** The PUBACK's reason code, or `silent` for none. A message is passed on and retained when it is below 16. */
  readonly answer?: (message: ScriptedMessage) => number | 'silent';
  /** Grants of a SUBACK; 1 when absent. */
  readonly grant?: (filter: string) => number;
}

export interface ScriptedMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  readonly properties: IPublishPacket['properties'];
  /** Number of the connection that it came on, from 1. */
  readonly connection: number;
}

export interface ScriptedBroker {
  readonly url: string;
  readonly port: number;
  readonly connections: number;
  /** All PUBLISH packets, in order of arrival. */
  readonly received: readonly ScriptedMessage[];
  /** All packets by the name of their kind, for example how many `disconnect`. */
  count(cmd: Packet['cmd']): number;
  /** Most PUBLISH packets that one connection had unacknowledged at once. */
  readonly outstandingMax: number;
  answer(answer: (message: ScriptedMessage) => number | 'silent'): void;
  publish(topic: string, payload: Uint8Array, retain?: boolean): void;
  /** Bytes as they are, to every connection. */
  sendRaw(bytes: Uint8Array): void;
  dropAll(): void;
  stop(): Promise<void>;
}

interface Peer {
  readonly socket: Socket;
  readonly connection: number;
  readonly filters: string[];
  protocol: 4 | 5;
  messageId: number;
  outstanding: number;
}

export async function startScriptedBroker(options: ScriptedOptions = {}): Promise<ScriptedBroker> {
  const broker = new Broker(options);
  await broker.listen();
  return broker;
}

class Broker implements ScriptedBroker {
  readonly #options: ScriptedOptions;
  readonly #server = createServer((socket) => this.#welcome(socket));
  readonly #peers = new Set<Peer>();
  readonly #retained = new Map<string, Uint8Array>();
  readonly #counts = new Map<string, number>();
  #answer: (message: ScriptedMessage) => number | 'silent';
  readonly received: ScriptedMessage[] = [];
  connections = 0;
  outstandingMax = 0;
  port = 0;

  constructor(options: ScriptedOptions) {
    this.#options = options;
    this.#answer = options.answer ?? (() => 0);
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    this.port = typeof address === 'object' && address !== null ? address.port : 0;
  }

  count(cmd: Packet['cmd']): number {
    return this.#counts.get(cmd) ?? 0;
  }

  answer(answer: (message: ScriptedMessage) => number | 'silent'): void {
    this.#answer = answer;
  }

  publish(topic: string, payload: Uint8Array, retain = false): void {
    if (retain) this.#retained.set(topic, payload);
    for (const peer of this.#peers) {
      if (peer.filters.some((filter) => matchesFilter(filter, topic))) this.#deliver(peer, topic, payload, false);
    }
  }

  sendRaw(bytes: Uint8Array): void {
    for (const peer of this.#peers) peer.socket.write(bytes);
  }

  dropAll(): void {
    for (const peer of this.#peers) peer.socket.destroy();
  }

  async stop(): Promise<void> {
    this.dropAll();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #welcome(socket: Socket): void {
    this.connections += 1;
    const peer: Peer = {
      socket,
      connection: this.connections,
      filters: [],
      protocol: 5,
      messageId: 0,
      outstanding: 0,
    };
    const frames = parser({ protocolVersion: 5 });
    this.#peers.add(peer);
    socket.on('close', () => this.#peers.delete(peer));
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => frames.parse(chunk));
    frames.on('packet', (packet) => this.#handle(peer, packet));
    frames.on('error', () => socket.destroy());
  }

  #handle(peer: Peer, packet: Packet): void {
    this.#counts.set(packet.cmd, this.count(packet.cmd) + 1);
    if (packet.cmd === 'connect') {
      peer.protocol = packet.protocolVersion === 5 ? 5 : 4;
      this.#send(peer, {
        cmd: 'connack',
        sessionPresent: false,
        ...(peer.protocol === 5 ? { reasonCode: 0 } : { returnCode: 0 }),
        ...this.#options.connack,
      });
    } else if (packet.cmd === 'publish') this.#take(peer, packet);
    else if (packet.cmd === 'subscribe') {
      const filters = packet.subscriptions.map((subscription) => subscription.topic);
      const granted = filters.map((filter) => this.#options.grant?.(filter) ?? 1);
      this.#send(peer, { cmd: 'suback', messageId: packet.messageId ?? 0, granted });
      peer.filters.push(...filters.filter((_, index) => (granted[index] ?? 0) < 128));
      for (const [topic, payload] of this.#retained) {
        if (filters.some((filter) => matchesFilter(filter, topic))) this.#deliver(peer, topic, payload, true);
      }
    } else if (packet.cmd === 'unsubscribe') {
      const ended = new Set(packet.unsubscriptions);
      peer.filters.splice(0, peer.filters.length, ...peer.filters.filter((filter) => !ended.has(filter)));
      this.#send(peer, { cmd: 'unsuback', messageId: packet.messageId ?? 0, granted: [...ended].map(() => 0) });
    } else if (packet.cmd === 'pingreq') this.#send(peer, { cmd: 'pingresp' });
  }

  #take(peer: Peer, packet: IPublishPacket): void {
    const payload = Uint8Array.from(Buffer.from(packet.payload));
    const { topic, retain, properties } = packet;
    const message = { topic, payload, retain, properties, connection: peer.connection };
    this.received.push(message);
    peer.outstanding += 1;
    this.outstandingMax = Math.max(this.outstandingMax, peer.outstanding);
    const code = this.#answer(message);
    if (code === 'silent') return;
    // In a later turn, as over a network, so that a sender can run into its window.
    setImmediate(() => {
      peer.outstanding -= 1;
      this.#send(peer, { cmd: 'puback', messageId: packet.messageId ?? 0, reasonCode: code });
      if (code < 16) this.publish(topic, payload, retain);
      else if (code < 128 && retain) this.#retained.set(topic, payload);
    });
  }

  #deliver(peer: Peer, topic: string, payload: Uint8Array, retain: boolean): void {
    peer.messageId = (peer.messageId % 65_535) + 1;
    const bytes = Buffer.from(payload);
    this.#send(peer, {
      cmd: 'publish',
      qos: 1,
      dup: false,
      retain,
      topic,
      payload: bytes,
      messageId: peer.messageId,
    });
  }

  #send(peer: Peer, packet: Packet): void {
    if (!peer.socket.destroyed) peer.socket.write(generate(packet, { protocolVersion: peer.protocol }));
  }
}
