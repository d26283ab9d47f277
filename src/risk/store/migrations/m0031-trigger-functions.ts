/**
 * Functions of triggers that run with their owner's rights are no room's to use: whoever may execute one may hang it on a
 * temporary table of its own, and say there what only the guarded table should. The role that only reads for the batch
 * analysis could so count a payment as refunded. A trigger that there is fires all the same: who made it was asked, once.
 */
import { type Kysely, type Migration, sql } from 'kysely';

export const triggerFunctionsMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql.raw(STATEMENT).execute(db);
  },
};

const STATEMENT = `do $$ declare one regprocedure; begin
  for one in select p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname in ('custody', 'payments', 'cases') and p.prosecdef loop
    execute format('revoke all on function %s from public', one);
  end loop; end $$`;
