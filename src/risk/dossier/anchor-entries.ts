/** Entries of a stored log that say that it was anchored, by their own word: whether one counts, the reader of a bundle judges. */
import { sql, type Transaction } from 'kysely';
import { unbase64url, utf8Text } from '../../base/bytes.ts';
import { HASH_BYTES } from '../../evidence/log/tree.ts';
import type { Database } from '../store/schema.ts';

type Trx = Transaction<Database>;

export interface AnchorEntry {
  readonly index: number;
  readonly leaf: Uint8Array;
  readonly tree: { readonly size: number; readonly root: Uint8Array };
}

/** Entries that are looked through for an anchor, on either side. */
const SCAN_MAX = 100_000;
/** Anchors of a log before, or of entries carried over, may stand first. */
const CANDIDATES = 8;

/** The first anchor of this log over a tree that holds all of [0, last]. */
export async function anchorAfter(
  trx: Trx,
  origin: string,
  last: number,
  end: number,
): Promise<AnchorEntry | undefined> {
  const rows = await candidates(trx, origin, last + 1, Math.min(end, last + SCAN_MAX))
    .orderBy('n')
    .limit(CANDIDATES)
    .execute();
  return rows.flatMap((row) => anchorOf(origin, row)).find(({ tree }) => tree.size > last);
}

export async function anchorBefore(
  trx: Trx,
  origin: string,
  first: number,
  from: number,
): Promise<AnchorEntry | undefined> {
  const rows = await candidates(trx, origin, Math.max(from, first - SCAN_MAX), first)
    .orderBy('n', 'desc')
    .limit(CANDIDATES)
    .execute();
  return rows.flatMap((row) => anchorOf(origin, row)).find(({ tree }) => tree.size <= first);
}

/** The newest whose tree ends among the entries. */
export async function anchorAmong(
  trx: Trx,
  origin: string,
  first: number,
  last: number,
): Promise<AnchorEntry | undefined> {
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
  const said = anchorSaid(bytes);
  const isOwn = said !== undefined && !said.isCarried && (said.log ?? origin) === origin;
  return isOwn && said.tree.size <= n ? [{ index: n, leaf: bytes, tree: said.tree }] : [];
}

/** What a leaf says was anchored; undefined when it is no `anchor.made`, or says no tree. */
export function anchorSaid(leaf: Uint8Array):
  | {
      /** Undefined: the log that the entry began in. */
      readonly log: string | undefined;
      readonly isCarried: boolean;
      readonly tree: AnchorEntry['tree'];
    }
  | undefined {
  const event = JSON.parse(utf8Text(leaf) ?? '{}') as {
    readonly type?: string;
    readonly carried?: { readonly log?: unknown };
    readonly data?: { readonly size?: unknown; readonly root?: unknown; readonly log?: unknown };
  };
  const { size, root: rootText, log = event.carried?.log } = event.data ?? {};
  const root = typeof rootText === 'string' ? unbase64url(rootText) : undefined;
  if (event.type !== 'anchor.made' || typeof size !== 'number' || size < 1 || root?.length !== HASH_BYTES)
    return undefined;
  return {
    log: typeof log === 'string' ? log : undefined,
    isCarried: event.carried !== undefined,
    tree: { size, root },
  };
}

/** Of each cosigned size the newest anchor over no more: entries below it are anchored and cosigned (A3). */
export async function witnessedAnchors(
  trx: Trx,
  origin: string,
  { first, end, covered }: { readonly first: number; readonly end: number; readonly covered: number },
  cosigned: readonly number[],
): Promise<readonly AnchorEntry[]> {
  const found: AnchorEntry[] = [];
  for (const size of cosigned) {
    // A cosignature over the anchor that covers all of them is enough.
    if (size >= covered) continue;
    const inside = await candidates(trx, origin, Math.max(first, size - SCAN_MAX), size)
      .orderBy('n', 'desc')
      .limit(CANDIDATES)
      .execute();
    const behind = await candidates(trx, origin, size, Math.min(end, size + SCAN_MAX))
      .orderBy('n')
      .limit(CANDIDATES)
      .execute();
    const fitting = [...inside, ...behind]
      .flatMap((row) => anchorOf(origin, row))
      .filter(({ tree }) => tree.size > first && tree.size <= size);
    const [newest] = fitting.sort((a, b) => b.tree.size - a.tree.size);
    if (newest !== undefined) found.push(newest);
  }
  return found;
}
