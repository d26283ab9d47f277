/**
 * The custody ledger of one parcel: every verified entry and declared claim, folded into where it is, who has it, how
 * much confirms that, and what does not agree.
 *
 * The fold begins anew each time: what arrives late takes its place in the order, and no state is ever patched.
 */
import { againstLeg } from '../decision/eligibility.ts';
import type { Certainty, Leg, ParcelFacts, Signal } from '../decision/facts.ts';
import { CLOCK_WEIGHT, gradeOf, isHard, LEVEL_WEIGHT } from '../decision/grade.ts';
import { takeClaim } from './claims.ts';
import { takeEntry } from './entries.ts';
import type { ParcelHand } from './hands.ts';
import type { Claim, LedgerEntry, LedgerInput, Surroundings } from './inputs.ts';
import { inOrder, type Placed } from './order.ts';
import { LEDGER_DEFAULTS, type LedgerSettings } from './settings.ts';
import { accuse, EMPTY_FOLD, type Fold, type LegState, type Place } from './state.ts';

const HOUR_MS = 3_600_000;
const GROUPS_TO_CONFIRM = 2;
const SIGNALS_ALIKE_MAX = 32;
const EVENTS_MAX = 200;

/** One line of a parcel's story, for people. */
export interface TimelineLine {
  readonly ref: string;
  readonly at_ms: number;
  readonly what: string;
  readonly compartment?: string;
  readonly forward: string;
  readonly return: string;
}

export interface ParcelLedger {
  readonly facts: ParcelFacts;
  readonly timeline: readonly TimelineLine[];
  /** Couriers who had it in hands, as far as entries say; only where it was read from a store. */
  readonly hands?: readonly ParcelHand[];
}

/** `parcelRef` names the parcel; the inputs are those about it, in any order, repeated or not. */
export function foldLedger(...question: Parameters<typeof foldParcel>): ParcelLedger {
  const { facts, timeline } = foldParcel(...question);
  return { facts, timeline };
}

/** Also where it lies: in no locker that is known when empty. */
export function foldParcel(
  parcelRef: string,
  inputs: readonly LedgerInput[],
  asOfMs: number,
  around: Surroundings = {},
): ParcelLedger & { readonly places: readonly Place[] } {
  const { placed, rolledBack } = inOrder(inputs);
  const timeline: TimelineLine[] = [];
  let fold: Fold = EMPTY_FOLD;
  for (const one of placed) {
    fold = step(fold, one, around);
    timeline.push(lineOf(one, fold));
  }
  const rollbacks = rolledBack.map(({ ref }) => ref);
  if (rollbacks.length > 0) fold = accuse(fold, 'both', [{ code: 'C15', severity: 'soft', events: rollbacks }]);
  fold = overdue({ ...fold, version: placed.length }, asOfMs, around.settings ?? LEDGER_DEFAULTS);
  return { facts: factsOf(parcelRef, fold, around), timeline, places: fold.places };
}

function step(fold: Fold, placed: Placed, around: Surroundings): Fold {
  if (isClaim(placed)) return takeClaim(fold, placed, around.settings ?? LEDGER_DEFAULTS);
  return takeEntry(fold, placed as Placed<LedgerEntry>, around);
}

function isClaim(placed: Placed): placed is Placed<Claim> {
  return placed.input.kind === 'claim';
}

/** The courier took the return, and the warehouse says nothing of it. */
function overdue(fold: Fold, asOfMs: number, { receipt_due_h, receipt_late_h }: LedgerSettings): Fold {
  if (fold.return.state !== 'R_WITH_COURIER' || fold.takenMs === undefined) return fold;
  const waitedMs = asOfMs - fold.takenMs;
  if (waitedMs < receipt_due_h * HOUR_MS) return fold;
  const severity = waitedMs >= receipt_late_h * HOUR_MS ? 'hard' : 'soft';
  return accuse(fold, 'return', [{ code: 'C20', severity, events: fold.return.events.slice(-1) }]);
}

function factsOf(ref: string, fold: Fold, around: Surroundings): ParcelFacts {
  const [exception, ...before] = fold.exceptions;
  const draft: ParcelFacts = {
    ref,
    ledger_version: fold.version,
    forward: legOf(fold.forward, 'unconfirmed'),
    return: legOf(fold.return, 'unconfirmed'),
    contradictions: fold.contradictions,
    ...(fold.untold.length > 0 && { cannot_tell: fold.untold }),
    ...(exception !== undefined && { exception }),
    ...(before.length > 0 && { exceptions_before: before }),
    ...(fold.collectByMs !== undefined && { collect_by_ms: fold.collectByMs }),
    ...(fold.promisedByMs !== undefined && { promised_by_ms: fold.promisedByMs }),
    ...(around.awaited !== undefined && {
      waiting_for: { gateway: around.awaited.gateway, since_ms: around.awaited.since_ms },
    }),
  };
  return {
    ...draft,
    forward: { ...draft.forward, certainty: certaintyOf(draft, 'forward') },
    return: { ...draft.return, certainty: certaintyOf(draft, 'return') },
  };
}

function legOf<S extends string>(leg: LegState<S>, certainty: Certainty): Leg<S> {
  const { state, custodian, sinceMs } = leg;
  const since = sinceMs !== undefined && { since_ms: sinceMs };
  return { state, certainty, custodian, ...since, signals: telling(leg.signals), events: ends(leg.events) };
}

/** No more of one signal than any group counts: those that weigh most, in the order in which they came. */
function telling(signals: readonly Signal[]): readonly Signal[] {
  if (signals.length <= SIGNALS_ALIKE_MAX) return signals;
  const alike = new Map<string, Signal[]>();
  for (const signal of signals) {
    const key = `${signal.name} ${signal.says}`;
    alike.set(key, [...(alike.get(key) ?? []), signal]);
  }
  const weigh = ({ level, clock }: Signal): number => LEVEL_WEIGHT[level] * CLOCK_WEIGHT[clock];
  const kept = new Set(
    [...alike.values()].flatMap((some) => some.sort((a, b) => weigh(b) - weigh(a)).slice(0, SIGNALS_ALIKE_MAX)),
  );
  return signals.filter((signal) => kept.has(signal));
}

/** How it began and how it stands. */
function ends(events: readonly string[]): readonly string[] {
  if (events.length <= EVENTS_MAX) return events;
  return [...events.slice(0, EVENTS_MAX / 2), ...events.slice(-EVENTS_MAX / 2)];
}

/** Two independent kinds of evidence, and nothing hard against it. */
function certaintyOf(facts: ParcelFacts, leg: 'forward' | 'return'): Certainty {
  const against = againstLeg(facts, leg);
  const { groups, grade } = gradeOf(facts[leg].signals, against);
  if (against.some(isHard) || grade === 'CONTRADICTED') return 'contradicted';
  return groups.filter(({ mdb }) => mdb > 0).length >= GROUPS_TO_CONFIRM ? 'confirmed' : 'unconfirmed';
}

function lineOf({ input, atMs }: Placed, fold: Fold): TimelineLine {
  const what = input.kind === 'claim' ? `${input.body.what} (claimed)` : input.event.type;
  const compartment = input.kind === 'entry' ? input.event.compartment : undefined;
  return {
    ref: input.ref,
    at_ms: atMs,
    what,
    ...(compartment !== undefined && { compartment }),
    forward: fold.forward.state,
    return: fold.return.state,
  };
}
