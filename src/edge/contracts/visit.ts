/**
 * A visit that custody is told to expect: somebody was let in, and the door of this compartment is about to open.
 */
import type { Actor, ParcelRef } from '../../evidence/event/event.ts';

export type VisitKind = 'deposit' | 'collect' | 'return' | 'remove';

export interface Visit {
  readonly compartment: string;
  readonly actor?: Actor;
  /** A stable word: how it was allowed. */
  readonly method: string;
  readonly observedUpMs: number;
  /** What an assignment says lies there, or is to. */
  readonly parcel?: ParcelRef;
  readonly kind?: VisitKind;
  /** A door that opens later opens without this visit. */
  readonly untilUpMs: number;
}
