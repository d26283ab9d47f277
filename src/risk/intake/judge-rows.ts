/**
 * What may be done with the entries of a verified batch: used, kept opaque, withheld, or passed over as duplicates of
 * what was passed on before. Decided once, before they are stored; it never changes what is receipted.
 */
import { base64, equalBytes, unbase64url } from '../../base/bytes.ts';
import { accept, type Result } from '../../base/result.ts';
import { type GlancedLeaf, LeafChecker, type LeafCheckRefusal } from '../../evidence/batch/check-leaf.ts';
import type { Carried, JsonObject } from '../../evidence/event/event.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import type { EntryPlace, EntryUse, StoredRow } from './store.ts';

/** Entries of one log by their place, and the leaves that a verified batch gives for them. */
export interface Unjudged {
  readonly origin: string;
  readonly first: number;
  readonly leaves: readonly Uint8Array[];
  readonly leafHashes: readonly Uint8Array[];
}

export interface CheckedRows {
  readonly rows: readonly CheckedRow[];
  /** Some entry is carried over: its original must be looked up. */
  readonly carried: number;
  /** Logs that entry 0 names as gone before, here or where it was carried from. */
  readonly closes: readonly ClosedBefore[];
}

export interface ClosedBefore {
  readonly origin: string;
  readonly size?: number;
}

export interface CheckedRow {
  readonly n: number;
  readonly leafHash: Uint8Array;
  /** Absent when the body is withheld. */
  readonly leaf?: Uint8Array;
  readonly use: Exclude<EntryUse, { readonly status: 'duplicate_of' }>;
  readonly carried?: { readonly origin: string; readonly n: number; readonly leaf: Uint8Array };
}

/** Looks at each leaf. A refusal refutes the batch: a signed line that is no event, or stands at another place. */
export function checkRows(unjudged: Unjudged): Result<CheckedRows, LeafCheckRefusal> {
  const rows: CheckedRow[] = [];
  const checker = new LeafChecker(unjudged.origin);
  let carriedCount = 0;
  const closes: ClosedBefore[] = [];
  for (const [i, leaf] of unjudged.leaves.entries()) {
    const n = unjudged.first + i;
    const checked = checker.check(n, leaf);
    if (!checked.ok) return checked;
    const leafHash = unjudged.leafHashes[i] ?? new Uint8Array(0);
    const carried = carriedOf(checked.value.event?.carried);
    const use = useOf(checked.value);
    if (carried !== undefined) carriedCount += 1;
    if (n === 0 || carried !== undefined) closes.push(...predecessorOf(checked.value));
    rows.push({
      n,
      leafHash,
      ...(use.status === 'withheld' ? {} : { leaf }),
      use,
      ...(carried === undefined ? {} : { carried }),
    });
  }
  return accept({ rows, carried: carriedCount, closes });
}

/** What the gateway's other logs hold, as far as it is durable. */
export interface CarryLookup {
  heldLeaf(origin: string, n: number): Promise<Uint8Array | undefined>;
  carriersOf(leafHashes: readonly Uint8Array[]): Promise<readonly (EntryPlace | undefined)[]>;
}

export interface PlacedRows {
  readonly rows: readonly StoredRow[];
  /** Rows that stand for another log's entry from now on. */
  readonly carries: number;
  /** Carried entries whose place holds another leaf here. */
  readonly differs: number;
}

/** Without carried entries anywhere in the gateway there is nothing to look up. */
export function plainRows(rows: readonly CheckedRow[]): readonly StoredRow[] {
  return rows.map(({ leafHash, leaf, use }) => ({ leafHash, ...(leaf === undefined ? {} : { leaf }), use }));
}

/**
 * A carried entry is a duplicate only if we hold that leaf hash at its place, or passed that leaf hash on before
 * (continuity.md); an original is one if a carried entry was passed on in its stead.
 */
export async function placeCarried(
  gateway: string,
  origin: string,
  rows: readonly CheckedRow[],
  lookup: CarryLookup,
): Promise<PlacedRows> {
  const wanted = rows.map((row) => row.carried?.leaf ?? row.leafHash);
  const carriers = await lookup.carriersOf(wanted);
  const inThisBatch = new Map<string, EntryPlace>();
  const placed: StoredRow[] = [];
  let carries = 0;
  let differs = 0;
  for (const [i, row] of rows.entries()) {
    const { carried } = row;
    const name = base64(carried?.leaf ?? row.leafHash);
    let of = carriers[i] ?? inThisBatch.get(name);
    if (carried !== undefined && isOfGateway(carried.origin, gateway)) {
      const held = await lookup.heldLeaf(carried.origin, carried.n);
      if (held !== undefined && equalBytes(held, carried.leaf)) of ??= { origin: carried.origin, n: carried.n };
      else if (held !== undefined) differs += 1;
    }
    const stands = carried !== undefined && of === undefined;
    if (stands) {
      carries += 1;
      inThisBatch.set(name, { origin, n: row.n });
    }
    placed.push(storedRow(row, of, stands ? carried.leaf : undefined));
  }
  return { rows: placed, carries, differs };
}

function storedRow(row: CheckedRow, of: EntryPlace | undefined, carries: Uint8Array | undefined): StoredRow {
  const { leafHash, leaf, use } = row;
  const body = leaf === undefined ? {} : { leaf };
  if (of === undefined) return { leafHash, ...body, use, ...(carries === undefined ? {} : { carries }) };
  const withheld = use.status === 'withheld' ? { withheld: { why: use.why, paths: use.paths } } : {};
  return { leafHash, ...body, use: { status: 'duplicate_of', of, ...withheld } };
}

function useOf({ use }: GlancedLeaf): CheckedRow['use'] {
  switch (use.use) {
    case 'accepted':
      return { status: 'used' };
    case 'opaque':
      return { status: 'opaque', why: use.why };
    case 'withheld':
      return { status: 'withheld', why: use.why, paths: use.paths };
  }
}

function carriedOf(carried: Carried | undefined): CheckedRow['carried'] {
  const leaf = carried === undefined ? undefined : unbase64url(carried.leaf);
  if (carried === undefined || leaf?.length !== 32) return undefined;
  return { origin: carried.log, n: carried.n, leaf };
}

/**
 * `journal.opened` says after which log this one was opened. Carried over it says so of the log that it was carried from.
 *
 * That counts as much. The log between may be gone before anything of it was sent: then its entry 0 is heard nowhere else,
 * and without that word the unsigned batches of the log before it would be refused for ever, although the box still has
 * them (FORMAT.md section 4). It is signed by a believed log of this gateway, which could say the same in its own entry 0.
 * And little is granted by it: an unsigned batch still needs a note that the closed log's own key signed over its tree.
 */
function predecessorOf({ use, event }: GlancedLeaf): readonly ClosedBefore[] {
  if (use.use !== 'accepted' || event?.type !== 'journal.opened') return [];
  const after = event.data['after'] as JsonObject | undefined;
  const { log, size } = after ?? {};
  if (typeof log !== 'string') return [];
  return [{ origin: log, ...(typeof size === 'number' ? { size } : {}) }];
}

function isOfGateway(origin: string, gateway: string): boolean {
  const parsed = parseOrigin(origin);
  return parsed.ok && parsed.value.gateway === gateway;
}
