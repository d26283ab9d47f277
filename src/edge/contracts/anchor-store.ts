/**
 * Where the intent to anchor a checkpoint survives a crash, and which checkpoint is the next to anchor.
 *
 * One intent per counter, not per log: it outlives the log that it was taken over. The software key makes no anchors.
 */
import type { NoteSignature } from '../../evidence/log/note.ts';

export interface AnchorIntent {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** Counter value that the anchor will certify: the value before, plus one. */
  readonly counter: number;
}

export interface AnchorCandidate {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** The weightiest entry beyond the last anchored size; `idle`: only `anchor.made` and `gateway.alive`. */
  readonly unanchored: 'parcel' | 'entries' | 'idle';
}

export interface AnchorStore {
  intent(): AnchorIntent | undefined;

  /** Value of the newest finished anchor, or the one that an entry 0 found; undefined when this disk knows none. */
  lastCounter(): number | undefined;

  /** What was left of the wear budget at the last intent. */
  tokens(): number | undefined;

  /**
   * The newest signed note of the open log, when its size is above the index of the previous `anchor.made`, so that each
   * anchored tree contains the anchor before it, and something is new in it. Undefined otherwise.
   */
  candidate(): AnchorCandidate | undefined;

  /** Durable when it resolves. An assertion when an intent is there already. */
  saveIntent(intent: AnchorIntent, tokens: number): Promise<void>;

  /**
   * Puts the line on the note of the intent's size, appends `anchor.made`, and only then removes the intent: durable when
   * it resolves. A crash in between repeats all of it, so the same anchor may be said twice.
   */
  finish(intent: AnchorIntent, line: NoteSignature): Promise<void>;

  /**
   * The counter is neither expected nor finishable: the open log is breached, the intent dropped, and a new log opens
   * whose entry 0 carries `counter` and names the dropped intent. Afterwards `lastCounter` is `found`.
   */
  breach(expected: number, found: number): Promise<void>;

  /** Calls back (soon, coalesced) after `candidate()` may have changed. Returns the unsubscribe. */
  onChange(listener: () => void): () => void;
}
