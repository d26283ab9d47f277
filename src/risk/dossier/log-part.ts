/**
 * One log's part of a bundle, out of what intake stored: entries with their proofs, the first note that is above them, the
 * tree that was receipted, those that independent witnesses cosigned, and the anchors before and after, or else the newest of
 * those between (FORMAT.md section 8).
 */
import type { Transaction } from 'kysely';
import { LatchkeyError } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { type Checkpoint, parseCheckpoint } from '../../evidence/log/checkpoint.ts';
import { parseNote } from '../../evidence/log/note.ts';
import { verifyConsistency } from '../../evidence/log/proofs.ts';
import type { BundleLog } from '../../evidence/verify/bundle.ts';
import { type BundleSource, bundleLog } from '../../evidence/verify/bundle-source.ts';
import type { Database } from '../store/schema.ts';
import { StoredSubtrees } from '../store/stored-subtrees.ts';
import { type AnchorEntry, anchorAfter, anchorAmong, anchorBefore, witnessedAnchors } from './anchor-entries.ts';
import { type AnchorElsewhere, anchorsElsewhere } from './anchors-elsewhere.ts';
import { withCosignatures } from './cosigned.ts';
import { anchoredNote, anchoredOn, type Cosign, checkpointsAbove, type Noted, revokedNote } from './notes-above.ts';
import { isSound, type StoredStretch, searchedIn, stretchesOf } from './stretches.ts';

type Trx = Transaction<Database>;
type SourceEntry = BundleSource['entries'][number];

export interface LogWish {
  readonly origin: string;
  /** Ascending, each once. */
  readonly indices: readonly number[];
}

export interface LogParts {
  readonly crypto: EvidenceCrypto;
  /** Adds the receiver's cosignature to a note that it stored; absent: bundles carry no receipt of ours. */
  readonly cosign?: Cosign;
}

export interface MadeLog {
  readonly parts: readonly BundleLog[];
  /** Entries of other logs that anchor this one: its level in a bundle is what it is here only with them. */
  readonly elsewhere: readonly AnchorElsewhere[];
}

interface MadePart {
  readonly log: BundleLog;
  readonly elsewhere: readonly AnchorElsewhere[];
}

/**
 * None when nothing that is stored is signed above the entries, or none of them is there. Of a log with a gap, what stands
 * before it may be of another tree than what was signed behind it: each stretch is a part of its own, with the notes,
 * anchors and cosignatures of its own tree, as its level is judged.
 */
export async function logParts(trx: Trx, parts: LogParts, wish: LogWish): Promise<MadeLog> {
  const found: MadePart[] = [];
  const stretches = await stretchesOf(trx, wish.origin);
  for (const within of stretches) {
    const indices = wish.indices.filter((index) => index >= within.first && index < within.end);
    if (indices.length === 0) continue;
    // Without a gap there is one tree: what cannot be proved of it is a fault of the store.
    const make = stretches.length === 1 ? partWithin : soundPart;
    const ending = await revokedNote(trx, wish.origin, wish.indices, within);
    const inside = ending === undefined ? within : { first: within.first, end: ending.size };
    const part = await make(trx, parts, { ...wish, indices }, inside, ending);
    if (part !== undefined) found.push(part);
  }
  return { parts: found.map(({ log }) => log), elsewhere: found.flatMap(({ elsewhere }) => elsewhere) };
}

async function soundPart(
  trx: Trx,
  parts: LogParts,
  wish: LogWish,
  within: StoredStretch,
  ending: Noted | undefined,
): Promise<MadePart | undefined> {
  try {
    const part = await partWithin(trx, parts, wish, within, ending);
    return part !== undefined && isSound(parts.crypto, part.log) ? part : undefined;
  } catch (error) {
    // Hashes of what is missing would be needed.
    if (!(error instanceof LatchkeyError)) throw error;
    return undefined;
  }
}

