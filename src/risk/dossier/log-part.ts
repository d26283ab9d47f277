/**
 * One log's part of a bundle, out of what intake stored: entries with their proofs, the first note that is above them, the
 * tree that was receipted, those that independent witnesses cosigned, and the anchors before and after, or else the newest of
 * those between (FORMAT.md section 8).
 */
import { sql, type Transaction } from 'kysely';
import { unbase64url, utf8, utf8Text } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { type Checkpoint, parseCheckpoint } from '../../evidence/log/checkpoint.ts';
import { parseNote } from '../../evidence/log/note.ts';
import { verifyConsistency } from '../../evidence/log/proofs.ts';
import { HASH_BYTES } from '../../evidence/log/tree.ts';
import type { BundleLog } from '../../evidence/verify/bundle.ts';
import { type BundleSource, bundleLog } from '../../evidence/verify/bundle-source.ts';
import type { Database } from '../store/schema.ts';
import { StoredSubtrees } from '../store/stored-subtrees.ts';
import { withCosignatures } from './cosigned.ts';
import { isSound, type StoredStretch, stretchesOf } from './stretches.ts';

type Trx = Transaction<Database>;
type Noted = BundleSource['checkpoints'][number];
type SourceEntry = BundleSource['entries'][number];

export interface LogWish {
  readonly origin: string;
  /** Ascending, each once. */
  readonly indices: readonly number[];
}

export interface LogParts {
  readonly crypto: EvidenceCrypto;
  /** Adds the receiver's cosignature to a note that it stored; absent: bundles carry no receipt of ours. */
  readonly cosign?: (note: Uint8Array) => Uint8Array;
}

interface AnchorEntry {
  readonly index: number;
  readonly leaf: Uint8Array;
  readonly tree: { readonly size: number; readonly root: Uint8Array };
}

/** Entries that are looked through for an anchor, on either side. */
const SCAN_MAX = 100_000;
/** Anchors of a log before, or of entries carried over, may stand first. */
const CANDIDATES = 8;

/**
 * Undefined when nothing that is stored is signed above the entries, or none of them is there. Of a log with a gap, what
 * stands before it may be of another tree than what was signed behind it: then it has the newest stretch of entries that
 * is proved alone, and the others are left out.
 */
export async function logPart(trx: Trx, parts: LogParts, wish: LogWish): Promise<BundleLog | undefined> {
  const stretches = await stretchesOf(trx, wish.origin);
  const [only] = stretches;
  if (only === undefined) return undefined;
  if (stretches.length === 1) return partWithin(trx, parts, wish, only);
  for (const within of [{ first: 0, end: Number.MAX_SAFE_INTEGER }, ...stretches.toReversed()]) {
    const indices = wish.indices.filter((index) => index >= within.first && index < within.end);
    if (indices.length === 0) continue;
    const part = await soundPart(trx, parts, { ...wish, indices }, within);
    if (part !== undefined) return part;
  }
  return undefined;
}

async function soundPart(
  trx: Trx,
  parts: LogParts,
  wish: LogWish,
  within: StoredStretch,
): Promise<BundleLog | undefined> {
  try {
    const part = await partWithin(trx, parts, wish, within);
    return part !== undefined && isSound(parts.crypto, part) ? part : undefined;
  } catch (error) {
    // Hashes of what is missing would be needed.
    if (!(error instanceof LatchkeyError)) throw error;
    return undefined;
  }
}

/** Nothing that stands, or is signed, outside of `within` is in it. */
async function partWithin(
  trx: Trx,
  parts: LogParts,
  wish: LogWish,
  within: StoredStretch,
): Promise<BundleLog | undefined> {
  const { origin } = wish;
  const wanted = await storedEntries(trx, wish);
  const first = wanted[0]?.index;
  const last = wanted.at(-1)?.index;
  if (first === undefined || last === undefined) return undefined;
  const after = within.end > last + 1 ? await anchorAfter(trx, origin, last, within.end) : undefined;
  const before = await anchorBefore(trx, origin, first, within.first);
  // Of a log that ended, or was not anchored since: what the newest one proves of the earlier entries is said all the same.
  const newest = after ?? (await anchorAmong(trx, origin, first, last));
  const all = await checkpointsAbove(trx, parts, origin, last, after?.index ?? last);
  const own = all.filter(({ size }) => size <= within.end);
  const above = { last, covered: after?.tree.size ?? anchoredOn(origin, own) ?? last + 1 };
  const cosigned = (await withCosignatures(trx, parts.crypto, origin, own, above)).filter(
    ({ size }) => size <= within.end,
  );
  const found = { origin, wanted, anchors: [before, newest].filter((each) => each !== undefined) };
  try {
    return await proved(trx, parts, found, cosigned);
  } catch (error) {
    // Retention may have taken away what would join a witness's checkpoint to the others: the bundle goes without it.
    if (!(error instanceof LatchkeyError)) throw error;
    return proved(trx, parts, found, own);
  }
}

