/** Says why webhooks are refused, some a minute of each reason: anybody can send what is refused, and logs fill disks. */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { RateLimit } from '../../platform/http/rate-limit.ts';
import type { SourceRefusal } from './reasons.ts';

const LINES_PER_MINUTE = 10;

export class RefusalLog {
  readonly #logger: Logger;
  readonly #limit: RateLimit;
  /** By source and reason: how many were not told since the last that was. */
  readonly #untold = new Map<string, number>();

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#limit = new RateLimit(clock, LINES_PER_MINUTE);
  }

  /** `source`: one that is declared; others are the caller's words, which nobody logs. */
  refused(source: string | undefined, reason: SourceRefusal): void {
    const name = `${source ?? ''} ${reason}`;
    const untold = this.#untold.get(name) ?? 0;
    if (!this.#limit.allow(name)) {
      this.#untold.set(name, untold + 1);
      return;
    }
    this.#untold.delete(name);
    const named = { ...(source !== undefined && { source }), ...(untold > 0 && { untold }) };
    this.#logger.warn({ ...named, reason }, 'a webhook was refused');
  }
}
