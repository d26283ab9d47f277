/**
 * Events that have their place and wait for the disk: bounded by number and bytes, cut into groups as large as a commit.
 */
import { COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX } from '../../evidence/batch/batch.ts';
import type { Carried } from '../../evidence/event/event.ts';
import type { EventDraft } from '../contracts/appender.ts';

/** A draft with what only the journal itself may say. */
export interface JournalDraft extends EventDraft {
  /** An entry taken over from another log. Its `observed.wallMs` and `clock` are the original's, `upMs` is now's. */
  readonly carried?: Carried;
  /** Paths that the guard had dropped already, in the original of a carried entry or at an earlier try. */
  readonly withheld?: readonly string[];
  /** The log's own record (entry 0, successor, blind window): never refused for lack of room or queue. */
  readonly own?: boolean;
}

export interface Waiting {
  readonly draft: JournalDraft;
  readonly leaf: Uint8Array;
  readonly hash: Uint8Array;
}

/** How many are not the log's own records: what other rooms appended. */
export function countAppended(events: readonly Waiting[]): number {
  return events.reduce((count, { draft }) => (draft.own === true ? count : count + 1), 0);
}

export interface QueueBounds {
  readonly eventsMax: number;
  readonly bytesMax: number;
}

export class DraftQueue {
  readonly #bounds: QueueBounds;
  #items: Waiting[] = [];
  #head = 0;
  #bytes = 0;

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds;
  }

  get count(): number {
    return this.#items.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a leaf as long as they may be still fits. */
  get hasRoom(): boolean {
    return this.count < this.#bounds.eventsMax && this.#bytes < this.#bounds.bytesMax;
  }

  /** A whole group waits. */
  get holdsGroup(): boolean {
    return this.count >= COMMIT_EVENTS_MAX || this.#bytes >= COMMIT_BYTES_MAX;
  }

  push(item: Waiting): void {
    this.#items.push(item);
    this.#bytes += item.leaf.length + 1;
  }

  /** Takes the oldest events that fit one commit: at most 256, and 48 KiB with their newlines. */
  takeGroup(): readonly Waiting[] {
    let end = this.#head;
    let bytes = 0;
    while (end < this.#items.length && end - this.#head < COMMIT_EVENTS_MAX) {
      const next = bytes + (this.#items[end]?.leaf.length ?? 0) + 1;
      if (next > COMMIT_BYTES_MAX) break;
      bytes = next;
      end += 1;
    }
    const group = this.#items.slice(this.#head, end);
    this.#head = end;
    this.#bytes -= bytes;
    if (this.#head === this.#items.length || this.#head > 4 * COMMIT_EVENTS_MAX) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return group;
  }

  takeAll(): readonly Waiting[] {
    const all = this.#items.slice(this.#head);
    this.#items = [];
    this.#head = 0;
    this.#bytes = 0;
    return all;
  }
}
