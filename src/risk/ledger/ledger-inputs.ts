/** What the ledgers of parcels are folded from, in one statement: entries with what is proved of them, and claims. */
import { type RawBuilder, sql } from 'kysely';
import type { LogProof } from './entry-level.ts';
import type { ClaimBody } from './inputs.ts';

const ENTRIES_MAX = 20_000;

export interface EntryRow extends LogProof {
  readonly kind: 'entry';
  readonly origin: string;
  readonly n: number;
  readonly leaf: Uint8Array | null;
  readonly gateway: string;
  readonly revoked_size: number | null;
  readonly refuted: string | null;
  readonly forked: boolean;
}

export interface ClaimRow {
  readonly kind: 'claim';
  readonly parcel: string;
  readonly ref: string;
  readonly at: Date;
  readonly body: ClaimBody;
  readonly level: 'declared' | 'unsigned';
}

/**
 * Also the entries about the gateways where the parcels lay. Keys are an array, so that each is looked up in the index: as
 * a condition between columns all mentions would be read. Each entry is looked up alone, in the partition of its
 * mention's day: the others are not opened.
 */
export function inputsOf(parcels: readonly string[]): RawBuilder<EntryRow | ClaimRow> {
  const keys = parcels.map((parcel) => `parcel ${parcel}`);
  return sql<EntryRow | ClaimRow>`
    (select 'entry' as kind, m.origin, m.n, e.leaf, m.gateway, a.sealed, a.anchored_size, a.emulated, a.revoked_size,
        a.refuted, exists (select from custody.fork f where f.origin = m.origin) as forked,
        null as parcel, null as ref, null::timestamptz as at, null::jsonb as body, null as level
      from (select distinct origin, n, gateway, stored_at from custody.mention where key = any(array(
        select unnest(${keys}::text[]) union
        select 'around ' || gateway from custody.mention where key = any(${keys}::text[])))) m
      cross join lateral (select leaf from custody.entry
        where origin = m.origin and n = m.n and stored_at = m.stored_at limit 1) e
      left join custody.assurance a on a.origin = m.origin
      limit ${ENTRIES_MAX * parcels.length}::bigint)
    union all
    select 'claim', null, null, null, null, null, null, null, null, null, null, parcel, ref, at, body, level
      from custody.claim where parcel = any(${parcels}::text[])`;
}
