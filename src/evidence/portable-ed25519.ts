/**
 * Ed25519 verification without Node, by the one predicate of FORMAT.md section 1: canonical encodings, no point of
 * small order, cofactorless equation (RFC 8032 section 5.1.7 without the multiplication by 8).
 *
 * `verify` of @noble/ed25519 multiplies by the cofactor even with `zip215: false`, so it takes signatures with a
 * small-order component in A or R that OpenSSL refuses. The equation is therefore written out over the library's points.
 * A key that verifies often, as the one log of an export does, gets a table that makes it several times faster.
 */
import { Point } from '@noble/ed25519';
import { concatBytes, equalBytes, hex } from '../base/bytes.ts';
import { MultiplesTable, PointSum } from './ed25519-multiples.ts';

/** A table costs about as much as twenty verifications, and a megabyte or two. */
const USES_BEFORE_TABLE = 16;
const KEYS_KEPT_MAX = 8;

interface KnownKey {
  /** -A, so that one addition gives R. */
  readonly negated: Point;
  uses: number;
  table?: MultiplesTable;
}

export class PortableEd25519 {
  /** Least recently used first. Only a memo: it changes no answer. */
  readonly #keys = new Map<string, KnownKey>();
  readonly #sha512: (bytes: Uint8Array) => Uint8Array;
  #base: MultiplesTable | undefined;

  constructor(sha512: (bytes: Uint8Array) => Uint8Array) {
    this.#sha512 = sha512;
  }

  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    const { n: order } = Point.CURVE();
    const s = littleEndian(signature.subarray(32));
    if (s >= order) return false;
    const key = this.#known(publicKey);
    if (key === undefined) return false;
    const encodedR = signature.subarray(0, 32);
    const k = littleEndian(this.#sha512(concatBytes(encodedR, publicKey, message))) % order;
    // R = S B - k A. Comparing encodings also refuses every spelling of R that is not the canonical one.
    const r = this.#equation(s, k, key);
    return equalBytes(r.toBytes(), encodedR) && !r.isSmallOrder();
  }

  #known(publicKey: Uint8Array): KnownKey | undefined {
    const name = hex(publicKey);
    let key = this.#keys.get(name);
    if (key === undefined) {
      const point = strictPoint(publicKey);
      if (point === undefined) return undefined;
      key = { negated: point.negate(), uses: 0 };
      for (const oldest of this.#keys.keys()) {
        if (this.#keys.size < KEYS_KEPT_MAX) break;
        this.#keys.delete(oldest);
      }
    } else {
      this.#keys.delete(name);
    }
    this.#keys.set(name, key);
    key.uses += 1;
    if (key.uses === USES_BEFORE_TABLE) key.table = new MultiplesTable(key.negated);
    return key;
  }

  #equation(s: bigint, k: bigint, key: KnownKey): Point {
    if (key.table === undefined) return Point.BASE.multiply(s, false).add(key.negated.multiply(k, false));
    this.#base ??= new MultiplesTable(Point.BASE);
    const sum = new PointSum();
    this.#base.addTo(sum, s);
    key.table.addTo(sum, k);
    return sum.point();
  }
}

/** The point of a canonical encoding, unless its order divides eight. */
function strictPoint(bytes: Uint8Array): Point | undefined {
  try {
    const point = Point.fromBytes(bytes, false);
    return point.isSmallOrder() ? undefined : point;
  } catch {
    return undefined;
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${hex(new Uint8Array(bytes).reverse())}`);
}
