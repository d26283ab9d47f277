/**
 * Whether an act was done whose answer never came: the journal has an entry of each, by whom and with what result, whatever
 * became of the connection.
 */
import type { EntryView, JournalPage } from '../../edge/contracts/console-view.ts';

/** What the journal is asked for, and from where on. */
export interface Sought {
  readonly person: string;
  readonly action: string;
  /** The compartment, device or window, as the entry names it. */
  readonly target?: string | undefined;
  /** Entries of this log below this index were there before it was asked for. */
  readonly log: string;
  readonly from: number;
}

export type Found =
  /** Its entry, with the word that it has for the result. */
  | { readonly kind: 'ended'; readonly result: string }
  /** The lock was about to be told, and no end of it is written. */
  | { readonly kind: 'begun' }
  /** The gateway answers, and its journal has nothing of it. */
  | { readonly kind: 'never' }
  /** The gateway does not answer. */
  | { readonly kind: 'unknown' };

/** A gateway that answers has written what it was asked for by then, but for a door that it waits for. */
const WRITTEN_MS = 10_000;
const OPENED_MS = 90_000;
const AGAIN_MS = 1_500;
const LIMIT_MS = 900_000;
const LOOKED_AT = 200;

export interface FindOutParts {
  /** Rejects while the gateway does not answer. */
  readonly read: (limit: number) => Promise<JournalPage>;
  readonly sleep: (ms: number) => Promise<void>;
  readonly nowMs: () => number;
}

/** Resolves when it is known, or after a quarter of an hour without an answer. */
export async function findOut(sought: Sought, { read, sleep, nowMs }: FindOutParts): Promise<Found> {
  const endMs = nowMs() + LIMIT_MS;
  let answeredMs: number | undefined;
  while (nowMs() < endMs) {
    const page = await read(LOOKED_AT).catch(() => undefined);
    if (page !== undefined) {
      answeredMs ??= nowMs();
      const fresh = page.entries.filter(({ log, n }) => log !== sought.log || n >= sought.from);
      const ended = fresh.find((entry) => isEnd(entry, sought));
      if (ended !== undefined) return { kind: 'ended', result: String(dataOf(ended)['result']) };
      const isBegun = sought.action === 'open' && fresh.some((entry) => isBeginning(entry, sought));
      if (nowMs() - answeredMs >= (isBegun ? OPENED_MS : WRITTEN_MS)) return { kind: isBegun ? 'begun' : 'never' };
    }
    await sleep(AGAIN_MS);
  }
  return { kind: 'unknown' };
}

function isEnd(entry: EntryView, { person, action, target }: Sought): boolean {
  const data = dataOf(entry);
  const isOfIt = entry.type === 'console.acted' && data['action'] === action && entry.actor?.ref === person;
  return isOfIt && (target === undefined || data['target'] === target);
}

function isBeginning({ type, actor, compartment }: EntryView, { person, target }: Sought): boolean {
  return type === 'unlock.intended' && actor?.ref === person && compartment === target;
}

function dataOf({ event }: EntryView): Readonly<Record<string, unknown>> {
  return (event as { readonly data?: Readonly<Record<string, unknown>> } | null)?.data ?? {};
}
