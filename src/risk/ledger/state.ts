/** What the fold carries from one input to the next. */
import type {
  Contradiction,
  Custodian,
  DeliveryException,
  ForwardState,
  ReturnState,
  Signal,
  Untold,
} from '../decision/facts.ts';
import type { Expected } from './episode.ts';
import { NO_SEALS, type Seals } from './seals.ts';

export interface LegState<S extends string> {
  readonly state: S;
  readonly custodian: Custodian;
  readonly sinceMs: number | undefined;
  readonly signals: readonly Signal[];
  readonly events: readonly string[];
}

/** Where it lies, as far as episodes said. */
export interface Place {
  readonly gateway: string;
  readonly compartment: string;
  readonly sinceMs: number;
  readonly errMs: number;
  readonly ref: string;
}

/** A code that opened the compartment while the parcel lay there. */
export interface UsedCode {
  readonly gateway: string;
  readonly credential: string;
  readonly device: string | undefined;
  readonly atMs: number;
}

export interface Fold {
  readonly version: number;
  readonly expected: Expected;
  readonly seals: Seals;
  readonly forward: LegState<ForwardState>;
  readonly return: LegState<ReturnState>;
  readonly places: readonly Place[];
  /** The last place where it was seen, also after it was taken out. */
  readonly lastSeen: Place | undefined;
  readonly codes: readonly UsedCode[];
  readonly contradictions: readonly Contradiction[];
  /** What was looked for and could not be judged. */
  readonly untold: readonly Untold[];
  /** Delivery exceptions, the newest first. */
  readonly exceptions: readonly DeliveryException[];
  readonly collectByMs: number | undefined;
  readonly promisedByMs: number | undefined;
  /** When the courier took the return. */
  readonly takenMs: number | undefined;
  /** Compartments (`gateway compartment`, or `gateway` for all of them) that a technician may open now. */
  readonly maintained: readonly string[];
  /** Boards whose item sensors are known to be faulty (`gateway device`). */
  readonly faulted: readonly string[];
  /** Gateways that lost mains power, and have not said that it came back. */
  readonly unpowered: readonly string[];
}

export const EMPTY_FOLD: Fold = {
  version: 0,
  expected: {},
  seals: NO_SEALS,
  forward: { state: 'EXPECTED', custodian: 'merchant', sinceMs: undefined, signals: [], events: [] },
  return: { state: 'NONE', custodian: 'customer', sinceMs: undefined, signals: [], events: [] },
  places: [],
  lastSeen: undefined,
  codes: [],
  contradictions: [],
  untold: [],
  exceptions: [],
  collectByMs: undefined,
  promisedByMs: undefined,
  takenMs: undefined,
  maintained: [],
  faulted: [],
  unpowered: [],
};

/** Another state of a leg. What was concluded before stays among its events; the signals are those of the new state. */
export function move<S extends string>(
  leg: LegState<S>,
  state: S,
  custodian: Custodian,
  atMs: number,
  ref: string,
  signals: readonly Signal[] = [],
): LegState<S> {
  return { state, custodian, sinceMs: atMs, signals, events: [...leg.events, ref] };
}

/** Something about a leg that leaves it where it is. */
export function heard<S extends string>(leg: LegState<S>, ref: string, signals: readonly Signal[] = []): LegState<S> {
  return { ...leg, signals: [...leg.signals, ...signals], events: [...leg.events, ref] };
}

/** Somebody looked into it: only another inspection says anything else. */
export function isInspected({ return: { state } }: Fold): boolean {
  return state.startsWith('R_INSPECTED');
}

/** The return arrived: nothing that is told of its way there takes that back. */
export function isAtWarehouse(fold: Fold): boolean {
  return fold.return.state === 'R_RECEIVED' || isInspected(fold);
}

/** Of one contradiction so many entries are named: a switch that chatters makes thousands. */
const EVENTS_NAMED_MAX = 16;

/** The same again is the same contradiction, with one more entry behind it. */
export function accuse(fold: Fold, leg: Contradiction['leg'], found: readonly Omit<Contradiction, 'leg'>[]): Fold {
  if (found.length === 0) return fold;
  return { ...fold, contradictions: found.reduce((all, one) => join(all, { ...one, leg }), fold.contradictions) };
}

function join(all: readonly Contradiction[], one: Contradiction): readonly Contradiction[] {
  const at = all.findIndex(
    ({ code, leg, severity, innocent }) =>
      code === one.code && leg === one.leg && severity === one.severity && innocent === one.innocent,
  );
  const known = all[at];
  if (known === undefined) return [...all, one];
  const events = [...new Set([...known.events, ...one.events])].slice(0, EVENTS_NAMED_MAX);
  return all.with(at, { ...known, events });
}

/** What cannot be judged accuses nobody: it is said, so that a person may ask. */
export function leaveOpen(fold: Fold, one: Untold): Fold {
  const at = fold.untold.findIndex(({ code, leg, why }) => code === one.code && leg === one.leg && why === one.why);
  const known = fold.untold[at];
  if (known === undefined) return { ...fold, untold: [...fold.untold, one] };
  const events = [...new Set([...known.events, ...one.events])].slice(0, EVENTS_NAMED_MAX);
  return { ...fold, untold: fold.untold.with(at, { ...known, events }) };
}
