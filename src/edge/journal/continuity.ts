/**
 * The continuity rules: what disk, broker memory and keys together say about a log. Pure; the reading and writing is
 * done by log-set.ts, and the verifying of what came from outside by retained-memory.ts.
 *
 * A log is *closed* by rotation, key loss, quarantine, a lost database or settings: it gets no new note, and its notes
 * go on being sent. It is *breached* when its disk contradicts bytes that left the box under its own key: nothing more
 * of it is sent, since its notes may lie on the wrong branch. What its log no longer sends is carried to the next one.
 */
import { assert } from '../../base/assert.ts';
import { equalBytes } from '../../base/bytes.ts';

export interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** A tree that the disk holds: its root at any size up to `size`, recomputed from leaves and frontier. */
export interface HeldTree {
  readonly size: number;
  rootAt(size: number): Uint8Array | undefined;
}

/** `counter`: the TPM's anchor counter is neither where this disk left it nor where its intent leads. */
export type BreachCause = 'rolled_back' | 'forked' | 'superseded' | 'counter';
export type CloseCause = 'rotation' | 'key_lost' | 'tpm_cleared' | 'quarantined' | 'database_lost' | 'settings';
export type OpenCause = 'first_start' | CloseCause | BreachCause;

const BREACHES: ReadonlySet<OpenCause> = new Set<BreachCause>(['rolled_back', 'forked', 'superseded', 'counter']);

export function isBreach(cause: OpenCause): boolean {
  return BREACHES.has(cause);
}

export type LogState =
  | { readonly kind: 'open' }
  /** `sendEnd`: notes up to this size go on being sent; entries from there on are carried to the next log. */
  | { readonly kind: 'closed'; readonly cause: CloseCause; readonly sendEnd: number }
  /** Nothing more is sent. `sendEnd` is our newest receipt: entries from there on are carried. */
  | {
      readonly kind: 'breached';
      readonly cause: BreachCause | 'quarantined';
      readonly sendEnd: number;
      readonly expected?: TreeHead;
    };

export interface Contradiction {
  readonly cause: 'rolled_back' | 'forked';
  /** What left the box. */
  readonly expected: TreeHead;
  /** What the disk says instead: at the same size, or its end when that lies below. */
  readonly found: TreeHead;
}

/** Compares a tree head that verified under the log's own key with the disk: a larger size or another root contradicts. */
export function contradiction(held: HeldTree, outside: TreeHead): Contradiction | undefined {
  const size = Math.min(held.size, outside.size);
  const root = held.rootAt(size);
  assert(root !== undefined, `the tree of ${held.size} entries has a root at ${size}`);
  const found = { size, root };
  const expected = { size: outside.size, root: outside.root };
  if (outside.size > held.size) return { cause: 'rolled_back', expected, found };
  return equalBytes(root, outside.root) ? undefined : { cause: 'forked', expected, found };
}

export interface ReceiptKeyRole {
  /** Eight hex digits. */
  readonly keyId: string;
  readonly role: 'store' | 'advisory';
}

export interface Standing {
  /** Below it every store has stored everything. 0 while any store is silent, or none is configured. */
  readonly receiptedSize: number;
  /** Below it somebody has at least received and verified everything. */
  readonly progressSize: number;
}

/** Several stores: the lowest counts, since each was promised the entries. `sizes` by key id, agreeing receipts only. */
export function standing(sizes: ReadonlyMap<string, number>, keys: readonly ReceiptKeyRole[]): Standing {
  const sizeOf = (key: ReceiptKeyRole): number => sizes.get(key.keyId) ?? 0;
  const stores = keys.filter((key) => key.role === 'store').map(sizeOf);
  const receiptedSize = stores.length === 0 ? 0 : Math.min(...stores);
  return { receiptedSize, progressSize: Math.max(receiptedSize, ...keys.map(sizeOf)) };
}

/** A successor statement, verified: `old` names `next` as the log after it. */
export interface Link {
  readonly old: string;
  readonly next: string;
}

/** The newest log that the chain of statements leads to from `start`. */
export function chainHead(start: string, links: readonly Link[]): string {
  const passed = new Set<string>();
  let head = start;
  for (;;) {
    passed.add(head);
    const next = links.find((link) => link.old === head && !passed.has(link.next))?.next;
    if (next === undefined) return head;
    head = next;
  }
}

export interface OwedStatement extends Link {
  /** The predecessor that entry 0 of `next` named, when the chain leads elsewhere: `predecessor.found` says so. */
  readonly named?: string;
}

