/**
 * What goes wrong on the cables of a locker, by name. Each is counted when it happened, so that a test can prove that
 * the thing it speaks about took place.
 */

/** Faults that dice or an exact list bring about, one decision per emission of a device. */
export const LINE_FAULTS = [
  /** One emission arrives in several chunks, with pauses between them. */
  'split',
  /** An emission is held back by an adapter and arrives in one chunk with the next. */
  'merge',
  /** Bytes that nobody sent, before, inside or after. */
  'noise',
  'lost_bytes',
  'bit_flip',
  'no_reply',
  /** The reply comes after the time that a master waits. */
  'late_reply',
  /** The adapter returns the request to its sender before the reply. */
  'echo',
  /** Two scans in one chunk without anything between them. */
  'glued_scans',
  'missing_suffix',
  /** The cable goes out in the middle of an emission and comes back under a new name. */
  'unplug',
] as const;

/** Faults that come from how the site is set up or from what it holds at the moment; nobody rolls dice for them. */
export const SITE_FAULTS = [
  /** Two boards with one address answered the same request. */
  'same_address',
  /** The byte that ends a frame stood inside the data of one. */
  'end_in_data',
  /** A request came while a board was still speaking: the master did not wait. */
  'talked_over',
  /** A board was asked while it was busy after an unlock, and said nothing. */
  'busy',
  /** A scanner heard no acknowledgement, or a refusal, and sent its packet again. */
  'retransmitted',
] as const;

export type LineFault = (typeof LINE_FAULTS)[number];
export type SiteFault = (typeof SITE_FAULTS)[number];
export type FaultKind = LineFault | SiteFault;

/** For whoever reads, and types none of them. */
export const FAULT_WORDS: Readonly<Record<FaultKind, string>> = {
  split: 'it arrives in pieces, with pauses between them',
  merge: 'it is held back, and arrives with the next',
  noise: 'bytes that nobody sent',
  lost_bytes: 'bytes get lost',
  bit_flip: 'a bit is turned over',
  no_reply: 'no answer',
  late_reply: 'an answer that comes too late',
  echo: 'the question comes back before the answer',
  glued_scans: 'two scans with nothing between them',
  missing_suffix: 'a scan without its end',
  unplug: 'the cable goes out in the middle, and comes back',
  same_address: 'two boards with one address answered',
  end_in_data: 'the byte that ends a frame stood inside of one',
  talked_over: 'a question came while a board still spoke',
  busy: 'a board was busy after an unlock, and said nothing',
  retransmitted: 'a scanner was not heard, and said it again',
};

/** How often each happened. Kinds that never happened are absent. */
export type FaultTally = Readonly<Partial<Record<FaultKind, number>>>;

/** Counts of what a person would call a fault: a byte that a driver must not cut at is none, and stands in many sound replies. */
export function mishaps({ end_in_data: _, ...counts }: FaultTally): FaultTally {
  return counts;
}

/** How often each happened. Kinds that never happened are absent. */
export class FaultCounts {
  readonly #counts = new Map<FaultKind, number>();

  add(kind: FaultKind, by = 1): void {
    this.#counts.set(kind, this.of(kind) + by);
  }

  of(kind: FaultKind): number {
    return this.#counts.get(kind) ?? 0;
  }

  snapshot(): FaultTally {
    return Object.fromEntries(this.#counts);
  }
}
