/**
 * Files that survive a power cut: what these functions have resolved is on the disk, as far as the disk is honest.
 *
 * A rename is durable only after the directory's fsync, and so is a new file's name. After a failed fsync the kernel may
 * call pages clean that never reached the disk, so an `AppendFile` that failed once refuses everything from then on: its
 * user opens the file anew and cuts it back to what was durable before.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { assert } from '../base/assert.ts';

/** For data of one user: nobody else reads a key or an event. */
export const FILE_MODE = 0o600;
export const DIRECTORY_MODE = 0o700;

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Makes the directory and those above it that are missing, mode 0700, durably. Rejects with the system's error.
 *
 * Level by level: Node 20's own recursive `mkdir` goes up and down for ever where a name is there and nothing can be made
 * below it, as in /proc and behind a dangling link.
 */
export async function makeDirectory(path: string): Promise<void> {
  const missing: string[] = [];
  for (let at = path; !(await isDirectory(at)); at = dirname(at)) {
    missing.unshift(at);
    if (at === dirname(at)) break;
  }
  for (const each of missing) {
    await mkdir(each, { mode: DIRECTORY_MODE }).catch(async (error: NodeJS.ErrnoException) => {
      // Somebody else may have made it meanwhile.
      if (error.code !== 'EEXIST' || !(await isDirectory(each))) throw error;
    });
    await syncDirectory(each);
    await syncDirectory(dirname(each));
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/**
 * Replaces the whole file or nothing of it: temporary file beside it, fsync, rename, fsync of the directory. One writer
 * per path. Rejects with the system's error; the old content stands then, unless only the last fsync failed.
 */
export async function writeFileDurably(path: string, bytes: Uint8Array, mode: number = FILE_MODE): Promise<void> {
  await replace(path, bytes, mode, true);
  await syncDirectory(dirname(path));
}

/** Replaces the file as one step for its readers. For what is shown, not kept: a power cut may bring the older one back. */
export async function replaceFile(path: string, bytes: Uint8Array, mode: number = FILE_MODE): Promise<void> {
  await replace(path, bytes, mode, false);
}

async function replace(path: string, bytes: Uint8Array, mode: number, sync: boolean): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const handle = await open(temporary, 'w', mode);
    try {
      await handle.chmod(mode);
      await handle.writeFile(bytes);
      if (sync) await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** A file that only grows at its end. Not for concurrent use: one call after the other. */
export class AppendFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #size: number;
  #failed = false;

  private constructor(path: string, handle: FileHandle, size: number) {
    this.path = path;
    this.#handle = handle;
    this.#size = size;
  }

  /**
   * Opens or makes the file (mode 0600, its name durable). What is there may come from a process that was killed before
   * its fsync, so it is synced here, unless the caller knows better (`isDurable`): what `read` shows is durable.
   */
  static async open(path: string, options: { readonly isDurable?: boolean } = {}): Promise<AppendFile> {
    const found = await open(path, constants.O_RDWR).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    const handle = found ?? (await open(path, constants.O_RDWR | constants.O_CREAT, FILE_MODE));
    try {
      if (found === undefined || options.isDurable !== true) {
        await handle.sync();
        await syncDirectory(dirname(path));
      }
      const { size } = await handle.stat();
      return new AppendFile(path, handle, size);
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
  }

  /** Bytes that are durable. */
  get size(): number {
    return this.#size;
  }

  /** True after any write, sync or truncation failed: the file must be opened anew. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Writes at the end and syncs. On rejection nothing was added as far as `size` knows, and the handle is spent. */
  async append(chunks: readonly Uint8Array[]): Promise<void> {
    await this.#attempt(async () => {
      let at = this.#size;
      for (const chunk of joined(chunks)) {
        let written = 0;
        while (written < chunk.length) {
          const { bytesWritten } = await this.#handle.write(chunk, written, chunk.length - written, at + written);
          written += bytesWritten;
        }
        at += chunk.length;
      }
      await this.#handle.datasync();
      this.#size = at;
    });
  }

  /** Cuts the end off, durably. */
  async truncate(size: number): Promise<void> {
    assert(size <= this.#size, `${this.path} is cut to ${size} bytes and holds ${this.#size}`);
    await this.#attempt(async () => {
      await this.#handle.truncate(size);
      await this.#handle.sync();
      this.#size = size;
    });
  }

  /** Up to `length` bytes from `at`; fewer only at the end of the file. */
  async read(at: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.#size - at)));
    let done = 0;
    while (done < bytes.length) {
      const { bytesRead } = await this.#handle.read(bytes, done, bytes.length - done, at + done);
      if (bytesRead === 0) return bytes.subarray(0, done);
      done += bytesRead;
    }
    return bytes;
  }

  async close(): Promise<void> {
    this.#failed = true;
    await this.#handle.close();
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    assert(!this.#failed, `${this.path} failed before and must be opened anew`);
    try {
      await work();
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }
}

/** Many small chunks become one write; large ones stay apart, to spare the copy. */
function joined(chunks: readonly Uint8Array[]): readonly Uint8Array[] {
  if (chunks.length < 2) return chunks;
  return [Buffer.concat(chunks)];
}

/** Whether a file operation failed because there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** Removes what a killed `writeFileDurably` left in a directory. */
export async function removeTemporary(directory: string, names: readonly string[]): Promise<number> {
  const left = names.filter((name) => name.endsWith('.tmp'));
  for (const name of left) await rm(join(directory, name), { force: true });
  return left.length;
}
