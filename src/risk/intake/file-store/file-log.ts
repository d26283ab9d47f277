/**
 * One log on disk: a folder with its segment files, its carried entries, its cosigned trees and its forks.
 *
 * A new segment file begins at each gap and after 64 MiB. In memory stands only where each file ends.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '../../../base/assert.ts';
import { equalBytes } from '../../../base/bytes.ts';
import type { EvidenceCrypto } from '../../../evidence/crypto.ts';
import { type Frontier, TreeBuilder } from '../../../evidence/log/tree.ts';
import { makeDirectory, removeTemporary } from '../../../platform/durable-file.ts';
import type { AppendAnswer, Cosigned, HeldLog, HeldSegment, RangeAppend, UseEntry } from '../store.ts';
import { CarriedFile, type CarriedLine } from './carried-file.ts';
import { CosignedFile, sameTree } from './cosigned-file.ts';
import { ForkFolder } from './fork-folder.ts';
import { mergeByPosition } from './merge-positions.ts';
import { isSegmentName, type NewCommit, SegmentFile, type SegmentTail, segmentName } from './segment-file.ts';
import { formatCommit } from './segment-format.ts';

const COSIGNED = 'cosigned.ndjson';
const CARRIED = 'carried.ndjson';
const FORKS = 'forks';

export interface FileLogSettings {
  readonly crypto: EvidenceCrypto;
  /** A segment file that has reached this size is followed by a new one. */
  readonly segmentBytes: number;
}

interface Write {
  readonly segment: SegmentFile;
  readonly commits: NewCommit[];
  tail: SegmentTail;
  plannedBytes: number;
}

export class FileLog {
  readonly origin: string;
  readonly forks: ForkFolder;
  readonly #directory: string;
  readonly #settings: FileLogSettings;
  /** Ascending by `first`. */
  #segments: SegmentFile[] = [];
  #carried: CarriedFile;
  #cosigned: CosignedFile;
  #cutBytes = 0;
  #isMade = false;

  constructor(settings: FileLogSettings, origin: string, directory: string) {
    this.#settings = settings;
    this.origin = origin;
    this.#directory = directory;
    this.#carried = new CarriedFile(join(directory, CARRIED));
    this.#cosigned = CosignedFile.fresh(join(directory, COSIGNED));
    this.forks = new ForkFolder(settings.crypto, join(directory, FORKS));
  }