interface FoundInLog {
  readonly origin: string;
  readonly wanted: readonly SourceEntry[];
  readonly anchors: readonly AnchorEntry[];
}

async function proved(
  trx: Trx,
  { crypto }: LogParts,
  { origin, wanted, anchors: all }: FoundInLog,
  checkpoints: readonly Noted[],
): Promise<BundleLog | undefined> {
  const top = checkpoints.at(-1);
  if (top === undefined) return undefined;
  const anchors = all.filter(({ index }) => index < top.size);
  const entries = merged(wanted, anchors);
  const sizes = checkpoints.map(({ size }) => size);
  const trees = anchors.map(({ tree }) => tree).filter(({ size }) => !sizes.includes(size));
  const subtrees = new StoredSubtrees(trx, crypto, origin);
  const source = { origin, searched: { first: 0, end: top.size }, checkpoints, entries, trees };
  const subtree = await subtrees.prepare((zeros) => void bundleLog(crypto, { ...source, subtree: zeros }));
  return withSoundTrees(crypto, bundleLog(crypto, { ...source, subtree }));
}

/** The smallest size on whose note the log has more lines than its signature: an anchor, as far as can be seen here. */
function anchoredOn(origin: string, checkpoints: readonly Noted[]): number | undefined {
  return checkpoints.find(({ note }) => {
    const parsed = parseNote(utf8(note));
    return parsed.ok && parsed.value.signatures.filter(({ name }) => name === origin).length > 1;
  })?.size;
}

async function storedEntries(trx: Trx, { origin, indices }: LogWish): Promise<readonly SourceEntry[]> {
  const rows = await trx
    .selectFrom('custody.entry')
    .select(['n', 'leaf', 'leaf_hash'])
    .where('origin', '=', origin)
    .where('n', 'in', [...indices])
    .orderBy('n')
    .execute();
  return rows.map(({ n, leaf, leaf_hash }) => ({
    index: n,
    leaf: leaf === null ? { hash: Uint8Array.from(leaf_hash) } : Uint8Array.from(leaf),
  }));
}

/** The first anchor of this log over a tree that holds all of [0, last]. */
async function anchorAfter(trx: Trx, origin: string, last: number, end: number): Promise<AnchorEntry | undefined> {
  const rows = await candidates(trx, origin, last + 1, Math.min(end, last + SCAN_MAX))
    .orderBy('n')
    .limit(CANDIDATES)
    .execute();
  return rows.flatMap((row) => anchorOf(origin, row)).find(({ tree }) => tree.size > last);
}

async function anchorBefore(trx: Trx, origin: string, first: number, from: number): Promise<AnchorEntry | undefined> {
  const rows = await candidates(trx, origin, Math.max(from, first - SCAN_MAX), first)
    .orderBy('n', 'desc')
    .limit(CANDIDATES)
    .execute();
  return rows.flatMap((row) => anchorOf(origin, row)).find(({ tree }) => tree.size <= first);
}

/** The newest whose tree ends among the entries. */
async function anchorAmong(trx: Trx, origin: string, first: number, last: number): Promise<AnchorEntry | undefined> {
  const rows = await candidates(trx, origin, Math.max(first, last - SCAN_MAX), last + SCAN_MAX)
    .orderBy('n', 'desc')
    .limit(CANDIDATES)
    .execute();
  return rows.flatMap((row) => anchorOf(origin, row)).find(({ tree }) => tree.size > first && tree.size <= last);
}

