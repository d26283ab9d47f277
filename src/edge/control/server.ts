/**
 * The daemon's end of the control socket.
 *
 * Whoever may open the socket (mode 0660: this user and its group) may ask; there is no second factor here, so what opens a
 * door behind it must ask for one itself. Connections, request sizes and waits are bounded, and a slow reader slows only itself.
 */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type ErrorCode, LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { LineCutter } from './lines.ts';
import { type ControlFrame, formatFrame, parseRequest, REQUEST_BYTES_MAX } from './protocol.ts';

const CONNECTIONS_MAX = 16;
const REQUEST_TIMEOUT_MS = 5_000;
/** A reader that takes nothing for this long is gone. */
const DRAIN_TIMEOUT_MS = 30_000;
const PROBE_TIMEOUT_MS = 1_000;
const DATA_BYTES_MAX = 64 * 1024;

/** Where a handler puts its answer. Each call resolves when the reader took it, and rejects when the reader is gone. */
export interface ControlOut {
  item(value: unknown): Promise<void>;
  data(bytes: Uint8Array): Promise<void>;
  progress(value: unknown): Promise<void>;
}

/** Answers one verb. The value it resolves with is the `done` frame; `signal` fires when the reader goes away. */
export type ControlHandler = (
  args: Readonly<Record<string, unknown>>,
  out: ControlOut,
  signal: AbortSignal,
) => Promise<unknown>;

export interface ControlServer {
  close(): Promise<void>;
}

export interface ControlServerOptions {
  readonly socketPath: string;
  readonly handlers: Readonly<Record<string, ControlHandler>>;
  readonly logger: Logger;
}

/** Listens, or rejects with SOCKET_BUSY when another daemon answers there. A socket that nobody serves is replaced. */
export async function startControlServer(options: ControlServerOptions): Promise<ControlServer> {
  await clearStaleSocket(options.socketPath);
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    serve(socket, options);
  });
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server, options.socketPath);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

async function listen(server: Server, path: string): Promise<void> {
  // The mask keeps others out between bind and chmod.
  const before = process.umask(0o117);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => {
        server.removeListener('error', reject);
        resolve();
      });
    });
    chmodSync(path, 0o660);
  } catch (error) {
    throw new LatchkeyError('SOCKET_BUSY', `cannot listen on control socket ${path}: ${messageOf(error)}`);
  } finally {
    process.umask(before);
  }
}

async function clearStaleSocket(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) {
    throw new LatchkeyError('SOCKET_BUSY', `expected a socket or nothing at ${path}, found another kind of file`);
  }
  if (await answers(path)) throw new LatchkeyError('SOCKET_BUSY', `a daemon already answers on ${path}`);
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    const end = (answer: boolean): void => {
      probe.destroy();
      resolve(answer);
    };
    probe.setTimeout(PROBE_TIMEOUT_MS, () => end(true));
    probe.once('connect', () => end(true));
    probe.once('error', () => end(false));
  });
}

function serve(socket: Socket, options: ControlServerOptions): void {
  const gone = new AbortController();
  const lines = new LineCutter(REQUEST_BYTES_MAX);
  let asked = false;
  socket.setTimeout(REQUEST_TIMEOUT_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('close', () => gone.abort(new LatchkeyError('SOCKET_REFUSED', 'the reader of the control socket is gone')));
  socket.on('data', (chunk) => {
    if (asked) return;
    const whole = lines.push(chunk);
    if (whole === undefined) return finish(socket, failure('USAGE', `a request is at most ${REQUEST_BYTES_MAX} bytes`));
    const line = whole[0];
    if (line === undefined) return;
    asked = true;
    socket.setTimeout(0);
    void answer(line, socket, options, gone.signal);
  });
}

async function answer(line: string, socket: Socket, options: ControlServerOptions, signal: AbortSignal): Promise<void> {
  const request = parseRequest(line);
  if (!request.ok) return finish(socket, failure('USAGE', request.detail));
  const { verb, args } = request.value;
  const handler = Object.hasOwn(options.handlers, verb) ? options.handlers[verb] : undefined;
  if (handler === undefined) {
    const known = Object.keys(options.handlers).join(', ');
    return finish(socket, failure('USAGE', `expected one of the verbs ${known}`));
  }
  try {
    const done = await handler(args, outOf(socket, signal), signal);
    finish(socket, { done: done ?? {} });
  } catch (error) {
    if (signal.aborted) return;
    const code = error instanceof LatchkeyError ? error.code : 'INTERNAL';
    if (code === 'INTERNAL') options.logger.error({ verb, error: messageOf(error) }, 'a control request failed');
    finish(socket, failure(code, messageOf(error)));
  }
}

function outOf(socket: Socket, signal: AbortSignal): ControlOut {
  const send = (frame: ControlFrame): Promise<void> => write(socket, formatFrame(frame), signal);
  return {
    item: (value) => send({ item: value }),
    progress: (value) => send({ progress: value }),
    async data(bytes) {
      for (let at = 0; at < bytes.length; at += DATA_BYTES_MAX) {
        const piece = bytes.subarray(at, at + DATA_BYTES_MAX);
        await send({ data: Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength).toString('base64') });
      }
    },
  };
}

function write(socket: Socket, text: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    if (socket.write(text)) return resolve();
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      socket.removeListener('drain', drained);
      signal.removeEventListener('abort', aborted);
      settle();
    };
    const drained = (): void => end(resolve);
    const aborted = (): void => end(() => reject(signal.reason));
    const timer = setTimeout(() => socket.destroy(), DRAIN_TIMEOUT_MS);
    socket.once('drain', drained);
    signal.addEventListener('abort', aborted, { once: true });
  });
}

function failure(code: ErrorCode, message: string): ControlFrame {
  return { error: { code, message } };
}

function finish(socket: Socket, frame: ControlFrame): void {
  if (!socket.destroyed) socket.end(formatFrame(frame));
}
