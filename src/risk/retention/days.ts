/** Bodies of one day of entries, a page at a time; and the day itself, once its hashes are old enough and no body is left. */
import { sql } from 'kysely';
import { heldParcels } from './held.ts';
import type { Trx } from './rename.ts';

export interface DayCounts {
  readonly bodies: number;
  readonly mentions: number;
  readonly hands: number;
}

/** The last entry of a page. */
export interface DayPlace {
  readonly origin: string;
  readonly n: number;
}

/** Entries in one transaction: intake and decisions go on between two of them. */
const PAGE_ENTRIES = 2_000;
/** Whoever drops a day waits for its readers, and everybody who comes later waits behind. */
const DROP_WAIT = '5s';

/** What would go. Changes nothing. `isDropped`: its hashes are old enough, too. */
export async function countDay(
  trx: Trx,
  day: string,
  isDropped: boolean,
): Promise<DayCounts & { readonly hashes: number; readonly days: number }> {
  const free = freeOn(day, await heldKeys(trx));
  const { rows } = await sql<DayCounts & { readonly kept: number; readonly rows: number }>`
    select (select count(*) from custody.entry e where ${free})::int as bodies,
      (select count(*) from custody.mention x join custody.entry e on e.origin = x.origin and e.n = x.n where ${free})::int as mentions,
      (select count(*) from custody.hand x join custody.entry e on e.origin = x.origin and e.n = x.n where ${free})::int as hands,
      (select count(leaf) from custody.entry e where ${inDay(day)})::int as kept,
      (select count(*) from custody.entry e where ${inDay(day)})::int as rows`.execute(trx);
  const { bodies = 0, mentions = 0, hands = 0, kept = 0, rows: all = 0 } = rows[0] ?? {};
  const goes = isDropped && kept === bodies;
  return { bodies, mentions, hands, hashes: goes ? all : 0, days: goes ? 1 : 0 };
}

/** `next`: where the next page begins; undefined when this was the last one. */
export async function reducePage(
  trx: Trx,
  day: string,
  after: DayPlace | undefined,
): Promise<{ readonly gone: DayCounts; readonly next: DayPlace | undefined }> {
  const free = freeOn(day, await heldKeys(trx));
  const from = after === undefined ? sql`` : sql`and (e.origin, e.n) > (${after.origin}, ${after.n}::bigint)`;
  const { rows: page } = await sql<DayPlace>`select e.origin, e.n from custody.entry e where ${free} ${from}
    order by e.origin, e.n limit ${sql.lit(PAGE_ENTRIES)}`.execute(trx);
  if (page.length === 0) return { gone: { bodies: 0, mentions: 0, hands: 0 }, next: undefined };
  const origins = page.map(({ origin }) => origin);
  const numbers = page.map(({ n }) => String(n));
  const these = sql`unnest(${origins}::text[], ${numbers}::text[]) as p (origin, n)`;
  const ofThese = sql`using ${these} where x.origin = p.origin and x.n = p.n::bigint`;
  const mentions = await sql`delete from custody.mention x ${ofThese}`.execute(trx);
  const hands = await sql`delete from custody.hand x ${ofThese}`.execute(trx);
  const bodies = await sql`update custody.entry e set leaf = null from ${these}
    where e.origin = p.origin and e.n = p.n::bigint and ${inDay(day)}`.execute(trx);
  return {
    gone: { bodies: affected(bodies), mentions: affected(mentions), hands: affected(hands) },
    next: page.length < PAGE_ENTRIES ? undefined : page.at(-1),
  };
}

/** Entries of a day that was dropped; undefined when a body of it is still needed. */
export async function dropDay(trx: Trx, day: string): Promise<number | undefined> {
  await sql`select set_config('lock_timeout', ${DROP_WAIT}, true)`.execute(trx);
  const { rows } = await sql<{ readonly kept: number }>`
    select count(leaf)::int as kept from custody.entry e where ${inDay(day)}`.execute(trx);
  if (rows[0]?.kept !== 0) return undefined;
  const dropped = await sql<{ readonly rows: number }>`select custody.drop_day(${day}::date)::int as rows`.execute(trx);
  return dropped.rows[0]?.rows ?? 0;
}

export function affected({ numAffectedRows }: { readonly numAffectedRows?: bigint | undefined }): number {
  return Number(numAffectedRows ?? 0n);
}

async function heldKeys(trx: Trx): Promise<readonly string[]> {
  return [...new Set((await heldParcels(trx)).map(({ parcel }) => `parcel ${parcel}`))];
}

/** What happened around a parcel says nothing of it by name, and belongs to its story; so does another parcel whose photo is its own. */
function freeOn(day: string, held: readonly string[]) {
  return sql`${inDay(day)} and e.leaf is not null
    and exists (select from custody.read_to r where r.origin = e.origin and r.position > e.position)
    and not exists (select from custody.mention m where m.origin = e.origin and m.n = e.n and (m.key = any(${held}::text[])
      or m.key in (select 'around ' || h.gateway from custody.mention h where h.key = any(${held}::text[]))
      or m.key in (select p.key from custody.mention h join custody.mention p on p.origin = h.origin and p.n = h.n
        where h.key = any(${held}::text[]) and p.key like 'photo %')))`;
}

function inDay(day: string) {
  return sql`e.stored_at >= ${day}::date::timestamp at time zone 'UTC'
    and e.stored_at < (${day}::date + 1)::timestamp at time zone 'UTC'`;
}
