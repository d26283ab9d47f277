/** A line between a client and a server on 127.0.0.1 that can be cut, can go silent with the sockets open, and is slow. */
import { connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Connections opened through it so far. */
  readonly connections: number;
  readonly open: number;
  /** Resets all connections; new ones are taken at once. */
  cut(): void;
  /** While true nothing passes in either direction, and the sockets stay open: a half-open line. */
  stall(on: boolean): void;
  /** While false new connections are reset. */
  admit(on: boolean): void;
  stop(): Promise<void>;
}

export interface ProxyOptions {
  readonly delayMs?: number;
  /** Called for each connection; what it returns sees the client's bytes before they are passed on. */
  readonly watch?: (connection: number) => (chunk: Uint8Array) => void;
}

export async function startProxy(targetPort: number, options: ProxyOptions = {}): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const delayMs = options.delayMs ?? 0;
  let stalled = false;
  let admitting = true;
  let connections = 0;

  const pass = (from: Socket, to: Socket): void => {
    from.on('data', (chunk) => {
      const write = (): void => {
        if (to.destroyed) return;
        if (!to.write(chunk)) {
          from.pause();
          to.once('drain', () => (stalled ? undefined : from.resume()));
        }
      };
      if (delayMs > 0) setTimeout(write, delayMs);
      else write();
    });
  };

  const server = createServer((near) => {
    near.on('error', () => undefined);
    if (!admitting) {
      near.resetAndDestroy();
      return;
    }
    connections += 1;
    const watcher = options.watch?.(connections);
    if (watcher !== undefined) near.on('data', watcher);
    const far = connect({ host: '127.0.0.1', port: targetPort, noDelay: true });
    const pair = [near, far] as const;
    near.setNoDelay(true);
    pairs.add(pair);
    far.on('error', () => near.destroy());
    for (const [one, other] of [pair, [far, near] as const]) {
      pass(one, other);
      one.on('close', () => {
        pairs.delete(pair);
        other.destroy();
      });
      if (stalled) one.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();

  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get connections() {
      return connections;
    },
    get open() {
      return pairs.size;
    },
    cut() {
      for (const [near, far] of pairs) {
        near.resetAndDestroy();
        far.resetAndDestroy();
      }
    },
    stall(on) {
      stalled = on;
      for (const pair of pairs) {
        for (const socket of pair) on ? socket.pause() : socket.resume();
      }
    },
    admit(on) {
      admitting = on;
    },
    async stop() {
      for (const [near, far] of pairs) {
        near.destroy();
        far.destroy();
      }
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