/**
 * The statements that nobody has made yet, oldest first. Each log on disk that came after another is owed one, whose
 * `old` is the newest log of the chain: so a log never gets a second successor as far as anybody here knows.
 */
export function owedStatements(
  logs: readonly { readonly origin: string; readonly after?: string }[],
  links: readonly Link[],
): readonly OwedStatement[] {
  const known = [...links];
  const owed: OwedStatement[] = [];
  for (const { origin, after } of logs) {
    if (after === undefined || known.some((link) => link.next === origin)) continue;
    const old = chainHead(after, known);
    if (old === origin) continue;
    const statement = { old, next: origin, ...(old === after ? {} : { named: after }) };
    owed.push(statement);
    known.push(statement);
  }
  return owed;
}

/** A log on disk at the comparison with the memory outside. */
export interface ComparedLog {
  readonly origin: string;
  readonly state: LogState;
  readonly tree: HeldTree;
  readonly receiptedSize: number;
  /** Newest checkpoint of it that the broker acknowledged, as our disk says; 0 for none. */
  readonly publishedSize: number;
}

/** What came from outside and verified under keys of this gateway's logs. */
export interface Memory {
  /** Every tree head that a log's own key signed: checkpoints, receipts, statements. */
  readonly heads: ReadonlyMap<string, readonly TreeHead[]>;
  /** Size of the retained checkpoint, by log. */
  readonly checkpoints: ReadonlyMap<string, number>;
  readonly links: readonly Link[];
}

export interface Breach {
  readonly origin: string;
  readonly cause: BreachCause;
  readonly expected?: TreeHead;
  readonly found: TreeHead;
  /** With cause `counter`: its values. */
  readonly counter?: { readonly expected: number; readonly found: number };
}

export interface Comparison {
  readonly breaches: readonly Breach[];
  /** Logs whose checkpoint the broker acknowledged and no longer holds, or holds an older one of. */
  readonly lost: readonly string[];
}

/** `knows` says whether this disk ever had that log: as a database, set aside, or named by an entry 0. */
export function compare(logs: readonly ComparedLog[], memory: Memory, knows: (origin: string) => boolean): Comparison {
  const breaches: Breach[] = [];
  const lost: string[] = [];
  for (const log of logs) {
    if (log.state.kind === 'breached' || isSettledAlone(log)) continue;
    const breach = breachOf(log, memory, knows);
    if (breach !== undefined) breaches.push(breach);
    else if ((memory.checkpoints.get(log.origin) ?? 0) < log.publishedSize) lost.push(log.origin);
  }
  return { breaches, lost };
}

function breachOf(log: ComparedLog, memory: Memory, knows: (origin: string) => boolean): Breach | undefined {
  const { origin, tree } = log;
  // The largest first: it says most about what was lost.
  const heads = [...(memory.heads.get(origin) ?? [])].sort((a, b) => b.size - a.size);
  for (const head of heads) {
    const found = contradiction(tree, head);
    if (found !== undefined) return { origin, ...found };
  }
  const superseded = memory.links.some((link) => link.old === origin && !knows(link.next));
  if (!superseded) return undefined;
  const root = tree.rootAt(tree.size);
  assert(root !== undefined, 'a tree has a root at its end');
  const found = { size: tree.size, root };
  const [expected] = heads;
  return { origin, cause: 'superseded', found, ...(expected !== undefined && { expected }) };
}

/** Closed and receipted as far as it is sent: no longer compared. */
function isSettledAlone(log: ComparedLog): boolean {
  return log.state.kind === 'closed' && log.receiptedSize >= log.state.sendEnd;
}

/** What deciding about keys needs to know of a log. */
export interface KeyHolder {
  readonly origin: string;
  readonly state: LogState;
  readonly size: number;
  readonly receiptedSize: number;
  /** Where its entries from `sendEnd` on were carried to, complete, and the index after the last of them there. */
  readonly carriedTo?: { readonly origin: string; readonly end: number };
}

/** True when every entry is receipted there or as carried, however often it was carried on: then its key may go. */
export function isSettled(origin: string, logs: ReadonlyMap<string, KeyHolder>): boolean {
  const log = logs.get(origin);
  if (log === undefined || log.state.kind === 'open') return false;
  if (log.receiptedSize < log.state.sendEnd) return false;
  if (log.carriedTo === undefined) return log.size <= log.state.sendEnd;
  const target = logs.get(log.carriedTo.origin);
  if (target === undefined) return false;
  return target.receiptedSize >= log.carriedTo.end || isSettled(target.origin, logs);
}
