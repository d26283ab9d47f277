/** Which leg of a parcel a refund is about. */
import type { RefundKind } from './facts.ts';

/** The leg that a kind of refund stands on. */
export function legOf(kind: RefundKind): 'forward' | 'return' {
  return kind === 'return' ? 'return' : 'forward';
}
