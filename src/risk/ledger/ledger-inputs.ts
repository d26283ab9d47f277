/**
 * What the ledgers of parcels are folded from, in one statement: entries with what is proved of them, claims, and the logs
 * of their gateways that owe entries.
 */
import { type RawBuilder, sql } from 'kysely';
import type { LogProof } from './entry-level.ts';
import type { ClaimBody } from './inputs.ts';
import { AROUND_DAYS } from './select.ts';

export interface EntryRow extends LogProof {
  readonly kind: 'entry';
  readonly origin: string;
  readonly n: number;
  readonly leaf: Uint8Array | null;
  readonly gateway: string;
  readonly refuted: string | null;
  readonly forked: boolean;
  /** When it was stored. */
  readonly at: Date;
}

export interface ClaimRow {
  readonly kind: 'claim';
  readonly parcel: string;
  readonly ref: string;
  readonly at: Date;
  readonly body: ClaimBody;
  readonly level: 'declared' | 'unsigned';
}

/** A log of a gateway where one of the parcels was seen. */
export interface LogRow {
  readonly kind: 'log';
  readonly origin: string;
  readonly gateway: string;
  /** It has two roots for one size, so that nothing more of it is taken; or its successor says that it ended further on. */
  readonly owes: boolean;
  /** When its newest entry was stored, if that is too long ago. */
  readonly at: Date | null;
}

/**
 * At most `entriesMax` entries, also those about the gateways where the parcels lay. Keys are an array, so that each is
 * looked up in the index: as a condition between columns all mentions would be read. How many they are is hidden from the
 * planner, which else would plan anew each time that they are few. Each entry is looked up alone, in the partition of its
 * mention's day: the others are not opened.
 */
export function inputsOf(
  parcels: readonly string[],
  entriesMax: number,
  silentBeforeMs?: number,
): RawBuilder<EntryRow | ClaimRow | LogRow> {
  const keys = hidden(parcels.map((parcel) => `parcel ${parcel}`));
  return sql<EntryRow | ClaimRow | LogRow>`
    (select 'entry' as kind, m.origin, m.n, e.leaf, m.gateway, a.sealed, a.anchored_size, a.witnessed_size, a.emulated, a.revoked_size,
        a.revoked_first, a.segment_first, case when m.n < a.segment_first then a.below end as below, a.refuted, exists (select from custody.fork f where f.origin = m.origin) as forked,
        null as parcel, null as ref, m.stored_at as at, null::jsonb as body, null as level, false as owes
      from (select origin, n, gateway, stored_at from custody.mention where key = any(${keys})
        union select origin, n, gateway, stored_at from custody.mention where key = any(array(
          select 'around ' || gateway from custody.mention where key = any(${keys})))
          and stored_at > (select min(stored_at) from custody.mention where key = any(${keys}))
            - interval '${sql.raw(String(AROUND_DAYS))} days') m
      cross join lateral (select leaf from custody.entry
        where origin = m.origin and n = m.n and stored_at = m.stored_at limit 1) e
      left join custody.assurance a on a.origin = m.origin
      limit ${entriesMax}::bigint)
    union all
    select 'claim', null, null, null, null, null, null, null, null, null, null, null, null, null, null, parcel, ref, at, body, level, null
      from custody.claim where parcel = any(${hidden(parcels)})
    union all
    select 'log', origin, null, null, gateway, null, null, null, null, null, null, null, null, null, null, null, null, silent_since, null, null, owes
      from (${logsOf(keys, silentBeforeMs)}) l`;
}

function hidden(texts: readonly string[]): RawBuilder<unknown> {
  return sql`(select ${texts}::text[])::text[]`;
}

/** What a closed log's successor says about its end is JSON that intake wrote (`TrustRecord`). */
function logsOf(keys: RawBuilder<unknown>, silentBeforeMs: number | undefined): RawBuilder<unknown> {
  // The days before are opened only for a log that is silent.
  const silentSince =
    silentBeforeMs === undefined
      ? sql`null::timestamptz`
      : sql`case when not exists (select from custody.entry e
            where e.origin = g.origin and e.stored_at >= ${new Date(silentBeforeMs)})
          then (select e.stored_at from custody.entry e where e.origin = g.origin and e.position = g.positions - 1 limit 1)
        end`;
  return sql`select g.origin, g.gateway, ${silentSince} as silent_since,
      exists (select from custody.fork f where f.origin = g.origin)
      or exists (select from custody.trust t where t.gateway = g.gateway
        and t.record::jsonb->>'kind' = 'closed' and t.record::jsonb->>'origin' = g.origin
        and (t.record::jsonb->>'size')::bigint > coalesce((select r.end_size from custody.range r
          where r.origin = g.origin order by r.first desc limit 1), 0)) as owes
    from custody.log g
    where g.gateway = any(array(select gateway from custody.mention where key = any(${keys})))`;
}
