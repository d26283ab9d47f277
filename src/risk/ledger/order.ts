/**
 * The order of what happened to a parcel. Entries of one gateway keep the order of their logs, whatever their wall clocks
 * say; between gateways and claims wall time decides, as good as it is.
 */
import { readTime } from '../../base/wall-time.ts';
import type { ClockTrust } from '../decision/facts.ts';
import type { LedgerEntry, LedgerInput } from './inputs.ts';

const SYNCED_ERR_MS = 2_000;
const FAIR_ERR_MS = 60_000;

export interface Placed<T extends LedgerInput = LedgerInput> {
  readonly input: T;
  readonly atMs: number;
  /** How far the truth may be from it: without end where nobody sets the clock. */
  readonly errMs: number;
  readonly clock: ClockTrust;
}

export interface Ordered {
  readonly placed: readonly Placed[];
  /** Entries whose wall clock stood before that of an earlier entry of the same gateway. */
  readonly rolledBack: readonly LedgerEntry[];
}

export function inOrder(inputs: readonly LedgerInput[]): Ordered {
  const rolledBack: LedgerEntry[] = [];
  const gateways = new Map<string, Placed[]>();
  for (const input of distinct(inputs)) {
    const key = input.kind === 'entry' ? `gateway ${input.gateway}` : 'claims';
    gateways.set(key, [...(gateways.get(key) ?? []), place(input)]);
  }
  const queues = [...gateways.values()].map((own) => settle(own.sort(withinSource), rolledBack));
  return { placed: merge(queues), rolledBack };
}

/** The same entry again changes nothing. */
function distinct(inputs: readonly LedgerInput[]): readonly LedgerInput[] {
  return [...new Map(inputs.map((input) => [input.ref, input])).values()];
}

function place(input: LedgerInput): Placed {
  if (input.kind === 'claim') return { input, atMs: Math.max(0, input.at_ms), errMs: FAIR_ERR_MS, clock: 'fair' };
  const { src, err_ms } = input.event.clock;
  const { clock: vouched, storedMs } = input;
  const { atMs, isWrong } = placedAt(input.event.at, storedMs);
  if (isWrong) return { input, atMs, errMs: Number.POSITIVE_INFINITY, clock: 'free' };
  const known = src === 'ntp' || src === 'gps';
  if (!known && vouched !== undefined) {
    const errMs = vouched === 'synced' ? SYNCED_ERR_MS : FAIR_ERR_MS;
    return { input, atMs, errMs, clock: vouched };
  }
  const clock =
    !known || err_ms === undefined || err_ms > FAIR_ERR_MS ? 'free' : err_ms <= SYNCED_ERR_MS ? 'synced' : 'fair';
  return { input, atMs, errMs: err_ms ?? Number.POSITIVE_INFINITY, clock };
}

/**
 * When an entry happened, as far as its clock can be believed. An earlier intake took days that no calendar has. Nothing
 * happens after it is stored, and nothing did before 1970: a clock that says so is wrong by nobody knows how much.
 */
export function placedAt(at: string, storedMs?: number): { readonly atMs: number; readonly isWrong: boolean } {
  const saidMs = readTime(at);
  if (saidMs === undefined || saidMs < 0) return { atMs: 0, isWrong: true };
  const latestMs = storedMs === undefined ? Number.POSITIVE_INFINITY : storedMs + FAIR_ERR_MS;
  return saidMs > latestMs ? { atMs: latestMs, isWrong: true } : { atMs: saidMs, isWrong: false };
}

function withinSource(a: Placed, b: Placed): number {
  const [one, other] = [a.input, b.input];
  if (one.kind === 'entry' && other.kind === 'entry') return one.log - other.log || one.n - other.n;
  return a.atMs - b.atMs || (one.ref < other.ref ? -1 : 1);
}

/** Wall time never goes back within a gateway: what stood earlier is lifted, and says that it cannot be believed. */
function settle(own: readonly Placed[], rolledBack: LedgerEntry[]): Placed[] {
  let latestMs = Number.NEGATIVE_INFINITY;
  return own.map((placed) => {
    const { input, atMs } = placed;
    if (atMs >= latestMs || input.kind === 'claim') {
      latestMs = Math.max(latestMs, atMs);
      return placed;
    }
    rolledBack.push(input);
    return { ...placed, atMs: latestMs, errMs: Number.POSITIVE_INFINITY, clock: 'rollback' };
  });
}

function merge(queues: readonly Placed[][]): readonly Placed[] {
  const all: Placed[] = [];
  const heads = queues.map((queue) => [...queue]);
  for (;;) {
    const first = heads
      .filter((queue) => queue.length > 0)
      .sort(
        (a, b) => (a[0]?.atMs ?? 0) - (b[0]?.atMs ?? 0) || ((a[0]?.input.ref ?? '') < (b[0]?.input.ref ?? '') ? -1 : 1),
      )[0];
    const next = first?.shift();
    if (next === undefined) return all;
    all.push(next);
  }
}
