/**
 * What counts say, in whole numbers alone: the same on every machine. Rounded so that a finding is rather too small than
 * too large, since nobody should be looked at for a remainder.
 */
import { poissonTailMicro } from '../decision/poisson.ts';

const DAY_MS = 86_400_000n;
const MILLI = 1_000n;
/** So many days of the peers' rate are added to what an operator did. */
const PRIOR_DAYS = 14n;
/** Half a refund: who made none so far is not known to make none. */
const HALF_MILLI = 500n;

export interface Made {
  readonly count: number;
  /** Over how long. */
  readonly spanMs: number;
}

/** A day's refunds in thousandths: own and peers' shrunk together (Gamma-Poisson); without peers the own alone. */
export function usualPerDayMilli(own: Made, peers: Made): number {
  const spanMs = BigInt(own.spanMs);
  const made = BigInt(own.count) * MILLI + HALF_MILLI;
  if (peers.spanMs <= 0) return Number((made * DAY_MS) / spanMs);
  const prior = (BigInt(peers.count) * MILLI * PRIOR_DAYS * DAY_MS) / BigInt(peers.spanMs);
  return Number(((made + prior) * DAY_MS) / (spanMs + PRIOR_DAYS * DAY_MS));
}

export interface Weak {
  readonly refunds: number;
  readonly weak: number;
}

/** With fewer refunds a share says nothing of a peer, and fewer peers have no median. */
const PEER_REFUNDS_MIN = 10;
const PEERS_MIN = 3;

/**
 * One for each: the own share, and the median of the others'. That is never less than one refund of the own: where peers
 * have none, a single weak one is no sign. Undefined where there are too few peers.
 */
export function weakShares(
  all: readonly Weak[],
): readonly ({ readonly refunds: number; readonly own_milli: number; readonly peers_milli: number } | undefined)[] {
  const share = ({ refunds, weak }: Weak): number => (refunds === 0 ? 0 : Math.floor((weak * 1_000) / refunds));
  const ranked = all
    .map((one, i) => ({ i, milli: share(one), counts: one.refunds >= PEER_REFUNDS_MIN }))
    .filter(({ counts }) => counts)
    .sort((a, b) => a.milli - b.milli);
  const placeOf = new Map(ranked.map(({ i }, place) => [i, place]));
  return all.map((one, i) => {
    const place = placeOf.get(i) ?? ranked.length;
    const peers = ranked.length - (place < ranked.length ? 1 : 0);
    if (peers < PEERS_MIN || one.refunds === 0) return undefined;
    const at = (nth: number): number => ranked[nth < place ? nth : nth + 1]?.milli ?? 0;
    const median = Math.ceil((at((peers - 1) >> 1) + at(peers >> 1)) / 2);
    const least = Math.ceil(1_000 / one.refunds);
    return { refunds: one.refunds, own_milli: share(one), peers_milli: Math.max(median, least) };
  });
}

export interface Losses {
  readonly parcels: number;
  readonly lost: number;
}

/** One locker alone has no fleet. */
const FLEET_MIN = 3;
/** How many losses of the fleet's rate are added to each locker's own: by how much lockers differ, within these bounds. */
const PRIOR_MIN = 4n;
const PRIOR_MAX = 100n;

/**
 * Upper 95 % of each locker's rate of losses, in thousandths, after empirical Bayes (Gamma-Poisson, its shape by moments
 * of the fleet): a locker with few parcels is taken for one like the others. Undefined where nothing was lost.
 */
export function lossRates(
  all: readonly Losses[],
): readonly { readonly upper_milli: number; readonly fleet_milli: number }[] | undefined {
  const parcels = all.reduce((sum, one) => sum + BigInt(one.parcels), 0n);
  const lost = all.reduce((sum, one) => sum + BigInt(one.lost), 0n);
  if (all.length < FLEET_MIN || lost === 0n || parcels === 0n) return undefined;
  const shape = shapeOf(all, parcels, lost);
  const fleet_milli = Number((lost * MILLI + parcels - 1n) / parcels);
  // Most lockers have lost equally few.
  const uppers = new Map<number, bigint>();
  return all.map((one) => {
    const upper = uppers.get(one.lost) ?? BigInt(upperMeanMilli(Number(shape) + one.lost));
    uppers.set(one.lost, upper);
    return { upper_milli: Number((upper * lost) / (shape * parcels + BigInt(one.parcels) * lost)), fleet_milli };
  });
}

function shapeOf(all: readonly Losses[], parcels: bigint, lost: bigint): bigint {
  const squares = all.reduce((sum, one) => sum + BigInt(one.parcels) ** 2n, 0n);
  const spread = all.reduce((sum, one) => sum + (BigInt(one.lost) * parcels - BigInt(one.parcels) * lost) ** 2n, 0n);
  const beyond = spread - lost * parcels ** 2n;
  if (beyond <= 0n) return PRIOR_MAX;
  const shape = (lost ** 2n * squares) / beyond;
  return shape < PRIOR_MIN ? PRIOR_MIN : shape > PRIOR_MAX ? PRIOR_MAX : shape;
}

const SURE_MICRO = 950_000;
/** Beyond it a normal distribution does. */
const SEARCHED_MAX = 300;

/** The 95th percentile of a Gamma distribution of that shape, in thousandths: P(N >= shape) for a Poisson of that mean. */
export function upperMeanMilli(shape: number): number {
  if (shape > SEARCHED_MAX) return Math.floor(shape * 1_000 + 1_645 * Math.floor(Math.sqrt(shape)));
  let below = shape * 1_000;
  let above = shape * 1_000 + 4_000 * (Math.ceil(Math.sqrt(shape)) + 1);
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2);
    if (poissonTailMicro(shape, middle) >= SURE_MICRO) above = middle;
    else below = middle;
  }
  return above;
}
