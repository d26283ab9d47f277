/**
 * What the running gateway says has become durable, entry by entry, through its control socket: `latchkey tail --json`.
 *
 * The demo waits for entries instead of sleeping, so it goes as fast as the gateway records what it saw.
 */
import { utf8 } from '../../src/base/bytes.ts';
import { LatchkeyError } from '../../src/base/errors.ts';
import type { CustodyEvent } from '../../src/evidence/event/event.ts';
import { parseLeaf } from '../../src/evidence/event/leaf.ts';

interface Waiter {
  readonly matches: (entry: CustodyEvent) => boolean;
  readonly found: (entry: CustodyEvent) => void;
}

/** Long, since it only ends a demo that would never go on: the machine may be busy with something else. */
const SEEN_LIMIT_MS = 45_000;

export class Feed {
  readonly #seen = new Map<string, CustodyEvent>();
  readonly #waiters = new Set<Waiter>();
  readonly #onEntry: (entry: CustodyEvent) => void;

  /** `onEntry` sees every entry once, however often a restarted tail repeats it. */
  constructor(onEntry: (entry: CustodyEvent) => void) {
    this.#onEntry = onEntry;
  }

  get size(): number {
    return this.#seen.size;
  }

  /** One line of `latchkey tail --json`. Lines that are no leaf are passed over. */
  readonly take = (line: string): void => {
    const leaf = parseLeaf(utf8(line));
    if (!leaf.ok || leaf.value.kind !== 'known') return;
    const entry = leaf.value.event;
    const key = `${entry.log} ${entry.n}`;
    if (this.#seen.has(key)) return;
    this.#seen.set(key, entry);
    this.#onEntry(entry);
    for (const waiter of this.#waiters) if (waiter.matches(entry)) waiter.found(entry);
  };

  /** The newest entry that matches. */
  last(matches: (entry: CustodyEvent) => boolean): CustodyEvent | undefined {
    return [...this.#seen.values()].findLast(matches);
  }

  /** What came after `mark` entries were seen; take the mark before acting. */
  async after(mark: number, what: string, matches: (entry: CustodyEvent) => boolean): Promise<CustodyEvent> {
    const known = [...this.#seen.values()].slice(mark).find(matches);
    if (known !== undefined) return known;
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        act();
      };
      const waiter: Waiter = { matches, found: (entry) => settle(() => resolve(entry)) };
      const timer = setTimeout(
        () =>
          settle(() =>
            reject(new LatchkeyError('TIMED_OUT', `the gateway recorded no ${what} in ${SEEN_LIMIT_MS} ms`)),
          ),
        SEEN_LIMIT_MS,
      );
      this.#waiters.add(waiter);
    });
  }
}

/** An entry of this type about this compartment. */
export function about(type: string, compartment: string): (entry: CustodyEvent) => boolean {
  return (entry) => entry.type === type && entry.compartment === compartment;
}
