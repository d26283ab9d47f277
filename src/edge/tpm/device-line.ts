/**
 * The kernel's device file: one write is one command, one read gives its response (Linux, drivers/char/tpm/tpm-dev-common.c).
 *
 * Both block, each on a thread of libuv's pool, and cannot be called back. So after a time limit the line is left to end
 * by itself, and until it has, a new one is refused: hung commands hold one thread, never all.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { TpmLine, TpmLineOpener } from './line-transport.ts';
import { ResponseCutter } from './response-cutter.ts';
import { PACKET_BYTES_MAX } from './transport.ts';

/** `/dev/tpmrm0` is the resource manager's; `/dev/tpm0` is the bare chip, which the kernel lends to one process. */
export function deviceOpener(path: string): TpmLineOpener {
  let last: DeviceLine | undefined;
  return {
    target: path,
    resourceManaged: basename(path).startsWith('tpmrm'),
    async open(signal) {
      if (last?.busy === true) throw new Error('it still works on an earlier command');
      const file = await open(path, constants.O_RDWR | constants.O_NOCTTY);
      last = new DeviceLine(file);
      if (signal.aborted) last.close();
      return last;
    },
  };
}

class DeviceLine implements TpmLine {
  readonly #file: FileHandle;
  #busy = false;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  get busy(): boolean {
    return this.#busy;
  }

  async exchange(command: Uint8Array): Promise<Uint8Array> {
    this.#busy = true;
    try {
      const { bytesWritten } = await this.#file.write(command);
      if (bytesWritten !== command.length) throw new Error(`it took ${bytesWritten} of ${command.length} bytes`);
      const cutter = new ResponseCutter();
      for (;;) {
        // One byte more than the largest response, so that a longer one shows.
        const piece = new Uint8Array(PACKET_BYTES_MAX + 1);
        const { bytesRead } = await this.#file.read(piece, 0, piece.length, null);
        if (bytesRead === 0) throw new Error(`its response ended after ${cutter.sizeBytes} bytes`);
        const response = cutter.push(piece.subarray(0, bytesRead));
        if (response !== undefined) return response;
      }
    } finally {
      this.#busy = false;
    }
  }

  /** Node closes the file when the read or write under way has ended. */
  close(): void {
    void this.#file.close().catch(() => undefined);
  }
}
