/**
 * Custody's book of visits at work: what it knows becomes part of the episode whose door opens, and what ends by itself
 * is said.
 */
import { type Deadline, isOver, type Moment } from '../../base/deadline.ts';
import type { Logger } from '../../base/logger.ts';
import { type Refused, type Result, refuse } from '../../base/result.ts';
import type { Actor, EventBody, JsonObject } from '../../evidence/event/event.ts';
import { trustedWallMs } from '../../evidence/event/trusted-clock.ts';
import type { Observed, Observer } from '../contracts/observed.ts';
import type { Visit } from '../contracts/visit.ts';
import type { Arrival, Compartment, Episode } from './compartment.ts';
import type { Outcome } from './outcome.ts';
import type { WaitingScans } from './scan-desk.ts';
import type { CompartmentSettings } from './settings.ts';
import { windowBody } from './visit-bodies.ts';
import {
  type AssignedErrand,
  type Assignment,
  type AssignRefusal,
  type MaintenanceWindow,
  VisitBook,
  type WindowRefusal,
} from './visit-book.ts';
import { type RestoredVisits, visitsJson } from './visit-snapshot.ts';

/** How long a door may take to be looked at after a start, before nobody is expected there any more. */
const RESTORED_VISIT_MS = 120_000;

/** An end as a command names it. */
export interface WantedEnd {
  /** The longest that it lasts by the box's own running time. */
  readonly livesMs: number;
  /** Milliseconds since 1970; counts while the wall clock can be trusted. */
  readonly untilMs: number | undefined;
}

export type WantedAssignment = Omit<Assignment, 'end'> & { readonly end: WantedEnd };
export type WantedWindow = Omit<MaintenanceWindow, 'end'> & { readonly end: WantedEnd };

/** What commands may do here. Each takes effect at once, and is in the snapshot that goes with the next event. */
export interface VisitDesk {
  assign(wanted: WantedAssignment): Result<undefined, AssignRefusal>;
  /** False when there is none of that id. */
  unassign(id: string): boolean;
  /** Opens a window, or changes the end of one that is open; said with its actor. */
  openWindow(wanted: WantedWindow): Result<undefined, WindowRefusal>;
  closeWindow(id: string): boolean;
  /** A window is open over this compartment. */
  isMaintained(compartment: string): boolean;
  /** Those that are open, with who asked for them. */
  windows(): readonly { readonly id: string; readonly by: string; readonly compartments: readonly string[] }[];
  /** What was assigned to whoever this is, wherever. */
  dueFor(actor: Actor): readonly Assignment[];
  status(): VisitStatus;
}

export interface VisitStatus {
  readonly assignments: number;
  readonly windows: readonly { readonly by: string; readonly compartments: readonly string[] }[];
}

export interface VisitKeeperParts {
  readonly boot: number;
  readonly observer: Observer;
  readonly logger: Logger;
}

export interface VisitKeeperOutlet {
  readonly say: (observed: Observed, body: EventBody) => void;
  /** What a snapshot holds is another now. */
  readonly changed: () => void;
  /** The same, and nobody else says so: a command asked for it. */
  readonly ordered: () => void;
}

export class VisitKeeper implements VisitDesk {
  readonly #book = new VisitBook();
  readonly #parts: VisitKeeperParts;
  readonly #outlet: VisitKeeperOutlet;

  constructor(parts: VisitKeeperParts, outlet: VisitKeeperOutlet) {
    this.#parts = parts;
    this.#outlet = outlet;
  }

  expect(visit: Visit): void {
    this.#book.expect(visit, this.#parts.boot);
    this.#outlet.changed();
  }

  /** Somebody is expected where this holds. */
  isExpected(where: (compartment: string) => boolean): boolean {
    return this.#book.visits.some(({ visit }) => where(visit.compartment));
  }