  /**
   * Reads a folder that a former process left, and mends what its end left torn. `isDurable`: that process closed its
   * store in order, so that everything was synced.
   */
  async recover(isDurable: boolean): Promise<void> {
    const { crypto } = this.#settings;
    const entries = join(this.#directory, 'entries');
    await makeDirectory(entries);
    this.#isMade = true;
    const names: readonly string[] = await readdir(this.#directory);
    await removeTemporary(this.#directory, names);
    if (names.includes(COSIGNED))
      this.#cosigned = await CosignedFile.recover(join(this.#directory, COSIGNED), isDurable);
    const options = { receiptedSize: this.#cosigned.last?.size ?? 0, isDurable };
    for (const name of (await readdir(entries)).filter(isSegmentName).sort()) {
      const { segment, cutBytes } = await SegmentFile.recover(crypto, join(entries, name), options);
      this.#cutBytes += cutBytes;
      if (segment === undefined) continue;
      if (segment.head.origin !== this.origin || segmentName(segment.first) !== name) {
        throw new Error(
          `${join(entries, name)} is of ${segment.head.origin} from ${segment.first} on: it was moved here`,
        );
      }
      this.#segments.push(segment);
    }
    if (names.includes(CARRIED)) {
      this.#carried = await CarriedFile.recover(join(this.#directory, CARRIED), isDurable, (n) => this.#holds(n));
    }
    if (names.includes(FORKS)) await this.forks.recover();
  }

  get carriedCount(): number {
    return this.#carried.count;
  }

  /** Index of the entry that carries this leaf hash (base64). */
  carrierOf(leaf: string): number | undefined {
    return this.#carried.find(leaf);
  }

  held(): HeldLog {
    const joined: HeldSegment[] = [];
    for (const { first, tail } of this.#segments) {
      const last = joined.at(-1);
      const touches = last !== undefined && last.end.size === first;
      const note = tail.note === undefined ? {} : { note: tail.note };
      if (touches) joined[joined.length - 1] = { first: last.first, end: tail.end, ...note };
      else joined.push({ first, end: tail.end, ...note });
    }
    const { last: cosigned } = this.#cosigned;
    return { origin: this.origin, segments: joined, cosigned, forks: this.forks.count, cutBytes: this.#cutBytes };
  }

  async append(ranges: readonly RangeAppend[]): Promise<readonly AppendAnswer[]> {
    const writes: Write[] = [];
    const carried: CarriedLine[] = [];
    let position = Math.max(0, ...this.#segments.map((segment) => segment.tail.nextPosition));
    const answers = ranges.map((range) => {
      const write = this.#place(range, writes, position);
      if (typeof write === 'string') return write;
      const bytes = formatCommit(this.#settings.crypto, range, position);
      write.commits.push({ bytes, first: range.before.size, position });
      position += range.rows.length;
      write.plannedBytes += bytes.length;
      write.tail = { end: range.after, note: range.note, nextPosition: position };
      range.rows.forEach((row, i) => {
        if (row.carries !== undefined) carried.push({ leaf: row.carries, n: range.before.size + i });
      });
      return 'stored' as const;
    });
    if (writes.length === 0) return answers;
    await this.#make();
    await this.#carried.append(carried);
    for (const write of writes) {
      if (!this.#segments.includes(write.segment)) this.#segments.push(write.segment);
      await write.segment.append(write.commits, write.tail);
    }
    this.#segments.sort((a, b) => a.first - b.first);
    return answers;
  }

  async cosign(expected: Cosigned | undefined, next: Cosigned): Promise<'stored' | 'conflict'> {
    const { last } = this.#cosigned;
    if (!sameTree(last, expected)) return 'conflict';
    if (last !== undefined && next.size <= last.size) return sameTree(last, next) ? 'stored' : 'conflict';
    await this.#make();
    await this.#cosigned.save(next);
    return 'stored';
  }

  async frontierAt(size: number): Promise<Frontier | undefined> {
    const segment = this.#segments.find(({ first, tail }) => first <= size && size <= tail.end.size);
    if (segment === undefined) return undefined;
    if (size === segment.tail.end.size) return segment.tail.end;
    for await (const commit of segment.commits(this.#settings.crypto, { first: size })) {
      if (commit.before.size > size) return undefined;
      const tree = new TreeBuilder(this.#settings.crypto, commit.before);
      for (const row of commit.rows.slice(0, size - commit.before.size)) tree.push(row.leafHash);
      return tree.frontier();
    }
    return undefined;
  }

  /** Rows of [first, end) with their indices, until a gap. */
  async *rows(first: number, end: number): AsyncGenerator<Omit<UseEntry, 'origin'>> {
    let next = first;
    while (next < end) {
      const segment = this.#segments.find((each) => each.first <= next && next < each.tail.end.size);
      if (segment === undefined) return;
      const before = next;
      for await (const commit of segment.commits(this.#settings.crypto, { first: next })) {
        if (commit.before.size > next) return;
        for (const row of commit.rows.slice(next - commit.before.size)) {
          if (next >= end) return;
          yield { ...row, n: next, position: commit.position + (next - commit.before.size) };
          next += 1;
        }
      }
      // The file is shorter than what we know of it: damage while running.
      if (next === before) return;
    }
  }

  async *entries(position: number): AsyncGenerator<UseEntry> {
    for await (const commit of mergeByPosition(this.#settings.crypto, this.#segments, position)) {
      for (const [i, row] of commit.rows.entries()) {
        const at = commit.position + i;
        if (at >= position) yield { ...row, origin: this.origin, n: commit.before.size + i, position: at };
      }
    }
  }

  /** After a failed write: takes back, with new handles, whatever is not known to be durable. */
  async cutBack(): Promise<void> {
    for (const segment of this.#segments) await segment.cutBack();
    if (this.#isMade) await this.#cosigned.cutBack();
    await this.#carried.release();
  }

  async release(): Promise<void> {
    for (const segment of this.#segments) await segment.release();
    await this.#cosigned.release();
    await this.#carried.release();
  }

  #place(range: RangeAppend, writes: Write[], position: number): Write | 'conflict' | 'fork' {
    const { before, after } = range;
    assert(range.rows.length === after.size - before.size && range.rows.length > 0, 'a range holds its rows');
    const planned = writes.filter((write) => !this.#segments.includes(write.segment)).map((write) => write.segment);
    const segments = [...this.#segments, ...planned];
    const endOf = (segment: SegmentFile): Frontier =>
      (writes.find((write) => write.segment === segment)?.tail ?? segment.tail).end;
    const overlaps = segments.some((each) => each.first < after.size && before.size < endOf(each).size);
    if (overlaps) return 'conflict';
    const grown = segments.find((segment) => endOf(segment).size === before.size);
    if (range.opens !== (grown === undefined)) return 'conflict';
    if (grown !== undefined && !sameFrontier(endOf(grown), before)) return 'conflict';
    const next = segments.find((segment) => segment.first === after.size);
    if (next !== undefined && !sameFrontier(next.head.before, after)) return 'fork';
    return this.#writeFor(grown, range, writes, position);
  }

  #writeFor(grown: SegmentFile | undefined, range: RangeAppend, writes: Write[], position: number): Write {
    const open = writes.find((write) => write.segment === grown);
    const plannedBytes = open?.plannedBytes ?? grown?.sizeBytes ?? 0;
    if (grown !== undefined && plannedBytes < this.#settings.segmentBytes) {
      if (open !== undefined) return open;
      const write = { segment: grown, commits: [], tail: grown.tail, plannedBytes };
      writes.push(write);
      return write;
    }
    const path = join(this.#directory, 'entries', segmentName(range.before.size));
    const segment = SegmentFile.fresh(path, { origin: this.origin, before: range.before, position });
    const write = { segment, commits: [], tail: segment.tail, plannedBytes: 0 };
    writes.push(write);
    return write;
  }

  #holds(n: number): boolean {
    return this.#segments.some((segment) => segment.first <= n && n < segment.tail.end.size);
  }

  async #make(): Promise<void> {
    if (this.#isMade) return;
    await makeDirectory(join(this.#directory, 'entries'));
    this.#isMade = true;
  }
}

export function sameFrontier(a: Frontier, b: Frontier): boolean {
  return a.size === b.size && a.roots.every((root, i) => equalBytes(root, b.roots[i] ?? new Uint8Array(0)));
}
