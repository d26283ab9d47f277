/**
 * A simulated device behind an Ethernet serial server in raw TCP mode: what it hears and says are plain bytes, and the
 * edges of segments mean nothing.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { keptPort } from '../kept-port.ts';
import type { Cable, CableListener } from './cable.ts';

export interface TcpCableSettings {
  /** 0 takes a free port, and keeps it for every later plug. */
  readonly port: number;
  /** Connections beyond this are closed at once. Serial servers allow 1 to 4; two masters on one bus are possible. */
  readonly clientsMax: number;
}

/** Bytes that wait for a client that does not read; beyond this the server gives the connection up. */
const PENDING_BYTES_MAX = 256 * 1024;

export async function openTcpCable(
  settings: TcpCableSettings,
  listener: CableListener,
): Promise<Cable & { clients(): number }> {
  const clients = new Set<Socket>();
  let server: Server | undefined;
  const port = settings.port === 0 ? await keptPort() : settings.port;

  const accept = (socket: Socket): void => {
    socket.on('error', () => undefined);
    if (clients.size >= settings.clientsMax) {
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    clients.add(socket);
    socket.on('close', () => clients.delete(socket));
    socket.on('data', (chunk: Buffer) => listener(new Uint8Array(chunk)));
  };
  const plug = async (): Promise<void> => {
    if (server !== undefined) return;
    const fresh = createServer(accept);
    fresh.listen(port, '127.0.0.1');
    await once(fresh, 'listening');
    server = fresh;
  };
  const unplug = async (): Promise<void> => {
    const old = server;
    if (old === undefined) return;
    server = undefined;
    const closed = once(old, 'close');
    old.close();
    for (const socket of clients) socket.destroy();
    await closed;
  };
  await plug();

  return {
    address: `127.0.0.1:${port}`,
    get plugged() {
      return server !== undefined;
    },
    clients: () => clients.size,
    send(bytes) {
      for (const socket of clients) {
        if (socket.writableLength > PENDING_BYTES_MAX) socket.destroy();
        else socket.write(bytes);
      }
    },
    plug,
    unplug,
    close: unplug,
  };
}
