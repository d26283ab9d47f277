/**
 * How decisions lie in their table: their texts are packed by the quicker of the server's two ways, where it was built
 * with it, and stay in the row, which few outgrow then. What was stored before stays as it is.
 */
import { type Kysely, type Migration, sql } from 'kysely';

export const decisionRowsMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const STATEMENTS: readonly string[] = [
  `do $$ begin
    alter table payments.decision alter column facts set compression lz4, alter column parameters set compression lz4,
      alter column answer set compression lz4;
  exception when feature_not_supported then
    null;
  end $$`,
  // Half a page: two decisions in each.
  'alter table payments.decision set (toast_tuple_target = 4080)',
];
