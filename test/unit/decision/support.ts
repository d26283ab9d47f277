/** Facts to begin with, each test changing what it is about. */
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { type Decision, decide } from '../../../src/risk/decision/decision.ts';
import type {
  Contradiction,
  Facts,
  Level,
  ParcelFacts,
  RecentRefund,
  RefundFacts,
  Signal,
} from '../../../src/risk/decision/facts.ts';
import { makeRuleset, type RulesetSettings } from '../../../src/risk/decision/ruleset.ts';
import type { SignalName } from '../../../src/risk/decision/signals.ts';

/** 2026-11-22T09:00:00Z. */
export const NOW_MS = 1_795_338_000_000;
export const DAY_MS = 86_400_000;

let events = 0;

export function signal(name: SignalName, more: Partial<Signal> = {}): Signal {
  events += 1;
  return {
    name,
    says: 'supports',
    level: 'A2',
    clock: 'synced',
    event: `lockers.example/gw/1-00000000#${events}`,
    ...more,
  };
}

/** What an honest deposit with all sensors gives. */
export function wholeDeposit(level: Level = 'A2'): readonly Signal[] {
  return (['scan', 'door', 'weight', 'occupancy', 'code'] as const).map((name) => signal(name, { level }));
}

export function contradiction(code: Contradiction['code'], more: Partial<Contradiction> = {}): Contradiction {
  return { code, leg: 'both', severity: 'hard', events: ['lockers.example/gw/1-00000000#7'], ...more };
}

export function parcel(more: Partial<ParcelFacts> = {}): ParcelFacts {
  const forward = {
    state: 'COLLECTED',
    certainty: 'confirmed',
    custodian: 'customer',
    signals: [],
    events: [],
  } as const;
  const back = {
    state: 'R_IN_LOCKER',
    certainty: 'confirmed',
    custodian: 'locker_operator',
    signals: wholeDeposit(),
    events: ['lockers.example/gw/1-00000000#5'],
  } as const;
  return { ref: 'p1', ledger_version: 3, forward, return: back, contradictions: [], ...more };
}

export function refundOf(more: Partial<RefundFacts> = {}): RefundFacts {
  return {
    refund_id: 'r-1',
    kind: 'return',
    amount_minor: 8_000,
    currency: 'USD',
    operator: 'op-1',
    requested_at_ms: NOW_MS,
    destination: 'original',
    ...more,
  };
}

export function facts(more: Partial<Omit<Facts, 'refund'>> & { readonly refund?: Partial<RefundFacts> } = {}): Facts {
  const { refund, ...others } = more;
  return {
    v: 1,
    as_of_ms: NOW_MS,
    refund: refundOf(refund),
    payment: { captured_minor: 1_000_000, refunded_minor: 0, disputed_minor: 0 },
    operator: { recent: [] },
    parcels: [parcel()],
    failed: [],
    ...others,
  };
}

export function recent(
  id: string,
  agoMs: number,
  amount_minor: number,
  more: Partial<RecentRefund> = {},
): RecentRefund {
  return { refund_id: id, at_ms: NOW_MS - agoMs, amount_minor, currency: 'USD', ...more };
}

export function decided(of: Facts, settings: RulesetSettings = {}): Decision {
  return decide(nodeCrypto, of, makeRuleset(nodeCrypto, settings));
}

export function codes(decision: Pick<Decision, 'reasons'>): readonly string[] {
  return decision.reasons.map(({ code }) => code);
}
