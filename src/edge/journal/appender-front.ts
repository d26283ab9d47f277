/**
 * The appender that outlives a log: while one log ends and the next opens, events wait here, in order and bounded. What
 * finds no place is counted, and signed into a blind window of the next log.
 */
import { LatchkeyError } from '../../base/errors.ts';
import type { AppendAnswer, Appender, EventDraft } from '../contracts/appender.ts';
import type { BlindWindow } from './blind-window.ts';
import type { JournalDraft } from './draft-queue.ts';
import type { LogWriter } from './log-writer.ts';
import { withoutEarlierStarts } from './named-starts.ts';

/** Bodies are at most some KiB, so this bounds the bytes too. */
const WAITING_MAX = 4_096;

export class AppenderFront implements Appender {
  readonly #blind: BlindWindow;
  #writer: LogWriter | undefined;
  /** The log has seen no start but the running one: no other can be named in it. */
  #isFirstStart = false;
  #waiting: JournalDraft[] = [];
  #ended = false;
  #wakers: (() => void)[] = [];

  readonly #onDropped: (nth: number) => void;
  /** Events that were taken so far and found a place, or still look for one. */
  appended = 0;

  /**
   * `blind` is shared with the writers, which sign what it counts. `onDropped`: the nth event that was taken found no
   * place after all, and those behind it move up.
   */
  constructor(blind: BlindWindow, onDropped: (nth: number) => void = () => undefined) {
    this.#blind = blind;
    this.#onDropped = onDropped;
  }

  append(draft: EventDraft): AppendAnswer {
    if (this.#writer !== undefined) {
      const answer = this.#writer.append(this.#placed(draft));
      if (answer === 'queued') this.appended += 1;
      return answer;
    }
    if (this.#ended || this.#waiting.length >= WAITING_MAX) {
      this.#blind.count('queue_full', draft.body.type, draft.observed.upMs);
      return 'refused';
    }
    this.#waiting.push(draft);
    this.appended += 1;
    return 'queued';
  }

  /** Also while logs change: what waits here is flushed in the log that takes it. */
  async flush(signal: AbortSignal): Promise<void> {
    for (;;) {
      const writer = await this.#present(signal);
      try {
        await writer.flush(signal);
        return;
      } catch (error) {
        // The log may have ended meanwhile; its queue went on to the next one.
        if (this.#writer === writer || this.#ended || signal.aborted) throw error;
      }
    }
  }

  /** Events go to this writer now: its log has begun, and has not ended. */
  isFedTo(writer: LogWriter): boolean {
    return this.#writer === writer;
  }

  /** From now on events wait. */
  hold(): void {
    this.#writer = undefined;
  }

  /**
   * Events go to this writer: first those handed back by the one before, then those that waited. `boot` is the running
   * start's number in its log.
   */
  resume(writer: LogWriter, boot: number, released: readonly JournalDraft[]): void {
    this.#isFirstStart = boot === 1;
    const waiting = [...released, ...this.#waiting];
    this.#waiting = [];
    const isAnothers = ({ own }: JournalDraft): boolean => own !== true;
    let placed = this.appended - waiting.filter(isAnothers).length;
    // What the new queue has no room for is counted there.
    for (const draft of waiting) {
      const answer = writer.append(this.#placed(draft));
      if (!isAnothers(draft)) continue;
      if (answer === 'queued') placed += 1;
      else {
        this.appended -= 1;
        this.#onDropped(placed + 1);
      }
    }
    this.#writer = writer;
    this.#wake();
  }

  /** Nothing is taken any more. */
  end(): void {
    this.#ended = true;
    this.#writer = undefined;
    this.#wake();
  }

  /** Events that are not durable yet. */
  get waiting(): number {
    return this.#waiting.length + (this.#writer?.waiting ?? 0);
  }

  #placed(draft: JournalDraft): JournalDraft {
    if (!this.#isFirstStart) return draft;
    const body = withoutEarlierStarts(draft.body);
    return body === draft.body ? draft : { ...draft, body };
  }

  async #present(signal: AbortSignal): Promise<LogWriter> {
    while (this.#writer === undefined) {
      signal.throwIfAborted();
      if (this.#ended) throw new LatchkeyError('JOURNAL_IO', 'the journal is closed');
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#wakers.push(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
    return this.#writer;
  }

  #wake(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const wake of wakers) wake();
  }
}
