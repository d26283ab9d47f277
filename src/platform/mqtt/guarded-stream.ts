/** A socket as the MQTT library sees it: both directions, with `PacketGuard` in front of what comes in. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { PacketGuard } from './packet-guard.ts';

/** Called for each oversize message that was kept away. */
export type OversizeListener = (sizeBytes: number) => void;

export class GuardedStream extends Duplex {
  readonly #socket: Socket;
  readonly #guard: PacketGuard;
  readonly #oversize: OversizeListener;

  constructor(socket: Socket, packetSizeMax: number, oversize: OversizeListener) {
    super({ allowHalfOpen: false });
    this.#socket = socket;
    this.#guard = new PacketGuard(packetSizeMax);
    this.#oversize = oversize;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, encoding, done);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    // The library writes a packet as many small pieces; one system call carries them, and none is copied.
    this.#socket.cork();
    const last = chunks.length - 1;
    for (const [i, { chunk }] of chunks.entries()) {
      if (i === last) this.#socket.write(chunk, done);
      else this.#socket.write(chunk);
    }
    this.#socket.uncork();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #receive(chunk: Buffer): void {
    for (const event of this.#guard.push(chunk)) {
      if (event.kind === 'pass') {
        if (!this.push(event.bytes)) this.#socket.pause();
      } else if (event.kind === 'oversize') {
        this.#oversize(event.sizeBytes);
        // Whole packets only reach `write`, all their pieces in one turn, so this one stands between two of them.
        if (event.packetId !== undefined) {
          this.write(Buffer.from([0x40, 2, event.packetId >> 8, event.packetId & 0xff]));
        }
      } else {
        // Without a `code` the library would keep silent about it.
        this.destroy(Object.assign(new Error(`the broker broke the protocol: ${event.reason}`), { code: 'PROTOCOL' }));
        return;
      }
    }
  }
}
