/** Signed notes out of the database: the first above an entry, and those that look as if they bore an anchor. */
import type { Transaction } from 'kysely';
import { utf8, utf8Text } from '../../base/bytes.ts';
import { parseNote } from '../../evidence/log/note.ts';
import type { BundleSource } from '../../evidence/verify/bundle-source.ts';
import { longNotes } from '../store/long-notes.ts';
import type { Database } from '../store/schema.ts';

type Trx = Transaction<Database>;
export type Noted = BundleSource['checkpoints'][number];
export type Cosign = (note: Uint8Array) => Uint8Array;

export interface AboveWish {
  readonly origin: string;
  readonly last: number;
  /** Index of the anchor's entry, or `last` where there is none. */
  readonly anchor: number;
  /** Where the stretch ends: no note behind it. */
  readonly end: number;
}

/**
 * The first note above the anchor (or, when there is none so high, above the entries), and the tree that was cosigned last
 * where it says more than nothing of them.
 */
export async function checkpointsAbove(
  trx: Trx,
  cosign: Cosign | undefined,
  { origin, last, anchor, end }: AboveWish,
): Promise<readonly Noted[]> {
  const noted = (await noteAbove(trx, origin, anchor, end)) ?? (await noteAbove(trx, origin, last, end));
  const row = await trx
    .selectFrom('custody.log')
    .select(['cosigned_size', 'cosigned_note'])
    .where('origin', '=', origin)
    .executeTakeFirst();
  const found = new Map<number, string>();
  if (noted !== undefined) found.set(noted.size, noted.note);
  const { cosigned_size: size, cosigned_note: note } = row ?? {};
  if (
    typeof size === 'number' &&
    note instanceof Uint8Array &&
    size > last &&
    size <= end &&
    (cosign || noted === undefined)
  ) {
    const bytes = Uint8Array.from(note);
    found.set(size, utf8Text(cosign === undefined ? bytes : cosign(bytes)) ?? '');
  }
  return [...found].map(([at, text]) => ({ size: at, note: text })).sort((a, b) => a.size - b.size);
}

async function noteAbove(trx: Trx, origin: string, index: number, end: number): Promise<Noted | undefined> {
  const row = await trx
    .selectFrom('custody.range')
    .select(['end_size', 'note'])
    .where('origin', '=', origin)
    .where('end_size', '>', index)
    .where('end_size', '<=', end)
    .where('note', 'is not', null)
    .orderBy('end_size')
    .limit(1)
    .executeTakeFirst();
  const note = row?.note === undefined || row.note === null ? undefined : utf8Text(Uint8Array.from(row.note));
  return row === undefined || note === undefined ? undefined : { size: row.end_size, note };
}

/**
 * Of a log whose key is revoked, the note that the revocation names, where all of the entries are below it: a verifier
 * counts on a tree that ends there, and on none that goes further.
 */
export async function revokedNote(
  trx: Trx,
  origin: string,
  indices: readonly number[],
  { first, end }: { readonly first: number; readonly end: number },
): Promise<Noted | undefined> {
  const row = await trx
    .selectFrom('custody.assurance as a')
    .innerJoin('custody.range as r', (join) =>
      join.onRef('r.origin', '=', 'a.origin').onRef('r.end_size', '=', 'a.revoked_size'),
    )
    .select(['r.end_size', 'r.note'])
    .where('a.origin', '=', origin)
    .where('r.note', 'is not', null)
    .executeTakeFirst();
  const size = row?.end_size;
  if (size === undefined || size <= first || size > end || indices.some((index) => index >= size)) return undefined;
  return { size, note: utf8Text(Uint8Array.from(row?.note ?? [])) ?? '' };
}

/** The first above `index` on which the log has more lines than its signature, with or without an entry that says so. */
export async function anchoredNote(trx: Trx, origin: string, index: number, end: number): Promise<Noted | undefined> {
  const long = await longNotes(trx, { origin, above: index, most: end }, 'oldest first');
  const noted = long.map(({ size, note }) => ({ size, note: utf8Text(note) ?? '' }));
  return noted.find(({ note }) => hasOwnLines(origin, note));
}

/** The smallest size on whose note the log has more lines than its signature: an anchor, as far as can be seen here. */
export function anchoredOn(origin: string, checkpoints: readonly Noted[]): number | undefined {
  return checkpoints.find(({ note }) => hasOwnLines(origin, note))?.size;
}

function hasOwnLines(origin: string, note: string): boolean {
  const parsed = parseNote(utf8(note));
  return parsed.ok && parsed.value.signatures.filter(({ name }) => name === origin).length > 1;
}
