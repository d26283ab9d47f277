/**
 * The bytes of a segment file: consecutive entries of one log, as lines that `jq` reads.
 *
 *     {"#":"segment","first":n,"left":[...],"log":origin,"position":p,"v":1}
 *     <leaf bytes>  or  {"#":"withheld","leaf_hash":"..."}        one line per entry
 *     {"#":"commit", ... ,"sum":"<16 hex>"}                       ends each range that was made durable as one
 *
 * No member name of a leaf holds a `#`, so no leaf line can be taken for another. A commit is whole when its line is
 * there and its sum (SHA-256 of its entry lines and of its own text before `,"sum"`) fits; what follows the last whole
 * commit is a torn end. `before` makes each commit readable on its own.
 */
import { assert } from '../../../base/assert.ts';
import { base64, concatBytes, hex, unbase64, utf8, utf8Text } from '../../../base/bytes.ts';
import { wallText } from '../../../base/clock.ts';
import type { EvidenceCrypto } from '../../../evidence/crypto.ts';
import { type Frontier, frontierLength, LeafHasher, TreeBuilder } from '../../../evidence/log/tree.ts';
import type { EntryUse, RangeAppend, StoredRow } from '../store.ts';

const NEWLINE = 0x0a;
const OWN_MARK = utf8('{"#"');
const COMMIT_MARK = utf8('{"#":"commit",');
const WITHHELD_MARK = utf8('{"#":"withheld",');
const SUM_TAIL = /^(.*),"sum":"([0-9a-f]{16})"\}$/s;
const HEADER_BYTES_MAX = 8_192;

export interface SegmentHead {
  readonly origin: string;
  /** The tree before the first entry. */
  readonly before: Frontier;
  /** Arrival position of the first row. */
  readonly position: number;
}

export interface Commit {
  readonly before: Frontier;
  readonly rows: readonly StoredRow[];
  readonly after: Frontier;
  readonly note?: Uint8Array;
  /** Arrival position of the first row. */
  readonly position: number;
  /** Bytes in the file, its own line included. */
  readonly sizeBytes: number;
}

interface CommitLine {
  readonly before: readonly string[];
  readonly bytes: number;
  readonly carries: readonly (readonly [number, string])[];
  readonly count: number;
  readonly first: number;
  readonly note?: string;
  readonly position: number;
  readonly uses: readonly (readonly [EntryUse, readonly number[]])[];
}

export function formatHead(head: SegmentHead): Uint8Array {
  const { origin, before, position } = head;
  const line = { '#': 'segment', first: before.size, left: before.roots.map(base64), log: origin, position, v: 1 };
  return utf8(`${JSON.stringify(line)}\n`);
}

/** The header and its size in bytes, or undefined when the file does not begin with one. */
export function parseHead(bytes: Uint8Array): { readonly head: SegmentHead; readonly sizeBytes: number } | undefined {
  const end = bytes.subarray(0, HEADER_BYTES_MAX).indexOf(NEWLINE);
  const value = end < 0 ? undefined : parseLine(bytes.subarray(0, end));
  if (value?.['#'] !== 'segment' || value['v'] !== 1 || typeof value['log'] !== 'string') return undefined;
  const before = frontierOf(value['first'], value['left']);
  const position = value['position'];
  if (before === undefined || typeof position !== 'number') return undefined;
  return { head: { origin: value['log'], before, position }, sizeBytes: end + 1 };
}

export function formatCommit(crypto: EvidenceCrypto, range: RangeAppend, position: number): Uint8Array {
  const lines: Uint8Array[] = [];
  const newline = Uint8Array.of(NEWLINE);
  for (const row of range.rows) {
    assert(row.leaf === undefined || !startsWith(row.leaf, 0, OWN_MARK), 'a leaf is not one of our own lines');
    lines.push(row.leaf ?? utf8(`{"#":"withheld","leaf_hash":"${base64(row.leafHash)}"}`), newline);
  }
  const entries = Buffer.concat(lines);
  const line: CommitLine & { '#': 'commit'; at: string } = {
    '#': 'commit',
    at: wallText(range.storedAtMs),
    before: range.before.roots.map(base64),
    bytes: entries.length,
    carries: range.rows.flatMap((row, i) => (row.carries === undefined ? [] : [[i, base64(row.carries)] as const])),
    count: range.rows.length,
    first: range.before.size,
    ...(range.note === undefined ? {} : { note: base64(range.note) }),
    position,
    uses: groupUses(range.rows),
  };
  const text = JSON.stringify(line).slice(0, -1);
  return concatBytes(entries, utf8(`${text},"sum":"${sumOf(crypto, entries, text)}"}\n`));
}

