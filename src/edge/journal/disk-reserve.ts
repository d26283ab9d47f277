/**
 * A file that holds room for the last records: when the disk is full it is given up, and made again when there is room.
 */

import { randomFillSync } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

const CHUNK_BYTES = 1_048_576;

export class DiskReserve {
  readonly path: string;
  readonly sizeBytes: number;

  constructor(path: string, sizeBytes: number) {
    this.path = path;
    this.sizeBytes = sizeBytes;
  }

  get isThere(): boolean {
    return statSync(this.path, { throwIfNoEntry: false })?.size === this.sizeBytes;
  }

  /** Makes the file, its blocks really allocated. False when there is no room for it: nothing is left then. */
  make(): boolean {
    if (this.isThere) return true;
    const temporary = `${this.path}.tmp`;
    try {
      rmSync(this.path, { force: true });
      const descriptor = openSync(temporary, 'w', 0o600);
      try {
        // Random bytes: a file system that compresses or leaves holes would keep no room for zeros.
        const chunk = randomFillSync(Buffer.alloc(Math.min(CHUNK_BYTES, this.sizeBytes)));
        for (let at = 0; at < this.sizeBytes; ) {
          at += writeSync(descriptor, chunk, 0, Math.min(chunk.length, this.sizeBytes - at), at);
        }
        ftruncateSync(descriptor, this.sizeBytes);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      renameSync(temporary, this.path);
      return true;
    } catch {
      // Without room there is no reserve; whoever asks sees that.
      rmSync(temporary, { force: true });
      return false;
    }
  }

  /** Gives the room to the file system. True when there was some to give. */
  release(): boolean {
    if (!existsSync(this.path)) return false;
    rmSync(this.path, { force: true });
    // Some file systems free blocks only with their next journal commit, which this forces.
    const descriptor = openSync(dirname(this.path), 'r');
    try {
      fsyncSync(descriptor);
    } catch {
      // The room is given up all the same, a little later.
    } finally {
      closeSync(descriptor);
    }
    return true;
  }
}
