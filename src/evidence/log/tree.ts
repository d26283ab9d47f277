/**
 * The Merkle tree of RFC 6962 section 2.1, grown leaf by leaf. Only the right edge (the frontier) is kept: a tree of a
 * million leaves is twenty hashes.
 */
import { assert, present } from '../../base/assert.ts';
import { concatBytes } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../crypto.ts';

export const HASH_BYTES = 32;
const LEAF_PREFIX = 0x00;
const NODE_PREFIX = 0x01;
const NODE_BYTES = 1 + 2 * HASH_BYTES;

/** SHA-256(0x00 || leaf bytes). */
export function leafHash(crypto: EvidenceCrypto, leaf: Uint8Array): Uint8Array {
  return leafHashIn(new Uint8Array(1 + leaf.length), crypto, leaf);
}

/** `leafHash` for whoever hashes many: an allocation for each leaf costs as much as half of its hash. */
export class LeafHasher {
  readonly #crypto: EvidenceCrypto;
  /** As long as the longest event with its prefix; what is longer gets memory of its own. */
  readonly #scratch = new Uint8Array(4_097);

  constructor(crypto: EvidenceCrypto) {
    this.#crypto = crypto;
  }

  hash(leaf: Uint8Array): Uint8Array {
    const end = 1 + leaf.length;
    if (end > this.#scratch.length) return leafHash(this.#crypto, leaf);
    return leafHashIn(this.#scratch.subarray(0, end), this.#crypto, leaf);
  }
}

function leafHashIn(input: Uint8Array, crypto: EvidenceCrypto, leaf: Uint8Array): Uint8Array {
  input[0] = LEAF_PREFIX;
  input.set(leaf, 1);
  return crypto.sha256(input);
}

/** SHA-256(0x01 || left || right). */
export function nodeHash(crypto: EvidenceCrypto, left: Uint8Array, right: Uint8Array): Uint8Array {
  return nodeHashIn(new Uint8Array(NODE_BYTES), crypto, left, right);
}

/** `scratch` saves the allocation where nodes are hashed by the million. */
function nodeHashIn(scratch: Uint8Array, crypto: EvidenceCrypto, left: Uint8Array, right: Uint8Array): Uint8Array {
  scratch[0] = NODE_PREFIX;
  scratch.set(left, 1);
  scratch.set(right, 1 + HASH_BYTES);
  return crypto.sha256(scratch);
}

/** Roots of the complete subtrees of [0, size), largest first: one for each 1 in the binary form of `size`. */
export interface Frontier {
  readonly size: number;
  readonly roots: readonly Uint8Array[];
}

export const EMPTY_FRONTIER: Frontier = { size: 0, roots: [] };

/** How many complete subtrees [0, size) has. */
export function frontierLength(size: number): number {
  let ones = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2;
  return ones;
}

export class TreeBuilder {
  readonly #crypto: EvidenceCrypto;
  readonly #roots: Uint8Array[];
  readonly #scratch = new Uint8Array(NODE_BYTES);
  #size: number;

  /** Goes on from a frontier, or begins empty. A frontier whose roots do not fit its size is an assertion. */
  constructor(crypto: EvidenceCrypto, from: Frontier = EMPTY_FRONTIER) {
    assert(from.roots.length === frontierLength(from.size), `${from.roots.length} roots for size ${from.size}`);
    this.#crypto = crypto;
    this.#roots = [...from.roots];
    this.#size = from.size;
  }

  get size(): number {
    return this.#size;
  }

  /** Appends a leaf by its hash. Keeps the array: the caller must not write to it afterwards. */
  push(leaf: Uint8Array): void {
    let node = leaf;
    for (let rest = this.#size; rest % 2 === 1; rest = Math.floor(rest / 2)) {
      node = nodeHashIn(this.#scratch, this.#crypto, present(this.#roots.pop(), 'left sibling'), node);
    }
    this.#roots.push(node);
    this.#size += 1;
  }

  root(): Uint8Array {
    return foldRoots(this.#crypto, this.#roots);
  }

  frontier(): Frontier {
    return { size: this.#size, roots: [...this.#roots] };
  }
}

/** The root of the whole tree. That of the empty tree is SHA-256 of nothing. */
export function rootOf(crypto: EvidenceCrypto, frontier: Frontier): Uint8Array {
  return foldRoots(crypto, frontier.roots);
}

/** Roots of neighbouring complete subtrees, largest first, to the root over them all. */
export function foldRoots(crypto: EvidenceCrypto, roots: readonly Uint8Array[]): Uint8Array {
  let root: Uint8Array | undefined;
  for (let i = roots.length - 1; i >= 0; i -= 1) {
    const left = present(roots[i], 'subtree root');
    root = root === undefined ? left : nodeHash(crypto, left, root);
  }
  return root ?? crypto.sha256(new Uint8Array(0));
}

/** The roots one after the other, 32 bytes each. The size is stored beside it. */
export function encodeFrontier(frontier: Frontier): Uint8Array {
  return concatBytes(...frontier.roots);
}

/** Undefined when the bytes are not the roots that a tree of this size has. */
export function decodeFrontier(size: number, bytes: Uint8Array): Frontier | undefined {
  if (!Number.isSafeInteger(size) || size < 0 || bytes.length !== frontierLength(size) * HASH_BYTES) return undefined;
  const roots: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += HASH_BYTES) {
    roots.push(new Uint8Array(bytes.subarray(at, at + HASH_BYTES)));
  }
  return { size, roots };
}
