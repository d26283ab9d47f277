/**
 * Views and entries to all pages that are open, out of one conversation with the daemon, which runs only while somebody
 * looks.
 */

import { sleep } from '../../../base/abort.ts';
import { Backoff } from '../../../base/backoff.ts';
import type { Scheduler } from '../../../base/clock.ts';
import { explain } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { EventFan } from '../../../platform/http/event-fan.ts';
import type { LiveEvent } from '../../contracts/console-view.ts';
import type { ConsoleWebSettings } from '../settings.ts';
import type { Daemon } from './daemon.ts';

const NOTES_MAX = 100;
const PING_MAX_MS = 10_000;
const RETRY = { firstMs: 250, maxMs: 5_000 } as const;

export class Live {
  readonly #daemon: Daemon;
  readonly #scheduler: Scheduler;
  readonly #logger: Logger;
  readonly #fan: EventFan;
  #watching: AbortController | undefined;

  constructor(daemon: Daemon, settings: ConsoleWebSettings, scheduler: Scheduler, logger: Logger) {
    this.#daemon = daemon;
    this.#scheduler = scheduler;
    this.#logger = logger;
    const limits = {
      streams: settings.streams,
      streamsPerPerson: settings.streams_per_person,
      notesMax: NOTES_MAX,
      // Sooner than a connection that says nothing is ended.
      pingMs: Math.min(PING_MAX_MS, settings.request_timeout_s * 1_000),
    };
    this.#fan = new EventFan(limits, scheduler, (readers) => this.#counted(readers));
  }

  /** Undefined when there are as many as may be. */
  open(person: string, owner: object): ReadableStream<Uint8Array> | undefined {
    return this.#fan.open(person, owner);
  }

  /** The owner signed out, or the session is over. */
  end(owner: object): void {
    this.#fan.end(owner, 'ended' satisfies LiveEvent);
  }

  stop(): void {
    this.#fan.close();
    this.#watching?.abort();
  }

  #counted(readers: number): void {
    if (readers === 0) {
      this.#watching?.abort();
      this.#watching = undefined;
      // What was the newest is not for whoever comes an hour later.
      this.#fan.forgetState();
    } else if (this.#watching === undefined) {
      this.#watching = new AbortController();
      void this.#watch(this.#watching.signal);
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(RETRY);
    const hear = {
      view: (view: unknown): void => {
        backoff.reset();
        this.#fan.sendState('view' satisfies LiveEvent, view);
      },
      entry: (entry: unknown): void => this.#fan.sendNote('entry' satisfies LiveEvent, entry),
    };
    while (!signal.aborted) {
      try {
        await this.#daemon.watch(hear, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.warn({ error: explain(error) }, 'the console does not hear the daemon; it asks again');
      }
      await sleep(this.#scheduler, backoff.nextMs(), signal).catch(() => undefined);
    }
  }
}
