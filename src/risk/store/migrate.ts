/**
 * Brings a database to the present schema, and refuses one that a newer version made. Each migration runs in one
 * transaction under a lock, so that several replicas may start at once.
 */
import { type Kysely, type Migration, Migrator } from 'kysely';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { custodyMigration } from './migrations/m0001-custody.ts';
import { refundsMigration } from './migrations/m0002-refunds.ts';
import { caseworkMigration } from './migrations/m0003-casework.ts';
import { sourcesMigration } from './migrations/m0004-sources.ts';
import { leasesMigration } from './migrations/m0005-leases.ts';
import { ratesMigration } from './migrations/m0006-rates.ts';
import { revokedMigration } from './migrations/m0007-revoked.ts';
import { mentionDayMigration } from './migrations/m0008-mention-day.ts';
import { emulatedMigration } from './migrations/m0009-emulated.ts';
import { refundRetentionMigration } from './migrations/m0010-refund-retention.ts';
import { cosignaturesMigration } from './migrations/m0011-cosignatures.ts';
import { decisionRowsMigration } from './migrations/m0012-decision-rows.ts';
import { neverEmptiedMigration } from './migrations/m0013-never-emptied.ts';
import { notedBeforeMigration } from './migrations/m0014-noted-before.ts';
import { boundedPaymentsMigration } from './migrations/m0015-bounded-payments.ts';
import { findingsMigration } from './migrations/m0020-findings.ts';
import { customersMigration } from './migrations/m0021-customers.ts';
import { segmentsMigration } from './migrations/m0022-segments.ts';
import { lookedAgainMigration } from './migrations/m0023-looked-again.ts';
import { handsMigration } from './migrations/m0024-hands.ts';
import { revokedStretchMigration } from './migrations/m0027-revoked-stretch.ts';
import { deniedByPeopleMigration } from './migrations/m0028-denied-by-people.ts';
import { littleEvidenceMigration } from './migrations/m0029-little-evidence.ts';
import type { Database } from './schema.ts';

/** In the order of their names. A migration that was released is never changed. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001_custody': custodyMigration,
  '0002_refunds': refundsMigration,
  '0003_casework': caseworkMigration,
  '0004_sources': sourcesMigration,
  '0005_leases': leasesMigration,
  '0006_rates': ratesMigration,
  '0007_revoked': revokedMigration,
  '0008_mention_day': mentionDayMigration,
  '0009_emulated': emulatedMigration,
  '0010_refund_retention': refundRetentionMigration,
  '0011_cosignatures': cosignaturesMigration,
  '0012_decision_rows': decisionRowsMigration,
  '0013_never_emptied': neverEmptiedMigration,
  '0014_noted_before': notedBeforeMigration,
  '0015_bounded_payments': boundedPaymentsMigration,
  '0020_findings': findingsMigration,
  '0021_customers': customersMigration,
  '0022_segments': segmentsMigration,
  '0023_looked_again': lookedAgainMigration,
  '0024_hands': handsMigration,
  '0027_revoked_stretch': revokedStretchMigration,
  '0028_denied_by_people': deniedByPeopleMigration,
  '0029_little_evidence': littleEvidenceMigration,
};

export async function migrate(kysely: Kysely<Database>): Promise<void> {
  const migrator = new Migrator({ db: kysely, provider: { getMigrations: async () => ({ ...MIGRATIONS }) } });
  const { error, results } = await migrator.migrateToLatest();
  if (error === undefined) return;
  const failed = results?.find(({ status }) => status === 'Error')?.migrationName;
  const what = failed === undefined ? 'its migrations are not those of this version' : `migration ${failed} failed`;
  throw new LatchkeyError('STORE_IO', `cannot use the database: ${what}: ${messageOf(error)}`, { cause: error });
}
