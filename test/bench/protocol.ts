/** What the benchmark tells its children, one JSON line each on standard input, and what they answer on standard output. */

export type Order =
  /** Waits until the uplink sends and everything is acknowledged. */
  | { readonly do: 'live' }
  /** All commits since the start. */
  | { readonly do: 'commits' }
  /** Scans as fast as the appender takes them, for so long; then waits until all are acknowledged. */
  | { readonly do: 'flood'; readonly seconds: number }
  /** So many scans, as fast as the appender takes them, until they are durable. */
  | { readonly do: 'fill'; readonly events: number }
  | { readonly do: 'steady'; readonly perSecond: number; readonly seconds: number }
  /** Groups of this size, each acknowledged before the next. */
  | { readonly do: 'groups'; readonly size: number; readonly times: number }
  | { readonly do: 'stop' };

export interface Counts {
  readonly injected: number;
  readonly refused: number;
  /** Commits and entries that became durable meanwhile, by the journal's own count. */
  readonly commits: number;
  readonly entries: number;
  /** Entries whose batch the broker acknowledged. */
  readonly acknowledged: number;
  /** How often batches had to be sent again. */
  readonly rewinds: number;
}

export interface FillAnswer extends Counts {
  /** From the first scan to the moment at which the last one was durable. */
  readonly durableS: number;
}

export interface FloodAnswer extends FillAnswer {
  /** From the first scan to the moment at which the last one was acknowledged. */
  readonly acknowledgedS: number;
  /** Processor seconds of the daemon. */
  readonly cpuS: number;
  /** Checkpoints that the TPM anchored meanwhile. */
  readonly anchors: number;
}

export interface SteadyAnswer extends Counts {
  readonly durableMs: readonly number[];
  readonly acknowledgedMs: readonly number[];
}

/** First line of the daemon. */
export interface Ready {
  readonly vkey: string;
}

/** What the receipt giver saw since it was asked before: PUBLISH packets as they are on the wire. */
export interface WireAnswer {
  readonly batches: readonly { readonly entries: number; readonly batches: number; readonly bytes: number }[];
  readonly checkpoints: number;
  readonly checkpointBytes: number;
}
