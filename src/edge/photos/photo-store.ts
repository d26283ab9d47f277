/**
 * Photos on this box, encrypted, each under the SHA-256 of its image: a file is whole under its name or not there.
 *
 * Bounded in age and in size. When there is no room the oldest go first, and each that goes before its time is told.
 * Recovery is opening: half-written files have other names and are removed, whatever else lies there is left alone.
 */
import { statfsSync } from 'node:fs';
import { open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hex, unhex } from '../../base/bytes.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { explain, LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import { type Result, refuse } from '../../base/result.ts';
import { isMissing, makeDirectory, syncDirectory, writeFileDurably } from '../../platform/durable-file.ts';
import type { Observer } from '../contracts/observed.ts';
import type { Photo, PhotoKeeper } from '../contracts/photos.ts';
import { HEADER_BYTES_MAX, openPhoto, readHeader, sealPhoto } from './sealed-photo.ts';
import type { PhotoStoreSettings } from './settings.ts';

const FILE_NAME = /^([0-9a-f]{64})\.photo$/;
/** A power cut leaves these behind. */
const HALF_NAME = /^[0-9a-f]{64}\.photo\.tmp$/;
const EXPIRE_EVERY_MS = 600_000;
/** A million photos of a kilobyte would be a gigabyte of index: no locker takes as many in two weeks. */
const PHOTOS_MAX = 200_000;

export interface PhotoStoreParts {
  readonly directory: string;
  readonly settings: PhotoStoreSettings;
  /** Asked until it answers once; a TPM may be away for now. */
  readonly key: () => Promise<Uint8Array>;
  /** A photo went before its time. */
  readonly dropped: (sha256: Uint8Array, ageMs: number) => void;
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Free bytes of the file system; for tests. */
  readonly freeBytes?: (directory: string) => number;
}

interface Kept {
  readonly keptAtMs: number;
  readonly fileBytes: number;
}

export interface PhotoStoreStatus {
  readonly photos: number;
  readonly bytes: number;
  /** False while the key is away: nothing is kept, nothing can be read. */
  readonly unlocked: boolean;
}

export class PhotoStore implements PhotoKeeper {
  readonly #parts: PhotoStoreParts;
  /** Oldest first, as a Map keeps them. */
  readonly #kept = new Map<string, Kept>();
  #totalBytes = 0;
  #key: Uint8Array | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #timer: Timer | undefined;

  private constructor(parts: PhotoStoreParts) {
    this.#parts = parts;
  }

  /** Rejects with STORE_IO when the directory cannot be read or made. A key that is away is no reason to reject. */
  static async open(parts: PhotoStoreParts): Promise<PhotoStore> {
    const store = new PhotoStore(parts);
    try {
      await makeDirectory(parts.directory);
      await store.#recover();
    } catch (error) {
      throw new LatchkeyError('STORE_IO', `the photos in ${parts.directory}: ${messageOf(error)}`, { cause: error });
    }
    // In its turn, and not waited for: a slow key store does not hold up the locker.
    store
      .#inTurn(() => store.#unlock())
      .catch((error: unknown) => {
        parts.logger.warn({ reason: explain(error) }, 'photos cannot be kept until their key is there');
      });
    return store;
  }

  /** Removes what is too old, now and every ten minutes. */
  start(): void {
    void this.expire();
    this.#timer = this.#parts.scheduler.after(EXPIRE_EVERY_MS, () => this.start());
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#queue;
  }

