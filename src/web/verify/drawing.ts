/**
 * What the page draws of a file, collected while the verifier reads it. Nothing here is believed: whether an entry
 * counts is the verdict's. Bounded: of a long export the first and the newest entries.
 */
import { concatBytes, utf8, utf8Text } from '../../base/bytes.ts';
import { BATCH_BYTES_MAX, frameBatch, parseHead } from '../../evidence/batch/batch.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { parseCheckpoint } from '../../evidence/log/checkpoint.ts';
import { parseNote } from '../../evidence/log/note.ts';
import { inclusionProof, type SubtreeHash } from '../../evidence/log/proofs.ts';
import { leafHash, nodeHash } from '../../evidence/log/tree.ts';
import { BUNDLE_BYTES_MAX, type BundleDecision, type BundleLog, parseBundle } from '../../evidence/verify/bundle.ts';
import { BatchSplitter } from '../../evidence/verify/split-batches.ts';
import { parseTlogProof } from '../../evidence/verify/tlog-proof.ts';
import { type TreePath, treePath } from './tree-path.ts';

/** Of an export: so many of its first entries, and so many of its newest. */
export const ENTRIES_EACH_MAX = 500;
/** A tree of so many entries is kept whole, and the path of each entry drawn. */
const TREE_MAX = 4_096;

export interface DrawnEntry {
  readonly n: number;
  /** Absent: erased. */
  readonly leaf?: string;
  readonly path?: TreePath;
}

export interface DrawnLog {
  readonly origin: string;
  /** Sizes of the signed checkpoints, ascending; of an export the newest ones. */
  readonly checkpoints: readonly number[];
  readonly entries: readonly DrawnEntry[];
  /** Entries between `entries` that are in the file and not drawn. */
  readonly omitted: number;
}

export interface Drawing {
  readonly logs: readonly DrawnLog[];
  readonly decisions: readonly BundleDecision[];
}

const NOTHING: Drawing = { logs: [], decisions: [] };
const CHECKPOINTS_MAX = 64;

export class DrawingCollector {
  readonly #crypto: EvidenceCrypto;
  readonly #splitter = new BatchSplitter();
  #head: Uint8Array[] = [];
  #headBytes = 0;
  #isExport = false;
  #origin: string | undefined;
  #checkpoints: number[] = [];
  #first: DrawnEntry[] = [];
  #newest: DrawnEntry[] = [];
  #count = 0;
  /** Of a log that the file holds from entry 0 on, while it is small enough. */
  #hashes: Uint8Array[] | undefined = [];

  constructor(crypto: EvidenceCrypto) {
    this.#crypto = crypto;
  }

