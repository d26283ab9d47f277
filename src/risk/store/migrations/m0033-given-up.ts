/**
 * A case of its own for a command about money that was given up: until now only a status told of it, and a refund that is
 * owed, or a payout that is frozen, could wait for ever without anybody being asked.
 */
import { type Kysely, type Migration, sql } from 'kysely';

export const givenUpMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql.raw(STATEMENT).execute(db);
  },
};

const STATEMENT = `alter table cases.case drop constraint case_kind_check,
  add constraint case_kind_check check (kind in ('refund', 'late_fact', 'settlement', 'given_up'))`;
