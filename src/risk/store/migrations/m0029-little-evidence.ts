/**
 * What two readers need of long texts, without the texts.
 *
 * Of each decision whether it saw little evidence: the batch analysis counts these over a month, and read all the answers
 * for it. The column is made of the answer as it is written, for decisions of before by this migration, and null where an
 * answer says nothing of evidence or cannot be read: such a decision is kept all the same, and counted by nobody.
 *
 * And for rates by courier the pseudonyms behind entries about a parcel: who may ask has both from the facts of a decision,
 * and of the custody schema sees nothing else.
 */
import { type Kysely, type Migration, sql } from 'kysely';
import { RETENTION_ROLE } from './m0004-sources.ts';

const PATTERNS_ROLE = 'latchkey_patterns';

export const littleEvidenceMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const STATEMENTS: readonly string[] = [
  // The table is written anew, which takes longer than any question may.
  'set local statement_timeout = 0',
  // A grade counts as it was before anybody doubted a courier, or doubt would be its own cause.
  `create function payments.little_evidence(answer text) returns boolean language plpgsql immutable
    set search_path = pg_catalog, pg_temp as $$
    declare evidence jsonb; begin
      evidence := answer::jsonb -> 'evidence';
      if jsonb_typeof(evidence) is distinct from 'array' then return null; end if;
      return jsonb_array_length(evidence) = 0 or exists (
        select from jsonb_array_elements(evidence) one
          where coalesce(one ->> 'before_doubt', one ->> 'grade') in ('CONTRADICTED', 'NONE', 'WEAK'));
    exception when data_exception then
      return null;
    end $$`,
  'revoke all on function payments.little_evidence(text) from public',
  `grant execute on function payments.little_evidence(text) to latchkey_payments, ${RETENTION_ROLE}`,
  `alter table payments.decision
    add column little_evidence boolean generated always as (payments.little_evidence(answer)) stored`,
  `revoke select (answer) on payments.decision from ${PATTERNS_ROLE}`,
  `grant select (little_evidence) on payments.decision to ${PATTERNS_ROLE}`,
  // With its owner's rights: the payments' room does not see custody.
  `create function payments.couriers_of(of_parcel text, events jsonb) returns setof text language sql stable
    security definer set search_path = custody, pg_temp as $$
    select distinct courier from custody.hand where parcel = of_parcel and events ? (origin || '#' || n) $$`,
  'revoke all on function payments.couriers_of(text, jsonb) from public',
  'grant execute on function payments.couriers_of(text, jsonb) to latchkey_payments',
];
