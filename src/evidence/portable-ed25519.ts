/**
 * Ed25519 verification without Node, by the one predicate of FORMAT.md section 1: canonical encodings, no point of
 * small order, cofactorless equation (RFC 8032 section 5.1.7 without the multiplication by 8).
 *
 * `verify` of @noble/ed25519 multiplies by the cofactor even with `zip215: false`, so it takes signatures with a
 * small-order component in A or R that OpenSSL refuses. The equation is therefore written out over the library's points.
 * A key that verifies often, as the one log of an export does, gets a table that makes it three times faster.
 */
import { Point } from '@noble/ed25519';
import { present } from '../base/assert.ts';
import { concatBytes, equalBytes, hex } from '../base/bytes.ts';

/** A table costs about as much as twenty verifications, and a megabyte or two. */
const USES_BEFORE_TABLE = 16;
const KEYS_KEPT_MAX = 8;
const WINDOWS = 32;

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
    const r = this.#multiplyBase(s, key).add(multiplyKey(k, key));
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

  #multiplyBase(scalar: bigint, key: KnownKey): Point {
    if (key.table === undefined) return Point.BASE.multiply(scalar, false);
    this.#base ??= new MultiplesTable(Point.BASE);
    return this.#base.multiply(scalar);
  }
}

function multiplyKey(scalar: bigint, key: KnownKey): Point {
  return key.table === undefined ? key.negated.multiply(scalar, false) : key.table.multiply(scalar);
}

/** d * 256^w * P for every byte value d and place w: a multiplication is then one addition per byte of the scalar. */
class MultiplesTable {
  readonly #rows: readonly (readonly Point[])[];

  constructor(point: Point) {
    const rows: Point[][] = [];
    let unit = point;
    for (let w = 0; w < WINDOWS; w += 1) {
      const row = [Point.ZERO];
      for (let d = 1; d < 256; d += 1) row.push(present(row[d - 1], 'multiple').add(unit));
      rows.push(row);
      unit = present(row[255], 'multiple').add(unit);
    }
    this.#rows = rows;
  }

  multiply(scalar: bigint): Point {
    let sum = Point.ZERO;
    let rest = scalar;
    for (const row of this.#rows) {
      const digit = Number(rest & 0xffn);
      if (digit > 0) sum = sum.add(present(row[digit], 'multiple'));
      rest >>= 8n;
    }
    return sum;
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
