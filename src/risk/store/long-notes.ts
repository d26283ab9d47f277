/** Stored notes that look as if they bore an anchor: for the book of assurance, and for bundles. */
import { sql, type Transaction } from 'kysely';
import type { Database } from './schema.ts';

/** A note with the log's own line alone is no longer than this and twice its origin. */
const ONE_LINE_BYTES_MAX = 200;
/** Of one search. */
const CANDIDATES = 8;

/** Of these notes (at most eight of them) the log has more lines than its signature, as far as their length tells. */
export async function longNotes(
  trx: Transaction<Database>,
  { origin, above, most }: { readonly origin: string; readonly above: number; readonly most: number },
  order: 'newest first' | 'oldest first',
): Promise<readonly { readonly size: number; readonly note: Uint8Array }[]> {
  const rows = await trx
    .selectFrom('custody.range')
    .select(['end_size', 'note'])
    .where('origin', '=', origin)
    .where('end_size', '>', above)
    .where('end_size', '<=', most)
    .where(sql<boolean>`octet_length(note) > ${ONE_LINE_BYTES_MAX} + 2 * octet_length(origin)`)
    .orderBy('end_size', order === 'newest first' ? 'desc' : 'asc')
    .limit(CANDIDATES)
    .execute();
  return rows.map(({ end_size: size, note }) => ({ size, note: Uint8Array.from(note ?? []) }));
}
