/**
 * The intake store in files.
 *
 *     <directory>/lock                                 held while the store is open
 *     <directory>/clean                                there while it is closed, if it was closed in order
 *     <directory>/logs/<gateway>/trust.ndjson          successor statements, first-use keys
 *     <directory>/logs/<gateway>/<number>-<tag>@<domain>/
 *         entries/<first>.ndjson (.idx)                segment-format.ts
 *         cosigned.ndjson  carried.ndjson  forks/
 *
 * Files are 0600 and folders 0700. A group of ranges costs one write and one fsync per log that it touches, side by side.
 */
import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '../../../base/assert.ts';
import { base64, utf8 } from '../../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../../base/errors.ts';
import type { EvidenceCrypto } from '../../../evidence/crypto.ts';
import type { Frontier } from '../../../evidence/log/tree.ts';
import { isMissing, makeDirectory, syncDirectory, writeFileDurably } from '../../../platform/durable-file.ts';
import { type FileLock, lockFile } from '../../../platform/file-lock.ts';
import {
  type AppendAnswer,
  type CosignChange,
  type EntryPlace,
  FORK_BYTES_MAX,
  type ForkProof,
  type HeldGateway,
  type IntakeStore,
  type RangeAppend,
  type TrustRecord,
  type UseEntry,
} from '../store.ts';
import { FileGateway, gatewayOfOrigin } from './file-gateway.ts';
import type { FileLog } from './file-log.ts';

export interface FileStoreSettings {
  readonly crypto: EvidenceCrypto;
  readonly directory: string;
  /** Default 64 MiB; smaller in tests. */
  readonly segmentBytes?: number;
}

const SEGMENT_BYTES = 67_108_864;
const CLEAN_MARK = 'clean';
/** Files that stay open for writing; beyond, the least recently used are closed between groups. */
const OPEN_LOGS_MAX = 128;
/** Logs written and synced side by side: libuv has four threads for files. */
const PARALLEL = 8;

export class FileStore implements IntakeStore {
  readonly #settings: Required<FileStoreSettings>;
  readonly #lock: FileLock;
  readonly #gateways = new Map<string, Promise<FileGateway>>();
  /** Logs with open files, least recently used first. */
  readonly #open = new Map<string, FileLog>();
  /** Logs that the failed call wrote to. */
  #suspect = new Set<FileLog>();
  #failure: LatchkeyError | undefined;
  /** The write under way. */
  #current: Promise<unknown> = Promise.resolve();
  /** The process before closed its store in order: what is there was synced. */
  #isDurable: boolean;

  private constructor(settings: Required<FileStoreSettings>, lock: FileLock, isDurable: boolean) {
    this.#settings = settings;
    this.#lock = lock;
    this.#isDurable = isDurable;
  }

  /** Throws STORE_BUSY when another process holds the directory, and STORE_IO when it cannot be made. */
  static async open(settings: FileStoreSettings): Promise<FileStore> {
    const { directory } = settings;
    await makeDirectory(join(directory, 'logs')).catch((error: unknown) => {
      throw failureOf(error, `cannot make ${directory}`);
    });
    const lock = lockFile(join(directory, 'lock'), 'STORE_BUSY', `the store in ${directory}`);
    try {
      return new FileStore({ segmentBytes: SEGMENT_BYTES, ...settings }, lock, await takeCleanMark(directory));
    } catch (error) {
      lock.release();
      throw failureOf(error, `cannot open ${directory}`);
    }
  }

  async gateways(): Promise<readonly string[]> {
    const names = await this.#reading(() => readdir(join(this.#settings.directory, 'logs')));
    return names.filter((name) => /^[a-z0-9-]{1,64}$/.test(name));
  }

  async load(gateway: string): Promise<HeldGateway> {
    return this.#reading(async () => (await this.#gateway(gateway)).held());
  }

