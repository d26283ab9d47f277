/**
 * What decisions are looked at again for: tenant and region on the three tables of it that had none; entries of a log by
 * their place, whichever parcel they name; and logs whose proof changed with no entry that says so.
 *
 * An anchor, a cosignature or a revocation changes what entries count for that were stored long before. A trigger notes
 * which: one row for each log, however often it changes, so what waits is bounded by the logs. A first fork of a log
 * accuses all of it, and is noted as well.
 */
import { type Kysely, type Migration, sql } from 'kysely';
import { RETENTION_ROLE } from './m0004-sources.ts';

export const lookedAgainMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const OWNED = 'tenant text not null, region text not null';

/** Of what a row is about. One whose own is gone asks for no look, or for one from the beginning. */
const OWNERS: readonly string[] = [
  ['custody.looked_to', 'custody.log', 'origin'],
  ['custody.fresh_claim', 'custody.claim', 'parcel'],
  ['payments.fresh_decision', 'payments.decision', 'decision_id'],
].flatMap(([table = '', of = '', column = '']) => [
  `alter table ${table} add column tenant text, add column region text`,
  `update ${table} t set tenant = o.tenant, region = o.region from ${of} o where o.${column} = t.${column}`,
  `delete from ${table} where tenant is null`,
  `alter table ${table} alter column tenant set not null, alter column region set not null`,
]);

const CLAIMS: readonly string[] = [
  `create or replace function custody.note_claim() returns trigger language plpgsql security definer
    set search_path = custody, pg_temp as $$ begin
    insert into custody.fresh_claim (parcel, tenant, region) values (new.parcel, new.tenant, new.region);
    return null; end $$`,
];

const PLACES: readonly string[] = [
  // By log and number: what an entry mentions, the newest of a log first, and those of a stretch.
  'drop index custody.mention_gateway',
  'create index mention_place on custody.mention (origin, n)',
];

/** Entries between the two sizes changed. */
const between = (bound: 'least' | 'greatest', size: string): string =>
  `case when old.${size} <> new.${size} then ${bound}(old.${size}, new.${size}) end`;

const LEVELS: readonly string[] = [
  // Entries of `origin` from `first` to `end_n`, or to its end; `whole_gateway`: also what names no entry of that log.
  `create table custody.fresh_level (
    origin text primary key, first bigint not null, end_n bigint, whole_gateway boolean not null, changes bigint not null, ${OWNED})`,
  `create function custody.look_at_level(log text, low bigint, high bigint, whole boolean, of_tenant text, of_region text)
    returns void language sql security definer set search_path = custody, pg_temp as $$
    insert into custody.fresh_level as f (origin, first, end_n, whole_gateway, changes, tenant, region)
      values (log, low, high, whole, 1, of_tenant, of_region)
    on conflict (origin) do update set first = least(f.first, excluded.first),
      end_n = case when f.end_n is null or excluded.end_n is null then null else greatest(f.end_n, excluded.end_n) end,
      whole_gateway = f.whole_gateway or excluded.whole_gateway, changes = f.changes + 1 $$`,
  'revoke all on function custody.look_at_level(text, bigint, bigint, boolean, text, text) from public',
  `create function custody.note_level() returns trigger language plpgsql security definer
    set search_path = custody, pg_temp as $$ declare low bigint; high bigint; begin
    if (old.refuted is null) <> (new.refuted is null) then
      perform custody.look_at_level(new.origin, 0, null, true, new.tenant, new.region);
    elsif (old.sealed, old.emulated, old.segment_first, old.below)
        is distinct from (new.sealed, new.emulated, new.segment_first, new.below) then
      perform custody.look_at_level(new.origin, 0, null, false, new.tenant, new.region);
    elsif old.revoked_size is distinct from new.revoked_size then
      low := least(old.revoked_size, new.revoked_size, ${between('least', 'anchored_size')}, ${between('least', 'witnessed_size')});
      perform custody.look_at_level(new.origin, low, null, false, new.tenant, new.region);
    elsif (new.sealed or new.emulated)
        and (old.anchored_size, old.witnessed_size) <> (new.anchored_size, new.witnessed_size) then
      low := least(${between('least', 'anchored_size')}, ${between('least', 'witnessed_size')});
      high := greatest(${between('greatest', 'anchored_size')}, ${between('greatest', 'witnessed_size')});
      perform custody.look_at_level(new.origin, low, high, false, new.tenant, new.region);
    end if;
    return null; end $$`,
  'create trigger note_level after update on custody.assurance for each row execute function custody.note_level()',
  `create function custody.note_fork() returns trigger language plpgsql security definer
    set search_path = custody, pg_temp as $$ begin
    if (select count(*) from custody.fork where origin = new.origin) = 1 then
      perform custody.look_at_level(new.origin, 0, null, true, new.tenant, new.region);
    end if;
    return null; end $$`,
  'create trigger note_fork after insert on custody.fork for each row execute function custody.note_fork()',
  'grant select, delete on custody.fresh_level to latchkey_custody',
  `grant select on custody.fresh_level to ${RETENTION_ROLE}`,
];

const STATEMENTS: readonly string[] = [
  // An index over all mentions may take longer than any question may.
  'set local statement_timeout = 0',
  ...OWNERS,
  ...CLAIMS,
  ...PLACES,
  ...LEVELS,
];
