/** From what a maker has of a log to its part of a bundle: proofs of inclusion and consistency. */
import { present } from '../../base/assert.ts';
import { utf8Text } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import { consistencyProof, inclusionProof, type SubtreeHash } from '../log/proofs.ts';
import type { BundleEntry, BundleLog, BundleTree } from './bundle.ts';
import { formatTlogProof } from './tlog-proof.ts';

/** What the maker of a bundle has of one log. */
export interface BundleSource {
  readonly origin: string;
  readonly searched: { readonly first: number; readonly end: number };
  /** Signed notes of this log, ascending; the last one's size is above every index and every tree. */
  readonly checkpoints: readonly { readonly size: number; readonly note: string }[];
  /** Ascending by index: exact event lines, or the leaf hash of one whose body is gone. */
  readonly entries: readonly {
    readonly index: number;
    readonly leaf: Uint8Array | { readonly hash: Uint8Array };
  }[];
  /** Subtree hashes of the tree at the last checkpoint's size. */
  readonly subtree: SubtreeHash;
  /** Trees that anchors are over and no checkpoint is: ascending, none of a checkpoint's size. */
  readonly trees?: readonly { readonly size: number; readonly root: Uint8Array }[];
}

/** Proves each entry, and each tree, to the smallest checkpoint above it. */
export function bundleLog(crypto: EvidenceCrypto, source: BundleSource): BundleLog {
  const { subtree, trees = [] } = source;
  const above = (size: number): BundleSource['checkpoints'][number] =>
    present(
      source.checkpoints.find((checkpoint) => checkpoint.size >= size),
      `checkpoint of ${size} or more`,
    );
  const checkpoints = source.checkpoints.map(({ size, note }, i) => {
    const before = source.checkpoints[i - 1]?.size;
    const consistency = before === undefined ? [] : consistencyProof(crypto, subtree, before, size);
    return { note, consistency };
  });
  const entries = source.entries.map(({ index, leaf }): BundleEntry => {
    const { size, note } = above(index + 1);
    const proof = formatTlogProof({ index, hashes: inclusionProof(crypto, subtree, index, size), note });
    return { body: leaf instanceof Uint8Array ? { leaf: present(utf8Text(leaf), 'leaf text') } : leaf, proof };
  });
  const joined = trees.map(({ size, root }): BundleTree => {
    return { size, root, consistency: consistencyProof(crypto, subtree, size, above(size).size) };
  });
  return { log: source.origin, searched: source.searched, checkpoints, entries, trees: joined };
}
