/**
 * Erasure of a person's entries: which they are, which of them may go, and how they go (FORMAT.md section 12).
 *
 * Only what every store has receipted may go, in its log or as carried: anything else would be lost to the consumer, so
 * one entry that is not receipted refuses the whole. What a log says of itself (its opening, its starts, its keys) holds
 * no person and stays. Nothing here writes a value that was searched for to disk or log line.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { assert } from '../../base/assert.ts';
import { utf8Text } from '../../base/bytes.ts';
import { parseLeaf } from '../../evidence/event/leaf.ts';
import { LOG_DATA } from '../../evidence/event/vocabulary-log.ts';
import type { LogDatabase } from './log-database.ts';
import { LogRecord, type RecordStore } from './log-record.ts';
import { paced } from './paced.ts';
import { eraseEntries } from './retention.ts';

/** Entries reduced in one transaction: the writer waits meanwhile. */
const SLICE = 1_024;
/** Indices that a report names of one log; how many there are it says always. */
const NAMED_MAX = 100;

export type EraseSelection =
  /** Entries in which one of these texts stands as a whole member: references of a parcel or a person. */
  | { readonly kind: 'references'; readonly references: readonly string[] }
  | { readonly kind: 'entries'; readonly origin: string; readonly ranges: readonly IndexRange[] };

/** `from` to `to`, both included. */
export interface IndexRange {
  readonly from: number;
  readonly to: number;
}

/** A log as the search sees it. */
export interface ErasableLog {
  readonly origin: string;
  readonly database: LogDatabase;
  /** Below it nothing is lost to the consumer. */
  readonly limit: number;
  /** False for a file that was set aside: it is kept as it is. */
  readonly isWritable: boolean;
}

export interface FoundEntries {
  readonly origin: string;
  /** Ascending; those with a body. */
  readonly indices: readonly number[];
  /** Of these, the first that is not receipted yet. */
  readonly firstWaiting?: number;
  /** They lie in a file that was set aside, which is never written. */
  readonly isSetAside: boolean;
  /** Indices that were asked for by number and are the log's own. */
  readonly own: readonly number[];
}

export interface EraseReport {
  /** `found`: a dry run. `refused`: some of them are not receipted yet, and nothing was erased. */
  readonly outcome: 'found' | 'refused' | 'erased';
  readonly logs: readonly {
    readonly origin: string;
    readonly found: number;
    readonly erased: number;
    /** The first of them. */
    readonly indices: readonly number[];
    readonly firstWaiting?: number;
    readonly isSetAside: boolean;
    readonly own: readonly number[];
  }[];
  /** Files that were not searched: set aside and unreadable, or not to be opened now. */
  readonly unsearched: readonly string[];
  /** Custody still holds a reference: the parcel lies in a compartment, and is forgotten when it is collected. */
  readonly isHeldByCustody: boolean;
}

export interface SearchOptions {
  readonly signal: AbortSignal;
  /** The index that was looked at last, every now and then. */
  readonly progress?: (index: number) => void;
}

/** Searches one log, giving way to the event loop. Rejects with the abort reason and JOURNAL_IO. */
export function findEntries(
  log: ErasableLog,
  selection: EraseSelection,
  options: SearchOptions,
): Promise<FoundEntries> {
  return paced(searchSteps(log, selection), options);
}

function* searchSteps(log: ErasableLog, selection: EraseSelection): Generator<number, FoundEntries> {
  const { origin, database, limit, isWritable } = log;
  const indices: number[] = [];
  const own: number[] = [];
  const isWanted = wanted(selection);
  for (const { from, to } of rangesIn(log, selection)) {
    for (const { index, leaf } of database.leaves(from, to + 1)) {
      yield index;
      const text = leaf === undefined ? undefined : utf8Text(leaf);
      if (leaf === undefined || text === undefined || !isWanted(text)) continue;
      (isOwnEntry(leaf) ? own : indices).push(index);
    }
  }
  const sorted = [...new Set(indices)].sort((a, b) => a - b);
  const firstWaiting = sorted.find((index) => index >= limit);
  return {
    origin,
    indices: sorted,
    ...(firstWaiting !== undefined && { firstWaiting }),
    isSetAside: !isWritable,
    own: selection.kind === 'entries' ? own : [],
  };
}

function rangesIn({ origin, database }: ErasableLog, selection: EraseSelection): readonly IndexRange[] {
  const last = database.size() - 1;
  if (selection.kind === 'references') return [{ from: 0, to: last }];
  if (selection.origin !== origin) return [];
  return selection.ranges
    .map(({ from, to }) => ({ from, to: Math.min(to, last) }))
    .filter(({ from, to }) => from <= to);
}

/** In canonical JSON a member's text stands in one spelling, between quotes of its own. */
function wanted(selection: EraseSelection): (text: string) => boolean {
  if (selection.kind === 'entries') return () => true;
  const spelled = selection.references.map((reference) => JSON.stringify(reference));
  assert(!spelled.includes('""'), 'a reference is not empty');
  return (text) => spelled.some((each) => text.includes(each));
}

function isOwnEntry(leaf: Uint8Array): boolean {
  const parsed = parseLeaf(leaf);
  return parsed.ok && Object.hasOwn(LOG_DATA, parsed.value.event.type);
}

/** Reduces entries that may go to their leaf hashes. Returns how many still had a body. Throws like `LogDatabase.reduce`. */
export async function eraseFound(log: ErasableLog, found: FoundEntries): Promise<number> {
  assert(log.isWritable && found.firstWaiting === undefined, 'only what is receipted goes');
  let erased = 0;
  for (let at = 0; at < found.indices.length; at += SLICE) {
    const slice = found.indices.slice(at, at + SLICE);
    const done = eraseEntries({ database: log.database, receiptedSize: log.limit }, slice);
    assert(done.ok, 'only what is receipted goes');
    erased += done.value;
    await turn();
  }
  return erased;
}

/** Removes the states of other rooms that an ended log still keeps, where one of them holds a reference. */
export function forgetStates(store: RecordStore, references: readonly string[]): void {
  const keys = store.metaKeys().filter((key) => key.startsWith('saved/'));
  // Whole texts: a long one lies in parts, and a reference may stand across two of them.
  const texts = [...new LogRecord(store).allSaved().values()];
  const isHeld = texts.some((text) => references.some((reference) => text.includes(reference)));
  if (isHeld) store.setMeta(Object.fromEntries(keys.map((key) => [key, undefined])));
}

export function reportOf(
  outcome: EraseReport['outcome'],
  all: readonly FoundEntries[],
  erased: ReadonlyMap<string, number>,
): EraseReport['logs'] {
  return all
    .filter(({ indices, own }) => indices.length + own.length > 0)
    .map(({ origin, indices, firstWaiting, isSetAside, own }) => ({
      origin,
      found: indices.length,
      erased: outcome === 'erased' ? (erased.get(origin) ?? 0) : 0,
      indices: indices.slice(0, NAMED_MAX),
      ...(firstWaiting !== undefined && { firstWaiting }),
      isSetAside,
      own: own.slice(0, NAMED_MAX),
    }));
}
