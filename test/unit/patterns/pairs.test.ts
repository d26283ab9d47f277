/**
 * Rings and chance. Figures of another hand: tails of Poisson distributions by mpmath 1.3 (40 digits, the terms summed) and
 * scipy 1.17.1 (`poisson.sf`), which agree in all digits given; adjusted chances of the documentation of the R package c212
 * (`c212.BH.adjust.pvals`, after Mehrotra and Heyse 2004), its last nine by scipy's `false_discovery_control`.
 */
import { expect, test } from 'vitest';
import { poissonTail, poissonTailMicro } from '../../../src/risk/decision/poisson.ts';
import { adjust, type PairCount, pairLifts } from '../../../src/risk/patterns/pairs.ts';

const PARTS = 10n ** 15n;

test.each([
  [5, 500, 172_115_629_955n],
  [5, 1_000, 3_659_846_827_343n],
  [6, 2_000, 16_563_608_480_614n],
  [8, 1_234, 44_884_186_518n],
  [12, 3_000, 71_386_628_974n],
  [20, 4_000, 10_200_522n],
  [30, 10_000, 250_995_120n],
  [15, 2_500, 69_153_138n],
  [3, 17, 808_463_867n],
  [40, 9_999, 731n],
])('the chance of %i or more where %i thousandths are expected is that of other hands', (count, meanMilli, parts) => {
  expect(poissonTail(count, meanMilli, PARTS)).toBe(parts);
  expect(poissonTailMicro(count, meanMilli)).toBe(Number(parts / 1_000_000_000n));
});

test('chances are adjusted for each other as in the published example', () => {
  const example = [
    [1_000, 11_050],
    [1_300, 11_050],
    [2_300, 13_034],
    [5_000, 21_250],
    [10_000, 26_715],
    [10_900, 26_715],
    [11_000, 26_715],
    [16_000, 34_000],
    [20_000, 37_778],
    [23_000, 39_100],
    [135_005, 208_645],
    [153_501, 217_460],
    [308_339, 395_714],
    [325_882, 395_714],
    [559_111, 633_660],
    [751_986, 798_986],
    [837_154, 837_154],
  ] as const;
  const adjusted = adjust(
    example.map(([raw]) => raw),
    1_000_000,
  );
  // To the next millionth, so that nobody is found for a remainder.
  expect(adjusted).toEqual(example.map(([, p]) => BigInt(p)));
  expect(adjust([])).toEqual([]);
});

/** Deterministic: what passed passes again (Mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Site {
  readonly operators: number;
  readonly couriers: number;
  readonly refunds: number;
  /** Thousandths of the site's refunds with little evidence. */
  readonly weak: number;
}

/** Each refund by one of the site's operators, of a parcel that one of its couriers had, at random. */
function month(seed: number, sites: readonly Site[], rings: readonly PairCount[] = []): readonly PairCount[] {
  const next = random(seed);
  const pairs = new Map<string, { operator: string; courier: string; refunds: number; weak: number }>();
  const add = (operator: string, courier: string, refunds: number, weak: number): void => {
    const key = `${operator} ${courier}`;
    const known = pairs.get(key) ?? { operator, courier, refunds: 0, weak: 0 };
    known.refunds += refunds;
    known.weak += weak;
    pairs.set(key, known);
  };
  for (const [i, { operators, couriers, refunds, weak }] of sites.entries()) {
    for (let n = 0; n < refunds; n += 1) {
      const operator = `o${i}-${Math.floor(next() * operators)}`;
      add(operator, `c${i}-${Math.floor(next() * couriers)}`, 1, next() * 1_000 < weak ? 1 : 0);
    }
  }
  for (const ring of rings) add(ring.operator, ring.courier, ring.refunds, ring.weak);
  return [...pairs.values()];
}

/** As R10 asks unless it is set otherwise. */
function found(pairs: readonly PairCount[]): readonly string[] {
  return pairLifts(pairs)
    .filter(({ weak, lift_milli, p_micro }) => weak >= 5 && lift_milli >= 3_000 && p_micro < 10_000)
    .map(({ operator, courier }) => `${operator} ${courier}`);
}

const CENTRAL: Site = { operators: 20, couriers: 60, refunds: 9_000, weak: 150 };
const SEEDS = Array.from({ length: 40 }, (_, i) => i + 1);

