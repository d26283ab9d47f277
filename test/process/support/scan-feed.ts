/** A scanner on TCP whose scans are numbered: `LK-0000001`, `LK-0000002`, ... A number is never used twice. */
import { createServer, type Socket } from 'node:net';

export interface ScanFeed {
  readonly port: number;
  /** Number of the last scan that was written to a connection. */
  readonly last: number;
  /** Connections that were made so far. */
  readonly connections: number;
  /** Writes `count` scans, or none when nobody is connected. */
  scan(count: number): void;
  /** Scans `count` codes every `everyMs` while somebody is connected, until the returned function is called. */
  keepScanning(count: number, everyMs: number): () => void;
  stop(): Promise<void>;
}

export async function startScanFeed(): Promise<ScanFeed> {
  let peer: Socket | undefined;
  let last = 0;
  let connections = 0;
  const server = createServer((socket) => {
    peer?.destroy();
    peer = socket;
    connections += 1;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (peer === socket) peer = undefined;
    });
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const scan = (count: number): void => {
    if (peer === undefined) return;
    let text = '';
    for (let i = 0; i < count; i += 1) {
      last += 1;
      text += `LK-${String(last).padStart(7, '0')}\r\n`;
    }
    peer.write(text);
  };
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get last() {
      return last;
    },
    get connections() {
      return connections;
    },
    scan,
    keepScanning(count, everyMs) {
      const timer = setInterval(() => scan(count), everyMs);
      return () => clearInterval(timer);
    },
    async stop() {
      peer?.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