  status(): PhotoStoreStatus {
    return { photos: this.#kept.size, bytes: this.#totalBytes, unlocked: this.#key !== undefined };
  }

  keep(photo: Photo): Promise<boolean> {
    return this.#inTurn(async () => {
      const name = hex(photo.sha256);
      if (this.#kept.has(name)) return true;
      try {
        const key = await this.#unlock();
        const keptAtMs = this.#parts.observer.observe().wallMs;
        const file = sealPhoto(key, photo, keptAtMs);
        if (!(await this.#makeRoom(file.length))) return false;
        await writeFileDurably(this.#path(name), file);
        this.#add(name, { keptAtMs, fileBytes: file.length });
        return true;
      } catch (error) {
        this.#parts.logger.error({ reason: explain(error) }, 'a photo could not be kept');
        this.#parts.metrics.count('photos_not_kept');
        return false;
      }
    });
  }

  /** `absent`: never kept, too old, or dropped. `locked`: its key is away for now. `damaged`: the file is not what was kept. */
  read(sha256: Uint8Array): Promise<Result<Photo, 'absent' | 'damaged' | 'locked'>> {
    return this.#inTurn(async () => {
      const name = hex(sha256);
      if (!this.#kept.has(name)) return refuse('absent', `no photo ${name} is kept here`);
      try {
        const key = await this.#unlock();
        const opened = openPhoto(key, sha256, await readFile(this.#path(name)));
        if (!opened.ok) this.#parts.logger.error({ photo: name, reason: opened.detail }, 'a stored photo is damaged');
        return opened.ok ? opened : refuse('damaged', `photo ${name}: ${opened.detail}`);
      } catch (error) {
        if (isMissing(error)) return refuse('absent', `photo ${name} was removed by another hand`);
        return refuse('locked', explain(error));
      }
    });
  }

  /** Removes photos that are older than they are to be kept. A clock that knows nothing removes nothing. */
  expire(): Promise<void> {
    return this.#inTurn(async () => {
      const { observer, settings } = this.#parts;
      const { wallMs, clock } = observer.observe();
      if (clock.src === 'none') return;
      for (const [name, { keptAtMs }] of [...this.#kept]) {
        if (wallMs - keptAtMs > settings.keepMs) await this.#remove(name);
      }
    }).catch((error: unknown) => {
      this.#parts.logger.error({ reason: explain(error) }, 'old photos could not be removed');
    });
  }

  async #unlock(): Promise<Uint8Array> {
    this.#key ??= await this.#parts.key();
    return this.#key;
  }

  async #recover(): Promise<void> {
    const { directory } = this.#parts;
    const found: { readonly name: string; readonly kept: Kept }[] = [];
    for (const file of await readdir(directory)) {
      if (HALF_NAME.test(file)) await rm(join(directory, file), { force: true });
      const name = FILE_NAME.exec(file)?.[1];
      if (name === undefined) continue;
      found.push({ name, kept: await this.#look(join(directory, file)) });
    }
    await syncDirectory(directory);
    found.sort((a, b) => a.kept.keptAtMs - b.kept.keptAtMs);
    for (const { name, kept } of found) this.#add(name, kept);
  }

  /** A file without a header counts and goes like the oldest; whether it is a photo is found out when it is read. */
  async #look(path: string): Promise<Kept> {
    const handle = await open(path, 'r');
    try {
      const bytes = new Uint8Array(HEADER_BYTES_MAX);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
      const header = readHeader(bytes.subarray(0, bytesRead));
      return { keptAtMs: header?.keptAtMs ?? 0, fileBytes: (await stat(path)).size };
    } finally {
      await handle.close();
    }
  }

  /** Drops the oldest until `bytes` more fit. */
  async #makeRoom(bytes: number): Promise<boolean> {
    const { settings, directory, freeBytes = freeBytesOf } = this.#parts;
    if (bytes > settings.sizeMaxBytes) return false;
    for (;;) {
      const isTooMuch = this.#totalBytes + bytes > settings.sizeMaxBytes || this.#kept.size >= PHOTOS_MAX;
      if (!isTooMuch && freeBytes(directory) - bytes >= settings.freeMinBytes) return true;
      const [oldest] = this.#kept;
      if (oldest === undefined) return false;
      const [name, { keptAtMs }] = oldest;
      await this.#remove(name);
      const sha256 = unhex(name);
      const ageMs = Math.max(0, this.#parts.observer.observe().wallMs - keptAtMs);
      if (sha256 !== undefined) this.#parts.dropped(sha256, ageMs);
      this.#parts.metrics.count('photos_dropped');
    }
  }

  #add(name: string, kept: Kept): void {
    this.#kept.set(name, kept);
    this.#totalBytes += kept.fileBytes;
    this.#gauge();
  }

  async #remove(name: string): Promise<void> {
    await rm(this.#path(name), { force: true });
    await syncDirectory(this.#parts.directory);
    this.#totalBytes -= this.#kept.get(name)?.fileBytes ?? 0;
    this.#kept.delete(name);
    this.#gauge();
  }

  #gauge(): void {
    this.#parts.metrics.gauge('photos_kept', this.#kept.size);
    this.#parts.metrics.gauge('photos_bytes', this.#totalBytes);
  }

  #path(name: string): string {
    return join(this.#parts.directory, `${name}.photo`);
  }

  /** One change after the other: the budget is counted between them. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}

function freeBytesOf(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}
