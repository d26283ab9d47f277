/**
 * A role of the database that a migration needs: made when there is none, since roles are the server's and not the
 * database's, and the one who migrates may become it.
 *
 * Migrations that were released stand on this text: it is never changed in what it does.
 */
import { type Kysely, sql } from 'kysely';

export async function makeRole(db: Kysely<unknown>, role: string): Promise<void> {
  const name = sql.lit(role);
  await sql`do $$ begin
    if not exists (select from pg_roles where rolname = ${name}) then
      execute format('create role %I nologin', ${name});
    end if;
    -- From PostgreSQL 16 who makes a role is a member of it that may hand it on, and not become it.
    if not pg_has_role(current_user, ${name},
        case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end) then
      execute format('grant %I to %I', ${name}, current_user);
    end if;
  end $$`.execute(db);
}
