/**
 * One segment file of a log: consecutive entries from `first` on, appended by commits.
 *
 * Reading opens the file for itself, so it may run beside an append; it sees what was durable when it began.
 */
import { constants } from 'node:fs';
import { copyFile, type FileHandle, open, rm, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { concatBytes } from '../../../base/bytes.ts';
import type { EvidenceCrypto } from '../../../evidence/crypto.ts';
import type { Frontier } from '../../../evidence/log/tree.ts';
import { AppendFile } from '../../../platform/durable-file.ts';
import { type Commit, formatHead, parseCommit, parseHead, type SegmentHead } from './segment-format.ts';
import { appendIndex, INDEX_STEP_BYTES, type IndexRecord, readIndex } from './segment-index.ts';

const READ_BYTES = 262_144;
/** Larger than any commit that a batch can become. */
const COMMIT_BYTES_MAX = 33_554_432;

/** A commit with the place where it begins. */
export interface PlacedCommit extends Commit {
  readonly offset: number;
}

export interface SegmentTail {
  readonly end: Frontier;
  readonly note: Uint8Array | undefined;
  /** Arrival position after the last row. */
  readonly nextPosition: number;
}

/** A commit that is to be written. */
export interface NewCommit {
  readonly bytes: Uint8Array;
  readonly first: number;
  readonly position: number;
}

export class SegmentFile {
  readonly path: string;
  readonly head: SegmentHead;
  tail: SegmentTail;
  #sizeBytes: number;
  #file: AppendFile | undefined;
  #indexed: number;
  #lastOffset: number;

  private constructor(path: string, head: SegmentHead, tail: SegmentTail, sizeBytes: number) {
    this.path = path;
    this.head = head;
    this.tail = tail;
    this.#sizeBytes = sizeBytes;
    this.#indexed = 0;
    this.#lastOffset = 0;
  }

  /** A segment that has no file yet: the first append makes it. */
  static fresh(path: string, head: SegmentHead): SegmentFile {
    return new SegmentFile(path, head, { end: head.before, note: undefined, nextPosition: head.position }, 0);
  }

  /**
   * Opens a file that a former process wrote, cuts off a torn end and says how many bytes that were. Without `segment`
   * the file held no whole commit and was removed. A torn end that reaches below `receiptedSize` is damage: the file is
   * copied aside first, once.
   */
  static async recover(
    crypto: EvidenceCrypto,
    path: string,
    options: { readonly receiptedSize: number; readonly isDurable: boolean },
  ): Promise<{ readonly segment?: SegmentFile; readonly cutBytes: number }> {
    const { receiptedSize } = options;
    const file = await AppendFile.open(path, options);
    try {
      const head = parseHead(await file.read(0, 8_192));
      const found = head === undefined ? undefined : await findEnd(crypto, path, head.sizeBytes, file.size);
      if (head === undefined || found === undefined) {
        if (firstOf(path) < receiptedSize) await keepAside(path);
        await rm(path, { force: true });
        await rm(`${path}.idx`, { force: true });
        return { cutBytes: file.size };
      }
      const { last, records } = found;
      const endBytes = last.offset + last.sizeBytes;
      const cutBytes = file.size - endBytes;
      if (cutBytes > 0 && last.after.size < receiptedSize) await keepAside(path);
      if (cutBytes > 0) await file.truncate(endBytes);
      const nextPosition = last.position + last.rows.length;
      const tail = { end: last.after, note: last.note, nextPosition };
      const segment = new SegmentFile(path, head.head, tail, endBytes);
      segment.#indexed = records.length;
      segment.#lastOffset = records.at(-1)?.offset ?? 0;
      return { segment, cutBytes };
    } finally {
      await file.close();
    }
  }

  get first(): number {
    return this.head.before.size;
  }

  /** Durable bytes; 0 while there is no file. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Makes commits durable, as one. On rejection nothing of them counts; `cutBack` must succeed before the next append. */
  async append(commits: readonly NewCommit[], tail: SegmentTail): Promise<void> {
    const isNew = this.#sizeBytes === 0;
    this.#file ??= await AppendFile.open(this.path, { isDurable: true });
    if (this.#file.size !== this.#sizeBytes) {
      throw new Error(
        `${this.path}: expected ${this.#sizeBytes} bytes, found ${this.#file.size}: another hand wrote it`,
      );
    }
    const head = isNew ? [formatHead(this.head)] : [];
    await this.#file.append([...head, ...commits.map((commit) => commit.bytes)]);
    const records = this.#newRecords(commits, this.#sizeBytes + (head[0]?.length ?? 0));
    this.#sizeBytes = this.#file.size;
    this.tail = tail;
    if (records.length > 0) await appendIndex(`${this.path}.idx`, this.#indexed, records);
    this.#indexed += records.length;
  }

  /** After a failure: takes back, with a new handle, what may have been written beyond the last durable byte. */
  async cutBack(): Promise<void> {
    await this.release();
    const found = await stat(this.path).catch(() => undefined);
    if (found === undefined) return;
    if (this.#sizeBytes === 0) return rm(this.path, { force: true });
    const file = await AppendFile.open(this.path);
    try {
      await file.truncate(this.#sizeBytes);
    } finally {
      await file.close();
    }
  }

  /** Closes the write handle; the next append opens it again. */
  async release(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => undefined);
  }

  /** Commits in file order from the last indexed one at or before the wanted place, up to what is durable now. */
  async *commits(
    crypto: EvidenceCrypto,
    from: { readonly first: number } | { readonly position: number },
  ): AsyncIterable<PlacedCommit> {
    const end = this.#sizeBytes;
    if (end === 0) return;
    const records = await readIndex(`${this.path}.idx`, end);
    const before = records.filter((record) =>
      'first' in from ? record.first <= from.first : record.position <= from.position,
    );
    const start = before.at(-1)?.offset ?? formatHead(this.head).length;
    for await (const commit of readCommits(crypto, this.path, start, end)) {
      const past = commit.before.size + commit.rows.length;
      if ('first' in from ? past > from.first : commit.position + commit.rows.length > from.position) yield commit;
    }
  }

  #newRecords(commits: readonly NewCommit[], start: number): IndexRecord[] {
    const records: IndexRecord[] = [];
    let offset = start;
    for (const commit of commits) {
      if (offset - this.#lastOffset >= INDEX_STEP_BYTES) {
        records.push({ first: commit.first, position: commit.position, offset });
        this.#lastOffset = offset;
      }
      offset += commit.bytes.length;
    }
    return records;
  }
}

/** `0000000000001000.ndjson`: named by the index of its first entry. */
export function segmentName(first: number): string {
  return `${String(first).padStart(16, '0')}.ndjson`;
}

export function isSegmentName(name: string): boolean {
  return /^[0-9]{16}\.ndjson$/.test(name);
}

function firstOf(path: string): number {
  return Number(basename(path, '.ndjson'));
}

async function keepAside(path: string): Promise<void> {
  await copyFile(path, `${path}.damaged`, constants.COPYFILE_EXCL).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  });
}

