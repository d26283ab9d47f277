/**
 * The way into the journal.
 */
import type { EventBody } from '../../evidence/event/event.ts';
import type { Observed } from './observed.ts';

/** An event before the journal gave it its place: body as the vocabulary spells it, and when it was observed. */
export interface EventDraft {
  readonly observed: Observed;
  readonly body: EventBody;
  /** Commit at once instead of waiting for the group (parcel events, stops). */
  readonly urgent?: boolean;
  /** Called once when the entry is durable, with its place; never when it could not be recorded. */
  readonly onDurable?: (entry: EntryRef) => void;
}

export interface EntryRef {
  readonly origin: string;
  readonly index: number;
}

export type AppendAnswer =
  /** Queued: it will be committed, or counted as not recorded and signed into a blind window. */
  | 'queued'
  /** The disk has no room for its class, or the queue is full: counted, and the caller must take no new custody. */
  | 'refused';

export interface Appender {
  /**
   * Queues an event. Order of calls is order of entries. The privacy guard and the schema are applied here, before
   * anything reaches disk, log line or broker. A body that does not fit the vocabulary is an assertion.
   */
  append(draft: EventDraft): AppendAnswer;
  /** Resolves when everything queued before the call is durable, or rejects with JOURNAL_IO or JOURNAL_FULL. */
  flush(signal: AbortSignal): Promise<void>;
}
