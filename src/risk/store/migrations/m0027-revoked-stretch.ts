/**
 * A revocation names a tree: of a log with a gap, entries before the gap are not shown to be in a tree that ends behind it,
 * so those that count begin at `revoked_first`. Logs whose key was revoked were judged without it, and where the named
 * tree was not stored as if it were: until they are judged again, which is due at once, nothing of them counts.
 */
import { type Kysely, type Migration, sql } from 'kysely';

export const revokedStretchMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const STATEMENTS: readonly string[] = [
  'alter table custody.assurance add column revoked_first bigint not null default 0',
  `update custody.assurance set revoked_size = 0, cosigned_judged = cosigned_due - 1 where revoked_size is not null`,
  // Decisions that rest on entries before a gap are looked at again (migration 0023) as those behind the size are.
  `create function custody.note_trusted() returns trigger language plpgsql security definer
    set search_path = custody, pg_temp as $$ begin
    if to_regprocedure('custody.look_at_level(text, bigint, bigint, boolean, text, text)') is not null then
      perform custody.look_at_level(new.origin, 0, null, false, new.tenant, new.region);
    end if;
    return null; end $$`,
  `create trigger note_trusted after update on custody.assurance for each row
    when (old.revoked_first is distinct from new.revoked_first) execute function custody.note_trusted()`,
];