/** The last whole commit, searched from the newest usable index record, else from the beginning. */
async function findEnd(
  crypto: EvidenceCrypto,
  path: string,
  headBytes: number,
  fileBytes: number,
): Promise<{ readonly last: PlacedCommit; readonly records: readonly IndexRecord[] } | undefined> {
  let records = await readIndex(`${path}.idx`, fileBytes);
  for (;;) {
    let last: PlacedCommit | undefined;
    const start = records.at(-1)?.offset ?? headBytes;
    for await (const commit of readCommits(crypto, path, start, fileBytes)) last = commit;
    const record = records.at(-1);
    if (last !== undefined) return { last, records };
    if (record === undefined) return undefined;
    records = records.slice(0, -1);
  }
}

/** Whole commits of [start, end), until one is not whole. */
async function* readCommits(
  crypto: EvidenceCrypto,
  path: string,
  start: number,
  end: number,
): AsyncGenerator<PlacedCommit> {
  const handle = await open(path, 'r');
  try {
    let buffer: Uint8Array = new Uint8Array(0);
    let bufferAt = start;
    let readAt = start;
    for (;;) {
      const commit = parseCommit(crypto, buffer, 0);
      if (commit !== undefined) {
        yield { ...commit, offset: bufferAt };
        buffer = buffer.subarray(commit.sizeBytes);
        bufferAt += commit.sizeBytes;
        continue;
      }
      if (readAt >= end || buffer.length > COMMIT_BYTES_MAX) return;
      const more = await readAtMost(handle, readAt, Math.min(Math.max(READ_BYTES, buffer.length), end - readAt));
      if (more.length === 0) return;
      readAt += more.length;
      buffer = concatBytes(buffer, more);
    }
  } finally {
    await handle.close();
  }
}

async function readAtMost(handle: FileHandle, at: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const { bytesRead } = await handle.read(bytes, 0, length, at);
  return bytes.subarray(0, bytesRead);
}
