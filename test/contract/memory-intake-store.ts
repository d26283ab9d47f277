/**
 * The intake store's contract kept in memory: what a restart sees is what the last call resolved. Also the fake with
 * which intake is tested, since it can be told to fail.
 */
import { base64, equalBytes, utf8 } from '../../src/base/bytes.ts';
import { LatchkeyError } from '../../src/base/errors.ts';
import { type Frontier, TreeBuilder } from '../../src/evidence/log/tree.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import {
  type AppendAnswer,
  type CosignChange,
  type Cosigned,
  type EntryPlace,
  FORK_BYTES_MAX,
  FORKS_MAX,
  type ForkProof,
  type HeldGateway,
  type HeldSegment,
  type IntakeStore,
  type RangeAppend,
  type TrustRecord,
  type UseEntry,
} from '../../src/risk/intake/store.ts';

interface MemoryLog {
  readonly origin: string;
  /** In order of arrival. */
  readonly ranges: RangeAppend[];
  readonly forks: Map<string, ForkProof>;
  cosigned: Cosigned | undefined;
}

/** What survives a restart. */
export class MemoryDisk {
  readonly logs = new Map<string, MemoryLog>();
  readonly trust = new Map<string, TrustRecord[]>();
  /** Every tree that was ever noted for cosigning, in order. */
  readonly cosigned: { readonly origin: string; readonly cosigned: Cosigned }[] = [];
}

