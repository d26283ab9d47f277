/** Whether a wall clock may decide that something is over: only a source outside of the box is believed. */
import type { ClockClaim } from './event.ts';

/** Milliseconds since 1970; undefined when the clock was set by nobody who knows, or by a chip that only counts on. */
export function trustedWallMs(claim: { readonly wallMs: number; readonly clock: ClockClaim }): number | undefined {
  return claim.clock.src === 'ntp' || claim.clock.src === 'gps' ? claim.wallMs : undefined;
}
