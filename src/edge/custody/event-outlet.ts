/** Where the room's events go, and whether the journal takes them: said once when that changes. */
import type { EventBody } from '../../evidence/event/event.ts';
import type { Observed } from '../contracts/observed.ts';
import type { CustodyOptions } from './room.ts';

export class EventOutlet {
  readonly #parts: Pick<CustodyOptions, 'appender' | 'logger' | 'metrics'>;
  #refusing = false;

  constructor(parts: Pick<CustodyOptions, 'appender' | 'logger' | 'metrics'>) {
    this.#parts = parts;
  }

  /** The journal refused the last event. */
  get refusing(): boolean {
    return this.#refusing;
  }

  append(observed: Observed, body: EventBody | undefined, urgent = false): void {
    if (body === undefined) return;
    const { appender, logger, metrics } = this.#parts;
    const answer = appender.append(urgent ? { observed, body, urgent } : { observed, body });
    const refused = answer === 'refused';
    if (refused) metrics.count('custody_events_refused');
    if (refused === this.#refusing) return;
    this.#refusing = refused;
    logger.warn({ refusing: refused }, 'the journal changed whether it takes custody events');
  }
}