export class MemoryStore implements IntakeStore {
  readonly #disk: MemoryDisk;
  /** When set, the next write fails with it, and every later one until `reopen`. */
  failNext: 'STORE_IO' | 'STORE_FULL' | undefined;
  /** When set, `reopen` fails. */
  failReopen = false;
  #failed: LatchkeyError | undefined;
  appends = 0;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
  }

  async gateways(): Promise<readonly string[]> {
    const named = [...this.#disk.logs.keys()].map((origin) => origin.split('/')[1] ?? '');
    return [...new Set([...named, ...this.#disk.trust.keys()])];
  }

  async load(gateway: string): Promise<HeldGateway> {
    const logs = [...this.#disk.logs.values()].filter((log) => log.origin.split('/')[1] === gateway);
    const carried = logs.flatMap((log) => log.ranges.flatMap((range) => range.rows)).filter((row) => row.carries);
    return {
      gateway,
      logs: logs.map((log) => ({
        origin: log.origin,
        segments: segmentsOf(log),
        cosigned: log.cosigned,
        forks: log.forks.size,
        cutBytes: 0,
      })),
      trust: [...(this.#disk.trust.get(gateway) ?? [])],
      carried: carried.length,
    };
  }

  async append(ranges: readonly RangeAppend[]): Promise<readonly AppendAnswer[]> {
    await this.#write();
    this.appends += 1;
    return ranges.map((range) => {
      const log = this.#log(range.origin);
      const segments = segmentsOf(log);
      const { before, after } = range;
      if (segments.some((each) => each.first < after.size && before.size < each.end.size)) return 'conflict';
      const grown = segments.find((each) => each.end.size === before.size);
      if (range.opens !== (grown === undefined)) return 'conflict';
      if (grown !== undefined && !same(grown.end, before)) return 'conflict';
      const next = log.ranges.find((each) => each.before.size === after.size);
      if (next !== undefined && !same(next.before, after)) return 'fork';
      log.ranges.push(range);
      return 'stored';
    });
  }

  async cosign(changes: readonly CosignChange[]): Promise<readonly ('stored' | 'conflict')[]> {
    await this.#write();
    return changes.map(({ origin, expected, next }) => {
      const log = this.#log(origin);
      const { cosigned: last } = log;
      if (!sameTree(last, expected)) return 'conflict';
      if (last !== undefined && next.size <= last.size) return sameTree(last, next) ? 'stored' : 'conflict';
      log.cosigned = next;
      this.#disk.cosigned.push({ origin, cosigned: next });
      return 'stored';
    });
  }

  async frontierAt(origin: string, size: number): Promise<Frontier | undefined> {
    const log = this.#disk.logs.get(origin);
    const range = log?.ranges.find((each) => each.before.size <= size && size <= each.after.size);
    if (range === undefined) return undefined;
    const tree = new TreeBuilder(nodeCrypto, range.before);
    for (const row of range.rows.slice(0, size - range.before.size)) tree.push(row.leafHash);
    return tree.frontier();
  }

  async leafHashes(origin: string, first: number, count: number): Promise<readonly Uint8Array[]> {
    const hashes: Uint8Array[] = [];
    for (let n = first; n < first + count; n += 1) {
      const row = this.#row(origin, n);
      if (row === undefined) break;
      hashes.push(row.leafHash);
    }
    return hashes;
  }

  async carriersOf(gateway: string, leafHashes: readonly Uint8Array[]): Promise<readonly (EntryPlace | undefined)[]> {
    const found = new Map<string, EntryPlace>();
    for (const log of this.#disk.logs.values()) {
      if (log.origin.split('/')[1] !== gateway) continue;
      for (const range of log.ranges) {
        range.rows.forEach((row, i) => {
          if (row.carries) found.set(base64(row.carries), { origin: log.origin, n: range.before.size + i });
        });
      }
    }
    return leafHashes.map((leaf) => found.get(base64(leaf)));
  }

  async *entries(origin: string, position: number): AsyncIterable<UseEntry> {
    let at = 0;
    for (const range of [...(this.#disk.logs.get(origin)?.ranges ?? [])]) {
      for (const [i, row] of range.rows.entries()) {
        if (at >= position) yield { ...row, origin, n: range.before.size + i, position: at };
        at += 1;
      }
    }
  }

  async excerpt(origin: string, first: number, end: number): Promise<Uint8Array> {
    const lines: Uint8Array[] = [];
    for (let n = first; n < end; n += 1) {
      const row = this.#row(origin, n);
      if (row === undefined) break;
      lines.push(row.leaf ?? utf8(`{"#":"withheld","leaf_hash":"${base64(row.leafHash)}"}`), utf8('\n'));
    }
    return new Uint8Array(Buffer.concat(lines).subarray(0, FORK_BYTES_MAX));
  }

  async saveTrust(gateway: string, record: TrustRecord): Promise<'stored'> {
    await this.#write();
    const records = this.#disk.trust.get(gateway) ?? [];
    if (!records.some((known) => JSON.stringify(known) === JSON.stringify(record))) records.push(record);
    this.#disk.trust.set(gateway, records);
    return 'stored';
  }

  async keepFork(origin: string, fork: ForkProof): Promise<'kept' | 'known' | 'full'> {
    await this.#write();
    const { forks } = this.#log(origin);
    const name = base64(nodeCrypto.sha256(fork.theirs));
    if (forks.has(name)) return 'known';
    if (forks.size >= FORKS_MAX) return 'full';
    forks.set(name, fork);
    return 'kept';
  }

  async reopen(): Promise<void> {
    if (this.failReopen) throw new LatchkeyError('STORE_IO', 'the disk is still away');
    this.#failed = undefined;
  }

  async close(): Promise<void> {
    this.#failed = new LatchkeyError('STORE_IO', 'the store is closed');
  }

  /** Even memory answers later: whoever waits for a store meets what came meanwhile. */
  async #write(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.failNext !== undefined) this.#failed = new LatchkeyError(this.failNext, 'the disk fails');
    this.failNext = undefined;
    if (this.#failed !== undefined) throw this.#failed;
  }

  #log(origin: string): MemoryLog {
    let log = this.#disk.logs.get(origin);
    if (log === undefined) {
      log = { origin, ranges: [], forks: new Map(), cosigned: undefined };
      this.#disk.logs.set(origin, log);
    }
    return log;
  }

  #row(origin: string, n: number) {
    const ranges = this.#disk.logs.get(origin)?.ranges ?? [];
    const range = ranges.find((each) => each.before.size <= n && n < each.after.size);
    return range?.rows[n - range.before.size];
  }
}

function segmentsOf(log: MemoryLog): HeldSegment[] {
  const segments: HeldSegment[] = [];
  for (const range of [...log.ranges].sort((a, b) => a.before.size - b.before.size)) {
    const last = segments.at(-1);
    const note = range.note === undefined ? {} : { note: range.note };
    if (last?.end.size === range.before.size)
      segments[segments.length - 1] = { first: last.first, end: range.after, ...note };
    else segments.push({ first: range.before.size, end: range.after, ...note });
  }
  return segments;
}

function same(a: Frontier, b: Frontier): boolean {
  return a.size === b.size && a.roots.every((root, i) => equalBytes(root, b.roots[i] ?? new Uint8Array(0)));
}

function sameTree(a: Cosigned | undefined, b: Cosigned | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.size === b.size && equalBytes(a.root, b.root);
}
