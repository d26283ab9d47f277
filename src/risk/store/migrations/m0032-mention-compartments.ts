/**
 * What happens around a compartment concerns the parcels that lie there, and what happens in its turn concerns nobody who
 * went before: so mentions of parcels say in which compartment, and whether the entry puts the parcel there or takes it out;
 * and each gateway has a row that says up to where its entries came out of their turn (`gateway-order.ts`).
 *
 * What was read before is filled in here out of its entries. A mention of a parcel whose compartment is null all the same, as
 * one that a service of the version before writes, is looked at with whatever happens at its gateway. Of the order in which
 * entries were read before nothing is known: all of them count as out of turn, and so do new ones until their clocks have
 * passed what may be stored (a minute ahead, at most, and another one).
 */
import { type Kysely, type Migration, sql } from 'kysely';
import { RETENTION_ROLE } from './m0004-sources.ts';

export const mentionCompartmentsMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

/** As `LOG_NUMBER` of src/risk/casework/concerned.ts. */
const LOG_NUMBER = `coalesce(substring(m.origin from '/([0-9]{1,9})-[0-9a-f]{8}$')::bigint, 0)`;

const STATEMENTS: readonly string[] = [
  // All that is stored is looked through, which takes longer than any question may.
  'set local statement_timeout = 0',
  'alter table custody.mention add column compartment text, add column lies boolean',
  'alter table custody.mention disable trigger append_only',
  // Used entries are canonical JSON: found by its spelling, as PostgreSQL reads no JSON that it cannot hold (m0024).
  `update custody.mention m set
      compartment = coalesce(substring(e.body from '"compartment":"([A-Za-z0-9._-]{1,64})","data":'), ''),
      lies = case substring(e.body from '"type":"([a-z_.]+)","up_ms":[0-9]+,"v":1[,}]')
        when 'parcel.deposited' then true when 'parcel.returned' then true
        when 'parcel.collected' then false when 'parcel.removed' then false end
    from (select origin, n, convert_from(leaf, 'UTF8') as body from custody.entry where status = 'used') e
    where e.origin = m.origin and e.n = m.n and starts_with(m.key, 'parcel ')`,
  'alter table custody.mention enable trigger append_only',
  'create index mention_compartment on custody.mention (gateway, compartment) where compartment is not null',
  `create index mention_anywhere on custody.mention (gateway) where compartment is null and starts_with(key, 'parcel ')`,
  `create table custody.gateway_order (
    gateway text primary key, log bigint not null, n bigint not null, at_ms bigint not null,
    upset_log bigint not null, upset_n bigint not null, tenant text not null, region text not null)`,
  `create trigger never_emptied before truncate on custody.gateway_order
    for each statement execute function custody.refuse_change()`,
  'grant select, insert, update on custody.gateway_order to latchkey_custody',
  `grant select on custody.gateway_order to ${RETENTION_ROLE}`,
  `insert into custody.gateway_order (gateway, log, n, at_ms, upset_log, upset_n, tenant, region)
    select distinct on (gateway) gateway, log, n, at_ms, log, n, tenant, region from (
      select m.gateway, ${LOG_NUMBER} as log, m.n, floor(extract(epoch from now()) * 1000)::bigint + 120000 as at_ms,
        m.tenant, m.region from custody.mention m) m
      order by gateway, log desc, n desc`,
];
