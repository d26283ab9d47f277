/**
 * What lies in the service's database: PGlite is PostgreSQL in a folder, so any program reads its rows once the service
 * has given it back.
 */
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { compileWasmOnce } from '../../src/platform/plain-wasm.ts';

export interface Stored {
  /** Index to the leaf bytes that are stored for it; undefined where only its hash is kept. */
  readonly leaves: ReadonlyMap<number, string | undefined>;
  /** Indices that are stored more than once. */
  readonly duplicates: number;
}

export interface StoredRow {
  readonly n: number;
  readonly leaf: Uint8Array | null;
}

export async function readStored(riskDir: string, origin: string): Promise<Stored> {
  compileWasmOnce();
  const database = await PGlite.create(join(riskDir, 'database', 'pglite'));
  try {
    const { rows } = await database.query<StoredRow>('select n, leaf from custody.entry where origin = $1', [origin]);
    return countStored(rows);
  } finally {
    await database.close();
  }
}

export function countStored(rows: readonly StoredRow[]): Stored {
  const leaves = new Map(rows.map(({ n, leaf }) => [Number(n), textOf(leaf)] as const));
  return { leaves, duplicates: rows.length - leaves.size };
}

function textOf(leaf: Uint8Array | null): string | undefined {
  return leaf === null ? undefined : Buffer.from(leaf).toString('utf8');
}

/** Entries whose bytes are the same at both ends. */
export function sameAtBothEnds(
  stored: Stored,
  exported: readonly { readonly n: number; readonly line: string }[],
): number {
  return exported.filter(({ n, line }) => stored.leaves.get(n) === line).length;
}
