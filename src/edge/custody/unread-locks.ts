/**
 * Locks of which their own board says that it cannot read them: said once when that begins, shown for as long as it lasts.
 *
 * As with doors, one answer alone is no fact. A contact that comes and goes is not said each time, or a loose wire would
 * fill the journal.
 */
import type { EventBody } from '../../evidence/event/event.ts';
import type { Observed } from '../contracts/observed.ts';
import type { BoardReading } from '../contracts/reading.ts';
import type { CompartmentSettings } from './settings.ts';
import { unreadIn } from './wiring.ts';

const ANSWERS_TO_SAY = 2;
const SAY_AGAIN_MS = 600_000;

export class UnreadLocks {
  readonly #say: (observed: Observed, body: EventBody) => void;
  /** Answers in a row that left it out. */
  readonly #times = new Map<string, number>();
  readonly #saidUpMs = new Map<string, number>();

  constructor(say: (observed: Observed, body: EventBody) => void) {
    this.#say = say;
  }

  /** The names that this answer leaves out. */
  take(channels: ReadonlyMap<number, CompartmentSettings>, reading: BoardReading): readonly string[] {
    for (const { channel } of reading.channels) this.#times.delete(channels.get(channel)?.name ?? '');
    const names = unreadIn(channels, reading);
    for (const name of names) this.#unread(name, reading);
    return names;
  }

  has(name: string): boolean {
    return (this.#times.get(name) ?? 0) >= ANSWERS_TO_SAY;
  }

  #unread(name: string, { device, observed }: BoardReading): void {
    const times = Math.min(ANSWERS_TO_SAY, (this.#times.get(name) ?? 0) + 1);
    const begins = times === ANSWERS_TO_SAY && !this.has(name);
    this.#times.set(name, times);
    const saidMs = this.#saidUpMs.get(name) ?? Number.NEGATIVE_INFINITY;
    if (!begins || observed.upMs - saidMs < SAY_AGAIN_MS) return;
    this.#saidUpMs.set(name, observed.upMs);
    this.#say(observed, { compartment: name, data: { what: 'lock_unread' }, device, type: 'exception.reported' });
  }
}