  append(ranges: readonly RangeAppend[]): Promise<readonly AppendAnswer[]> {
    return this.#writing(async () => {
      const groups = new Map<string, { readonly ranges: RangeAppend[]; readonly at: number[] }>();
      ranges.forEach((range, i) => {
        const group = groups.get(range.origin) ?? { ranges: [], at: [] };
        group.ranges.push(range);
        group.at.push(i);
        groups.set(range.origin, group);
      });
      const answers: AppendAnswer[] = [];
      await inParallel([...groups], async ([origin, group]) => {
        const log = (await this.#gateway(gatewayOfOrigin(origin))).log(origin);
        this.#touch(log);
        const each = await log.append(group.ranges);
        if (groups.size > OPEN_LOGS_MAX) await this.#letGo(log);
        group.at.forEach((at, i) => {
          answers[at] = each[i] ?? 'conflict';
        });
      });
      return answers;
    });
  }

  cosign(changes: readonly CosignChange[]): Promise<readonly ('stored' | 'conflict')[]> {
    return this.#writing(async () => {
      const answers: ('stored' | 'conflict')[] = [];
      // Changes of one log follow each other; logs go side by side.
      const groups = new Map<string, { readonly change: CosignChange; readonly at: number }[]>();
      changes.forEach((change, at) => {
        groups.set(change.origin, [...(groups.get(change.origin) ?? []), { change, at }]);
      });
      await inParallel([...groups], async ([origin, group]) => {
        const log = (await this.#gateway(gatewayOfOrigin(origin))).log(origin);
        this.#touch(log);
        for (const { change, at } of group) answers[at] = await log.cosign(change.expected, change.next);
        if (groups.size > OPEN_LOGS_MAX) await this.#letGo(log);
      });
      return answers;
    });
  }

  frontierAt(origin: string, size: number): Promise<Frontier | undefined> {
    return this.#reading(async () => (await this.#find(origin))?.frontierAt(size));
  }

  leafHashes(origin: string, first: number, count: number): Promise<readonly Uint8Array[]> {
    return this.#reading(async () => {
      const hashes: Uint8Array[] = [];
      const log = await this.#find(origin);
      if (log !== undefined) for await (const row of log.rows(first, first + count)) hashes.push(row.leafHash);
      return hashes;
    });
  }

  carriersOf(gateway: string, leafHashes: readonly Uint8Array[]): Promise<readonly (EntryPlace | undefined)[]> {
    return this.#reading(async () => {
      const found = await this.#gateway(gateway);
      return leafHashes.map((leaf) => found.carrierOf(base64(leaf)));
    });
  }

  async *entries(origin: string, position: number): AsyncIterable<UseEntry> {
    const log = await this.#reading(() => this.#find(origin));
    if (log === undefined) return;
    try {
      yield* log.entries(position);
    } catch (error) {
      throw failureOf(error, `cannot read ${origin}`);
    }
  }

  excerpt(origin: string, first: number, end: number): Promise<Uint8Array> {
    return this.#reading(async () => {
      const lines: Uint8Array[] = [];
      let sizeBytes = 0;
      const log = await this.#find(origin);
      if (log === undefined) return new Uint8Array(0);
      for await (const row of log.rows(first, end)) {
        const line = row.leaf ?? utf8(`{"#":"withheld","leaf_hash":"${base64(row.leafHash)}"}`);
        sizeBytes += line.length + 1;
        if (sizeBytes > FORK_BYTES_MAX) break;
        lines.push(line, Uint8Array.of(0x0a));
      }
      return Buffer.concat(lines);
    });
  }

  saveTrust(gateway: string, record: TrustRecord): Promise<'stored'> {
    return this.#writing(async (): Promise<'stored'> => {
      await (await this.#gateway(gateway)).saveTrust(record);
      return 'stored';
    });
  }

  keepFork(origin: string, fork: ForkProof): Promise<'kept' | 'known' | 'full'> {
    return this.#writing(async () => (await this.#gateway(gatewayOfOrigin(origin))).log(origin).forks.keep(fork));
  }

  async reopen(): Promise<void> {
    try {
      for (const log of this.#suspect) {
        await log.cutBack();
        this.#suspect.delete(log);
      }
      for (const log of this.#open.values()) await log.release();
      for (const gateway of this.#gateways.values()) await (await gateway.catch(() => undefined))?.release();
    } catch (error) {
      throw failureOf(error, `cannot recover ${this.#settings.directory}`);
    }
    this.#open.clear();
    this.#gateways.clear();
    this.#isDurable = false;
    this.#failure = undefined;
  }

  async close(): Promise<void> {
    const failure = this.#failure;
    this.#failure = new LatchkeyError('STORE_IO', 'the store is closed');
    const isWritten = await this.#current.then(
      () => true,
      () => false,
    );
    for (const log of this.#open.values()) await log.release();
    for (const gateway of this.#gateways.values()) await (await gateway.catch(() => undefined))?.release();
    this.#gateways.clear();
    // Only if nothing failed: a missing mark costs a slow start, a false one would cost data.
    if (failure === undefined && isWritten) {
      await writeFileDurably(join(this.#settings.directory, CLEAN_MARK), new Uint8Array(0)).catch(() => undefined);
    }
    this.#lock.release();
  }

  async #find(origin: string): Promise<FileLog | undefined> {
    return (await this.#gateway(gatewayOfOrigin(origin))).find(origin);
  }

  #gateway(gateway: string): Promise<FileGateway> {
    assert(/^[a-z0-9-]{1,64}$/.test(gateway), 'a gateway id is a folder name');
    let found = this.#gateways.get(gateway);
    if (found === undefined) {
      const path = join(this.#settings.directory, 'logs', gateway);
      found = FileGateway.recover(this.#settings, gateway, path, this.#isDurable);
      // A failed recovery is tried again by the next caller.
      found.catch(() => this.#gateways.delete(gateway));
      this.#gateways.set(gateway, found);
    }
    return found;
  }

  #touch(log: FileLog): void {
    this.#suspect.add(log);
    this.#open.delete(log.origin);
    this.#open.set(log.origin, log);
  }

  async #reading<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw failureOf(error, `cannot read ${this.#settings.directory}`);
    }
  }

  async #writing<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure;
    const current = work();
    this.#current = current;
    try {
      const result = await current;
      this.#suspect.clear();
      await this.#closeOldest();
      return result;
    } catch (error) {
      const failure = failureOf(error, `cannot write to ${this.#settings.directory}`);
      this.#failure = failure;
      // At once, so that a restart finds nothing that was never synced; `reopen` does it again if this fails.
      for (const log of this.#suspect) await log.cutBack().catch(() => undefined);
      throw failure;
    }
  }

  async #closeOldest(): Promise<void> {
    for (const log of this.#open.values()) {
      if (this.#open.size <= OPEN_LOGS_MAX) return;
      await this.#letGo(log);
    }
  }

  /** Its next write opens the files again. */
  async #letGo(log: FileLog): Promise<void> {
    this.#open.delete(log.origin);
    await log.release();
  }
}

/** The mark says that every file was synced, until something is written: so it goes before anything else happens. */
async function takeCleanMark(directory: string): Promise<boolean> {
  try {
    await unlink(join(directory, CLEAN_MARK));
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  await syncDirectory(directory);
  return true;
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const failures: unknown[] = [];
  const lane = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) {
      await work(item).catch((error: unknown) => failures.push(error));
    }
  };
  // All lanes end before a failure is told, so that nothing is still being written when handles are closed.
  await Promise.all(Array.from({ length: PARALLEL }, lane));
  if (failures.length > 0) throw failures[0];
}

function failureOf(error: unknown, what: string): LatchkeyError {
  if (error instanceof LatchkeyError) return error;
  if (error instanceof Error && error.name === 'AssertionError') throw error;
  const code = (error as NodeJS.ErrnoException).code;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new LatchkeyError(isFull ? 'STORE_FULL' : 'STORE_IO', `${what}: ${messageOf(error)}`, { cause: error });
}
