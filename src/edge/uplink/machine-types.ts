/**
 * The words of the uplink's state machine. Sizes are tree sizes, bytes are bytes of batches, times are milliseconds of
 * the monotonic clock. The payloads themselves stay in the shell, under the ids that stand here.
 */

export interface UplinkLimits {
  readonly memoryQuietMs: number;
  readonly memoryLostWaitMs: number;
  readonly windowBatches: number;
  readonly windowBytes: number;
  readonly aheadBytesMax: number;
  readonly stallMs: number;
  readonly stallMaxMs: number;
  readonly retryFirstMs: number;
  readonly retryMaxMs: number;
  readonly requestIntervalMs: number;
}

/** When, and a fresh random number in [0, 1): time and chance are inputs. */
export interface At {
  readonly nowMs: number;
  readonly random: number;
}

/** A log of the outbox with its newest note. */
export interface LogView {
  readonly origin: string;
  readonly noteSize: number;
  readonly note: Uint8Array | undefined;
  readonly progressSize: number;
}

/** A batch that was read and is not sent yet. */
export interface Held {
  readonly id: number;
  readonly first: number;
  readonly end: number;
  readonly bytes: number;
}

/** A batch at the broker's door: sent and not acknowledged on this connection. */
export interface Flight {
  readonly id: number;
  readonly origin: string;
  /** Of the lane or of the replay when it was sent: an older one speaks of a past that was gone back on. */
  readonly epoch: number;
  readonly replay: boolean;
  readonly bytes: number;
}

export interface Sent {
  readonly end: number;
  readonly bytes: number;
}

export type Trouble = 'undelivered' | 'refused' | 'stalled' | 'unreadable';

/** How the retained checkpoint of a log stands on this connection. */
export interface CheckpointState {
  /** The broker acknowledged our note of this size, on this connection; -1 before. The gate of batches. */
  readonly ackedSize: number;
  readonly ackedNote: Uint8Array | undefined;
  readonly flying: { readonly size: number; readonly note: Uint8Array } | undefined;
  readonly refusals: number;
  readonly code: number;
  readonly retryAtMs: number;
}

/** One log on its way out. */
export interface Lane {
  readonly origin: string;
  readonly noteSize: number;
  readonly note: Uint8Array | undefined;
  readonly progressSize: number;
  readonly checkpoint: CheckpointState;
  /** Size in the mark that this start left for the next one, -1 before: durable before the first batch leaves. */
  readonly markedSize: number;
  readonly marking: boolean;
  readonly markAtMs: number;
  /** Next index to read. */
  readonly cursor: number;
  /** The next batch begins a resend, so it carries `left`. */
  readonly fresh: boolean;
  readonly epoch: number;
  readonly held: Held | undefined;
  /** Sent beyond the receipts, in order. */
  readonly ahead: readonly Sent[];
  readonly aheadBytes: number;
  /** How far beyond the receipts it may run now. */
  readonly allowanceBytes: number;
  readonly pausedUntilMs: number;
  /** Since when receipts have been owed; undefined while none are. */
  readonly owedSinceMs: number | undefined;
  readonly stalls: number;
  readonly refusals: number;
  readonly trouble: Trouble | undefined;
  readonly code: number;
}

/** A part that a consumer asked for again, sent beside the lane so that nobody can stop what is new. */
export interface Replay {
  readonly origin: string;
  readonly next: number;
  readonly end: number;
  readonly fresh: boolean;
  readonly epoch: number;
  readonly held: Held | undefined;
  readonly flying: number;
}

export type Phase =
  | { readonly name: 'offline' }
  | { readonly name: 'subscribing' }
  | { readonly name: 'collecting'; readonly quietAtMs: number; readonly endAtMs: number }
  | { readonly name: 'comparing' }
  | { readonly name: 'awaiting_receipts' }
  | { readonly name: 'live' };

