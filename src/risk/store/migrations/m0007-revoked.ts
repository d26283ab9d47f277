/** A log whose key was revoked: of its entries, those below that size alone keep what anchors prove of them. */
import { type Kysely, type Migration, sql } from 'kysely';

export const revokedMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`alter table custody.assurance add column revoked_size bigint`.execute(db);
  },
};
