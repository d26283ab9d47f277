/**
 * The demo's MQTT broker, in this process: aedes (MQTT 3.1.1) on a port of its own, which can go away and come back.
 *
 * It believes everybody and promises nothing; that is the point of the demo.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { Aedes } from 'aedes';
import { keptPort } from '../kept-port.ts';
import { readBrokerMemory, writeBrokerMemory } from './broker-memory.ts';

export interface DemoBroker {
  readonly url: string;
  /** The newest retained payload of each topic. */
  readonly retained: ReadonlyMap<string, Uint8Array>;
  /** It listens. */
  readonly running: boolean;
  /** Messages that clients published. */
  readonly messages: number;
  /** Cuts every connection and listens no more. What is retained stays in memory. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  close(): Promise<void>;
}

export interface BrokerPlace {
  /** One that is kept for it, unless given. */
  readonly port?: number | undefined;
  /** Where retained messages outlive this process; in memory alone, unless given. */
  readonly memoryPath?: string | undefined;
}

export async function startBroker({ port: wantedPort, memoryPath }: BrokerPlace = {}): Promise<DemoBroker> {
  const aedes = await Aedes.createBroker();
  const retained = memoryPath === undefined ? new Map<string, Uint8Array>() : readBrokerMemory(memoryPath);
  for (const [topic, payload] of retained) await retain(aedes, topic, payload);
  const sockets = new Set<Socket>();
  let messages = 0;
  const port = wantedPort ?? (await keptPort());
  let server: Server | undefined;

  aedes.on('publish', (packet, client) => {
    if (client === null) return;
    messages += 1;
    if (!packet.retain) return;
    const payload = new Uint8Array(Buffer.from(packet.payload));
    if (payload.length === 0) retained.delete(packet.topic);
    else retained.set(packet.topic, payload);
    if (memoryPath !== undefined) writeBrokerMemory(memoryPath, retained);
  });
  const comeBack = async (): Promise<void> => {
    if (server !== undefined) return;
    const fresh = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => undefined);
      aedes.handle(socket);
    });
    fresh.listen(port, '127.0.0.1');
    await once(fresh, 'listening');
    server = fresh;
  };
  const goAway = async (): Promise<void> => {
    const old = server;
    if (old === undefined) return;
    server = undefined;
    const closed = once(old, 'close');
    old.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  try {
    await comeBack();
  } catch (error) {
    await new Promise<void>((resolve) => aedes.close(resolve));
    throw error;
  }

  return {
    url: `mqtt://127.0.0.1:${port}`,
    retained,
    get running() {
      return server !== undefined;
    },
    get messages() {
      return messages;
    },
    goAway,
    comeBack,
    async close() {
      await goAway();
      await new Promise<void>((resolve) => aedes.close(resolve));
    },
  };
}

function retain(aedes: Aedes, topic: string, payload: Uint8Array): Promise<void> {
  const packet = { cmd: 'publish', qos: 1, dup: false, retain: true, topic, payload: Buffer.from(payload) } as const;
  return new Promise((resolve, reject) => aedes.publish(packet, (error) => (error ? reject(error) : resolve())));
}
