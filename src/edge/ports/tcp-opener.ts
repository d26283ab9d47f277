/**
 * A raw TCP connection to a serial server ("TCP Server" or "raw" mode; RFC 2217 is not spoken).
 *
 * Segments are not frames: the server cuts as its buffers fall. Such servers often let several clients in, which makes
 * two masters on one bus, so this machine's processes exclude each other by an abstract Unix socket named after host
 * and port. It lives in the network namespace, like the connection, and the kernel drops it with the process.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { within } from '../../base/abort.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Link, LinkEvents, LinkOpener } from './link.ts';
import type { TcpLinkSettings } from './settings.ts';

/** What the kernel has not taken yet. A master writes a few bytes and waits, so more means that nothing leaves. */
const UNSENT_BYTES_MAX = 65_536;
const READ_BYTES_MAX = 16_384;

export function tcpOpener(settings: TcpLinkSettings): LinkOpener {
  const target = `tcp ${settings.host} port ${settings.port}`;
  return {
    target,
    identity: () => Promise.resolve(undefined),
    async open(events, signal) {
      const claim = await claimEndpoint(settings, target);
      try {
        const heard: Heard = { bytes: () => undefined };
        const socket = await connected(settings, target, signal, heard);
        return linkOf(socket, claim, events, heard);
      } catch (error) {
        await released(claim);
        throw error;
      }
    },
  };
}

function claimEndpoint(settings: TcpLinkSettings, target: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const claim = createServer((stranger) => stranger.destroy());
    claim.unref();
    claim.once('error', (error: NodeJS.ErrnoException) => {
      const busy = error.code === 'EADDRINUSE';
      const found = busy ? 'it is held by another process of this machine' : error.message;
      const code = busy ? 'PORT_BUSY' : 'PORT_UNAVAILABLE';
      reject(new LatchkeyError(code, `cannot open ${target}: ${found}`, { cause: error }));
    });
    claim.listen({ path: `\0latchkey-port/${settings.host.toLowerCase()}/${settings.port}` }, () => resolve(claim));
  });
}

function released(claim: Server): Promise<void> {
  return new Promise((resolve) => claim.close(() => resolve()));
}

/** Where bytes go: nowhere before the connection is a link. */
interface Heard {
  bytes: (chunk: Uint8Array) => void;
}

function connected(settings: TcpLinkSettings, target: string, signal: AbortSignal, heard: Heard): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const limit = within(settings.connect_timeout_ms, signal);
    const socket = connect({
      host: settings.host,
      port: settings.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: settings.keepalive_ms,
      // One buffer for all reads: by itself Node takes 64 KiB for each, and here each brings a few bytes.
      onread: {
        buffer: new Uint8Array(READ_BYTES_MAX),
        callback(sizeBytes, buffer) {
          heard.bytes(buffer.slice(0, sizeBytes));
          return true;
        },
      },
    });
    const fail = (found: string, cause: unknown): void => {
      limit.removeEventListener('abort', abort);
      socket.destroy();
      reject(new LatchkeyError('PORT_UNAVAILABLE', `cannot open ${target}: ${found}`, { cause }));
    };
    const abort = (): void => {
      const found = signal.aborted ? messageOf(signal.reason) : `no answer in ${settings.connect_timeout_ms} ms`;
      fail(found, limit.reason);
    };
    if (limit.aborted) abort();
    else limit.addEventListener('abort', abort, { once: true });
    socket.once('error', (error) => fail(error.message, error));
    socket.once('connect', () => {
      limit.removeEventListener('abort', abort);
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}

function linkOf(socket: Socket, claim: Server, events: LinkEvents, heard: Heard): Link {
  let quiet = false;
  const lost = (reason: string): void => {
    if (quiet) return;
    quiet = true;
    events.lost(reason);
  };
  socket.on('error', (error) => lost(`the connection failed (${error.message})`));
  socket.on('end', () => lost('the serial server closed the connection'));
  socket.on('close', () => lost('the connection was closed'));
  heard.bytes = (chunk) => {
    if (!quiet) events.bytes(chunk);
  };
  // Nothing comes out of the stream itself, but without a reader it would not tell of its end.
  socket.resume();
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        if (socket.writableLength > UNSENT_BYTES_MAX) return reject(new Error('the connection takes no bytes'));
        socket.write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
    async close() {
      quiet = true;
      const gone = new Promise<void>((resolve) => {
        if (socket.closed) return resolve();
        socket.once('close', () => resolve());
      });
      socket.destroy();
      await gone;
      await released(claim);
    },
  };
}
