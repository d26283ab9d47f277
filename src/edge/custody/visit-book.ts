/**
 * Who is expected: visits that wait for their door, what was assigned to which compartment, and maintenance windows.
 *
 * All of it has an end by the box's own running time, and by wall time where that can be trusted (base/deadline.ts), so
 * that nothing stays allowed because a clock is wrong. Bounded, and taken along over a restart.
 */
import { type Deadline, isOver, leftAt, type Moment } from '../../base/deadline.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { Actor, ParcelRef } from '../../evidence/event/event.ts';
import type { Errand, Visit } from '../contracts/visit.ts';

export const ASSIGNMENTS_MAX = 8_192;
/** For one compartment: more would not fit one episode's list of parcels. */
export const ASSIGNED_HERE_MAX = 8;
export const WINDOWS_MAX = 64;
export const WINDOW_COMPARTMENTS_MAX = 16;

export interface Assignment {
  readonly id: string;
  readonly compartment: string;
  readonly parcel: ParcelRef;
  readonly kind: Errand;
  readonly actorKind: Actor['kind'];
  /** Whoever of that kind comes, when absent. */
  readonly actorRef: string | undefined;
  readonly end: Deadline;
}

export interface MaintenanceWindow {
  readonly id: string;
  readonly actor: Actor;
  /** Empty: every compartment. */
  readonly compartments: readonly string[];
  readonly reason: string | undefined;
  readonly ticket: string | undefined;
  readonly end: Deadline;
}

/** A visit, and the start in which it was announced. */
export interface ExpectedVisit {
  readonly visit: Visit;
  readonly boot: number;
}

/** What an episode is to be about. */
export interface AssignedErrand {
  readonly kind: Errand;
  readonly parcels: readonly ParcelRef[];
}

/** `already_over`: its end is in the past. */
export type AssignRefusal = 'assignments_full' | 'compartment_full' | 'already_over';
export type WindowRefusal = 'windows_full' | 'already_over';

export class VisitBook {
  readonly #assignments = new Map<string, Assignment>();
  readonly #windows = new Map<string, MaintenanceWindow>();
  readonly #visits = new Map<string, ExpectedVisit>();

  get assignments(): readonly Assignment[] {
    return [...this.#assignments.values()];
  }

  get windows(): readonly MaintenanceWindow[] {
    return [...this.#windows.values()];
  }

  get visits(): readonly ExpectedVisit[] {
    return [...this.#visits.values()];
  }

  /** One under the same id takes its place. */
  assign(assignment: Assignment): Result<undefined, AssignRefusal> {
    const { id, compartment } = assignment;
    const others = this.assignments.filter((each) => each.id !== id);
    if (others.length >= ASSIGNMENTS_MAX)
      return refuse('assignments_full', `expected fewer than ${ASSIGNMENTS_MAX} assignments; found ${others.length}`);
    const here = others.filter((each) => each.compartment === compartment);
    if (here.length >= ASSIGNED_HERE_MAX)
      return refuse('compartment_full', `expected fewer than ${ASSIGNED_HERE_MAX} for one compartment`);
    this.#assignments.set(id, assignment);
    return accept(undefined);
  }

  unassign(id: string): boolean {
    return this.#assignments.delete(id);
  }

  /** Its parcels went in or out: what was assigned is done. */
  fulfil(compartment: string, errand: AssignedErrand): void {
    for (const each of this.assignments) {
      const isDone = errand.parcels.some(({ ref, scheme }) => ref === each.parcel.ref && scheme === each.parcel.scheme);
      if (each.compartment === compartment && each.kind === errand.kind && isDone) this.#assignments.delete(each.id);
    }
  }

  /** What this actor is to do there: undefined when nothing, or several kinds of things, were assigned. */
  errandOf(compartment: string, actor: Actor | undefined, now: Moment): AssignedErrand | undefined {
    const due = this.dueFor(actor, now).filter((each) => each.compartment === compartment);
    const kind = due[0]?.kind;
    if (kind === undefined || due.some((each) => each.kind !== kind)) return undefined;
    return { kind, parcels: due.map(({ parcel }) => parcel) };
  }

  dueFor(actor: Actor | undefined, now: Moment): readonly Assignment[] {
    if (actor === undefined) return [];
    return this.assignments.filter(
      ({ actorKind, actorRef, end }) =>
        actorKind === actor.kind && (actorRef === undefined || actorRef === actor.ref) && !isOver(end, now),
    );
  }

  expect(visit: Visit, boot: number): void {
    this.#visits.set(visit.compartment, { visit, boot });
  }

  /** Takes the visit out: the door opens. One of an earlier start is of a door that opened while nobody looked. */
  arrive(compartment: string, upMs: number, boot: number): ExpectedVisit | undefined {
    const expected = this.#visits.get(compartment);
    if (expected === undefined) return undefined;
    this.#visits.delete(compartment);
    return expected.boot !== boot || upMs <= expected.visit.untilUpMs ? expected : undefined;
  }

  /** The door was looked at in this start and had not opened: nobody came. True when somebody was expected. */
  missed(compartment: string, boot: number): boolean {
    const expected = this.#visits.get(compartment);
    return expected !== undefined && expected.boot !== boot && this.#visits.delete(compartment);
  }

  openWindow(window: MaintenanceWindow): Result<undefined, WindowRefusal> {
    if (this.#windows.size >= WINDOWS_MAX && !this.#windows.has(window.id))
      return refuse('windows_full', `expected fewer than ${WINDOWS_MAX} maintenance windows`);
    this.#windows.set(window.id, window);
    return accept(undefined);
  }

  closeWindow(id: string): MaintenanceWindow | undefined {
    const window = this.#windows.get(id);
    this.#windows.delete(id);
    return window;
  }

  /** The window under which this compartment stands open lawfully. */
  windowOver(compartment: string, now: Moment): MaintenanceWindow | undefined {
    return this.windows.find(
      ({ compartments, end }) => (compartments.length === 0 || compartments.includes(compartment)) && !isOver(end, now),
    );
  }

  /** Drops what is over; the windows that ended are told. */
  tick(now: Moment): { readonly changed: boolean; readonly ended: readonly MaintenanceWindow[] } {
    const ended = this.windows.filter(({ end }) => isOver(end, now));
    for (const { id } of ended) this.#windows.delete(id);
    const old = this.assignments.filter(({ end }) => isOver(end, now));
    for (const { id } of old) this.#assignments.delete(id);
    const gone = [...this.#visits].filter(([, { visit }]) => visit.untilUpMs < now.upMs);
    for (const [compartment] of gone) this.#visits.delete(compartment);
    return { changed: ended.length + old.length + gone.length > 0, ended };
  }

  /** As a snapshot has it, with ends as they stand at `upMs`. */
  restore(from: {
    readonly assignments: readonly Assignment[];
    readonly windows: readonly MaintenanceWindow[];
    readonly visits: readonly ExpectedVisit[];
  }): void {
    for (const each of from.assignments) this.#assignments.set(each.id, each);
    for (const each of from.windows) this.#windows.set(each.id, each);
    for (const each of from.visits) this.#visits.set(each.visit.compartment, each);
  }
}

/** For a snapshot: what is left of it now. */
export function leftOf(end: Deadline, upMs: number): { readonly left_ms: number; readonly until_ms?: number } {
  const left = { left_ms: Math.ceil(leftAt(end, upMs)) };
  return end.wallMs === undefined ? left : { ...left, until_ms: end.wallMs };
}
