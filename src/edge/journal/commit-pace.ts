/**
 * How long the first event of a group waits for others: so long that it is durable, and not merely on its way, when the
 * group's time is over.
 */

/** Timers count whole milliseconds and fire up to one late; another for the turn of the event loop that they find. */
const TIMER_LATE_MS = 2;
/** How fast a commit that took long is forgotten. */
const KEPT_SHARE = 0.9;

export class CommitPace {
  #commitMs = 0;

  /** A commit took so long, its note's signature included. */
  took(ms: number): void {
    this.#commitMs = Math.max(ms, KEPT_SHARE * this.#commitMs + (1 - KEPT_SHARE) * ms);
  }

  /** At least half of the group's time: a disk that became slow must not be asked more often for it. */
  waitMs(groupMs: number): number {
    return Math.ceil(Math.max(groupMs / 2, groupMs - TIMER_LATE_MS - this.#commitMs));
  }
}
