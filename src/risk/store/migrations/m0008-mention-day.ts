/**
 * Mentions say when their entry was stored, which is the day of its partition: so a parcel's entries are read from the
 * days on which they came, and not from all. A mention whose entry is gone with its day says nothing.
 */
import { type Kysely, type Migration, sql } from 'kysely';

export const mentionDayMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const STATEMENTS: readonly string[] = [
  'alter table custody.mention add column stored_at timestamptz',
  'alter table custody.mention disable trigger append_only',
  `update custody.mention m set stored_at = e.stored_at from custody.entry e
    where e.origin = m.origin and e.n = m.n`,
  'alter table custody.mention enable trigger append_only',
];
