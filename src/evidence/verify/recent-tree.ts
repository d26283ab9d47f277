/**
 * The roots that a growing tree had at its newest sizes: what an `anchor.made` names, which comes a little after the
 * checkpoint that it is about. Keeps leaf hashes, so that nothing is computed before somebody asks. Bounded: what an anchor
 * names from further back is asked for by its size in a second reading (`wanted`).
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

  readonly #wanted: ReadonlySet<number>;
  readonly #wantedRoots = new Map<number, Uint8Array>();

  /** `wanted`: sizes whose roots are kept however far the tree grows. */
  constructor(crypto: EvidenceCrypto, wanted: readonly number[] = []) {
    this.#crypto = crypto;
    this.#wanted = new Set(wanted);
  }

  /** Entries that were verified, and the root after the last of them. */
  grow(before: Frontier, leafHashes: readonly Uint8Array[], root: Uint8Array): void {
    const piece = { before, leafHashes };
    this.#pieces.push(piece);
    this.#keepWanted(piece);
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
    const known = this.#wantedRoots.get(size) ?? this.#roots.get(size);
    if (known !== undefined) return known;
    const piece = this.#pieces.find(
      (each) => size >= each.before.size && size <= each.before.size + each.leafHashes.length,
    );
    if (piece === undefined) return undefined;
    return this.#rootIn(piece, size);
  }

  #keepWanted(piece: Piece): void {
    const end = piece.before.size + piece.leafHashes.length;
    for (const size of this.#wanted) {
      if (size > piece.before.size && size <= end) this.#wantedRoots.set(size, this.#rootIn(piece, size));
    }
  }

  #rootIn({ before, leafHashes }: Piece, size: number): Uint8Array {
    const tree = new TreeBuilder(this.#crypto, before);
    for (const leaf of leafHashes.slice(0, size - before.size)) tree.push(leaf);
    return tree.root();
  }
}
