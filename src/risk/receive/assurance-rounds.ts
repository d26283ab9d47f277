/** Keeps what anchors prove of each log behind the store by no more than a moment, while the receiver runs. */
import type { Scheduler, Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { AssuranceBook } from '../assurance/assurance-book.ts';

export interface AssuranceRoundsParts {
  readonly book: Pick<AssuranceBook, 'catchUp'>;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const EVERY_MS = 2_000;

export class AssuranceRounds {
  readonly #parts: AssuranceRoundsParts;
  readonly #stop = new AbortController();
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  #failure: string | undefined;

  constructor(parts: AssuranceRoundsParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = this.#parts.scheduler.after(EVERY_MS, () => {
      this.#running = this.#round().then(() => (this.#stop.signal.aborted ? undefined : this.start()));
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#timer?.cancel();
    await this.#running;
  }

  /** A database that is away is asked again in the next round; until then levels stay what they were. */
  async #round(): Promise<void> {
    const { book, logger, metrics } = this.#parts;
    try {
      metrics.count('intake_assurance_judged', await book.catchUp(this.#stop.signal));
      this.#failure = undefined;
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const failure = messageOf(error);
      if (this.#failure !== failure) logger.error({ error: failure }, 'what anchors prove could not be read on');
      this.#failure = failure;
    }
  }
}
