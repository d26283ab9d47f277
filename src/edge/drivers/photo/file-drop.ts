/**
 * A directory into which a camera puts its images.
 *
 * Looked into again and again rather than watched: notices of the kernel do not come over network file systems. A file that
 * was renamed into place is whole at once; one that is written in place is taken when two looks find it unchanged and it
 * is a whole image. What is taken is removed only after it is kept, and after its event is durable: a power cut in between
 * reports it twice, with the same hash.
 */
import { open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { within } from '../../../base/abort.ts';
import type { Timer } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import { type PhotoSource, type PhotoSourceParts, report, SourceState } from './photo-source.ts';
import { type FileDropSettings, sizeMaxBytes } from './settings.ts';

/** Names that writers give to what is not whole yet. */
const UNFINISHED = /^\.|\.(?:tmp|part|partial|swp|upload)$|~$/i;
const FILES_LOOKED_AT_MAX = 1_000;
const FILES_TAKEN_MAX = 8;
const RECORD_LIMIT_MS = 10_000;

export class FileDrop implements PhotoSource {
  readonly name: string;
  readonly #settings: FileDropSettings;
  readonly #parts: PhotoSourceParts;
  readonly #state: SourceState;
  /** Size and time of each file at the look before; `refused` ones are left alone until they change. */
  #seen: ReadonlyMap<string, { readonly mark: string; readonly refused: boolean }> = new Map();
  #timer: Timer | undefined;
  #looking: Promise<void> = Promise.resolve();
  readonly #ending = new AbortController();

  constructor(settings: FileDropSettings, parts: PhotoSourceParts) {
    this.name = settings.name;
    this.#settings = settings;
    this.#parts = parts;
    this.#state = new SourceState(parts, settings.name);
  }

  start(): void {
    this.#timer = this.#parts.scheduler.after(this.#settings.look_ms, () => {
      this.#looking = this.look().finally(() => {
        if (!this.#ending.signal.aborted) this.start();
      });
    });
  }

  doorChanged(): void {
    // The camera acts by itself.
  }

  async stop(): Promise<void> {
    this.#ending.abort(new Error('the gateway stops'));
    this.#timer?.cancel();
    await this.#looking;
  }

  /** One look. Never rejects. */
  async look(): Promise<void> {
    try {
      await this.#look();
      this.#state.become('found', 'answered');
    } catch (error) {
      this.#state.become('lost', 'unreadable', messageOf(error));
    }
  }

  async #look(): Promise<void> {
    const { directory } = this.#settings;
    const files = (await readdir(directory)).filter((file) => !UNFINISHED.test(file)).sort();
    const seen = new Map<string, { mark: string; refused: boolean }>();
    let taken = 0;
    for (const file of files.slice(0, FILES_LOOKED_AT_MAX)) {
      const found = await stat(join(directory, file)).catch(() => undefined);
      if (found?.isFile() !== true || this.#ending.signal.aborted) continue;
      const mark = `${found.size} ${found.mtimeMs} ${found.ino}`;
      const before = this.#seen.get(file);
      const isSame = before?.mark === mark;
      seen.set(file, { mark, refused: isSame && before.refused });
      if (!isSame || before.refused || taken === FILES_TAKEN_MAX) continue;
      taken += 1;
      if (!(await this.#take(join(directory, file), found.size))) seen.set(file, { mark, refused: true });
      else seen.delete(file);
    }
    this.#seen = seen;
  }

  /** False when it is not taken: it is left where it is, and said once. */
  async #take(path: string, sizeBytes: number): Promise<boolean> {
    const limit = sizeMaxBytes(this.#settings);
    if (sizeBytes > limit) {
      this.#parts.metrics.count('photos_refused', 1, { device: this.name });
      this.#parts.logger.warn({ device: this.name, sizeBytes, limit }, 'an image is too large: not taken');
      return false;
    }
    const bytes = await readUpTo(path, limit);
    if (bytes === undefined) return false;
    const observed = this.#parts.observer.observe();
    const told = await report(this.#parts, { device: this.name, bytes, observed, cause: 'file_drop' });
    // What could not be kept is kept here, where the camera put it.
    if (told !== 'kept' || !(await this.#recorded())) return false;
    await rm(path, { force: true });
    return true;
  }

  /** False: whether its event will stand is not known. The next start reports the image again. */
  async #recorded(): Promise<boolean> {
    try {
      await this.#parts.durable(within(RECORD_LIMIT_MS, this.#ending.signal));
      return true;
    } catch (error) {
      const reason = messageOf(error);
      this.#parts.logger.warn({ device: this.name, reason }, 'an image is left where it is: its event is not durable');
      return false;
    }
  }
}

/** Undefined when it grew beyond the limit meanwhile. */
async function readUpTo(path: string, limit: number): Promise<Uint8Array | undefined> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    if (size > limit) return undefined;
    const bytes = new Uint8Array(size);
    let at = 0;
    while (at < size) {
      const { bytesRead } = await handle.read(bytes, at, size - at, at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return bytes.subarray(0, at);
  } finally {
    await handle.close();
  }
}
