/**
 * Asks the independent witnesses of the settings for cosignatures while the receiver runs (C2SP tlog-witness): each witness
 * in a loop of its own, so that a slow one holds up no other.
 */
import { sleep } from '../../base/abort.ts';
import type { Scheduler } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { WitnessLine, WitnessStatus } from './witness-line.ts';

export interface WitnessRoundsParts {
  readonly lines: readonly { readonly line: WitnessLine; readonly everyMs: number }[];
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly random?: () => number;
}

/** A pass asks every log of the database, so there are not many in the time after which one is due again. */
const PASSES_PER_INTERVAL = 10;
const PASS_MIN_MS = 1_000;
const PASS_MAX_MS = 30_000;

export class WitnessRounds {
  readonly #parts: WitnessRoundsParts;
  readonly #stop = new AbortController();
  #running: readonly Promise<void>[] = [];

  constructor(parts: WitnessRoundsParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running = this.#parts.lines.map(({ line, everyMs }) => this.#run(line, everyMs));
  }

  get status(): readonly WitnessStatus[] {
    return this.#parts.lines.map(({ line }) => line.status);
  }

  /** What is under way is given up; it is asked for again with the next start. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
    for (const { line } of this.#parts.lines) line.close();
  }

  async #run(line: WitnessLine, everyMs: number): Promise<void> {
    const { scheduler, logger, random = Math.random } = this.#parts;
    const { signal } = this.#stop;
    const passMs = Math.min(PASS_MAX_MS, Math.max(PASS_MIN_MS, everyMs / PASSES_PER_INTERVAL));
    let failure: string | undefined;
    while (!signal.aborted) {
      try {
        // Replicas that started together do not ask together.
        await sleep(scheduler, passMs / 2 + (random() * passMs) / 2, signal);
        await line.pass(signal);
        failure = undefined;
      } catch (error) {
        if (signal.aborted) return;
        const said = messageOf(error);
        if (failure !== said) logger.error({ error: said }, 'cosignatures of witnesses could not be asked for');
        failure = said;
      }
    }
  }
}
