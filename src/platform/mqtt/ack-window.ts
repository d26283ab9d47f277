/**
 * What was published on one connection and not yet acknowledged: at most Receive Maximum at once, the rest in order
 * behind it, bounded.
 *
 * One clock for all: only the oldest waits against the limit, and only from the moment it became the oldest. On a slow
 * line a full window takes longer than any sensible limit for one message, and dropping such a line would send all of it
 * again, for ever. A broker acknowledges in order (MQTT 5.0 section 4.6), so the oldest tells whether anything moves.
 */
import { BoundedQueue } from '../../base/bounded-queue.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';

const WAITING_MAX = 1_024;
/** Also below the 65,535 packet ids that there are, with room for SUBSCRIBE. */
const FLYING_MAX = 1_024;

export interface AckEntry {
  resolve(code: number): void;
  reject(error: unknown): void;
}

interface Waiting {
  readonly entry: AckEntry;
  readonly send: (entry: AckEntry) => void;
  settled: boolean;
}

export class AckWindow {
  readonly #scheduler: Scheduler;
  readonly #limitMs: number;
  readonly #stuck: () => void;
  readonly #flying = new Set<Waiting>();
  readonly #waiting = new BoundedQueue<Waiting>(WAITING_MAX);
  #capacity = 0;
  #closed: LatchkeyError | undefined;
  #oldest: Waiting | undefined;
  #timer: Timer | undefined;

  constructor(scheduler: Scheduler, limitMs: number, stuck: () => void) {
    this.#scheduler = scheduler;
    this.#limitMs = limitMs;
    this.#stuck = stuck;
  }

  open(receiveMaximum: number): void {
    this.#capacity = Math.min(receiveMaximum, FLYING_MAX);
  }

  add(send: (entry: AckEntry) => void, signal: AbortSignal | undefined): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) return reject(this.#closed);
      if (signal?.aborted === true) return reject(signal.reason);
      const settle = (act: () => void): void => {
        signal?.removeEventListener('abort', abort);
        waiting.settled = true;
        act();
      };
      // An aborted message that is on its way keeps its place: the broker still owes the PUBACK.
      const abort = (): void => settle(() => reject(signal?.reason));
      const entry: AckEntry = {
        resolve: (code) => {
          settle(() => resolve(code));
          this.#landed(waiting);
        },
        reject: (error) => {
          settle(() => reject(error));
          this.#landed(waiting);
        },
      };
      const waiting: Waiting = { entry, send, settled: false };
      if (!this.#waiting.push(waiting)) {
        return reject(
          new LatchkeyError('BROKER_REFUSED', `expected at most ${WAITING_MAX} messages behind the Receive Maximum`),
        );
      }
      signal?.addEventListener('abort', abort, { once: true });
      this.#sendNext();
    });
  }

  close(error: LatchkeyError): void {
    this.#closed = error;
    this.#timer?.cancel();
    const all = [...this.#flying];
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) all.push(next);
    this.#flying.clear();
    for (const waiting of all) waiting.entry.reject(this.#timedOut ?? error);
  }

  get #timedOut(): LatchkeyError | undefined {
    return this.#late
      ? new LatchkeyError('TIMED_OUT', `expected an acknowledgement in ${this.#limitMs} ms, found none`)
      : undefined;
  }

  #late = false;

  #sendNext(): void {
    while (this.#flying.size < this.#capacity && this.#closed === undefined) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      if (next.settled) continue;
      this.#flying.add(next);
      next.send(next.entry);
    }
    this.#watchOldest();
  }

  #landed(waiting: Waiting): void {
    if (this.#flying.delete(waiting)) this.#sendNext();
  }

  #watchOldest(): void {
    const [oldest] = this.#flying;
    if (oldest === this.#oldest) return;
    this.#oldest = oldest;
    this.#timer?.cancel();
    this.#timer =
      oldest === undefined
        ? undefined
        : this.#scheduler.after(this.#limitMs, () => {
            this.#late = true;
            this.#stuck();
          });
  }
}
