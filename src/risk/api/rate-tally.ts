/** Counts behind rates, by whatever they are counted by: pure, fed with one row at a time. */
import { parseOrigin } from '../../evidence/log/origin.ts';
import { legEvidence } from '../decision/eligibility.ts';
import type { EventRef, ParcelFacts } from '../decision/facts.ts';
import { atLeast } from '../decision/grade.ts';

/**
 * What shares are taken of: refunds that were decided, their parcels and their payments. A parcel that nobody asked money back
 * for is in none of them: whoever asks more often about one kind of delivery sees that kind.
 */
export const RATES_OVER = 'decided_refunds';

export interface Share {
  readonly part: number;
  readonly whole: number;
  readonly rate?: number;
}

export const RATE_GROUPS = ['operator', 'locker', 'courier'] as const;

export type RateGroup = (typeof RATE_GROUPS)[number];

/** Those of a payment come one after the other. */
export interface RefundRow {
  readonly operator: string;
  readonly discrepant: boolean;
  /** Of both legs of its parcels. */
  readonly events: readonly EventRef[];
  /** Pseudonyms of whoever had one of its parcels in hands, on either leg; empty where nobody asks for them. */
  readonly couriers: readonly string[];
  /** Absent where no payment of it is known. */
  readonly payment?: {
    readonly ref: string;
    readonly isDisputed: boolean;
    readonly disputesEnded: number;
    readonly disputesLost: number;
  };
}

/** One that somebody said had reached a locker. */
export interface ParcelRow {
  /** Who asked for its refund. */
  readonly operator: string;
  readonly parcel: ParcelFacts;
  /** Who had it in hands on its way there. */
  readonly couriers: readonly string[];
}

export interface Rates {
  readonly refunds: number;
  readonly discrepancy: Share;
  readonly delivery_proof: Share;
  readonly dispute: Share;
  readonly dispute_loss: Share;
}

interface Counts {
  refunds: number;
  discrepant: number;
  delivered: number;
  proved: number;
  payments: number;
  disputed: number;
  ended: number;
  lost: number;
  /** It was the last one that was counted here. */
  payment: string | undefined;
}

const DIGITS = 1e6;
const ALL = '';

export class RateTally {
  readonly #groups = new Map<string, Counts>();
  readonly #by: RateGroup | undefined;

  /** Together without `by`. */
  constructor(by: RateGroup | undefined) {
    this.#by = by;
  }

  refund({ operator, discrepant, events, couriers, payment }: RefundRow): void {
    for (const name of this.#namesOf(operator, events, couriers)) {
      const counts = this.#countsOf(name);
      counts.refunds += 1;
      if (discrepant) counts.discrepant += 1;
      if (payment === undefined || counts.payment === payment.ref) continue;
      counts.payment = payment.ref;
      counts.payments += 1;
      if (payment.isDisputed) counts.disputed += 1;
      counts.ended += payment.disputesEnded;
      counts.lost += payment.disputesLost;
    }
  }

  parcel({ operator, parcel, couriers }: ParcelRow): void {
    const isProved = atLeast(legEvidence(parcel, 'forward').grade, 'MODERATE');
    for (const name of this.#namesOf(operator, parcel.forward.events, couriers)) {
      const counts = this.#countsOf(name);
      counts.delivered += 1;
      if (isProved) counts.proved += 1;
    }
  }

  together(): Rates {
    return ratesOf(this.#countsOf(ALL));
  }

  /** Those with the most refunds first. */
  groups(most: number): readonly ({ readonly name: string } & Rates)[] {
    const all = [...this.#groups].sort(([a, one], [b, two]) => two.refunds - one.refunds || (a < b ? -1 : 1));
    return all.slice(0, most).map(([name, counts]) => ({ name, ...ratesOf(counts) }));
  }

  get size(): number {
    return this.#groups.size;
  }

  #namesOf(operator: string, events: readonly EventRef[], couriers: readonly string[]): Iterable<string> {
    switch (this.#by) {
      case undefined:
        return [ALL];
      case 'operator':
        return [operator];
      case 'locker':
        return new Set(events.flatMap(gatewayOf));
      case 'courier':
        return new Set(couriers);
    }
  }

  #countsOf(name: string): Counts {
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const made = {
      refunds: 0,
      discrepant: 0,
      delivered: 0,
      proved: 0,
      payments: 0,
      disputed: 0,
      ended: 0,
      lost: 0,
      payment: undefined,
    };
    this.#groups.set(name, made);
    return made;
  }
}

/** Whose log an entry stands in. */
function gatewayOf(event: EventRef): readonly string[] {
  const origin = parseOrigin(event.slice(0, Math.max(0, event.lastIndexOf('#'))));
  return origin.ok ? [origin.value.gateway] : [];
}

function ratesOf(counts: Counts): Rates {
  return {
    refunds: counts.refunds,
    discrepancy: shareOf(counts.discrepant, counts.refunds),
    delivery_proof: shareOf(counts.proved, counts.delivered),
    dispute: shareOf(counts.disputed, counts.payments),
    dispute_loss: shareOf(counts.lost, counts.ended),
  };
}

function shareOf(part: number, whole: number): Share {
  return { part, whole, ...(whole > 0 && { rate: Math.round((part / whole) * DIGITS) / DIGITS }) };
}
