/**
 * R10: a courier and an operator who meet too often in refunds with little evidence. What such a courier alone brought counts
 * as if nothing attested it, since whoever could make the evidence up may have.
 */
import type { CourierLift, Facts, Leg, Level, ParcelFacts } from './facts.ts';
import { type Finding, seen, unseen } from './rule.ts';
import type { Parameters } from './ruleset.ts';

/** What a key under an entry of a doubted courier still proves; what proves no more stays as it is. */
const DOUBTED: Level = 'A0';
const LOWERED: ReadonlySet<Level> = new Set(['A1', 'A2', 'A3']);

export function courierLift(facts: Facts, parameters: Parameters): Finding {
  const { lift_milli, lift_refunds, lift_p_micro } = parameters;
  const threshold = `${lift_milli} thousandths as many as expected, in at least ${lift_refunds}, p below ${lift_p_micro} in a million`;
  const lifts = liftsOf(facts);
  const [first = lifts[0]] = lifts.filter((lift) => fires(lift, parameters));
  if (first === undefined) return unseen(threshold);
  const hit = fires(first, parameters);
  const { events = [] } = first;
  const doubt = hit && events.length > 0 ? `; its ${events.length} entries here count as ${DOUBTED} at most` : '';
  return seen(hit, `${wordsOf(first)}${doubt}`, threshold, hit ? events : []);
}

function wordsOf({ refunds, lift_milli, p_micro, expected_milli, together, courier }: CourierLift): string {
  const whose = courier === undefined ? '' : `courier ${courier}: `;
  if (refunds === 0) return `${whose}too few refunds with little evidence together to count`;
  const of = together === undefined ? '' : ` of ${together}`;
  const expected = expected_milli === undefined ? '' : ` where ${expected_milli} thousandths of one are expected`;
  return `${whose}${refunds}${of} refunds with little evidence${expected}: ${lift_milli} thousandths, p ${p_micro} in a million`;
}

/** The facts as they weigh: signals of entries in which a courier acted for whom R10 fires count less. */
export function withDoubt(facts: Facts, parameters: Parameters): Facts {
  const fired = liftsOf(facts).filter((lift) => fires(lift, parameters));
  const doubted = new Set(fired.flatMap(({ events = [] }) => events));
  if (doubted.size === 0) return facts;
  return { ...facts, parcels: facts.parcels.map((parcel) => lowered(parcel, doubted)) };
}

function lowered(parcel: ParcelFacts, doubted: ReadonlySet<string>): ParcelFacts {
  return { ...parcel, forward: loweredLeg(parcel.forward, doubted), return: loweredLeg(parcel.return, doubted) };
}

/** What speaks against keeps its weight, as everywhere. */
function loweredLeg<S extends string>(leg: Leg<S>, doubted: ReadonlySet<string>): Leg<S> {
  const signals = leg.signals.map((signal) =>
    doubted.has(signal.event) && signal.says === 'supports' && LOWERED.has(signal.level)
      ? { ...signal, level: DOUBTED }
      : signal,
  );
  return { ...leg, signals };
}

function liftsOf({ patterns }: Facts): readonly CourierLift[] {
  const { courier_lifts = [], courier_lift } = patterns ?? {};
  return courier_lift === undefined ? courier_lifts : [...courier_lifts, courier_lift];
}

function fires(lift: CourierLift, { lift_milli, lift_refunds, lift_p_micro }: Parameters): boolean {
  return lift.refunds >= lift_refunds && lift.lift_milli >= lift_milli && lift.p_micro < lift_p_micro;
}
