/**
 * Takes commands from the outbox to where they belong: at least once each, with growing pauses between attempts, and so
 * often and no more; then it is dead, and people see it.
 *
 * Each place has a queue of its own: one that does not answer holds up none of the others, so that money waits for no
 * ticket. A lease is longer than an attempt may take. A worker that froze for longer finds that its token is old: what it has to
 * say is not taken, and the other side knows the key.
 */
import { sleep } from '../../base/abort.ts';
import { Backoff } from '../../base/backoff.ts';
import type { Scheduler } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Action } from './actions.ts';
import type { Leased, Outbox } from './outbox.ts';

export type Delivery =
  | { readonly taken: true; readonly said: string }
  | { readonly taken: false; readonly said: string; readonly retryAfterMs?: number };

export interface ActionSink {
  /** What it takes; the rest waits in the outbox. */
  readonly actions: readonly Action[];
  /** The same actions by the place that they go to, where there are several. */
  readonly places?: readonly (readonly Action[])[];
  /**
   * Resolves once the other side has answered. `taken` says that it will not forget. The same key may come again, and must
   * then do nothing more. Rejects only when `signal` fired.
   */
  deliver(message: Pick<Leased, 'key' | 'action' | 'body'>, signal: AbortSignal): Promise<Delivery>;
}

export interface OutboxWorkerParts {
  readonly outbox: Pick<Outbox, 'lease' | 'end'>;
  readonly sink: ActionSink;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly random?: () => number;
  /** How long a command belongs to whoever took it; longer than an attempt may take. */
  readonly leaseMs?: number;
}

export interface Delivered {
  readonly taken: number;
  readonly failed: number;
  /** Ended by somebody else meanwhile. */
  readonly fenced: number;
}

const ENDS = ['taken', 'failed', 'fenced'] as const satisfies readonly (keyof Delivered)[];
const BATCH = 8;
const ATTEMPTS_MAX = 14;
/** From five seconds, doubling, to an hour: fourteen attempts are about seven hours. */
const FIRST_MS = 5_000;
const MAX_MS = 3_600_000;
const LEASE_MS = 120_000;
const POLL_MS = 1_000;

export class OutboxWorker {
  readonly #parts: OutboxWorkerParts;

  constructor(parts: OutboxWorkerParts) {
    this.#parts = parts;
  }

  /** All that is due now; what follows in a lane comes as soon as its first arrived. Rejects when the database does. */
  async deliverDue(signal: AbortSignal = AbortSignal.timeout(LEASE_MS)): Promise<Delivered> {
    const total = { taken: 0, failed: 0, fenced: 0 };
    for (;;) {
      const before = { ...total };
      for (const one of await Promise.all(this.#places.map((actions) => this.#deliverTo(actions, signal)))) {
        for (const end of ENDS) total[end] += one[end];
      }
      // What arrived at one place may be what a command to another waited for.
      if (ENDS.every((end) => total[end] === before[end])) return total;
    }
  }

  /** Until the signal fires. A database that is away is asked again. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#places.map((actions) => this.#runFor(actions, signal)));
  }

  get #places(): readonly (readonly Action[])[] {
    const { sink } = this.#parts;
    return sink.places ?? [sink.actions];
  }

  async #deliverTo(actions: readonly Action[], signal: AbortSignal): Promise<Delivered> {
    const { outbox, scheduler, leaseMs = LEASE_MS } = this.#parts;
    const total = { taken: 0, failed: 0, fenced: 0 };
    for (;;) {
      signal.throwIfAborted();
      const nowMs = scheduler.wallMs();
      const leased = await outbox.lease(actions, nowMs, nowMs + leaseMs, BATCH);
      if (leased.length === 0) return total;
      const ends = await Promise.all(leased.map((one) => this.#deliver(one, signal)));
      for (const end of ends) total[end] += 1;
    }
  }

  async #runFor(actions: readonly Action[], signal: AbortSignal): Promise<void> {
    const { scheduler, logger } = this.#parts;
    const pause = new Backoff({ firstMs: POLL_MS, maxMs: 30_000 });
    while (!signal.aborted) {
      let waitMs = POLL_MS;
      try {
        await this.#deliverTo(actions, signal);
        pause.reset();
      } catch (error) {
        if (signal.aborted) return;
        waitMs = pause.nextMs();
        logger.error({ error: messageOf(error) }, 'the outbox cannot be read');
      }
      await sleep(scheduler, waitMs, signal).catch(() => undefined);
    }
  }

  async #deliver(leased: Leased, signal: AbortSignal): Promise<keyof Delivered> {
    const { outbox, sink, scheduler, logger } = this.#parts;
    const answer = await sink.deliver(leased, signal);
    const nowMs = scheduler.wallMs();
    const { key, action, attempts } = leased;
    if (answer.taken) {
      const kept = await outbox.end(leased, { state: 'delivered', said: answer.said }, nowMs);
      return kept ? 'taken' : 'fenced';
    }
    const dead = attempts >= ATTEMPTS_MAX;
    const dueMs = nowMs + Math.max(answer.retryAfterMs ?? 0, this.#pauseMs(attempts));
    const ending = dead
      ? ({ state: 'dead', said: answer.said } as const)
      : ({ state: 'waiting', dueMs, said: answer.said } as const);
    const kept = await outbox.end(leased, ending, nowMs);
    // Whoever logs hides what is called a key; this one is no secret, and "latchkey risk work --retry" asks for it.
    const fields = { command: key, action, attempts, said: answer.said };
    if (dead) logger.error(fields, 'a command was given up; a person may have it tried again');
    else logger.warn(fields, 'a command was not taken, and is tried again');
    return kept ? 'failed' : 'fenced';
  }

  #pauseMs(attempts: number): number {
    const { random = Math.random } = this.#parts;
    const stepMs = Math.min(MAX_MS, FIRST_MS * 2 ** (attempts - 1));
    return Math.round(stepMs / 2 + (random() * stepMs) / 2);
  }
}
