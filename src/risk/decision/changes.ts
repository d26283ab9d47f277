/**
 * Changes of a refund's facts that could happen: evidence that arrives, a contradiction that is explained, time that
 * passes, a request that is made otherwise. Each is tried by deciding again, so none of them promises anything by itself.
 */
import { CONTRADICTIONS } from './contradictions.ts';
import type { Contradiction, Facts, ForwardState, ParcelFacts, ReturnState, Signal } from './facts.ts';
import { legOf } from './leg-of.ts';
import { SIGNAL_NAMES, SIGNALS } from './signals.ts';

export interface Change {
  readonly text: string;
  apply(facts: Facts): Facts;
}

const DAY_MS = 86_400_000;
const INSPECTED: Change = {
  text: 'if the warehouse inspected it and found it sound',
  apply: (facts) => everyParcel(facts, (parcel) => back(parcel, 'R_INSPECTED_OK')),
};

/** One fact of one parcel, or of the request. `untilMs`: when time alone changes what custody says. */
export function singleChanges(facts: Facts, untilMs: number | undefined): readonly Change[] {
  return [
    ...facts.parcels.flatMap((parcel, at) => evidenceFor(facts, parcel, at)),
    ...facts.parcels.flatMap((parcel, at) => explained(parcel, at)),
    ...inTime(untilMs),
    ORIGINAL,
    ...withoutOthers(facts),
    ...withoutOpen(facts),
  ];
}

/** Those that concern all parcels at once, or what no parcel tells: what matters least to the goods stands first. */
export function wideChanges(facts: Facts, untilMs: number | undefined): readonly Change[] {
  const { kind } = facts.refund;
  return [
    { text: 'if it were for a smaller amount', apply: (of) => asking(of, { amount_minor: 1 }) },
    { text: 'if another operator asked for it', apply: byAnother },
    { text: 'if what was found over weeks were no longer so', apply: ({ patterns: _, ...others }) => others },
    ...inTime(untilMs),
    ORIGINAL,
    ...withoutOpen(facts),
    { text: 'if no more were asked for than is left of the payment', apply: withinPayment },
    { text: 'if what is missing were there, and nothing in it spoke against it', apply: withNothingMissing },
    ...(facts.parcels.length === 0 ? [{ text: 'if it named a parcel whose custody confirms it', apply: linked }] : []),
    ...ofGoods(kind),
    ...withoutOthers(facts),
    { text: 'if the gateway that is awaited told what it owes', apply: (of) => everyParcel(of, arrived) },
    ...against(facts),
  ];
}

function ofGoods(kind: Facts['refund']['kind']): readonly Change[] {
  if (kind === 'return') return [INSPECTED];
  if (kind === 'empty' || kind === 'damaged') {
    const apply = (of: Facts): Facts => everyParcel(of, (parcel) => back(parcel, 'R_INSPECTED_DAMAGED'));
    return [{ text: 'if an inspection found what is claimed', apply }];
  }
  if (kind !== 'not_received') return [];
  return [{ text: 'if it turned out that it never reached its recipient', apply: (of) => everyParcel(of, notReached) }];
}

/** Of all parcels at once, what of it has an innocent cause, and what has none. */
function against({ parcels }: Facts): readonly Change[] {
  const open = parcels.flatMap(({ contradictions }) => contradictions.filter(({ innocent }) => innocent === undefined));
  const codes = [...new Set(open.map(({ code }) => code))].sort();
  const excusable = codes.filter((code) => CONTRADICTIONS[code].innocent.length > 0);
  const others = codes.filter((code) => CONTRADICTIONS[code].innocent.length === 0);
  return [
    ...(excusable.length === 0
      ? []
      : [{ text: `if ${excusable.join(', ')} were explained`, apply: (of: Facts) => everyParcel(of, excuse) }]),
    ...(others.length === 0
      ? []
      : [{ text: `if ${others.join(', ')} turned out not to be so`, apply: (of: Facts) => everyParcel(of, acquit) }]),
  ];
}

function excuse(parcel: ParcelFacts): ParcelFacts {
  return { ...parcel, contradictions: parcel.contradictions.map((one) => withCause(one)) };
}

function withCause(one: Contradiction): Contradiction {
  const [cause] = CONTRADICTIONS[one.code].innocent;
  return cause === undefined || one.innocent !== undefined ? one : { ...one, innocent: cause };
}

function acquit(parcel: ParcelFacts): ParcelFacts {
  const contradictions = parcel.contradictions.filter(({ code }) => CONTRADICTIONS[code].innocent.length > 0);
  return { ...parcel, contradictions };
}

function evidenceFor(facts: Facts, parcel: ParcelFacts, at: number): readonly Change[] {
  const leg = legOf(facts.refund.kind);
  const arrivals = SIGNAL_NAMES.map((name): Change => {
    const signal: Signal = { name, says: 'supports', level: 'A2', clock: 'synced', event: 'if:it came' };
    const changed = { ...parcel, [leg]: { ...parcel[leg], signals: [...parcel[leg].signals, signal] } };
    return { text: `if ${SIGNALS[name].text} confirmed it`, apply: (of) => replace(of, at, changed) };
  });
  if (facts.refund.kind !== 'return') return arrivals;
  return [{ text: INSPECTED.text, apply: (of) => replace(of, at, back(parcel, 'R_INSPECTED_OK')) }, ...arrivals];
}

