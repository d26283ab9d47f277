/**
 * Statements of the SQL store that need no state of it: rows of logs, cosigned trees, and what an error of the database means.
 */
import { sql, type Transaction } from 'kysely';
import { equalBytes } from '../../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../../base/errors.ts';
import type { Database } from '../../store/schema.ts';
import { send } from '../../store/sending.ts';
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

/** Whose rows they are. */
export interface Owner {
  readonly tenant: string;
  readonly region: string;
}

/** The row of a log that this transaction holds. */
export interface LockedLog {
  readonly positions: number;
  readonly carried: number;
  readonly cosigned: Cosigned | undefined;
}

export function gatewayOf(origin: string): string {
  return origin.split('/')[1] ?? '';
}

/** Makes the logs' rows where there are none, and holds them until the transaction ends. In order, as every replica does. */
export async function lockLogs(
  trx: Trx,
  origins: readonly string[],
  { tenant, region }: Owner,
): Promise<ReadonlyMap<string, LockedLog>> {
  await send(
    trx,
    sql`insert into custody.log (origin, gateway, tenant, region)
      select w.origin, w.gateway, ${tenant}::text, ${region}::text
      from unnest(${[...origins]}::text[], ${origins.map(gatewayOf)}::text[]) as w (origin, gateway)
      on conflict do nothing`,
    { name: 'intake_make_logs', when: 'later' },
  );
  const rows = await trx
    .selectFrom('custody.log')
    .select(['origin', 'positions', 'carried', 'cosigned_size', 'cosigned_root', 'cosigned_note'])
    .where('origin', '=', sql<string>`any(${[...origins]}::text[])`)
    .orderBy('origin')
    .forUpdate()
    .execute();
  return new Map(
    rows.map((row) => [row.origin, { positions: row.positions, carried: row.carried, cosigned: cosignedOf(row) }]),
  );
}

/** Each judged by itself, a later one seeing those before it; then what changed in one statement. */
export async function cosignGroup(
  trx: Trx,
  changes: readonly CosignChange[],
  logs: ReadonlyMap<string, LockedLog>,
): Promise<readonly ('stored' | 'conflict')[]> {
  const noted = new Map<string, Cosigned>();
  const answers = changes.map(({ origin, expected, next }) => {
    const last = noted.get(origin) ?? logs.get(origin)?.cosigned;
    if (!isSameTree(last, expected)) return 'conflict';
    if (last !== undefined && next.size <= last.size) return isSameTree(last, next) ? 'stored' : 'conflict';
    noted.set(origin, next);
    return 'stored';
  });
  if (noted.size === 0) return answers;
  const trees = [...noted.values()];
  await send(
    trx,
    sql`update custody.log l set cosigned_size = w.size, cosigned_root = w.root, cosigned_note = w.note
      from unnest(${[...noted.keys()]}::text[], ${trees.map(({ size }) => size)}::bigint[],
        ${trees.map(({ root }) => root)}::bytea[], ${trees.map(({ note }) => note)}::bytea[])
        as w (origin, size, root, note)
      where l.origin = w.origin`,
    { name: 'intake_cosign', when: 'last' },
  );
  return answers;
}

/** Classes 22 and 23 of SQLSTATE: the server is well, and cannot hold these very values. */
export function isAboutValues(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' && /^2[23]/.test(code);
}

function isSameTree(a: Cosigned | undefined, b: Cosigned | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.size === b.size && equalBytes(a.root, b.root);
}
