/**
 * What counts say, against figures of another hand: the 95 % of chi-squared at 2k degrees of freedom, twice that of a Gamma
 * distribution of shape k, as printed tables have it (5.99146, 9.48773, 18.30704: NIST/SEMATECH e-Handbook 1.3.6.7.4 and its
 * like) and scipy 1.17.1 has all of them (`chi2.ppf(0.95, 2 * k)`); and arithmetic on paper.
 */
import { expect, test } from 'vitest';
import { lossRates, upperMeanMilli, usualPerDayMilli, weakShares } from '../../../src/risk/patterns/arithmetic.ts';

const DAY_MS = 86_400_000;

test.each([
  [1, 5.99146],
  [2, 9.48773],
  [4, 15.50731],
  [5, 18.30704],
  [10, 31.41043],
  [15, 43.77297],
  [50, 124.34211],
  [100, 233.99427],
  [300, 658.09357],
])('the upper 95 %% of a Gamma distribution of shape %i is that of the tables', (shape, chiSquared) => {
  expect(Math.abs(upperMeanMilli(shape) - chiSquared * 500)).toBeLessThanOrEqual(1);
});

test.each([
  [301, 660.1885],
  [1_000, 2105.15424],
  [10_000, 20330.10382],
])('beyond, of shape %i, it is less by a hundredth at most, and never more', (shape, chiSquared) => {
  expect(upperMeanMilli(shape)).toBeLessThanOrEqual(chiSquared * 500);
  expect(upperMeanMilli(shape)).toBeGreaterThan(chiSquared * 495);
});

test('what is usual is the own rate where there are no peers, and near theirs where the own is short', () => {
  expect(usualPerDayMilli({ count: 28, spanMs: 28 * DAY_MS }, { count: 0, spanMs: 0 })).toBe(1_017);
  expect(usualPerDayMilli({ count: 0, spanMs: 28 * DAY_MS }, { count: 0, spanMs: 0 })).toBe(17);
  // (14 + 0.5 + 14 x 1) / 42 days; (0 + 0.5 + 14 x 2) / 15 days.
  expect(usualPerDayMilli({ count: 14, spanMs: 28 * DAY_MS }, { count: 280, spanMs: 280 * DAY_MS })).toBe(678);
  expect(usualPerDayMilli({ count: 0, spanMs: DAY_MS }, { count: 560, spanMs: 280 * DAY_MS })).toBe(1_900);
});

test('a share stands against the median of the others, and has none with fewer than three of them', () => {
  const peer = (weak: number) => ({ refunds: 10, weak });
  expect(weakShares([])).toEqual([]);
  expect(weakShares([peer(5)])).toEqual([undefined]);
  expect(weakShares([peer(5), peer(1), peer(2)])).toEqual([undefined, undefined, undefined]);
  const shares = weakShares([peer(9), peer(1), peer(2), peer(3), { refunds: 4, weak: 4 }]);
  expect(shares.map((one) => one?.peers_milli)).toEqual([200, 300, 300, 200, 250]);
  expect(shares.map((one) => one?.own_milli)).toEqual([900, 100, 200, 300, 1_000]);
  // Where peers have none, one weak refund is no sign.
  expect(weakShares([peer(1), peer(0), peer(0), peer(0)])[0]).toEqual({
    refunds: 10,
    own_milli: 100,
    peers_milli: 100,
  });
});

test('a locker with few parcels is one like the others, and one that loses much stands out', () => {
  expect(lossRates([])).toBeUndefined();
  expect(lossRates([{ parcels: 10, lost: 10 }])).toBeUndefined();
  expect(lossRates([1, 2, 3].map(() => ({ parcels: 100, lost: 0 })))).toBeUndefined();
  const calm = Array.from({ length: 50 }, () => ({ parcels: 1_000, lost: 5 }));
  const rates = lossRates([...calm, { parcels: 1_000, lost: 60 }, { parcels: 1, lost: 1 }, { parcels: 0, lost: 0 }]);
  const isHot = (at: number): boolean => {
    const one = rates?.[at];
    return one !== undefined && one.upper_milli > 3 * one.fleet_milli;
  };
  expect([0, 50, 51, 52].map(isHot)).toEqual([false, true, false, false]);
  // 310 of 51 001, rounded up.
  expect(rates?.[0]?.fleet_milli).toBe(7);
});

test('ten thousand lockers and operators are no work', () => {
  const many = Array.from({ length: 10_000 }, (_, i) => ({ parcels: 1_000, lost: i % 200, refunds: 20, weak: i % 20 }));
  expect(lossRates(many)).toHaveLength(10_000);
  expect(weakShares(many)).toHaveLength(10_000);
});
