/**
 * What the ledger notes of entries since this version, for the entries that it read before: codes that were guessed at a
 * compartment, and which entry about a parcel names which photo. Without it a deposit of yesterday would be judged without
 * them, since no entry is read twice.
 */
import { type Kysely, type Migration, sql } from 'kysely';

export const notedBeforeMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

/**
 * What stands at the member of a used entry, which is canonical JSON: found by its spelling, since PostgreSQL reads no JSON
 * whose texts it could not hold. No other entry is looked into.
 */
function found(holds: string, member: string): string {
  return `(case when e.status = 'used' and position(convert_to('${holds}', 'UTF8') in e.leaf) > 0
    then substring(convert_from(e.leaf, 'UTF8') from '${member}') end)`;
}

const GUESSED = found('"type":"access.granted"', '"attempts":([0-9]{1,9})[,}]');
const PHOTO = found('"photo":"', '"photo":"([A-Za-z0-9_-]{43})"');

const STATEMENTS: readonly string[] = [
  // All that is stored is looked through, which takes longer than any question may.
  'set local statement_timeout = 0',
  `insert into custody.mention (key, origin, n, gateway, stored_at, tenant, region)
    select 'around ' || l.gateway, e.origin, e.n, l.gateway, e.stored_at, l.tenant, l.region
      from (select origin, n, stored_at, ${GUESSED}::bigint as attempts from custody.entry e) e
      join custody.log l on l.origin = e.origin where e.attempts > 3
    on conflict do nothing`,
  `insert into custody.mention (key, origin, n, gateway, stored_at, tenant, region)
    select distinct 'photo ' || e.photo, e.origin, e.n, m.gateway, e.stored_at, m.tenant, m.region
      from (select origin, n, stored_at, ${PHOTO} as photo from custody.entry e) e
      join custody.mention m on m.origin = e.origin and m.n = e.n and m.key like 'parcel %'
      where e.photo is not null
    on conflict do nothing`,
];