  /**
   * A door opens: whoever was expected came; otherwise a technician may be at work there. One that only this gateway lets
   * open, and that was seen to open without either, takes no scan: those that wait were made for doors that are let open.
   * A technician's door takes none that somebody else asked for it with, and was refused.
   */
  arrival({ name, controlled }: CompartmentSettings, observed: Observed, waiting: WaitingScans): Arrival {
    const { boot } = this.#parts;
    const now = momentOf(observed);
    const expected = this.#book.arrive(name, observed.upMs, boot);
    if (expected !== undefined) {
      const { visit } = expected;
      const access = { method: visit.method, upMs: visit.observedUpMs, boot: expected.boot };
      return { scans: waiting.take(), access, actor: visit.actor, errand: this.#errandOf(visit, now), controlled };
    }
    const window = this.#book.windowOver(name, now);
    if (window === undefined)
      return { scans: controlled && waiting.isWatched ? waiting.leave() : waiting.take(), controlled };
    const access = { method: 'maintenance', upMs: observed.upMs, boot };
    return { scans: waiting.takeUnasked(), access, actor: window.actor, controlled };
  }

  /** A read of this start: a door that is known and did not open was not for the visit of an earlier start. */
  looked(name: string, { door, episode }: Compartment): boolean {
    const isKnown = door.candidate === undefined && door.look?.boot === this.#parts.boot && episode === undefined;
    return isKnown && this.#book.missed(name, this.#parts.boot);
  }

  /** The episode is over: what it was for is done, when it was. */
  settled(name: string, { errand }: Episode, { type, parcels }: Outcome): void {
    if (errand === undefined || type === 'compartment.disturbed') return;
    this.#book.fulfil(name, { kind: errand.kind, parcels });
    this.#outlet.changed();
  }

  assign(wanted: WantedAssignment): Result<undefined, AssignRefusal> {
    const end = this.#endOf(wanted.end);
    const made = this.#over(end) ?? this.#book.assign({ ...wanted, end });
    if (made.ok) this.#outlet.ordered();
    return made;
  }

  unassign(id: string): boolean {
    const was = this.#book.unassign(id);
    if (was) this.#outlet.ordered();
    return was;
  }

  openWindow(wanted: WantedWindow): Result<undefined, WindowRefusal> {
    const window = { ...wanted, end: this.#endOf(wanted.end) };
    const made = this.#over(window.end) ?? this.#book.openWindow(window);
    if (!made.ok) return made;
    this.#outlet.say(this.#parts.observer.observe(), windowBody('maintenance.opened', window, 'command'));
    this.#outlet.ordered();
    return made;
  }

  closeWindow(id: string): boolean {
    const window = this.#book.closeWindow(id);
    if (window === undefined) return false;
    this.#outlet.say(this.#parts.observer.observe(), windowBody('maintenance.closed', window, 'command'));
    this.#outlet.ordered();
    return true;
  }

  isMaintained(compartment: string): boolean {
    return this.#book.windowOver(compartment, momentOf(this.#parts.observer.observe())) !== undefined;
  }

  windows(): readonly { readonly id: string; readonly by: string; readonly compartments: readonly string[] }[] {
    return this.#book.windows.map(({ id, actor, compartments }) => ({ id, by: actor.ref, compartments }));
  }

  dueFor(actor: Actor): readonly Assignment[] {
    return this.#book.dueFor(actor, momentOf(this.#parts.observer.observe()));
  }

  tick(observed: Observed): void {
    const { changed, ended } = this.#book.tick(momentOf(observed));
    for (const window of ended) this.#outlet.say(observed, windowBody('maintenance.closed', window, 'ended'));
    if (changed) this.#outlet.changed();
  }

  status(): VisitStatus {
    const windows = this.#book.windows.map(({ actor, compartments }) => ({ by: actor.kind, compartments }));
    return { assignments: this.#book.assignments.length, windows };
  }

  /** `number` gives starts the numbers that they have in the log of the snapshot. */
  snapshot(upMs: number, number: (boot: number) => number): JsonObject | undefined {
    return visitsJson(this.#book, upMs, number);
  }

  /** Times of another start count on from now. */
  restore(saved: RestoredVisits | undefined, upMs: number): void {
    if (saved === undefined) return;
    const again = (end: Deadline): Deadline => ({ ...end, atUpMs: upMs });
    this.#book.restore({
      assignments: saved.assignments.map((each) => ({ ...each, end: again(each.end) })),
      windows: saved.windows.map((each) => ({ ...each, end: again(each.end) })),
      visits: saved.visits.map((each) => ({
        ...each,
        visit: { ...each.visit, untilUpMs: upMs + RESTORED_VISIT_MS },
      })),
    });
  }

  #errandOf({ actor, compartment, kind, parcel }: Visit, now: Moment): AssignedErrand | undefined {
    if (kind !== undefined && parcel !== undefined) return { kind, parcels: [parcel] };
    return this.#book.errandOf(compartment, actor, now);
  }

  /** Nothing would ever come of it. */
  #over(end: Deadline): Refused<'already_over'> | undefined {
    const isPast = isOver(end, momentOf(this.#parts.observer.observe()));
    return isPast ? refuse('already_over', 'expected an end that is to come') : undefined;
  }

  #endOf({ livesMs, untilMs }: WantedEnd): Deadline {
    return { leftMs: livesMs, atUpMs: this.#parts.observer.observe().upMs, wallMs: untilMs };
  }
}

function momentOf(observed: Observed): Moment {
  return { upMs: observed.upMs, wallMs: trustedWallMs(observed) };
}
