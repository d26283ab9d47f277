/**
 * swtpm's data channel, on a Unix socket or TCP: raw TPM packets, no framing of its own. It serves one client at a
 * time; a second one connects and waits, so its first command runs into the time limit.
 */
import { connect, type Socket } from 'node:net';
import { TpmTamperedError } from './errors.ts';
import type { TpmLine, TpmLineOpener } from './line-transport.ts';
import { ResponseCutter } from './response-cutter.ts';

export type SocketAddress = { readonly path: string } | { readonly host: string; readonly port: number };

export function socketOpener(address: SocketAddress): TpmLineOpener {
  const target = 'path' in address ? address.path : `${address.host}:${address.port}`;
  return { target, resourceManaged: false, open: (signal) => opened(address, signal) };
}

function opened(address: SocketAddress, signal: AbortSignal): Promise<TpmLine> {
  return new Promise((resolve, reject) => {
    const socket = 'path' in address ? connect(address) : connect({ ...address, noDelay: true });
    const abort = (): void => {
      socket.destroy();
      reject(signal.reason);
    };
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      signal.removeEventListener('abort', abort);
      socket.removeListener('error', reject);
      resolve(new SocketLine(socket));
    });
  });
}

interface Pending {
  readonly cutter: ResponseCutter;
  readonly resolve: (response: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

class SocketLine implements TpmLine {
  readonly #socket: Socket;
  #pending: Pending | undefined;
  #broken: unknown;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(Uint8Array.from(chunk)));
    socket.on('error', (error) => this.#break(error));
    socket.on('close', () => this.#break(new Error('the connection was closed')));
  }

  exchange(command: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#broken !== undefined) return reject(this.#broken);
      this.#pending = { cutter: new ResponseCutter(), resolve, reject };
      this.#socket.write(command);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Uint8Array): void {
    const pending = this.#pending;
    if (pending === undefined) {
      this.#break(new TpmTamperedError('response_unasked', `${chunk.length} bytes came that nobody asked for`));
      return;
    }
    try {
      const response = pending.cutter.push(chunk);
      if (response === undefined) return;
      this.#pending = undefined;
      pending.resolve(response);
    } catch (error) {
      this.#break(error);
    }
  }

  #break(error: unknown): void {
    this.#broken ??= error;
    const pending = this.#pending;
    this.#pending = undefined;
    this.#socket.destroy();
    pending?.reject(this.#broken);
  }
}