function explained(parcel: ParcelFacts, at: number): readonly Change[] {
  return parcel.contradictions.flatMap((one, index) => {
    const { innocent, name } = CONTRADICTIONS[one.code];
    const [cause] = innocent;
    if (cause === undefined || one.innocent !== undefined) return [];
    const contradictions = parcel.contradictions.with(index, withCause(one));
    const text = `if ${one.code} (${name}) were explained: ${cause}`;
    return [{ text, apply: (of: Facts) => replace(of, at, { ...parcel, contradictions }) }];
  });
}

function inTime(untilMs: number | undefined): readonly Change[] {
  const passed = {
    text: 'when the time that runs has passed',
    apply: (of: Facts) => ({ ...of, as_of_ms: untilMs ?? 0 }),
  };
  return [...(untilMs === undefined ? [] : [passed]), { text: 'if it were asked for a day later', apply: later }];
}

const ORIGINAL: Change = {
  text: 'if it went to the original instrument',
  apply: (facts) => asking(facts, { destination: 'original' }),
};

function withoutOthers({ refund: { alike } }: Facts): readonly Change[] {
  if (alike === undefined) return [];
  const apply = ({ refund: { alike: _, ...refund }, ...others }: Facts): Facts => ({ ...others, refund });
  return [{ text: 'if the other refunds of its parcels were denied or cancelled', apply }];
}

/** Of the same payment, whatever goods they are for: what they take of it is left again. */
function withoutOpen({ payment: asked }: Facts): readonly Change[] {
  if (asked?.open_minor === undefined) return [];
  const apply = (of: Facts): Facts => {
    if (of.payment === undefined) return of;
    const { open_minor = 0, ...payment } = of.payment;
    return { ...of, payment: { ...payment, refunded_minor: payment.refunded_minor - open_minor } };
  };
  return [{ text: 'if the other refunds of its payment that are open were denied or cancelled', apply }];
}

function later(facts: Facts): Facts {
  const { requested_at_ms } = facts.refund;
  return { ...asking(facts, { requested_at_ms: requested_at_ms + DAY_MS }), as_of_ms: facts.as_of_ms + DAY_MS };
}

/** Somebody who does not live with the customer, of whose other refunds nothing speaks. */
function byAnother(facts: Facts): Facts {
  const { self_dealing: _, ...refund } = facts.refund;
  return { ...facts, refund, ...(facts.operator !== undefined && { operator: { recent: [] } }) };
}

function withinPayment(facts: Facts): Facts {
  const { payment, refund } = facts;
  if (payment === undefined) return facts;
  const left = payment.captured_minor - payment.refunded_minor - payment.disputed_minor;
  return left < 1 ? facts : asking(facts, { amount_minor: Math.min(left, refund.amount_minor) });
}

/** At its best: what is made up here is weighed, and never paid on. */
function withNothingMissing(facts: Facts): Facts {
  const { refund, operator = { recent: [] } } = facts;
  const whole = { captured_minor: refund.amount_minor, refunded_minor: 0, disputed_minor: 0 };
  const rate = { usd_e9: 1, day: '1970-01-01' };
  const recent = operator.recent.map((one) => (one.currency === 'USD' ? one : { rate, ...one }));
  const { customer, ...patterns } = facts.patterns ?? { as_of_ms: facts.as_of_ms };
  const rated = customer?.unrated === undefined ? {} : { patterns };
  return {
    rate,
    ...facts,
    ...rated,
    payment: facts.payment ?? whole,
    operator: { ...operator, recent },
    failed: [],
  };
}

const NOTHING = { certainty: 'confirmed', custodian: 'unknown', signals: [], events: [] } as const;

function linked(facts: Facts): Facts {
  if (facts.parcels.length > 0) return facts;
  const empty: ParcelFacts = {
    ref: 'if:it were named',
    ledger_version: 0,
    forward: { state: 'MISSING', ...NOTHING },
    return: { state: facts.refund.kind === 'return' ? 'R_INSPECTED_OK' : 'R_INSPECTED_DAMAGED', ...NOTHING },
    contradictions: [],
  };
  return { ...facts, parcels: [empty] };
}

function arrived({ waiting_for: _, ...parcel }: ParcelFacts): ParcelFacts {
  return parcel;
}

function back(parcel: ParcelFacts, state: ReturnState): ParcelFacts {
  return { ...parcel, return: { ...parcel.return, state } };
}

/** Somebody else took it, or nobody did; and no code that was typed says that it was its recipient. */
function notReached(parcel: ParcelFacts): ParcelFacts {
  const state: ForwardState = parcel.forward.state === 'COLLECTED' ? 'MISSING' : 'EXPIRED';
  return { ...parcel, forward: { ...parcel.forward, state, signals: [] } };
}

function asking(facts: Facts, more: Partial<Facts['refund']>): Facts {
  return { ...facts, refund: { ...facts.refund, ...more } };
}

function everyParcel(facts: Facts, change: (parcel: ParcelFacts) => ParcelFacts): Facts {
  return { ...facts, parcels: facts.parcels.map(change) };
}

function replace(facts: Facts, at: number, parcel: ParcelFacts): Facts {
  return { ...facts, parcels: facts.parcels.with(at, parcel) };
}
