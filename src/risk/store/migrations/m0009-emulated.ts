/** Whether the policy, or a record of its services, calls the TPM of a log emulated: a trial may take it for another. */
import { type Kysely, type Migration, sql } from 'kysely';

export const emulatedMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`alter table custody.assurance add column emulated boolean not null default false`.execute(db);
  },
};
