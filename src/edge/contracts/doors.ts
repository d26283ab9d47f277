/**
 * Opening a door: what whoever may ask for it (a signed command, a person with a second factor, a granted access) sees
 * of the room that does it.
 *
 * One request is one intent, and one intent is at most one unlock frame, whatever crashes: the intent is in the journal
 * before the frame leaves, and one whose frame may have left is never tried again. Success is an observed change of the
 * door, nothing less.
 */
import type { Actor } from '../../evidence/event/event.ts';
import type { Visit } from './visit.ts';

export type OpenCause = 'command' | 'access' | 'console';

export interface OpenRequest {
  /** 16 bytes that name the intent. An id that was seen before is refused, also after a restart. */
  readonly id: Uint8Array;
  readonly compartment: string;
  readonly actor: Actor;
  readonly cause: OpenCause;
  /** A stable word (`totp`, `code`, `credential`, `signed_command`); stands in the journal. */
  readonly method?: string;
  /** What the visit is about, for the episode that begins when the door opens. */
  readonly about?: Pick<Visit, 'parcel' | 'kind'>;
  /** No frame leaves after this time. */
  readonly untilUpMs?: number;
}

/** Nothing was sent, and nothing will be for this request. */
export type OpenRefusal =
  | 'unknown_compartment'
  /** Its feedback polarity was not commissioned, so that nobody could see it open. */
  | 'not_commissioned'
  /**
   * Its signed walk says another polarity than its settings, so that nobody could tell whether it opened. In a maintenance
   * window it is opened all the same, for whoever works there.
   */
  | 'polarity_contradicted'
  /** Its board has no locks, or not this one. */
  | 'no_lock'
  /** As many doors stand open, or are being opened, as may at once. */
  | 'interlock'
  /** Too many openings of this compartment, by this actor or on this site. */
  | 'rate'
  /** `stop_pick` is in force, or the gateway stops. */
  | 'stopped'
  | 'already_open'
  | 'already_opening'
  /** The door cannot be seen now: its board does not answer, or was not read yet. */
  | 'board_away'
  /** The journal takes nothing now: what cannot be recorded does not happen. */
  | 'recording_stopped'
  | 'repeated_id'
  /** `untilUpMs` passed before the frame could leave. */
  | 'too_late';

export type OpenOutcome =
  /** The door was seen shut before the frame left, and open after it. */
  | { readonly kind: 'opened'; readonly tookMs: number }
  /** The frame left, or may have, and the door was not seen to open. Never tried again. */
  | { readonly kind: 'unverified'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: OpenRefusal };

export interface DoorsStatus {
  /** `stop_pick` is in force: who asked for it. */
  readonly stopped?: { readonly by: string; readonly reason: string };
  /** Compartments whose opening is under way. */
  readonly opening: readonly string[];
  /** Doors that stand open, of those that count for the interlock. */
  readonly open: number;
  readonly openMax: number;
}

export interface Doors {
  /**
   * Opens one door, once. Resolves when the door was seen open, when it should have been, or at once with a refusal;
   * never rejects. A signal that fires before the frame left means `stopped`, and nothing afterwards.
   */
  open(request: OpenRequest, signal: AbortSignal): Promise<OpenOutcome>;
  /**
   * From now on nothing is opened, also after a restart, until `resume`. Durable when it resolves; rejects with JOURNAL_IO
   * when it cannot be made so, and is in force until the end of this run all the same.
   */
  stopPick(actor: Actor): Promise<void>;
  /** Durable when it resolves; rejects with JOURNAL_IO, and nothing is opened then. */
  resume(actor: Actor): Promise<void>;
  /** Has `compartment.counted` recorded for every commissioned compartment; resolves with how many. */
  recount(actor: Actor): Promise<number>;
  status(): DoorsStatus;
}
