/** Erasure in a running journal: the search, the entry that says it, and the deed, over all logs that are held. */
import type { EventBody } from '../../evidence/event/event.ts';
import {
  type ErasableLog,
  type EraseReport,
  type EraseSelection,
  eraseFound,
  type FoundEntries,
  findEntries,
  forgetStates,
  reportOf,
  type SearchOptions,
} from './erase.ts';
import type { HeldLog } from './held-log.ts';
import type { LogKeeper } from './log-keeper.ts';

export interface EraseRequest extends SearchOptions {
  readonly selection: EraseSelection;
  /** False: only says what there is. */
  readonly execute: boolean;
}

/** Rejects with the abort reason before anything was erased, and with JOURNAL_IO. */
export async function eraseInJournal(keeper: LogKeeper, request: EraseRequest): Promise<EraseReport> {
  const { selection, signal, execute } = request;
  const all: FoundEntries[] = [];
  for (const log of keeper.set.logs) all.push(await findEntries(erasable(log), selection, request));
  const references = selection.kind === 'references' ? selection.references : [];
  const rest = {
    unsearched: [...keeper.set.unreadable.map(({ origin }) => origin), ...keeper.set.leftAlone.map(({ name }) => name)],
    isHeldByCustody: references.some((reference) => keeper.saved.includes(reference)),
  };
  const erased = new Map<string, number>();
  const done = (outcome: EraseReport['outcome']): EraseReport => {
    return { outcome, logs: reportOf(outcome, all, erased), ...rest };
  };
  if (!execute) return done('found');
  if (all.some(({ firstWaiting, isSetAside }) => firstWaiting !== undefined && !isSetAside)) return done('refused');
  signal.throwIfAborted();
  return keeper.exclusive(async () => {
    // Said first: a crash in between leaves an entry too many, never an erasure that nobody knows of.
    for (const found of all) if (isDue(found)) keeper.say(erasedBody(found));
    await keeper.front.flush(signal);
    for (const found of all) {
      // A log that was set aside meanwhile is not written any more.
      const log = keeper.set.find(found.origin);
      if (log === undefined || log.salvaged) continue;
      if (isDue(found)) erased.set(found.origin, await eraseFound(erasable(log), found));
      if (!log.isOpen && references.length > 0) forgetStates(log.record.store, references);
    }
    keeper.changed();
    return done('erased');
  });
}

function erasable(log: HeldLog): ErasableLog {
  const { origin, database, settled, size, receiptedSize, salvaged } = log;
  // A log that is finished has every entry receipted, there or as carried.
  return { origin, database, limit: settled ? size : receiptedSize, isWritable: !salvaged };
}

function isDue({ indices, isSetAside }: FoundEntries): boolean {
  return indices.length > 0 && !isSetAside;
}

function erasedBody({ origin, indices }: FoundEntries): EventBody {
  const target = `${indices.length} entries of ${origin.split('/')[2]}`;
  return { type: 'console.acted', data: { action: 'journal_erase', target, result: 'accepted' } };
}
