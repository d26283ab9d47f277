/**
 * Multiples of one Ed25519 point, kept so that a multiplication is one addition for each byte of the scalar.
 *
 * Points come from @noble/ed25519; only their sum is written out here, over coordinates that are folded below 2^256
 * instead of divided by p after every step, and with the kept points in the form that the addition wants ("niels":
 * y + x, y - x, 2dxy). That is RFC 8032 section 5.1.4 with Z2 = 1, complete for every pair of points of the curve.
 */
import { Point } from '@noble/ed25519';
import { present } from '../base/assert.ts';

const WINDOWS = 32;
const { p: P, d: D } = Point.CURVE();
const TWO_D = (2n * D) % P;
const LOW_255 = (1n << 255n) - 1n;

interface KeptPoint {
  readonly plus: bigint;
  readonly minus: bigint;
  readonly product: bigint;
}

/** A sum of kept points, in extended coordinates. */
export class PointSum {
  #x = 0n;
  #y = 1n;
  #z = 1n;
  #t = 0n;

  add({ plus, minus, product }: KeptPoint): void {
    const a = folded((this.#y - this.#x) * minus);
    const b = folded((this.#y + this.#x) * plus);
    const c = folded(this.#t * product);
    const d = this.#z + this.#z;
    const e = b - a;
    const f = d - c;
    const g = d + c;
    const h = b + a;
    this.#x = folded(e * f);
    this.#y = folded(g * h);
    this.#z = folded(f * g);
    this.#t = folded(e * h);
  }

  point(): Point {
    return new Point(reduced(this.#x), reduced(this.#y), reduced(this.#z), reduced(this.#t));
  }
}

/** d * 256^w * P for every byte value d and place w. */
export class MultiplesTable {
  readonly #rows: readonly (readonly KeptPoint[])[];

  constructor(point: Point) {
    const rows: (readonly KeptPoint[])[] = [];
    let unit = point;
    for (let w = 0; w < WINDOWS; w += 1) {
      const row = [Point.ZERO];
      for (let d = 1; d < 256; d += 1) row.push(present(row[d - 1], 'multiple').add(unit));
      rows.push(keptPoints(row));
      unit = present(row[255], 'multiple').add(unit);
    }
    this.#rows = rows;
  }

  /** Adds scalar * P. */
  addTo(sum: PointSum, scalar: bigint): void {
    let rest = scalar;
    for (const row of this.#rows) {
      const digit = Number(rest & 0xffn);
      if (digit > 0) sum.add(present(row[digit], 'multiple'));
      rest >>= 8n;
    }
  }
}

/** One inversion for the whole row (Montgomery): each Z is divided out by the products of all others. */
function keptPoints(row: readonly Point[]): readonly KeptPoint[] {
  const products: bigint[] = [];
  let product = 1n;
  for (const { Z } of row) {
    products.push(product);
    product = (product * Z) % P;
  }
  let inverse = inverted(product);
  const kept: KeptPoint[] = [];
  for (let i = row.length - 1; i >= 0; i -= 1) {
    const { X, Y, Z } = present(row[i], 'multiple');
    const inverseZ = (inverse * present(products[i], 'product')) % P;
    inverse = (inverse * Z) % P;
    const x = (X * inverseZ) % P;
    const y = (Y * inverseZ) % P;
    kept.push({ plus: y + x, minus: y - x, product: (((TWO_D * x) % P) * y) % P });
  }
  return kept.reverse();
}

/** 2^255 = 19 mod p: twice folded, a product of two sums of folded values is below 2^256 again, or above -2^256. */
function folded(value: bigint): bigint {
  const once = (value & LOW_255) + 19n * (value >> 255n);
  return (once & LOW_255) + 19n * (once >> 255n);
}

function reduced(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

/** Fermat: value^(p-2). Once for each row of a table. */
function inverted(value: bigint): bigint {
  let power = value;
  let result = 1n;
  for (let exponent = P - 2n; exponent > 0n; exponent >>= 1n) {
    if ((exponent & 1n) === 1n) result = (result * power) % P;
    power = (power * power) % P;
  }
  return result;
}
