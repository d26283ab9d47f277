/**
 * Statements of the SQL store that need no state of it: cosigned trees, and what an error of the database means.
 */
import type { Transaction } from 'kysely';
import { equalBytes } from '../../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../../base/errors.ts';
import type { Database } from '../../store/schema.ts';
import type { CosignChange, Cosigned } from '../store.ts';
import { plain } from './rows.ts';

export type Trx = Transaction<Database>;

/** Class 53 of SQLSTATE: out of disk, memory or connections. */
export function failureOf(error: unknown): LatchkeyError {
  const code = (error as { readonly code?: unknown }).code;
  const full = code === '53100';
  return new LatchkeyError(full ? 'STORE_FULL' : 'STORE_IO', `the database failed: ${messageOf(error)}`, {
    cause: error,
  });
}

interface CosignedColumns {
  readonly cosigned_size: number | null;
  readonly cosigned_root: Uint8Array | null;
  readonly cosigned_note: Uint8Array | null;
}

export function cosignedOf({
  cosigned_size: size,
  cosigned_root: root,
  cosigned_note: note,
}: CosignedColumns): Cosigned | undefined {
  if (size === null || root === null || note === null) return undefined;
  return { size, root: plain(root), note: plain(note) };
}

export async function cosignOne(trx: Trx, { origin, expected, next }: CosignChange): Promise<'stored' | 'conflict'> {
  const row = await trx
    .selectFrom('custody.log')
    .select(['cosigned_size', 'cosigned_root', 'cosigned_note'])
    .where('origin', '=', origin)
    .executeTakeFirstOrThrow();
  const last = cosignedOf(row);
  if (!isSameTree(last, expected)) return 'conflict';
  if (last !== undefined && next.size <= last.size) return isSameTree(last, next) ? 'stored' : 'conflict';
  await trx
    .updateTable('custody.log')
    .set({ cosigned_size: next.size, cosigned_root: next.root, cosigned_note: next.note })
    .where('origin', '=', origin)
    .execute();
  return 'stored';
}

function isSameTree(a: Cosigned | undefined, b: Cosigned | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.size === b.size && equalBytes(a.root, b.root);
}