test('of 40 000 random pairs in 40 months none is found, though many stand out', () => {
  const all = SEEDS.map((seed) => month(seed, [CENTRAL]));
  const looked = all.flatMap((pairs) => pairLifts(pairs));
  expect(looked.length).toBeGreaterThan(40_000);
  // So the share of false positives is below 1 in 10 000 with 95 % (rule of three: 3 / 40 000).
  expect(all.flatMap(found)).toEqual([]);
  expect(looked.filter(({ weak, lift_milli }) => weak >= 5 && lift_milli >= 3_000).length).toBeGreaterThan(20);
});

test.each([
  [8, 0],
  [12, 10],
  [20, 40],
])('a planted ring of %i refunds is found in %i of 40 months, and nobody else', (weak, months) => {
  const ring = { operator: 'o0-3', courier: 'c0-7', refunds: weak, weak };
  const all = SEEDS.map((seed) => found(month(seed, [CENTRAL], [ring])));
  expect(all.flat().filter((name) => name !== 'o0-3 c0-7')).toEqual([]);
  expect(all.flat()).toHaveLength(months);
});

test('a ring without other refunds is found, and two rings beside each other are', () => {
  const alone = { operator: 'o-new', courier: 'c-new', refunds: 12, weak: 12 };
  const pair = { operator: 'o0-1', courier: 'c0-1', refunds: 16, weak: 16 };
  for (const seed of [1, 2, 3]) {
    expect([...found(month(seed, [CENTRAL], [alone, pair]))].sort()).toEqual(['o-new c-new', 'o0-1 c0-1']);
  }
});

test('depots where few people meet daily are no rings, nor is one without sensors', () => {
  const depots = Array.from({ length: 30 }, (_, i): Site => {
    return { operators: 3, couriers: 4, refunds: 300, weak: i === 0 ? 800 : 100 };
  });
  expect(SEEDS.flatMap((seed) => found(month(seed, depots)))).toEqual([]);
  // But for what one pair does there beyond the others.
  const ring = { operator: 'o5-0', courier: 'c5-1', refunds: 40, weak: 40 };
  expect(found(month(1, depots, [ring]))).toEqual(['o5-0 c5-1']);
});

/** A fleet in which a pair has its expected number to the thousandth: 100 of 1 000 have little evidence. */
function fleetWith(pair: Pick<PairCount, 'refunds' | 'weak'>): readonly PairCount[] {
  const others = Array.from({ length: 10 }, (_, i) => ({ operator: `o${i}`, courier: `c${i}`, refunds: 98, weak: 9 }));
  const rest = { operator: 'o', courier: 'c', refunds: 1_000 - 980 - pair.refunds, weak: 100 - 90 - pair.weak };
  return [...others, rest, { operator: 'x', courier: 'y', ...pair }];
}

test('the lift is three where it is exactly three, and less beside it', () => {
  // Of 20 refunds 2 are expected, by the fleet; 6 are three times as many.
  const liftOf = (pair: Pick<PairCount, 'refunds' | 'weak'>) =>
    pairLifts(fleetWith(pair)).find(({ operator }) => operator === 'x');
  expect(liftOf({ refunds: 20, weak: 6 })).toMatchObject({ expected_milli: 2_000, lift_milli: 3_000 });
  expect(liftOf({ refunds: 19, weak: 6 })).toMatchObject({ expected_milli: 1_900, lift_milli: 3_157 });
  expect(liftOf({ refunds: 20, weak: 5 })).toMatchObject({ expected_milli: 2_000, lift_milli: 2_500 });
  // Of eleven pairs with enough refunds, none of the others beyond what is expected: 11 times the chance of 6 where 2 are (scipy).
  expect(liftOf({ refunds: 20, weak: 6 })?.p_micro).toBe(Math.ceil(16_563.608_480_614 * 11));
});

test('four refunds together are not looked at, five are', () => {
  const pair = (refunds: number): PairCount => ({ operator: 'x', courier: 'y', refunds, weak: refunds });
  expect(pairLifts([pair(4)])).toEqual([]);
  expect(pairLifts([pair(5)])).toMatchObject([{ refunds: 5, weak: 5 }]);
  expect(pairLifts([])).toEqual([]);
  // Without anything weak nothing is expected, and nothing is found.
  expect(pairLifts([{ ...pair(9), weak: 0 }])).toMatchObject([{ lift_milli: 0, p_micro: 1_000_000 }]);
});

test('twenty thousand pairs, more than the refunds that are read can make, are no work', () => {
  const many = Array.from({ length: 20_000 }, (_, i) => ({
    operator: `o${i % 141}`,
    courier: `c${Math.floor(i / 141)}`,
    refunds: 5 + (i % 7),
    weak: i % 6,
  }));
  expect(pairLifts(many)).toHaveLength(20_000);
});
