/** Facts of every kind, for properties: what a rule needs is often there, often just so, and often not known. */
import fc from 'fast-check';
import { CONTRADICTION_CODES, CONTRADICTIONS } from '../../../src/risk/decision/contradictions.ts';
import type {
  Contradiction,
  Facts,
  ForwardState,
  Leg,
  OperatorFacts,
  ParcelFacts,
  PatternFacts,
  RecentRefund,
  ReturnState,
  Signal,
} from '../../../src/risk/decision/facts.ts';
import { SIGNAL_NAMES } from '../../../src/risk/decision/signals.ts';
import { DAY_MS, NOW_MS } from './support.ts';

const RATES = { EUR: 1_080_000_000, JPY: 6_500_000 } as const;
const AMOUNTS = [1, 2_500, 2_501, 9_999, 10_000, 10_001, 25_000, 50_000, 50_001, 200_000] as const;
const ORIGIN = 'lockers.example/gw/1-00000000';

const some = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined, freq: 2 });
/** Seldom: what stands in the way of everything else. */
const seldom = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const amount = fc.oneof(fc.constantFrom(...AMOUNTS), fc.integer({ min: 1, max: 100_000 }));
const event = fc.integer({ min: 1, max: 40 }).map((n) => `${ORIGIN}#${n}`);
const money = fc
  .tuple(amount, fc.constantFrom('USD', 'USD', 'USD', 'USD', 'EUR', 'JPY'), fc.integer({ min: 0, max: 19 }))
  .map(([amount_minor, currency, chance]) => ({
    amount_minor,
    currency,
    ...(currency !== 'USD' &&
      chance > 0 && { rate: { usd_e9: RATES[currency as keyof typeof RATES], day: '2026-11-21' } }),
  }));

const signal: fc.Arbitrary<Signal> = fc.record({
  name: fc.constantFrom(...SIGNAL_NAMES),
  says: fc.constantFrom('supports', 'supports', 'supports', 'supports', 'contradicts'),
  level: fc.constantFrom('unsigned', 'declared', 'A0', 'A1', 'A2', 'A3'),
  clock: fc.constantFrom('synced', 'fair', 'free', 'rollback'),
  event,
});

const contradiction: fc.Arbitrary<Contradiction> = fc
  .record({
    code: fc.constantFrom(...CONTRADICTION_CODES),
    leg: fc.constantFrom('forward', 'return', 'both'),
    events: fc.array(event, { minLength: 1, maxLength: 3 }),
    isExcused: fc.boolean(),
  })
  .map(({ code, leg, events, isExcused }) => {
    const { severity, innocent } = CONTRADICTIONS[code];
    const [cause] = innocent;
    return { code, leg, severity, events, ...(isExcused && cause !== undefined && { innocent: cause }) };
  });

function leg<S extends string>(...states: readonly S[]): fc.Arbitrary<Leg<S>> {
  return fc.record({
    state: fc.constantFrom(...states),
    certainty: fc.constantFrom('confirmed', 'confirmed', 'unconfirmed', 'contradicted'),
    custodian: fc.constantFrom('courier', 'locker_operator', 'customer', 'warehouse', 'unknown'),
    signals: fc.array(signal, { maxLength: 8 }),
    events: fc.array(event, { maxLength: 3 }),
  });
}

const FORWARD = [
  'EXPECTED',
  'WITH_COURIER',
  'IN_LOCKER',
  'COLLECTED',
  'EXPIRED',
  'RETRIEVED',
  'DISTURBED',
  'MISSING',
] as const;
const RETURN = ['NONE', 'RMA_OPEN', 'R_IN_LOCKER', 'R_RECEIVED', 'R_INSPECTED_OK', 'R_INSPECTED_EMPTY'] as const;
const at = fc.integer({ min: NOW_MS - 2 * DAY_MS, max: NOW_MS + 2 * DAY_MS });
const exception = fc.record({ at_ms: fc.integer({ min: NOW_MS - 7_200_000, max: NOW_MS + 1 }), event });

const parcel: fc.Arbitrary<ParcelFacts> = fc
  .record({
    forward: leg<ForwardState>(...FORWARD),
    back: leg<ReturnState>(...RETURN),
    contradictions: fc.array(contradiction, { maxLength: 2 }),
    exception: seldom(exception),
    collect_by_ms: some(at),
    promised_by_ms: some(at),
    waiting_for: seldom(fc.constant({ gateway: 'gw-1', since_ms: NOW_MS })),
  })
  .map(({ forward, back, contradictions, ...more }) =>
    known({ ref: 'p-1', ledger_version: 3, forward, return: back, contradictions, ...more }),
  );

