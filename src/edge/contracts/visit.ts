/**
 * Why a door is about to open, as custody is told before it does: who comes, by what right, and what for.
 */
import type { Actor, ParcelRef } from '../../evidence/event/event.ts';

/** What a visit is for: `deposit` and `return` put a parcel in, `collect` and `remove` take it out. */
export type Errand = 'deposit' | 'collect' | 'return' | 'remove';

/**
 * A door that is let open. The episode that begins when it is seen open, by then, carries the visit; one visit is one
 * episode.
 */
export interface Visit {
  readonly compartment: string;
  readonly actor?: Actor;
  /** A stable word (`[a-z][a-z_]{0,39}`), such as `keypad_code` or `signed_command`. */
  readonly method: string;
  /** When the right to open was seen. */
  readonly observedUpMs: number;
  /** Without it, what was assigned to this compartment and this kind of actor counts. */
  readonly parcel?: ParcelRef;
  readonly kind?: Errand;
  /** A door that opens later than this opens without the visit. */
  readonly untilUpMs: number;
}