function candidates(trx: Trx, origin: string, first: number, end: number) {
  return trx
    .selectFrom('custody.entry')
    .select(['n', 'leaf'])
    .where('origin', '=', origin)
    .where('n', '>=', Math.max(0, first))
    .where('n', '<', end)
    .where(sql<boolean>`position(convert_to('"type":"anchor.made"', 'UTF8') in leaf) > 0`);
}

/** Own anchors alone: those of another log join nothing here. */
function anchorOf(
  origin: string,
  { n, leaf }: { readonly n: number; readonly leaf: Uint8Array | null },
): AnchorEntry[] {
  const bytes = Uint8Array.from(leaf ?? []);
  const event = JSON.parse(utf8Text(bytes) ?? '{}') as {
    readonly type?: string;
    readonly carried?: object;
    readonly data?: { readonly size?: unknown; readonly root?: unknown; readonly log?: unknown };
  };
  const { size, root: rootText, log = origin } = event.data ?? {};
  const root = typeof rootText === 'string' ? unbase64url(rootText) : undefined;
  const isOwn = event.type === 'anchor.made' && event.carried === undefined && log === origin;
  if (!isOwn || typeof size !== 'number' || size < 1 || size > n || root?.length !== HASH_BYTES) return [];
  return [{ index: n, leaf: bytes, tree: { size, root } }];
}

/**
 * The first note above the anchor (or, when there is none so high, above the entries), and the tree that was cosigned last
 * where it says more than nothing of them.
 */
async function checkpointsAbove(
  trx: Trx,
  { cosign }: LogParts,
  origin: string,
  last: number,
  anchor: number,
): Promise<readonly Noted[]> {
  const noted = (await noteAbove(trx, origin, anchor)) ?? (await noteAbove(trx, origin, last));
  const row = await trx
    .selectFrom('custody.log')
    .select(['cosigned_size', 'cosigned_note'])
    .where('origin', '=', origin)
    .executeTakeFirst();
  const found = new Map<number, string>();
  if (noted !== undefined) found.set(noted.size, noted.note);
  const { cosigned_size: size, cosigned_note: note } = row ?? {};
  if (typeof size === 'number' && note instanceof Uint8Array && size > last && (cosign || noted === undefined)) {
    const bytes = Uint8Array.from(note);
    found.set(size, utf8Text(cosign === undefined ? bytes : cosign(bytes)) ?? '');
  }
  return [...found].map(([at, text]) => ({ size: at, note: text })).sort((a, b) => a.size - b.size);
}

async function noteAbove(trx: Trx, origin: string, index: number): Promise<Noted | undefined> {
  const row = await trx
    .selectFrom('custody.range')
    .select(['end_size', 'note'])
    .where('origin', '=', origin)
    .where('end_size', '>', index)
    .where('note', 'is not', null)
    .orderBy('end_size')
    .limit(1)
    .executeTakeFirst();
  const note = row?.note === undefined || row.note === null ? undefined : utf8Text(Uint8Array.from(row.note));
  return row === undefined || note === undefined ? undefined : { size: row.end_size, note };
}

function merged(entries: readonly SourceEntry[], anchors: readonly AnchorEntry[]): readonly SourceEntry[] {
  const all = new Map<number, SourceEntry>();
  for (const { index, leaf } of [...anchors, ...entries]) all.set(index, { index, leaf });
  return [...all.values()].sort((a, b) => a.index - b.index);
}

/** An entry may state any root: a tree that is none of this log's would refute the whole bundle, and says nothing. */
function withSoundTrees(crypto: EvidenceCrypto, log: BundleLog): BundleLog {
  const checkpoints = log.checkpoints.flatMap(({ note }): readonly Checkpoint[] => {
    const parsed = parseNote(new TextEncoder().encode(note));
    const checkpoint = parsed.ok ? parseCheckpoint(parsed.value.text) : parsed;
    return checkpoint.ok ? [checkpoint.value] : [];
  });
  const trees = log.trees.filter(({ size, root, consistency }) => {
    const next = checkpoints.find((each) => each.size > size);
    const claim = { oldSize: size, oldRoot: root, proof: consistency };
    return next !== undefined && verifyConsistency(crypto, { ...claim, newSize: next.size, newRoot: next.root });
  });
  return { ...log, trees };
}