/** Nothing that stands, or is signed, outside of `within` is in it; `ending`, a note at its end, is. */
async function partWithin(
  trx: Trx,
  parts: LogParts,
  wish: LogWish,
  within: StoredStretch,
  ending: Noted | undefined,
): Promise<MadePart | undefined> {
  const { origin } = wish;
  const wanted = await storedEntries(trx, wish);
  const first = wanted[0]?.index;
  const last = wanted.at(-1)?.index;
  if (first === undefined || last === undefined) return undefined;
  const after = within.end > last + 1 ? await anchorAfter(trx, origin, last, within.end) : undefined;
  const before = await anchorBefore(trx, origin, first, within.first);
  // Of a log that ended, or was not anchored since: what the newest one proves of the earlier entries is said all the same.
  const newest = after ?? (await anchorAmong(trx, origin, first, last));
  const elsewhere = after === undefined ? await anchorsElsewhere(trx, origin, { first, last, end: within.end }) : [];
  const covering = elsewhere.find(({ tree }) => tree.size > last)?.tree.size;
  const all = await checkpointsAbove(trx, parts.cosign, {
    origin,
    last,
    anchor: after?.index ?? (covering === undefined ? last : covering - 1),
    end: within.end,
  });
  const noted = after === undefined ? await anchoredNote(trx, origin, last, within.end) : undefined;
  const own = merge(merge(all, noted), ending).filter(({ size }) => size <= within.end);
  const above = {
    first,
    last,
    end: within.end,
    covered: after?.tree.size ?? covering ?? anchoredOn(origin, own) ?? last + 1,
  };
  const cosigned = await withCosignatures(trx, parts.crypto, origin, own, above);
  const witnessed = await witnessedAnchors(trx, origin, above, cosigned.sizes);
  const anchors = [before, newest, ...witnessed].filter((each) => each !== undefined);
  const found = { origin, within, wanted, anchors, elsewhere, searched: await searchedIn(trx, origin, within) };
  const made = await provedOr(trx, parts, found, [cosigned.checkpoints, own]);
  return made && { log: made, elsewhere };
}

/** Retention may have taken away what would join a witness's checkpoint to the others: the bundle then goes without it. */
async function provedOr(
  trx: Trx,
  parts: LogParts,
  found: FoundInLog,
  [cosigned, own]: readonly [readonly Noted[], readonly Noted[]],
): Promise<BundleLog | undefined> {
  try {
    return await proved(trx, parts, found, cosigned);
  } catch (error) {
    if (!(error instanceof LatchkeyError)) throw error;
    return proved(trx, parts, found, own);
  }
}

interface FoundInLog {
  readonly origin: string;
  readonly wanted: readonly SourceEntry[];
  readonly anchors: readonly AnchorEntry[];
  readonly elsewhere: readonly AnchorElsewhere[];
  readonly within: StoredStretch;
  readonly searched: StoredStretch;
}

async function proved(
  trx: Trx,
  { crypto }: LogParts,
  { origin, wanted, anchors: all, elsewhere, within, searched: { first, end } }: FoundInLog,
  checkpoints: readonly Noted[],
): Promise<BundleLog | undefined> {
  const top = checkpoints.at(-1);
  if (top === undefined) return undefined;
  const anchors = all.filter(({ index }) => index < top.size);
  const entries = merged(wanted, anchors);
  const sizes = checkpoints.map(({ size }) => size);
  const over = [...anchors, ...elsewhere].map(({ tree }) => tree).filter(({ size }) => size <= top.size);
  const trees = distinct(over).filter(({ size }) => !sizes.includes(size));
  const subtrees = new StoredSubtrees(trx, crypto, origin, within.first);
  const searched = { first, end: Math.max(first, Math.min(end, top.size)) };
  const source = { origin, searched, checkpoints, entries, trees };
  const subtree = await subtrees.prepare((zeros) => void bundleLog(crypto, { ...source, subtree: zeros }));
  return withSoundTrees(crypto, bundleLog(crypto, { ...source, subtree }));
}

/** Ascending, each size once. */
function distinct(trees: readonly AnchorEntry['tree'][]): readonly AnchorEntry['tree'][] {
  return [...new Map(trees.map((tree) => [tree.size, tree])).values()].sort((a, b) => a.size - b.size);
}

function merge(checkpoints: readonly Noted[], one: Noted | undefined): readonly Noted[] {
  if (one === undefined || checkpoints.some(({ size }) => size === one.size)) return checkpoints;
  return [...checkpoints, one].sort((a, b) => a.size - b.size);
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
