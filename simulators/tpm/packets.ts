/**
 * TPM commands and responses on a byte stream (TPM 2.0 Library, Part 1, "Command/Response Structure"): tag, size of the
 * whole, code, all big-endian. Only as much as a simulator needs to cut, send and count them.
 */
import { connect, type Socket } from 'node:net';
import { concatBytes } from '../../src/base/bytes.ts';
import { LatchkeyError, messageOf } from '../../src/base/errors.ts';

export type TpmAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export const HEADER_BYTES = 10;
/** TPM_PT_MAX_COMMAND_SIZE and TPM_PT_MAX_RESPONSE_SIZE of swtpm. */
export const PACKET_BYTES_MAX = 4_096;

export const STARTUP_CLEAR = Uint8Array.of(0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44, 0, 0);
export const SHUTDOWN_CLEAR = Uint8Array.of(0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x45, 0, 0);

/** Cuts a stream into packets. What cannot be a packet is handed on as it came. */
export class PacketCutter {
  #kept: Uint8Array = new Uint8Array(0);

  push(chunk: Uint8Array): readonly Uint8Array[] {
    const packets: Uint8Array[] = [];
    let bytes = this.#kept.length === 0 ? chunk : concatBytes(this.#kept, chunk);
    while (bytes.length >= 6) {
      const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(2);
      const sound = size >= HEADER_BYTES && size <= PACKET_BYTES_MAX;
      if (sound && bytes.length < size) break;
      const end = sound ? size : bytes.length;
      packets.push(bytes.slice(0, end));
      bytes = bytes.subarray(end);
    }
    this.#kept = bytes.slice();
    return packets;
  }
}

/** The command code of a command, the response code of a response. */
export function packetCode(packet: Uint8Array): number | undefined {
  if (packet.length < HEADER_BYTES) return undefined;
  return new DataView(packet.buffer, packet.byteOffset).getUint32(6);
}

export function connectTo(address: TpmAddress): Socket {
  return address.kind === 'unix' ? connect({ path: address.path }) : connect({ ...address, noDelay: true });
}

/**
 * One command on a connection of its own. swtpm serves one client at a time: while another is connected this waits, and
 * rejects with TIMED_OUT. Rejects with PORT_UNAVAILABLE when nobody listens or the TPM hangs up.
 */
export async function askTpm(address: TpmAddress, command: Uint8Array, limitMs: number): Promise<Uint8Array> {
  const cutter = new PacketCutter();
  const response = await askOnce(address, command, limitMs, (chunk) => cutter.push(chunk)[0]);
  if (response === 'late') {
    throw new LatchkeyError('TIMED_OUT', `the TPM gave no answer in ${limitMs} ms: does another client hold it?`);
  }
  return response;
}

/** Connects, sends, and gives what `take` makes of the answer; 'late' after the limit. */
export function askOnce<T>(
  address: TpmAddress,
  bytes: Uint8Array,
  limitMs: number,
  take: (chunk: Uint8Array) => T | undefined,
): Promise<T | 'late'> {
  return new Promise((resolve, reject) => {
    const socket = connectTo(address);
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      socket.destroy();
      act();
    };
    const timer = setTimeout(() => settle(() => resolve('late')), limitMs);
    const fail = (why: string): void =>
      settle(() => reject(new LatchkeyError('PORT_UNAVAILABLE', `the TPM at ${addressText(address)}: ${why}`)));
    socket.on('connect', () => socket.write(bytes));
    socket.on('data', (chunk: Buffer) => {
      const answer = take(new Uint8Array(chunk));
      if (answer !== undefined) settle(() => resolve(answer));
    });
    socket.on('error', (error) => fail(messageOf(error)));
    socket.on('close', () => fail('it hung up without an answer'));
  });
}

export function addressText(address: TpmAddress): string {
  return address.kind === 'unix' ? address.path : `${address.host}:${address.port}`;
}