/** The whole commit that begins at `at`, or undefined when there is none that is whole. */
export function parseCommit(crypto: EvidenceCrypto, bytes: Uint8Array, at: number): Commit | undefined {
  const found = findCommitLine(bytes, at);
  if (found === undefined) return undefined;
  const text = utf8Text(bytes.subarray(found.start, found.end));
  const split = text === undefined ? null : SUM_TAIL.exec(text);
  const entries = bytes.subarray(at, found.start);
  if (split === null || sumOf(crypto, entries, split[1] ?? '') !== split[2]) return undefined;
  const line = parseLine(utf8(`${split[1]}}`)) as CommitLine | undefined;
  const before = line === undefined ? undefined : frontierOf(line.first, line.before);
  if (line === undefined || before === undefined || line.bytes !== entries.length) return undefined;
  const rows = rowsOf(crypto, entries, line);
  if (rows === undefined) return undefined;
  const tree = new TreeBuilder(crypto, before);
  for (const row of rows) tree.push(row.leafHash);
  const note = line.note === undefined ? undefined : unbase64(line.note);
  return {
    before,
    rows,
    after: tree.frontier(),
    ...(note === undefined ? {} : { note }),
    position: line.position,
    sizeBytes: found.end + 1 - at,
  };
}

/** Where the commit line of the commit at `at` begins and ends (without newline): the first of its kind after `at`. */
function findCommitLine(bytes: Uint8Array, at: number): { readonly start: number; readonly end: number } | undefined {
  for (let start = at; start < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, start);
    if (end < 0) return undefined;
    if (startsWith(bytes, start, COMMIT_MARK)) return { start, end };
    start = end + 1;
  }
  return undefined;
}

function rowsOf(crypto: EvidenceCrypto, entries: Uint8Array, line: CommitLine): readonly StoredRow[] | undefined {
  const uses = new Map<number, EntryUse>(line.uses.flatMap(([use, at]) => at.map((i) => [i, use] as const)));
  const carries = new Map(line.carries);
  const hasher = new LeafHasher(crypto);
  const rows: StoredRow[] = [];
  for (let start = 0; start < entries.length; ) {
    const end = entries.indexOf(NEWLINE, start);
    const leaf = entries.subarray(start, end);
    const index = rows.length;
    const carried = carries.get(index);
    const carriedHash = carried === undefined ? undefined : unbase64(carried);
    const withheld = startsWith(leaf, 0, WITHHELD_MARK);
    const hash = withheld ? withheldHash(leaf) : hasher.hash(leaf);
    if (hash === undefined) return undefined;
    rows.push({
      leafHash: hash,
      ...(withheld ? {} : { leaf }),
      use: uses.get(index) ?? { status: 'used' },
      ...(carriedHash === undefined ? {} : { carries: carriedHash }),
    });
    start = end + 1;
  }
  return rows.length === line.count && rows.length > 0 ? rows : undefined;
}

function withheldHash(line: Uint8Array): Uint8Array | undefined {
  const text = parseLine(line)?.['leaf_hash'];
  return typeof text === 'string' ? unbase64(text) : undefined;
}

/** Equal uses are written once, with the rows that have them: thousands of refused leaves stay small. */
function groupUses(rows: readonly StoredRow[]): CommitLine['uses'] {
  const groups = new Map<string, { use: EntryUse; at: number[] }>();
  rows.forEach((row, i) => {
    if (row.use.status === 'used') return;
    const key = JSON.stringify(row.use);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { use: row.use, at: [i] });
    else group.at.push(i);
  });
  return [...groups.values()].map(({ use, at }) => [use, at] as const);
}

function sumOf(crypto: EvidenceCrypto, entries: Uint8Array, text: string): string {
  return hex(crypto.sha256(concatBytes(entries, utf8(text))).subarray(0, 8));
}

function frontierOf(size: unknown, roots: unknown): Frontier | undefined {
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0 || !Array.isArray(roots)) return undefined;
  const hashes = roots.map((root) => (typeof root === 'string' ? unbase64(root) : undefined));
  const sound = hashes.filter((hash) => hash?.length === 32) as Uint8Array[];
  return sound.length === roots.length && sound.length === frontierLength(size) ? { size, roots: sound } : undefined;
}

function parseLine(line: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(utf8Text(line) ?? '');
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

function startsWith(bytes: Uint8Array, at: number, mark: Uint8Array): boolean {
  if (bytes.length < at + mark.length) return false;
  for (let i = 0; i < mark.length; i += 1) if (bytes[at + i] !== mark[i]) return false;
  return true;
}
