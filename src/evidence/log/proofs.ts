/**
 * Inclusion and consistency proofs: built as RFC 6962 sections 2.1.1 and 2.1.2 define them, checked with the iterative
 * algorithms of RFC 9162 sections 2.1.3.2 and 2.1.4.2. Sizes go to 2^53 - 1, so no bit operators.
 */
import { assert, present } from '../../base/assert.ts';
import { equalBytes } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import { foldRoots, HASH_BYTES, nodeHash } from './tree.ts';

/** Hash of the complete subtree of 2^level leaves that begins at index * 2^level. */
export type SubtreeHash = (level: number, index: number) => Uint8Array;

/** From the leaf's sibling up to the child of the root. `index` < `size`. */
export function inclusionProof(
  crypto: EvidenceCrypto,
  subtree: SubtreeHash,
  index: number,
  size: number,
): Uint8Array[] {
  assert(isSize(size) && isSize(index) && index < size, `no leaf ${index} in a tree of ${size}`);
  const path: Uint8Array[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const middle = from + splitSize(to - from);
    if (index < middle) {
      path.push(rangeHash(crypto, subtree, middle, to));
      to = middle;
    } else {
      path.push(rangeHash(crypto, subtree, from, middle));
      from = middle;
    }
  }
  return path.reverse();
}

/** Empty for equal sizes and for `oldSize` 0. `oldSize` <= `newSize`. */
export function consistencyProof(
  crypto: EvidenceCrypto,
  subtree: SubtreeHash,
  oldSize: number,
  newSize: number,
): Uint8Array[] {
  assert(isSize(oldSize) && isSize(newSize) && oldSize <= newSize, `no tree of ${oldSize} in one of ${newSize}`);
  if (oldSize === 0 || oldSize === newSize) return [];
  const path: Uint8Array[] = [];
  let from = 0;
  let to = newSize;
  while (to !== oldSize) {
    const middle = from + splitSize(to - from);
    if (oldSize <= middle) {
      path.push(rangeHash(crypto, subtree, middle, to));
      to = middle;
    } else {
      path.push(rangeHash(crypto, subtree, from, middle));
      from = middle;
    }
  }
  // Only a subtree that begins at 0 is the old tree itself, which the verifier holds.
  if (from > 0) path.push(rangeHash(crypto, subtree, from, to));
  return path.reverse();
}

/** The root of the first `size` leaves. */
export function rootFrom(crypto: EvidenceCrypto, subtree: SubtreeHash, size: number): Uint8Array {
  assert(isSize(size), `no tree of ${size}`);
  return rangeHash(crypto, subtree, 0, size);
}

/** RFC 9162 section 2.1.3.2. False for whatever is not to the last hash such a proof; never throws. */
export function verifyInclusion(
  crypto: EvidenceCrypto,
  p: {
    readonly leafHash: Uint8Array;
    readonly index: number;
    readonly size: number;
    readonly root: Uint8Array;
    readonly proof: readonly Uint8Array[];
  },
): boolean {
  if (!isSize(p.index) || !isSize(p.size) || p.index >= p.size || !areHashes([p.leafHash, p.root], p.proof))
    return false;
  let node = p.index;
  let last = p.size - 1;
  let hash = p.leafHash;
  for (const sibling of p.proof) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(crypto, sibling, hash);
      while (node % 2 === 0 && node !== 0) {
        node = half(node);
        last = half(last);
      }
    } else {
      hash = nodeHash(crypto, hash, sibling);
    }
    node = half(node);
    last = half(last);
  }
  return last === 0 && equalBytes(hash, p.root);
}

/** RFC 9162 section 2.1.4.2. False for whatever is not to the last hash such a proof; never throws. */
export function verifyConsistency(
  crypto: EvidenceCrypto,
  p: {
    readonly oldSize: number;
    readonly oldRoot: Uint8Array;
    readonly newSize: number;
    readonly newRoot: Uint8Array;
    readonly proof: readonly Uint8Array[];
  },
): boolean {
  const { oldSize, newSize, oldRoot, newRoot, proof } = p;
  if (!isSize(oldSize) || !isSize(newSize) || oldSize > newSize || !areHashes([oldRoot, newRoot], proof)) return false;
  if (oldSize === newSize) return proof.length === 0 && equalBytes(oldRoot, newRoot);
  // Every tree continues the empty one, whose root is one constant.
  if (oldSize === 0) return proof.length === 0 && equalBytes(oldRoot, foldRoots(crypto, []));
  let node = oldSize - 1;
  let last = newSize - 1;
  while (node % 2 === 1) {
    node = half(node);
    last = half(last);
  }
  const path = isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : proof;
  const start = path[0];
  if (start === undefined) return false;
  let older = start;
  let newer = start;
  for (const hash of path.slice(1)) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      older = nodeHash(crypto, hash, older);
      newer = nodeHash(crypto, hash, newer);
      while (node % 2 === 0 && node !== 0) {
        node = half(node);
        last = half(last);
      }
    } else {
      newer = nodeHash(crypto, newer, hash);
    }
    node = half(node);
    last = half(last);
  }
  return last === 0 && equalBytes(older, oldRoot) && equalBytes(newer, newRoot);
}

/**
 * Subtree hashes out of leaf hashes held in memory, for whoever has them all (a bundle's builder, a test).
 * Computes each asked node anew: cost grows with its number of leaves.
 */
export function subtreesOf(crypto: EvidenceCrypto, leafHashes: readonly Uint8Array[]): SubtreeHash {
  const subtree: SubtreeHash = (level, index) => {
    if (level === 0) return present(leafHashes[index], `leaf hash ${index}`);
    return nodeHash(crypto, subtree(level - 1, 2 * index), subtree(level - 1, 2 * index + 1));
  };
  return subtree;
}

/** The hash over [from, to), where `from` is a multiple of the largest power of two below the range's size. */
function rangeHash(crypto: EvidenceCrypto, subtree: SubtreeHash, from: number, to: number): Uint8Array {
  const roots: Uint8Array[] = [];
  let at = from;
  for (let rest = to - from; rest > 0; ) {
    let level = 0;
    let width = 1;
    while (width * 2 <= rest) {
      width *= 2;
      level += 1;
    }
    roots.push(subtree(level, at / width));
    at += width;
    rest -= width;
  }
  return foldRoots(crypto, roots);
}

/** The largest power of two below `size`, for `size` > 1. */
function splitSize(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

function half(value: number): number {
  return Math.floor(value / 2);
}

function isPowerOfTwo(size: number): boolean {
  let rest = size;
  while (rest > 1 && rest % 2 === 0) rest /= 2;
  return rest === 1;
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function areHashes(...lists: readonly (readonly Uint8Array[])[]): boolean {
  return lists.every((list) => list.every((hash) => hash.length === HASH_BYTES));
}
