/**
 * Photos that stand for two parcels (C17). The ledger notes which entry names which photo; an entry whose photo another one
 * named before it, about another parcel, proves nothing by it. Which was before is told by when they were stored.
 */
import { sql } from 'kysely';
import type { CustodyEvent } from '../../evidence/event/event.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { LedgerEntry } from './inputs.ts';
import { parcelsOf } from './select.ts';

/** Of one photo, who named it: a few are enough to know that somebody did. */
const NAMED_MAX = 64;

interface Named {
  readonly key: string;
  readonly ref: string;
  /** Counts up with each entry that is stored. */
  readonly place: number;
}

export type PhotosNamed = ReadonlyMap<string, readonly Named[]>;

/** The key under which a mention of its photo is kept; undefined when no parcel stands on one. */
export function photoKeyOf(event: CustodyEvent): string | undefined {
  const { photo } = event.data;
  return typeof photo === 'string' && parcelsOf(event).length > 0 ? `photo ${photo}` : undefined;
}

/** Who named the photos of these entries, in the order in which that was stored. */
export async function photosNamed(database: RiskDatabase, entries: readonly LedgerEntry[]): Promise<PhotosNamed> {
  const keys = [...new Set(entries.flatMap(({ event }) => photoKeyOf(event) ?? []))];
  const named = new Map<string, Named[]>();
  if (keys.length === 0) return named;
  const { rows } = await database.as('custody', (trx) =>
    sql<Named>`
      select k.key, m.origin || '#' || m.n as ref, row_number() over (order by m.stored_at, m.origin, m.n)::int as place
      from unnest(${keys}::text[]) as k (key)
      cross join lateral (select origin, n, stored_at from custody.mention
        where key = k.key order by stored_at, origin, n limit ${sql.lit(NAMED_MAX)}) m`.execute(trx),
  );
  for (const row of rows) named.set(row.key, [...(named.get(row.key) ?? []), row]);
  return named;
}

/** `own` are the entries that name the parcel: its own photo again is no reuse. */
export function reusedIn(own: readonly LedgerEntry[], named: PhotosNamed): ReadonlySet<string> {
  const refs = new Set(own.map(({ ref }) => ref));
  return new Set(
    own.flatMap(({ ref, event }) => {
      const all = named.get(photoKeyOf(event) ?? '') ?? [];
      // Not listed: it came after all of them, or was read before photos were noted.
      const unlisted = all.length >= NAMED_MAX ? Number.POSITIVE_INFINITY : 0;
      const place = all.find((one) => one.ref === ref)?.place ?? unlisted;
      return all.some((one) => one.place < place && !refs.has(one.ref)) ? [ref] : [];
    }),
  );
}
