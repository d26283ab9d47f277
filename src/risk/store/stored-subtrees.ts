/**
 * Subtree hashes of a stored log, for proofs, without reading the log: a complete subtree on the left of its sibling stands
 * among the roots of whichever range ended while it was the newest of its size; the others are made of their halves, and
 * the smallest of leaf hashes. So a proof costs the square of the tree's height in look-ups, not the length of the log.
 */
import type { Transaction } from 'kysely';
import { present } from '../../base/assert.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { SubtreeHash } from '../../evidence/log/proofs.ts';
import { HASH_BYTES, nodeHash } from '../../evidence/log/tree.ts';
import type { Database } from './schema.ts';

/** Leaf hashes that are read at once: 2^8. */
const BLOCK_LEVEL = 8;
const BLOCK_LEAVES = 256;

export class StoredSubtrees {
  readonly #trx: Transaction<Database>;
  readonly #crypto: EvidenceCrypto;
  readonly #origin: string;
  readonly #first: number;
  readonly #known = new Map<string, Uint8Array>();
  readonly #blocks = new Map<number, ReadonlyMap<number, Uint8Array>>();

  /**
   * `first`: where the stretch without a gap begins whose tree it is. What stands before the gap may be of another tree: of
   * that this tree has the roots alone that came with its first entry.
   */
  constructor(trx: Transaction<Database>, crypto: EvidenceCrypto, origin: string, first = 0) {
    this.#first = first;
    this.#trx = trx;
    this.#crypto = crypto;
    this.#origin = origin;
  }

  /** What `use` asks of a tree, it can be given afterwards: it is run once with hashes of zeros to find out. */
  async prepare(use: (subtree: SubtreeHash) => void): Promise<SubtreeHash> {
    const asked = new Map<string, readonly [level: number, index: number]>();
    const zeros = new Uint8Array(HASH_BYTES);
    use((level, index) => {
      asked.set(`${level} ${index}`, [level, index]);
      return zeros;
    });
    for (const [level, index] of asked.values()) {
      if ((await this.#load(level, index)) !== undefined) continue;
      throw new LatchkeyError('STORE_IO', `leaf hashes of ${this.#origin} are not stored: a proof cannot be made`);
    }
    return (level, index) => present(this.#known.get(`${level} ${index}`), `subtree ${level} ${index}`);
  }

  /** Undefined when the rows that it is made of are not there. */
  async #load(level: number, index: number): Promise<Uint8Array | undefined> {
    const name = `${level} ${index}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    if ((index + 1) * 2 ** level <= this.#first) return this.#before(name, level, index);
    const isLarge = level > BLOCK_LEVEL;
    // Where retention dropped the leaf hashes of old days, the roots of ranges still have the left siblings.
    const found = isLarge
      ? ((await this.#fromRange(level, index)) ?? (await this.#fromHalves(level, index)))
      : ((await this.#fromHalves(level, index)) ?? (await this.#fromRange(level, index)));
    if (found !== undefined) this.#known.set(name, found);
    return found;
  }

  /** One of the roots before the stretch; others below it are in no proof of its entries. */
  async #before(name: string, level: number, index: number): Promise<Uint8Array | undefined> {
    const width = 2 ** level;
    const isRoot = index % 2 === 0 && Math.floor(this.#first / width) === index + 1;
    if (!isRoot) return undefined;
    const row = await this.#trx
      .selectFrom('custody.range')
      .select('before_roots')
      .where('origin', '=', this.#origin)
      .where('first', '=', this.#first)
      .executeTakeFirst();
    const root = row && rootAmong(row.before_roots, this.#first, width);
    if (root !== undefined) this.#known.set(name, root);
    return root;
  }

  async #fromHalves(level: number, index: number): Promise<Uint8Array | undefined> {
    if (level === 0) return this.#leaf(index);
    const left = await this.#load(level - 1, 2 * index);
    const right = left && (await this.#load(level - 1, 2 * index + 1));
    return left && right && nodeHash(this.#crypto, left, right);
  }

  async #leaf(index: number): Promise<Uint8Array | undefined> {
    const first = index - (index % BLOCK_LEAVES);
    const block = this.#blocks.get(first) ?? (await this.#block(first));
    this.#blocks.set(first, block);
    return block.get(index);
  }

  async #block(first: number): Promise<ReadonlyMap<number, Uint8Array>> {
    const rows = await this.#trx
      .selectFrom('custody.entry')
      .select(['n', 'leaf_hash'])
      .where('origin', '=', this.#origin)
      .where('n', '>=', first)
      .where('n', '<', first + BLOCK_LEAVES)
      .execute();
    return new Map(rows.map(({ n, leaf_hash }) => [n, Uint8Array.from(leaf_hash)]));
  }

  /** A tree of `size` leaves has this subtree among its roots when size is in [end, end + width). */
  async #fromRange(level: number, index: number): Promise<Uint8Array | undefined> {
    if (index % 2 === 1) return undefined;
    const width = 2 ** level;
    const end = (index + 1) * width;
    const ranges = this.#trx.selectFrom('custody.range').where('origin', '=', this.#origin);
    const ended = await ranges
      .select(['end_size as size', 'after_roots as roots'])
      .where('end_size', '>=', end)
      .where('end_size', '<', end + width)
      .orderBy('end_size')
      .limit(1)
      .executeTakeFirst();
    // Where entries are missing, what was there before the next range is known all the same.
    const found =
      ended ??
      (await ranges
        .select(['first as size', 'before_roots as roots'])
        .where('first', '>=', end)
        .where('first', '<', end + width)
        .orderBy('first')
        .limit(1)
        .executeTakeFirst());
    if (found === undefined) return undefined;
    return rootAmong(found.roots, found.size, width);
  }
}

/** That of the subtree of `width` leaves, of a tree that has one. */
function rootAmong(roots: Uint8Array, size: number, width: number): Uint8Array | undefined {
  const at = bitsOf(Math.floor(size / (2 * width)));
  const root = Uint8Array.from(roots.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES));
  return root.length === HASH_BYTES ? root : undefined;
}

/** Ones in its binary form: so many larger subtrees stand before. Sizes go to 2^53 - 1, so no bit operators. */
function bitsOf(value: number): number {
  let bits = 0;
  for (let rest = value; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}
