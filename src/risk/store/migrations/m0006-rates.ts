/** Rates are asked for by when refunds were decided. */
import { type Kysely, type Migration, sql } from 'kysely';

export const ratesMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`create index decision_decided on payments.decision (decided_at)`.execute(db);
  },
};
