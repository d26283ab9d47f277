/**
 * RFC 6962 section 2.1 as it is written there, with a memory for complete subtrees: the tree by another hand, for tests.
 */
import { createHash } from 'node:crypto';

export class NaiveTree {
  readonly #leaves: readonly Buffer[];
  readonly #complete = new Map<string, Buffer>();

  constructor(leaves: readonly string[]) {
    this.#leaves = leaves.map((leaf) => createHash('sha256').update(Buffer.of(0)).update(leaf, 'utf8').digest());
  }

  /** Root of the first `size` leaves, base64. */
  root(size: number): string {
    if (size > this.#leaves.length) throw new Error(`the tree has ${this.#leaves.length} leaves, asked for ${size}`);
    return this.#mth(0, size).toString('base64');
  }

  #mth(from: number, to: number): Buffer {
    const n = to - from;
    if (n === 0) return createHash('sha256').digest();
    const isComplete = (n & (n - 1)) === 0;
    const key = `${from} ${n}`;
    const known = isComplete ? this.#complete.get(key) : undefined;
    if (known !== undefined) return known;
    const found = n === 1 ? (this.#leaves[from] ?? Buffer.alloc(0)) : this.#node(from, to);
    if (isComplete) this.#complete.set(key, found);
    return found;
  }

  #node(from: number, to: number): Buffer {
    let k = 1;
    while (2 * k < to - from) k *= 2;
    const hash = createHash('sha256').update(Buffer.of(1));
    return hash
      .update(this.#mth(from, from + k))
      .update(this.#mth(from + k, to))
      .digest();
  }
}
