/**
 * The roots that a growing tree had at its newest sizes: what an `anchor.made` names, which comes a little after the
 * checkpoint that it is about. Keeps leaf hashes, so that nothing is computed before somebody asks. Bounded.
 */
import type { EvidenceCrypto } from '../crypto.ts';
import { type Frontier, TreeBuilder } from '../log/tree.ts';

/** About two megabytes; at 100 entries a second, nearly three minutes. */
const HASHES_MAX = 16_384;
const ROOTS_MAX = 65_536;

interface Piece {
  readonly before: Frontier;
  readonly leafHashes: readonly Uint8Array[];
}

export class RecentTree {
  readonly #crypto: EvidenceCrypto;
  #pieces: Piece[] = [];
  #hashes = 0;
  /** Roots at the ends of batches reach further back than leaf hashes do. */
  readonly #roots = new Map<number, Uint8Array>();

  constructor(crypto: EvidenceCrypto) {
    this.#crypto = crypto;
  }

  /** Entries that were verified, and the root after the last of them. */
  grow(before: Frontier, leafHashes: readonly Uint8Array[], root: Uint8Array): void {
    this.#pieces.push({ before, leafHashes });
    this.#hashes += leafHashes.length;
    this.#roots.set(before.size + leafHashes.length, root);
    while (this.#hashes > HASHES_MAX && this.#pieces.length > 1) {
      this.#hashes -= this.#pieces.shift()?.leafHashes.length ?? 0;
    }
    for (const oldest of this.#roots.keys()) {
      if (this.#roots.size <= ROOTS_MAX) break;
      this.#roots.delete(oldest);
    }
  }

  /** Undefined for a size that is not known any more, or not yet. */
  rootAt(size: number): Uint8Array | undefined {
    const known = this.#roots.get(size);
    if (known !== undefined) return known;
    const piece = this.#pieces.find(
      (each) => size >= each.before.size && size <= each.before.size + each.leafHashes.length,
    );
    if (piece === undefined) return undefined;
    const tree = new TreeBuilder(this.#crypto, piece.before);
    for (const leaf of piece.leafHashes.slice(0, size - piece.before.size)) tree.push(leaf);
    return tree.root();
  }
}
