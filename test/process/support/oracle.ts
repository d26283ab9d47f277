/**
 * What the world outside saw, and what must therefore be true: every message that a client ever wrote to a socket is
 * taken down, and at the end compared with the consumer's files. It shares no code with the product.
 */
import { NaiveTree } from './naive-tree.ts';
import type { StoredLog } from './store-files.ts';

export interface Sighting {
  readonly topic: string;
  readonly payload: Uint8Array;
}

interface SeenLog {
  /** Index to the leaf line that left. */
  readonly leaves: Map<number, string>;
  /** Tree size to root (base64), from batches, checkpoints and receipts. */
  readonly roots: Map<number, string>;
  receiptSize: number;
  /** Of the largest tree that anything spoke of. */
  notedSize: number;
}

interface Note {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
}

const SCAN = /^LK-(\d{7})$/;
const FAULTS_MAX = 20;

export class Oracle {
  readonly #logs = new Map<string, SeenLog>();
  readonly #faults: string[] = [];
  batches = 0;
  /** Highest number of a scan that left. */
  lastScan = 0;
  receipts = 0;

  /** Origins of which anything left, in order of appearance. */
  get origins(): readonly string[] {
    return [...this.#logs.keys()];
  }

  /** What was wrong with what was seen so far, at most the first 20. */
  get faults(): readonly string[] {
    return this.#faults;
  }

  /** Distinct entries that left the gateway. */
  get entriesSeen(): number {
    return [...this.#logs.values()].reduce((sum, log) => sum + log.leaves.size, 0);
  }

  /** Everything that left is receipted. */
  get isReceipted(): boolean {
    return [...this.#logs.values()].every((log) => log.receiptSize === log.leaves.size);
  }

  /** No note speaks of an entry that did not leave yet: a note may be the first to. */
  get isCovered(): boolean {
    return [...this.#logs.values()].every((log) => log.notedSize <= log.leaves.size);
  }

  receiptSize(origin: string): number {
    return this.#logs.get(origin)?.receiptSize ?? 0;
  }

  /** Distinct entries of one log that left the gateway. */
  entriesOf(origin: string): number {
    return this.#logs.get(origin)?.leaves.size ?? 0;
  }

  /** What left of one log: index to line, and tree size to root (base64). */
  seen(origin: string): { readonly leaves: ReadonlyMap<number, string>; readonly roots: ReadonlyMap<number, string> } {
    return this.#log(origin);
  }

  take({ topic, payload }: Sighting): void {
    const kind = topic.split('/')[4];
    const text = Buffer.from(payload).toString('utf8');
    if (kind === 'batch') this.#batch(text);
    else if (kind === 'checkpoint') this.#note(parseNote(text), 'a checkpoint');
    else if (kind === 'receipt') {
      const note = parseNote(text);
      this.receipts += 1;
      this.#note(note, 'a receipt');
      const log = this.#log(note.origin);
      log.receiptSize = Math.max(log.receiptSize, note.size);
    }
  }

  #batch(text: string): void {
    const lines = text.split('\n');
    const header = JSON.parse(lines[0] ?? '') as { log: string; first: number; count: number; checkpoint: string };
    this.batches += 1;
    if (lines.length !== header.count + 3) this.#fault(`a batch of ${header.count} entries has ${lines.length} lines`);
    const log = this.#log(header.log);
    for (let i = 0; i < header.count; i += 1) {
      const line = lines[1 + i] ?? '';
      const before = log.leaves.get(header.first + i);
      if (before === undefined) {
        log.leaves.set(header.first + i, line);
        this.lastScan = Math.max(this.lastScan, ...scanNumbers([line]));
      }
      if ((before ?? line) !== line) this.#fault(`index ${header.first + i} of ${header.log} left with two contents`);
    }
    this.#note(parseNote(header.checkpoint), 'a batch');
  }

  #note(note: Note, where: string): void {
    const log = this.#log(note.origin);
    const { roots } = log;
    log.notedSize = Math.max(log.notedSize, note.size);
    const before = roots.get(note.size);
    if (before === undefined) roots.set(note.size, note.root);
    else if (before !== note.root) this.#fault(`${where} shows a second root for size ${note.size} of ${note.origin}`);
  }

  /** Faults of a receipt that says more than the files: for the moment at which the consumer is dead. */
  unstoredReceipts(stored: readonly StoredLog[]): readonly string[] {
    return [...this.#logs].flatMap(([origin, { receiptSize }]) => {
      const log = stored.find((one) => one.origin === origin);
      const held = wholeSize(log);
      const noted = log?.cosigned.at(-1)?.size ?? 0;
      const found: string[] = [];
      if (receiptSize > held) found.push(`a receipt of ${origin} says ${receiptSize}, the files hold ${held}`);
      if (receiptSize > noted) found.push(`a receipt of ${origin} says ${receiptSize}, noted as cosigned is ${noted}`);
      return found;
    });
  }

  /** Everything that is wrong; empty when all that ever left is stored once, in one tree, with the scans in order. */
  judge(stored: readonly StoredLog[]): readonly string[] {
    const found = [...this.#faults, ...this.unstoredReceipts(stored)];
    for (const [origin, seen] of this.#logs) {
      const log = stored.find((one) => one.origin === origin);
      if (log === undefined) found.push(`nothing of ${origin} is stored`);
      else found.push(...judgeLog(log, seen));
    }
    return found.slice(0, FAULTS_MAX);
  }

  #log(origin: string): SeenLog {
    const known = this.#logs.get(origin);
    if (known !== undefined) return known;
    const fresh = { leaves: new Map<number, string>(), roots: new Map<number, string>(), receiptSize: 0, notedSize: 0 };
    this.#logs.set(origin, fresh);
    return fresh;
  }

  #fault(text: string): void {
    if (this.#faults.length < FAULTS_MAX) this.#faults.push(text);
  }
}

function judgeLog(log: StoredLog, seen: SeenLog): readonly string[] {
  const found: string[] = [];
  const stored = new Map<number, string>();
  for (const { n, line } of log.entries) {
    if (stored.has(n)) found.push(`index ${n} is stored twice`);
    stored.set(n, line);
  }
  for (const [n, line] of seen.leaves) {
    if (stored.get(n) !== line)
      found.push(`index ${n} left the gateway and is ${stored.has(n) ? 'other' : 'not'} here`);
  }
  const size = wholeSize(log);
  if (size !== stored.size) found.push(`${stored.size} entries are stored, the first ${size} without a gap`);
  const lines = Array.from({ length: size }, (_, n) => stored.get(n) ?? '');
  const tree = new NaiveTree(lines);
  for (const [noteSize, root] of seen.roots) {
    if (noteSize > size) found.push(`a note of size ${noteSize} left, ${size} entries are stored`);
    else if (tree.root(noteSize) !== root) found.push(`the root at size ${noteSize} is not that of the stored entries`);
  }
  const cosigned = new Map<number, string>();
  for (const { size: at, root } of log.cosigned) {
    if ((cosigned.get(at) ?? root) !== root) found.push(`two roots were noted as cosigned for size ${at}`);
    cosigned.set(at, root);
    if (at > size || tree.root(at) !== root) found.push(`the cosigned root at ${at} is not that of the stored entries`);
  }
  return [...found, ...judgeOrder(lines)];
}

/** Numbers of the scans in a log's lines, in their order there. */
export function scanNumbers(lines: readonly string[]): readonly number[] {
  return lines.flatMap((line) => {
    const event = JSON.parse(line) as { type: string; data: { text?: string }; carried?: unknown };
    const number = event.type === 'code.scanned' ? SCAN.exec(event.data.text ?? '')?.[1] : undefined;
    return number === undefined ? [] : [Number(number)];
  });
}

function judgeOrder(lines: readonly string[]): readonly string[] {
  const found: string[] = [];
  let last = 0;
  for (const number of scanNumbers(lines)) {
    if (number <= last) found.push(`scan ${number} follows scan ${last}`);
    last = number;
  }
  return found;
}

function wholeSize(log: StoredLog | undefined): number {
  const held = new Set(log?.entries.map(({ n }) => n));
  let size = 0;
  while (held.has(size)) size += 1;
  return size;
}

/** Origin, size and root are the first three lines of a note, whatever signs it. */
function parseNote(text: string): Note {
  const [origin = '', size = '', root = ''] = text.split('\n');
  if (!/^\d+$/.test(size) || Buffer.from(root, 'base64').length !== 32) throw new Error(`no note: ${text}`);
  return { origin, size: Number(size), root };
}
