/**
 * What the anchor counter and the intent on disk say together, at a start or after an error. Pure.
 *
 * The six steps of an anchor: 1 entries and note are committed, 2 the intent is committed, 3 the counter is
 * incremented, 4 it is certified over the note, 5 the anchor is committed, 6 it goes out. A cut after any of them leaves
 * the counter at the intent's value or one below; anything else was done by somebody else.
 */
import type { AnchorIntent } from '../contracts/anchor-store.ts';

export type CounterStep =
  /** Cut between steps 2 and 3. */
  | { readonly kind: 'increment' }
  /** Cut after step 3: the value is certified again, which changes nothing. */
  | { readonly kind: 'certify' }
  /** No intent, and the counter is where the last anchor left it. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'breach'; readonly expected: number; readonly found: number };

/** `last`: value of the newest finished anchor, or the counter's first value; undefined when nothing is known yet. */
export function counterStep(intent: AnchorIntent | undefined, last: number | undefined, found: number): CounterStep {
  if (intent === undefined) {
    return last === undefined || found === last ? { kind: 'idle' } : { kind: 'breach', expected: last, found };
  }
  if (found === intent.counter) return { kind: 'certify' };
  if (found === intent.counter - 1) return { kind: 'increment' };
  return { kind: 'breach', expected: intent.counter - 1, found };
}
