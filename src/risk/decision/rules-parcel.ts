/**
 * Rules about this refund, its parcels and its payment.
 */

import { courierLift } from './courier-lift.ts';
import { legEvidence } from './eligibility.ts';
import type { Contradiction, EventRef, Facts, ParcelFacts } from './facts.ts';
import { atLeast } from './grade.ts';
import { compareUsd } from './money.ts';
import { type Finding, type Rule, seen, unseen } from './rule.ts';
import { dollars } from './rules-operator.ts';
import type { Parameters } from './ruleset.ts';

function contradictionsOf(facts: Facts, code: Contradiction['code']): readonly Contradiction[] {
  return facts.parcels.flatMap(({ contradictions }) =>
    contradictions.filter((one) => one.code === code && one.innocent === undefined),
  );
}

function outsideGeofence(facts: Facts): Finding {
  // A word about a position, without one, is not held against anybody alone.
  const found = contradictionsOf(facts, 'C14').filter(({ severity }) => severity === 'hard');
  const events = found.flatMap((one) => one.events);
  return seen(
    found.length > 0,
    `${found.length} confirmations outside`,
    'any confirmation outside its geofence',
    events,
  );
}

/** A refund right after an exception: whoever raised it may have made room for it. */
function afterException(facts: Facts, { after_exception_ms }: Parameters): Finding {
  const { requested_at_ms, operator } = facts.refund;
  const all = facts.parcels.flatMap(({ exception, exceptions_before = [] }) =>
    exception === undefined ? [] : [exception, ...exceptions_before],
  );
  const close = all.filter(({ at_ms }) => at_ms <= requested_at_ms && requested_at_ms - at_ms <= after_exception_ms);
  const same = close.some((exception) => exception.operator === operator);
  const minutes = Math.round(after_exception_ms / 60_000);
  return seen(
    close.length > 0,
    close.length === 0 ? 'no exception so close' : `an exception ${same ? 'by the same operator ' : ''}shortly before`,
    `at most ${minutes} min after a delivery exception`,
    close.map(({ event }) => event),
  );
}

/** Whether anything at all confirms that a return was deposited. */
function phantomReturn(facts: Facts, { instant_usd_minor }: Parameters): Finding {
  const threshold = 'a return for which nothing more than a claim speaks';
  if (facts.refund.kind !== 'return' || facts.refund.recall === true) {
    return seen(false, 'not the refund of a return', threshold);
  }
  const small = compareUsd({ ...facts.refund, ...(facts.rate && { rate: facts.rate }) }, instant_usd_minor) !== 1;
  const phantoms = facts.parcels.filter((parcel) => isPhantom(parcel, small));
  const events = phantoms.flatMap(({ return: leg }) => leg.events);
  return seen(phantoms.length > 0, `${phantoms.length} of ${facts.parcels.length} parcels`, threshold, events);
}

function isPhantom(parcel: ParcelFacts, small: boolean): boolean {
  const { return: leg } = parcel;
  if (leg.state === 'R_INSPECTED_OK') return false;
  const { grade } = legEvidence(parcel, 'return');
  // A small sum may be paid before the parcel comes back; but not when somebody says it did and nothing agrees.
  const claimed = leg.events.length > 0;
  return grade === 'CONTRADICTED' || (!atLeast(grade, 'WEAK') && (claimed || !small));
}

function beyondPayment(facts: Facts): Finding {
  const threshold = 'no more than was captured and is neither refunded nor disputed';
  const { payment, refund } = facts;
  if (payment === undefined) return unseen(threshold);
  const left = payment.captured_minor - payment.refunded_minor - payment.disputed_minor;
  const hit = refund.amount_minor > left;
  return {
    ...seen(hit, `${refund.amount_minor} of ${left} ${refund.currency} minor units left`, threshold),
    blocks: hit,
  };
}

function otherDestination(facts: Facts): Finding {
  const { destination } = facts.refund;
  return seen(destination !== 'original', `to the ${destination} instrument`, 'any but the original instrument');
}

function largeAmount(facts: Facts, { step_up_usd_minor }: Parameters): Finding {
  const order = compareUsd({ ...facts.refund, ...(facts.rate && { rate: facts.rate }) }, step_up_usd_minor);
  const threshold = `at least ${dollars(step_up_usd_minor)}`;
  return order === undefined ? unseen(threshold) : seen(order >= 0, order >= 0 ? 'as much' : 'less', threshold);
}