  /** As in the verifier, a newline within the first bytes makes it an export. */
  push(chunk: Uint8Array): void {
    if (this.#isExport) {
      this.#splitter.push(chunk, (bytes) => this.#batch(bytes));
      return;
    }
    const isBundle = this.#headBytes > BATCH_BYTES_MAX;
    this.#headBytes += chunk.length;
    if (this.#headBytes <= BUNDLE_BYTES_MAX + BATCH_BYTES_MAX) this.#head.push(chunk);
    if (isBundle || !chunk.includes(0x0a)) return;
    this.#isExport = true;
    const head = concatBytes(...this.#head);
    this.#head = [];
    this.#splitter.push(head, (bytes) => this.#batch(bytes));
  }

  end(): Drawing {
    if (!this.#isExport) return this.#bundle(concatBytes(...this.#head));
    const rest = this.#splitter.rest();
    if (rest.length > 0) this.#batch(rest);
    if (this.#origin === undefined) return NOTHING;
    const entries = [...this.#first, ...this.#newest];
    const drawn = {
      origin: this.#origin,
      checkpoints: this.#checkpoints,
      entries: this.#withPaths(entries),
      omitted: this.#count - entries.length,
    };
    return { logs: [drawn], decisions: [] };
  }

  #batch(bytes: Uint8Array): void {
    const frame = frameBatch(bytes);
    const head = frame.ok ? parseHead(frame.value.header) : undefined;
    if (!frame.ok || head?.ok !== true) return;
    const { origin, first, count } = head.value;
    this.#origin ??= origin;
    if (origin !== this.#origin) return;
    this.#checkpoints = [...this.#checkpoints, first + count].slice(-CHECKPOINTS_MAX);
    if (this.#hashes?.length !== first) this.#hashes = undefined;
    frame.value.leaves.forEach((bytesOfLeaf, i) => {
      this.#entry({ n: first + i, leaf: utf8Text(bytesOfLeaf) ?? '' });
      this.#hashes?.push(leafHash(this.#crypto, bytesOfLeaf));
    });
    if ((this.#hashes?.length ?? 0) > TREE_MAX) this.#hashes = undefined;
  }

  #entry(entry: DrawnEntry): void {
    this.#count += 1;
    if (this.#first.length < ENTRIES_EACH_MAX) this.#first.push(entry);
    else this.#newest.push(entry);
    if (this.#newest.length >= 2 * ENTRIES_EACH_MAX) this.#newest = this.#newest.slice(-ENTRIES_EACH_MAX);
  }

  #withPaths(entries: readonly DrawnEntry[]): readonly DrawnEntry[] {
    const hashes = this.#hashes;
    if (hashes === undefined || hashes.length === 0) return entries;
    const size = hashes.length;
    const subtree = subtreesKept(this.#crypto, hashes);
    return entries.map((entry) => {
      const hash = hashes[entry.n];
      if (hash === undefined) return entry;
      const proof = inclusionProof(this.#crypto, subtree, entry.n, size);
      return { ...entry, path: treePath(this.#crypto, { index: entry.n, size, leafHash: hash, proof }) };
    });
  }

  #bundle(bytes: Uint8Array): Drawing {
    const parsed = parseBundle(bytes);
    if (!parsed.ok) return NOTHING;
    const { logs, decisions } = parsed.value;
    return { logs: logs.map((log) => drawnSection(this.#crypto, log)), decisions };
  }
}

function drawnSection(crypto: EvidenceCrypto, section: BundleLog): DrawnLog {
  const checkpoints = section.checkpoints.flatMap(({ note }) => sizeOf(note) ?? []);
  const entries = section.entries.flatMap(({ body, proof: text }) => {
    const proof = parseTlogProof(text);
    if (!proof.ok) return [];
    const { index, hashes, note } = proof.value;
    const hash = 'hash' in body ? body.hash : leafHash(crypto, utf8(body.leaf));
    const size = sizeOf(note);
    const path = size === undefined ? undefined : treePath(crypto, { index, size, leafHash: hash, proof: hashes });
    return [{ n: index, ...('leaf' in body && { leaf: body.leaf }), ...(path !== undefined && { path }) }];
  });
  return { origin: section.log, checkpoints, entries, omitted: 0 };
}

function sizeOf(noteText: string): number | undefined {
  const note = parseNote(utf8(noteText));
  const checkpoint = note.ok ? parseCheckpoint(note.value.text) : undefined;
  return checkpoint?.ok ? checkpoint.value.size : undefined;
}

/** Every complete subtree once. */
function subtreesKept(crypto: EvidenceCrypto, hashes: readonly Uint8Array[]): SubtreeHash {
  const levels: (readonly Uint8Array[])[] = [hashes];
  for (let below = hashes; below.length > 1; ) {
    const above: Uint8Array[] = [];
    for (let i = 0; i + 1 < below.length; i += 2) {
      above.push(nodeHash(crypto, below[i] ?? new Uint8Array(), below[i + 1] ?? new Uint8Array()));
    }
    levels.push(above);
    below = above;
  }
  return (level, index) => levels[level]?.[index] ?? new Uint8Array();
}
