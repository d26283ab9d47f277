/**
 * Which couriers had which parcels in hands: noted by the ledger as it reads entries, and here for the entries that it read
 * before. Append-only, and gone with the body that it stands on. The batch analysis reads who and when, and not where.
 */
import { type Kysely, type Migration, sql } from 'kysely';
import { RETENTION_ROLE } from './m0004-sources.ts';

const PATTERNS_ROLE = 'latchkey_patterns';

export const handsMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

/** As `NAME` of src/risk/ledger/hands.ts: whatever needs an escape in JSON is no name. */
const NAME = '([A-Za-z0-9._:-]{1,64})';
const COURIER = `\\{"kind":"courier","ref":"${NAME}"\\}`;

/** Used entries are canonical JSON, whose first member is the actor: found by its spelling, as PostgreSQL reads no JSON that it cannot hold. */
const DONE = `select e.*, substring(e.body from '^\\{"actor":${COURIER}') as courier, case e.type
      when 'parcel.deposited' then 'put_in' when 'parcel.returned' then 'put_in'
      when 'parcel.collected' then 'taken_out' when 'parcel.removed' then 'taken_out'
      when 'compartment.disturbed' then 'opened' when 'seal.recorded' then 'sealed'
      when 'exception.reported' then 'reported' end as deed from read e`;
const handed = (member: string, deed: string): string => `select e.*,
      substring(e.body from '"${member}":${COURIER}') as courier, '${deed}' as deed
    from read e where e.type = 'custody.handed_over'`;

const STATEMENTS: readonly string[] = [
  // All that is stored is looked through, which takes longer than any question may.
  'set local statement_timeout = 0',
  `create table custody.hand (
    parcel text not null, origin text not null, n bigint not null, courier text collate "C" not null,
    deed text not null check (deed in ('put_in', 'taken_out', 'opened', 'sealed', 'reported', 'handed_on', 'taken_over')),
    gateway text not null, stored_at timestamptz not null, tenant text not null, region text not null,
    primary key (parcel, origin, n, courier, deed))`,
  'create index hand_entry on custody.hand (origin, n)',
  'create index hand_courier on custody.hand (courier)',
  `create trigger append_only before update or delete on custody.hand
    for each row execute function custody.refuse_change()`,
  `create trigger never_emptied before truncate on custody.hand
    for each statement execute function custody.refuse_change()`,
  'grant select, insert on custody.hand to latchkey_custody',
  `grant select (parcel, courier, stored_at) on custody.hand to ${PATTERNS_ROLE}`,
  `grant select, delete on custody.hand to ${RETENTION_ROLE}`,
  `with read as materialized (
      select origin, n, stored_at, body, substring(body from '"type":"([a-z_.]+)","up_ms":[0-9]+,"v":1[,}]') as type from (
        select e.origin, e.n, e.stored_at, convert_from(e.leaf, 'UTF8') as body from custody.entry e
          where e.status = 'used' and position(convert_to('{"kind":"courier"', 'UTF8') in e.leaf) > 0) e),
    done as (${DONE} union all ${handed('from', 'handed_on')} union all ${handed('to', 'taken_over')})
    insert into custody.hand (parcel, origin, n, courier, deed, gateway, stored_at, tenant, region)
      select substr(m.key, 8), d.origin, d.n, d.courier, d.deed, m.gateway, d.stored_at, m.tenant, m.region
        from done d join custody.mention m on m.origin = d.origin and m.n = d.n and m.key like 'parcel %'
        where d.courier is not null and d.deed is not null
      on conflict do nothing`,
];
