/**
 * Replies on their way: each waits for the log key and for the broker, bounded in number and in time. What a reply says of
 * the present (log, start, time) is taken when it is signed.
 */
import { Backoff } from '../../base/backoff.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Reply } from '../../evidence/wire/command.ts';

export const REPLIES_MAX = 64;
const AGE_MAX_MS = 600_000;
const RETRY = { firstMs: 500, maxMs: 30_000 };

/** All but the present. */
export type ReplyDraft = Omit<Reply, 'gateway' | 'log' | 'start' | 'up_ms'>;

export interface ReplyBoxParts {
  /** The envelope's bytes, signed now. Rejects with a LatchkeyError while there is no key. */
  readonly sign: (draft: ReplyDraft) => Promise<Uint8Array>;
  /** True when the broker took it. */
  readonly publish: (bytes: Uint8Array) => Promise<boolean>;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

interface Waiting {
  readonly sinceMs: number;
  readonly draft?: ReplyDraft;
  signed?: Uint8Array;
  readonly onSigned?: (bytes: Uint8Array) => void;
}

export class ReplyBox {
  readonly #parts: ReplyBoxParts;
  readonly #backoff = new Backoff(RETRY);
  #waiting: Waiting[] = [];
  #timer: Timer | undefined;
  #working = false;
  /** Whether a connection came while one was tried: then what failed meanwhile is tried again at once. */
  #woken = false;
  #ended = false;

  constructor(parts: ReplyBoxParts) {
    this.#parts = parts;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** `onSigned` is told the bytes, so that they can be sent again. */
  put(draft: ReplyDraft, onSigned?: (bytes: Uint8Array) => void): void {
    this.#add({ sinceMs: this.#nowMs(), draft, ...(onSigned !== undefined && { onSigned }) });
  }

  putAgain(signed: Uint8Array): void {
    this.#add({ sinceMs: this.#nowMs(), signed });
  }

  /** A connection stands: what waits may go. */
  wake(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#backoff.reset();
    this.#woken = true;
    void this.#work();
  }

  stop(): void {
    this.#ended = true;
    this.#timer?.cancel();
  }

  #add(waiting: Waiting): void {
    this.#waiting.push(waiting);
    if (this.#waiting.length > REPLIES_MAX) {
      this.#waiting.shift();
      this.#parts.metrics.count('commands_replies_dropped', 1, { why: 'full' });
    }
    if (this.#timer === undefined) void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#working || this.#ended) return;
    this.#working = true;
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        this.#woken = false;
        if (!(await this.#send(next))) {
          if (this.#woken) continue;
          return this.#later();
        }
        this.#backoff.reset();
        this.#waiting = this.#waiting.filter((each) => each !== next);
      }
    } finally {
      this.#working = false;
    }
  }

  #next(): Waiting | undefined {
    const young = this.#waiting.filter(({ sinceMs }) => this.#nowMs() - sinceMs <= AGE_MAX_MS);
    const old = this.#waiting.length - young.length;
    if (old > 0) this.#parts.metrics.count('commands_replies_dropped', old, { why: 'old' });
    this.#waiting = young;
    return this.#ended ? undefined : young[0];
  }

  async #send(waiting: Waiting): Promise<boolean> {
    try {
      if (waiting.signed === undefined && waiting.draft !== undefined) {
        waiting.signed = await this.#parts.sign(waiting.draft);
        waiting.onSigned?.(waiting.signed);
      }
      if (waiting.signed === undefined || !(await this.#parts.publish(waiting.signed))) return false;
      this.#parts.metrics.count('commands_replies_sent');
      return true;
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
      this.#parts.logger.info({ reason: messageOf(error) }, 'a reply waits');
      return false;
    }
  }

  #later(): void {
    if (this.#ended) return;
    this.#timer = this.#parts.scheduler.after(this.#backoff.nextMs(), () => {
      this.#timer = undefined;
      void this.#work();
    });
  }

  #nowMs(): number {
    return this.#parts.scheduler.monotonicMs();
  }
}