function customerRate(facts: Facts, { customer_orders, customer_refunded_milli }: Parameters): Finding {
  const customer = facts.patterns?.customer;
  const threshold = `more than ${customer_refunded_milli} in a thousand of the value of at least ${customer_orders} orders`;
  if (customer?.refunded_milli === undefined) return unseen(threshold);
  const hit = customer.orders >= customer_orders && customer.refunded_milli > customer_refunded_milli;
  return seen(hit, `${customer.refunded_milli} in a thousand of ${customer.orders} orders`, threshold);
}

/** A locker is not stopped by a rate: a person who works on the case has the key of commands, and no service has it. */
function lockerHotspot(facts: Facts, { locker_times_milli }: Parameters): Finding {
  const loss = facts.patterns?.locker_loss;
  const threshold = `more than ${locker_times_milli} thousandths of the fleet's loss rate`;
  if (loss === undefined) return unseen(threshold);
  const hit = loss.upper_milli * 1_000 > locker_times_milli * loss.fleet_milli;
  return seen(hit, `${loss.upper_milli} in a thousand, the fleet ${loss.fleet_milli}`, threshold);
}

function chargebackCluster(facts: Facts, { chargebacks }: Parameters): Finding {
  const cluster = facts.patterns?.chargebacks;
  const threshold = `${chargebacks} chargebacks in 14 days that share a courier, locker or operator`;
  if (cluster === undefined) return unseen(threshold);
  const { count, shared, courier, events } = cluster;
  const whom = courier === undefined ? shared : `${shared}, ${courier}`;
  return seen(count >= chargebacks, `${count} that share ${whom}`, threshold, events);
}

function awaitedGateway(facts: Facts): Finding {
  const away = facts.parcels.filter(({ waiting_for }) => waiting_for !== undefined);
  const events: readonly EventRef[] = away.flatMap(({ forward, return: back }) => [...forward.events, ...back.events]);
  return seen(
    away.length > 0,
    `${away.length} parcels wait for a gateway`,
    'a gateway that is away over the episode',
    events,
  );
}

/** Raises what is usual, in R01b; it never holds anything and never lowers what evidence is asked for. */
function promotion(facts: Facts): Finding {
  const runs = facts.patterns?.promotion === true;
  return seen(false, runs ? 'a promotion runs' : 'no promotion runs', 'changes what is usual, and holds nothing');
}

type Look = Rule['look'];
const rule = (code: Rule['code'], title: string, outcome: Rule['outcome'], customer: string, look: Look): Rule => ({
  code,
  title,
  outcome,
  customer,
  look,
});

export const PARCEL_RULES: readonly Rule[] = [
  rule(
    'R02',
    'confirmed from outside the geofence',
    'HOLD',
    'The delivery was confirmed from another place.',
    outsideGeofence,
  ),
  rule(
    'R03',
    'right after a delivery exception',
    'HOLD',
    'A delivery problem was reported just before.',
    afterException,
  ),
  rule('R05', 'a return that nothing confirms', 'HOLD', 'We could not confirm that the return arrived.', phantomReturn),
  rule('R06', 'more than was paid', 'HOLD', 'The amount is more than what is left of your payment.', beyondPayment),
  {
    ...rule(
      'R07',
      'to another instrument',
      'STEP_UP',
      'The refund goes to another account than the payment.',
      otherDestination,
    ),
    approvals: true,
  },
  {
    ...rule('R08', 'a large amount', 'STEP_UP', 'A refund of this size needs another look.', largeAmount),
    approvals: true,
  },
  {
    ...rule(
      'R10',
      'courier and operator meet too often',
      'PAY_AND_INVESTIGATE',
      'We are checking our own records as well.',
      courierLift,
    ),
    investigate: true,
  },
  rule(
    'R12',
    'much of what was bought is refunded',
    'REVIEW',
    'This refund needs another person to look at it.',
    customerRate,
  ),
  {
    ...rule('R13', 'a locker that loses much', 'PAY_AND_INVESTIGATE', 'Your refund is not affected.', lockerHotspot),
    investigate: true,
  },
  {
    ...rule(
      'R14',
      'a cluster of chargebacks',
      'PAY_AND_INVESTIGATE',
      'Your refund is not affected.',
      chargebackCluster,
    ),
    investigate: true,
  },
  rule('R15', 'a gateway has not reported yet', 'HOLD', 'We are waiting for the records of a locker.', awaitedGateway),
  rule('R16', 'a promotion runs', 'PAY', 'Your refund is not affected.', promotion),
];
