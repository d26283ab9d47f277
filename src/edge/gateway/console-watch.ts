/**
 * What the console's server hears of the daemon: views and entries as they come, and pages of the journal.
 *
 * Texts are handed on as they lie in the journal: whoever shows them parses them, in another thread. A burst of events
 * costs the daemon no more than some views a second and the newest entries of each.
 */
import { LatchkeyError } from '../../base/errors.ts';
import type { JournalPage } from '../contracts/console-view.ts';
import type { ControlOut } from '../control/server.ts';
import type { HeldLog } from '../journal/held-log.ts';
import type { Journal } from '../journal/journal.ts';
import { lineOf } from './journal-tools.ts';

/** Views are so far apart at least, ... */
const VIEW_MIN_MS = 250;
/** ... and so far at most, where nothing changes but times. */
const VIEW_MAX_MS = 2_000;
const ENTRIES_AT_ONCE_MAX = 50;
const PAGE_MAX = 200;

/** One entry as it goes over the socket. */
export interface WatchedEntry {
  readonly log: string;
  readonly n: number;
  readonly leaf: string;
}

/** How far a log is proved; what is above `signed` is durable alone. */
export interface LogSizes {
  readonly origin: string;
  readonly state: string;
  readonly size: number;
  readonly signed: number;
  readonly anchored?: number;
  readonly receipted: number;
}

/** A line of `watch`. */
export type WatchLine =
  | { readonly view: unknown }
  | { readonly entries: readonly WatchedEntry[]; readonly sizes: LogSizes };

/** Of `journal`. */
export interface PageAnswer {
  readonly log: LogSizes;
  readonly entries: readonly WatchedEntry[];
  readonly logs: JournalPage['logs'];
}

export interface WatchParts {
  readonly journal: Journal;
  /** Size below which the newest anchor stands over that log; undefined without a TPM. */
  readonly anchored: (origin: string) => number | undefined;
  readonly view: () => unknown;
}

/** Until the reader goes away. */
export async function watchGateway(parts: WatchParts, out: ControlOut, signal: AbortSignal): Promise<unknown> {
  const { journal } = parts;
  let log = newestLog(journal);
  let next = log.size;
  while (!signal.aborted) {
    const changed = changeOf(journal, signal);
    const newest = newestLog(journal);
    if (newest.origin !== log.origin) next = 0;
    log = newest;
    if (log.size > next) {
      const first = Math.max(next, log.size - ENTRIES_AT_ONCE_MAX);
      next = log.size;
      await send(out, { entries: entriesOf(log, first, next), sizes: sizesOf(log, parts) });
    }
    await send(out, { view: parts.view() });
    await pause(VIEW_MIN_MS, signal);
    await Promise.race([changed.promise, pause(VIEW_MAX_MS - VIEW_MIN_MS, signal)]);
    changed.stop();
  }
  return {};
}

/** Throws USAGE and JOURNAL_MISSING. */
export function journalPage(parts: WatchParts, args: Readonly<Record<string, unknown>>): PageAnswer {
  const { journal } = parts;
  const { log: origin, before, limit = PAGE_MAX } = args;
  if (origin !== undefined && typeof origin !== 'string') throw new LatchkeyError('USAGE', 'log: expected an origin');
  if (!isCount(limit) || limit > PAGE_MAX || (before !== undefined && !isCount(before))) {
    throw new LatchkeyError('USAGE', `expected before as an index, and a limit of at most ${PAGE_MAX}`);
  }
  const log = origin === undefined ? newestLog(journal) : journal.log(origin);
  const end = Math.min(log.size, before ?? log.size);
  return {
    log: sizesOf(log, parts),
    entries: [...entriesOf(log, Math.max(0, end - limit), end)].reverse(),
    logs: journal
      .status()
      .logs.map(({ origin: name, state, size }) => ({ origin: name, state, size }))
      .reverse(),
  };
}

function entriesOf(log: HeldLog, from: number, to: number): readonly WatchedEntry[] {
  return [...log.database.leaves(from, to)].map((entry) => {
    return { log: log.origin, n: entry.index, leaf: lineOf(entry) };
  });
}

function sizesOf(log: HeldLog, { anchored }: WatchParts): LogSizes {
  const upTo = anchored(log.origin);
  return {
    origin: log.origin,
    state: log.state.kind,
    size: log.size,
    signed: log.noteSize,
    ...(upTo !== undefined && { anchored: upTo }),
    receipted: log.receiptedSize,
  };
}

function newestLog(journal: Journal): HeldLog {
  const { open, logs } = journal.status();
  return journal.log(open ?? logs.at(-1)?.origin);
}

/** In pieces, since a large site's view is longer than a frame may be. */
function send(out: ControlOut, line: WatchLine): Promise<void> {
  return out.data(Buffer.from(`${JSON.stringify(line)}\n`));
}

function changeOf(journal: Journal, signal: AbortSignal): { readonly promise: Promise<void>; stop(): void } {
  let stop: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => {
    const changed = (): void => resolve();
    const unsubscribe = journal.outbox.onChange(changed);
    signal.addEventListener('abort', changed, { once: true });
    stop = () => {
      unsubscribe();
      signal.removeEventListener('abort', changed);
    };
  });
  return { promise, stop };
}

/** Ends early when the reader goes away. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
