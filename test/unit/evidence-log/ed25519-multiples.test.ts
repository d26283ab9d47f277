import { Point } from '@noble/ed25519';
import { expect, test } from 'vitest';
import { present } from '../../../src/base/assert.ts';
import { unhex } from '../../../src/base/bytes.ts';
import { MultiplesTable, PointSum } from '../../../src/evidence/ed25519-multiples.ts';
import { Random } from '../../support/mutate.ts';

const { n: ORDER } = Point.CURVE();
const random = new Random(17);
const scalar = (): bigint => random.bytes(32).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n) % ORDER;
/** A point of order 8: table 1 of "Taming the many EdDSAs". */
const TORSION = Point.fromBytes(
  present(unhex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'), 'point'),
);

test('sums of multiples are those of the library, for points of every order', () => {
  const points = [Point.BASE, Point.BASE.multiply(scalar()), TORSION, TORSION.add(Point.BASE.multiply(scalar()))];
  const tables = points.map((point) => new MultiplesTable(point));
  const scalars = [0n, 1n, 2n, 8n, 255n, 256n, ORDER - 1n, ...Array.from({ length: 40 }, scalar)];
  let checked = 0;
  for (const [i, table] of tables.entries()) {
    for (const [j, s] of scalars.entries()) {
      const k = present(scalars[scalars.length - 1 - j], 'scalar');
      const other = (i + j) % tables.length;
      const sum = new PointSum();
      table.addTo(sum, s);
      present(tables[other], 'table').addTo(sum, k);
      const expected = times(present(points[i], 'point'), s).add(times(present(points[other], 'point'), k));
      expect(sum.point().equals(expected), `${i} ${s} ${k}`).toBe(true);
      expect(sum.point().toBytes()).toEqual(expected.toBytes());
      // X, Y, Z and T belong together, and the point is on the curve.
      if (!expected.is0()) expect(() => sum.point().assertValidity()).not.toThrow();
      checked += 1;
    }
  }
  expect(checked).toBe(4 * 47);
});

test('what is taken away again leaves nothing', () => {
  const sum = new PointSum();
  const s = scalar();
  new MultiplesTable(TORSION.add(Point.BASE)).addTo(sum, s);
  expect(sum.point().is0()).toBe(false);
  new MultiplesTable(TORSION.add(Point.BASE).negate()).addTo(sum, s);
  expect(sum.point().is0()).toBe(true);
  expect(new PointSum().point().is0()).toBe(true);
});

/** The library takes no scalar of 0 in safe mode, and skips the rest of the ladder for a point of small order. */
function times(point: Point, s: bigint): Point {
  let sum = Point.ZERO;
  let power = point;
  for (let rest = s; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) sum = sum.add(power);
    power = power.double();
  }
  return sum;
}