const recent: fc.Arbitrary<RecentRefund> = fc
  .tuple(money, fc.integer({ min: 0, max: 2 * DAY_MS }), fc.integer({ min: 10, max: 99 }))
  .map(([of, agoMs, n]) => ({ refund_id: `r-${n}`, at_ms: NOW_MS - agoMs, ...of }));

const count = fc.integer({ min: 0, max: 20 });
const milli = fc.integer({ min: 0, max: 5_000 });
const operator: fc.Arbitrary<OperatorFacts> = fc
  .record({
    recent: fc.array(recent, { maxLength: 4 }),
    usual_per_day_milli: some(fc.integer({ min: 0, max: 2_000 })),
    tenant_p95_usd_minor: some(amount),
    approvals: some(count.chain((total) => fc.record({ total: fc.constant(total), top_pair: fc.nat(total) }))),
    weak_share: some(fc.record({ refunds: count, own_milli: fc.nat(1_000), peers_milli: fc.nat(1_000) })),
  })
  .map(known);
const patterns: fc.Arbitrary<PatternFacts> = fc
  .record({
    as_of_ms: fc.constant(NOW_MS),
    courier_lift: some(fc.record({ refunds: count, lift_milli: milli, p_micro: fc.nat(30_000) })),
    customer: some(
      fc.oneof(
        { weight: 4, arbitrary: fc.record({ orders: count, refunded_milli: fc.nat(1_000) }) },
        { weight: 1, arbitrary: fc.record({ orders: count, unrated: fc.constant(['EUR']) }) },
      ),
    ),
    locker_loss: some(fc.record({ upper_milli: milli, fleet_milli: milli })),
    chargebacks: some(fc.record({ count: fc.nat(5), shared: fc.constant('operator') })),
    promotion: some(fc.boolean()),
  })
  .map(known);

function refundedOf(captured: number, open: 'all' | 'some' | undefined) {
  if (open === undefined) return { refunded_minor: 0 };
  return { refunded_minor: captured, open_minor: open === 'all' ? captured : captured - 1 };
}

/** `calm`: nothing is there but what the parcels say, so that milder answers are as frequent as holds. */
export const anyFacts: fc.Arbitrary<Facts> = fc
  .record({
    of: money,
    kind: fc.constantFrom('return', 'return', 'not_received', 'not_received', 'empty', 'damaged', 'recall', 'goodwill'),
    destination: fc.constantFrom('original', 'original', 'original', 'other'),
    recall: seldom(fc.boolean()),
    self_dealing: seldom(fc.boolean()),
    alike: seldom(
      fc.array(fc.record({ refund_id: fc.constantFrom('r-2', 'r-3'), payment: fc.constantFrom('same', 'other') }), {
        minLength: 1,
        maxLength: 2,
      }),
    ),
    isCalm: fc.boolean(),
    payment: fc.constantFrom(1_000_000, 1_000_000, 1_000_000, 20_000, undefined),
    disputed_minor: fc.constantFrom(0, 0, 5_000),
    /** Other refunds of the payment, all of it that are open, or some that are. */
    open: seldom(fc.constantFrom('all', 'some')),
    operator,
    patterns: some(patterns),
    parcels: fc.array(parcel, { maxLength: 2 }),
    failed: seldom(fc.constantFrom('ledger', 'usd_rate')),
  })
  .map(
    ({ of: { amount_minor, currency, ...rate }, isCalm, payment, disputed_minor, open, failed, parcels, ...more }) => {
      const { kind, destination, recall, self_dealing, alike } = more;
      const captured = isCalm ? 1_000_000 : payment;
      return known({
        v: 1,
        wording: 3,
        as_of_ms: NOW_MS,
        refund: known({
          refund_id: 'r-1',
          kind,
          amount_minor,
          currency,
          operator: 'op-1',
          requested_at_ms: NOW_MS,
          destination,
          recall,
          self_dealing,
          alike,
        }),
        ...rate,
        payment:
          captured === undefined
            ? undefined
            : { captured_minor: captured, disputed_minor, ...refundedOf(captured, isCalm ? undefined : open) },
        operator: isCalm ? { recent: [] } : more.operator,
        patterns: isCalm ? undefined : more.patterns,
        parcels: parcels.map((one, i) => ({
          ...one,
          ref: `p-${i}`,
          contradictions: isCalm ? one.contradictions.slice(1) : one.contradictions,
        })),
        failed: failed === undefined || isCalm ? [] : [failed],
      } as const);
    },
  );

type Known<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** What is not known is absent. */
function known<T extends object>(value: T): Known<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Known<T>;
}
