/** Trees, uses and forks as they stand in rows. */
import { concatBytes } from '../../../base/bytes.ts';
import type { Frontier } from '../../../evidence/log/tree.ts';
import type { EntryTable } from '../../store/schema.ts';
import type { EntryUse, StoredRow, UseEntry } from '../store.ts';

const HASH_BYTES = 32;

export function rootsOf({ roots }: Frontier): Uint8Array {
  return concatBytes(...roots);
}

export function frontierOf(size: number, roots: Uint8Array): Frontier {
  const count = roots.length / HASH_BYTES;
  return {
    size,
    roots: Array.from({ length: count }, (_, i) => plain(roots.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES))),
  };
}

/** The driver's Buffer as the plain bytes that the rest of the house compares. */
export function plain(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes);
}

type UseColumns = Pick<EntryTable, 'status' | 'why' | 'of_origin' | 'of_n' | 'withheld_why'> & {
  readonly paths: string | null;
};

export function columnsOf(use: EntryUse): UseColumns {
  const none = { why: null, paths: null, of_origin: null, of_n: null, withheld_why: null };
  switch (use.status) {
    case 'used':
      return { ...none, status: use.status };
    case 'opaque':
      return { ...none, status: use.status, why: use.why };
    case 'withheld':
      return { ...none, status: use.status, why: use.why, paths: JSON.stringify(use.paths) };
    case 'duplicate_of': {
      const { of, withheld } = use;
      const about = { ...none, status: use.status, of_origin: of.origin, of_n: of.n };
      return withheld === undefined
        ? about
        : { ...about, withheld_why: withheld.why, paths: JSON.stringify(withheld.paths) };
    }
  }
}

export interface EntryRow {
  readonly n: number;
  readonly position: number;
  readonly leaf_hash: Uint8Array;
  readonly leaf: Uint8Array | null;
  readonly status: string;
  readonly why: string | null;
  readonly paths: readonly string[] | null;
  readonly of_origin: string | null;
  readonly of_n: number | null;
  readonly withheld_why: string | null;
  readonly carries: Uint8Array | null;
}

export function entryOf(origin: string, row: EntryRow): UseEntry {
  const stored: StoredRow = {
    leafHash: plain(row.leaf_hash),
    use: useOf(row),
    ...(row.leaf !== null && { leaf: plain(row.leaf) }),
    ...(row.carries !== null && { carries: plain(row.carries) }),
  };
  return { ...stored, origin, n: row.n, position: row.position };
}

function useOf(row: EntryRow): EntryUse {
  const paths = row.paths ?? [];
  if (row.status === 'opaque') return { status: 'opaque', why: row.why ?? '' };
  if (row.status === 'withheld') return { status: 'withheld', why: row.why ?? '', paths };
  if (row.status !== 'duplicate_of') return { status: 'used' };
  const of = { origin: row.of_origin ?? '', n: row.of_n ?? 0 };
  if (row.withheld_why === null) return { status: 'duplicate_of', of };
  return { status: 'duplicate_of', of, withheld: { why: row.withheld_why, paths } };
}
