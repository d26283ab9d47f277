/**
 * Somebody on the wires between a client and its TPM: sees every byte, and can hold back, swallow, change or cut.
 *
 * A Unix socket stands in for the bus. Each client gets a connection of its own to the TPM behind, which serves one at a
 * time. The record is bounded, and it says so when it is not whole: a search for a secret must not pass on half of it.
 */
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { assert } from '../../src/base/assert.ts';
import { LatchkeyError, messageOf } from '../../src/base/errors.ts';
import { connectTo, PacketCutter, type TpmAddress } from './packets.ts';

export type Meddling =
  | { readonly kind: 'pass' }
  | { readonly kind: 'replace'; readonly bytes: Uint8Array }
  /** Holds it back, then passes it. At most `DELAY_MS_MAX`. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** Swallows it: the other side waits. */
  | { readonly kind: 'drop' }
  /** Passes the first bytes, all in vain when none, and hangs up on both sides. */
  | { readonly kind: 'cut'; readonly afterBytes?: number };

/** What became of one packet. `passed` is what the other side got: not the same when it was replaced or cut. */
export interface BusRecord {
  readonly direction: 'command' | 'response';
  /** Counts the clients from 0. */
  readonly connection: number;
  readonly bytes: Uint8Array;
  readonly passed: Uint8Array;
}

export interface Meddler {
  /** Asked for each command; `index` counts them from 0 over all connections. */
  command?(command: Uint8Array, index: number): Meddling;
  /** Asked for each response, with the command that it answers. */
  response?(response: Uint8Array, command: Uint8Array, index: number): Meddling;
}

export interface InterposerSettings {
  /** The real TPM. */
  readonly tpm: TpmAddress;
  /** Where clients connect instead. */
  readonly socketPath: string;
  readonly recordBytesMax?: number;
}

const DELAY_MS_MAX = 120_000;
const RECORD_BYTES_MAX = 32 * 1024 * 1024;
const PASS: Meddling = { kind: 'pass' };

/** Rejects with PORT_UNAVAILABLE when it cannot listen there. */
export async function startInterposer(settings: InterposerSettings): Promise<Interposer> {
  const interposer = new Interposer(settings);
  await interposer.listen();
  return interposer;
}

export class Interposer {
  readonly address: TpmAddress;
  readonly #settings: InterposerSettings;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #stop = new AbortController();
  readonly #records: BusRecord[] = [];
  #recordedBytes = 0;
  #forgotten = 0;
  #connections = 0;
  #commands = 0;
  #meddler: Meddler = {};

  constructor(settings: InterposerSettings) {
    this.#settings = settings;
    this.address = { kind: 'unix', path: settings.socketPath };
    this.#server = createServer((client) => this.#serve(client));
  }

  /** Everything that went by, oldest first. */
  get records(): readonly BusRecord[] {
    return this.#records;
  }

  /** Packets that no longer fit into the record. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** From now on this is asked; nothing is touched when left out. */
  meddle(meddler: Meddler = {}): void {
    this.#meddler = meddler;
  }

  /** Whether these bytes went by in one packet, on either side. Asserts that the record is whole and not empty. */
  saw(secret: Uint8Array): boolean {
    assert(secret.length > 0, 'a search needs bytes to look for');
    assert(this.#forgotten === 0, 'the record of the bus is whole');
    assert(this.#records.length > 0, 'something went over the bus');
    return this.#records.some(({ bytes, passed }) =>
      [bytes, passed].some((seen) => Buffer.from(seen).includes(Buffer.from(secret))),
    );
  }

  async listen(): Promise<void> {
    rmSync(this.#settings.socketPath, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) =>
        reject(
          new LatchkeyError('PORT_UNAVAILABLE', `cannot listen at ${this.#settings.socketPath}: ${messageOf(error)}`),
        ),
      );
      this.#server.listen(this.#settings.socketPath, resolve);
    });
  }

  /** Hangs up on everybody and listens no more. */
  async close(): Promise<void> {
    this.#stop.abort(new LatchkeyError('TIMED_OUT', 'the interposer is closed'));
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(client: Socket): void {
    const tpm = connectTo(this.#settings.tpm);
    const connection = this.#connections;
    this.#connections += 1;
    const hangUp = (): void => {
      client.destroy();
      tpm.destroy();
    };
    const asked: { command: Uint8Array; index: number }[] = [];
    for (const socket of [client, tpm]) {
      this.#sockets.add(socket);
      socket.on('error', hangUp);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        hangUp();
      });
    }
    const command = (bytes: Uint8Array): Promise<boolean> => {
      const index = this.#commands;
      this.#commands += 1;
      asked.push({ command: bytes, index });
      const what = this.#meddler.command?.(bytes, index) ?? PASS;
      // The TPM never answers what never reached it.
      if (what.kind === 'drop') asked.pop();
      return this.#pass({ direction: 'command', connection, bytes }, what, tpm);
    };
    const response = (bytes: Uint8Array): Promise<boolean> => {
      const of = asked.shift() ?? { command: new Uint8Array(0), index: -1 };
      const what = this.#meddler.response?.(bytes, of.command, of.index) ?? PASS;
      return this.#pass({ direction: 'response', connection, bytes }, what, client);
    };
    void pump(client, command).finally(hangUp);
    void pump(tpm, response).finally(hangUp);
  }

  /** Whether the connection goes on. */
  async #pass(seen: Omit<BusRecord, 'passed'>, what: Meddling, to: Socket): Promise<boolean> {
    const passed = passedBytes(seen.bytes, what);
    this.#record({ ...seen, passed });
    if (what.kind === 'delay') await this.#wait(Math.min(what.delayMs, DELAY_MS_MAX));
    if (to.destroyed) return false;
    if (what.kind !== 'cut') {
      if (passed.length > 0) to.write(passed);
      return true;
    }
    await new Promise<void>((resolve) => {
      to.once('close', () => resolve());
      to.write(passed, () => resolve());
    });
    return false;
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#stop.signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, delayMs);
      this.#stop.signal.addEventListener('abort', done, { once: true });
    });
  }

  #record(record: BusRecord): void {
    this.#recordedBytes += record.bytes.length + record.passed.length;
    if (this.#recordedBytes <= (this.#settings.recordBytesMax ?? RECORD_BYTES_MAX)) this.#records.push(record);
    else this.#forgotten += 1;
  }
}

/** Hands each packet to `pass`, one at a time: nothing further is read meanwhile, so nothing piles up. */
async function pump(from: Socket, pass: (packet: Uint8Array) => Promise<boolean>): Promise<void> {
  const cutter = new PacketCutter();
  try {
    for await (const chunk of from) {
      for (const packet of cutter.push(new Uint8Array(chunk))) if (!(await pass(packet))) return;
    }
  } catch {
    // The connection is gone; so is the other side's then.
  }
}

function passedBytes(bytes: Uint8Array, what: Meddling): Uint8Array {
  if (what.kind === 'replace') return what.bytes;
  if (what.kind === 'drop') return new Uint8Array(0);
  if (what.kind === 'cut') return bytes.slice(0, what.afterBytes ?? 0);
  return bytes;
}