export type EnrolmentState =
  | { readonly name: 'wanted' }
  | { readonly name: 'reading' }
  | { readonly name: 'publishing'; readonly asked: boolean }
  | { readonly name: 'refused'; readonly retryAtMs: number; readonly code: number; readonly refusals: number }
  | { readonly name: 'settled' };

export interface UplinkState {
  readonly limits: UplinkLimits;
  readonly phase: Phase;
  readonly receiveMaximum: number;
  readonly subscriptionRefused: boolean;
  readonly compared: boolean;
  /** The broker lost these logs' checkpoints; nothing is published before their receipts came or the time is up. */
  readonly lost: { readonly origins: readonly string[]; readonly untilMs: number } | undefined;
  readonly memoryWasLost: boolean;
  readonly breached: readonly string[];
  readonly enrolment: EnrolmentState;
  readonly enrolmentRefusals: number;
  /** A log appeared since the enrolment was read last: what is on its way may not vouch for it. */
  readonly enrolmentStale: boolean;
  readonly lanes: readonly Lane[];
  readonly replay: Replay | undefined;
  readonly lastTurn: 'lane' | 'replay';
  readonly reading:
    | { readonly id: number; readonly origin: string; readonly epoch: number; readonly replay: boolean }
    | undefined;
  readonly flights: readonly Flight[];
  readonly flightBytes: number;
  readonly nextId: number;
  readonly lastRequestMs: number | undefined;
}

export type Input =
  | { readonly kind: 'connected'; readonly receiveMaximum: number }
  | { readonly kind: 'lost' }
  | { readonly kind: 'subscribed' }
  /** The broker refused our subscriptions; the connection is dropped. */
  | { readonly kind: 'subscription_refused' }
  /** A retained message of our own memory arrived. */
  | { readonly kind: 'remembered' }
  | {
      readonly kind: 'compared';
      readonly verdict: 'agreed' | 'memory_lost' | 'breached';
      readonly origins: readonly string[];
    }
  | { readonly kind: 'compare_failed' }
  | { readonly kind: 'logs'; readonly logs: readonly LogView[] }
  /** A receipt for this log was believed, new or not: a consumer lives. */
  | { readonly kind: 'believed'; readonly origin: string }
  | { readonly kind: 'requested'; readonly origin: string; readonly first: number }
  | { readonly kind: 'enrolment_read'; readonly owed: boolean }
  | { readonly kind: 'enrolment_failed' }
  | { readonly kind: 'enrolment_answered'; readonly code: number }
  | { readonly kind: 'checkpoint_answered'; readonly origin: string; readonly code: number }
  | { readonly kind: 'marked'; readonly origin: string; readonly size: number }
  | { readonly kind: 'mark_failed'; readonly origin: string }
  | { readonly kind: 'read'; readonly id: number; readonly batch: Omit<Held, 'id'> | undefined }
  | { readonly kind: 'read_failed'; readonly id: number }
  | { readonly kind: 'batch_answered'; readonly id: number; readonly code: number }
  | { readonly kind: 'tick' };

export type Output =
  | { readonly kind: 'subscribe'; readonly memory: boolean }
  | { readonly kind: 'forget_memory_topics' }
  | { readonly kind: 'compare' }
  | { readonly kind: 'publish_status' }
  | { readonly kind: 'read_enrolment' }
  | { readonly kind: 'publish_enrolment' }
  | { readonly kind: 'publish_checkpoint'; readonly origin: string; readonly size: number; readonly note: Uint8Array }
  | { readonly kind: 'mark'; readonly origin: string; readonly size: number }
  | {
      readonly kind: 'read';
      readonly id: number;
      readonly origin: string;
      readonly first: number;
      readonly withLeft: boolean;
    }
  | { readonly kind: 'publish_batch'; readonly id: number }
  | { readonly kind: 'went_back'; readonly origin: string; readonly to: number; readonly why: Trouble | 'requested' }
  | { readonly kind: 'request_ignored'; readonly why: 'throttled' | 'unknown_log' | 'not_sent_yet' | 'not_live' };

export interface Step {
  readonly state: UplinkState;
  readonly outputs: readonly Output[];
}
