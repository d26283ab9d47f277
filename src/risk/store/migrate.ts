/**
 * Brings a database to the present schema, and refuses one that another version made. All that are pending run in one
 * transaction under a lock, so that several replicas may start at once; while one of another version runs, none does.
 *
 * Migrations need the owner of the database. Where none is pending nothing is written, and a login that is a member of the
 * rooms' roles is enough.
 */
import { type Kysely, type Migration, Migrator, sql } from 'kysely';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { heldUp, type MigrationLimits, withLimits } from './migration-limits.ts';
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
import { jobsMigration } from './migrations/m0030-jobs.ts';
import { triggerFunctionsMigration } from './migrations/m0031-trigger-functions.ts';
import { mentionCompartmentsMigration } from './migrations/m0032-mention-compartments.ts';
import { givenUpMigration } from './migrations/m0033-given-up.ts';
import { type Database, ROLES } from './schema.ts';

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
  '0030_jobs': jobsMigration,
  '0031_trigger_functions': triggerFunctionsMigration,
  '0032_mention_compartments': mentionCompartmentsMigration,
  '0033_given_up': givenUpMigration,
};

/** Kysely's own table. */
const TABLE = 'kysely_migration';
const AS_OWNER = 'have its owner run "latchkey risk migrate --url-file FILE"';
const NAMED_MAX = 4;

/**
 * Resolves with the names of the migrations that ran now. Rejects with STORE_VERSION, STORE_IO, or STORE_BUSY: somebody else
 * works on the database, or holds a lock of it.
 */
export async function migrate(kysely: Kysely<Database>, limits: MigrationLimits = {}): Promise<readonly string[]> {
  const names = Object.keys(MIGRATIONS);
  const applied = await appliedTo(kysely);
  refuseOthers(names, applied);
  if (applied.length === names.length) return [];
  const migrator = new Migrator({
    db: kysely,
    provider: { getMigrations: async () => withLimits(MIGRATIONS, limits) },
    // What is there was compared by name above; in the order of their times a clock that was set back would count.
    allowUnorderedMigrations: true,
  });
  const { error, results = [] } = await migrator.migrateToLatest();
  if (error === undefined) return results.map(({ migrationName }) => migrationName);
  if (isDenied(error)) throw notTheOwner(names, applied, error);
  if (error instanceof LatchkeyError) throw error;
  const failed = results.find(({ status }) => status === 'Error')?.migrationName;
  const held = await heldUp(kysely, error, failed);
  if (held !== undefined) throw held;
  const what = failed === undefined ? 'its migrations cannot run' : `migration ${failed} failed`;
  throw new LatchkeyError('STORE_IO', `cannot use the database: ${what}: ${messageOf(error)}`, { cause: error });
}

/** As the owner: whoever is a member of a room's role may see which migrations ran, and so open the database. */
export async function letRoomsOpen(kysely: Kysely<Database>): Promise<void> {
  const roles = sql.join(Object.values(ROLES).map((role) => sql.id(role)));
  await sql`grant select on ${sql.table(TABLE)} to ${roles}`.execute(kysely);
}

async function appliedTo(kysely: Kysely<Database>): Promise<readonly string[]> {
  const { rows: found } = await sql<{ readonly there: boolean }>`
    select to_regclass(${TABLE}) is not null as there`.execute(kysely);
  if (found[0]?.there !== true) return [];
  try {
    const { rows } = await sql<{ readonly name: string }>`select name from ${sql.table(TABLE)}`.execute(kysely);
    return rows.map(({ name }) => name).sort();
  } catch (error) {
    if (!isDenied(error)) throw error;
    const found = 'one that may not even read which migrations ran';
    throw new LatchkeyError(
      'STORE_VERSION',
      `cannot use the database: expected a login of the service, found ${found}; ${AS_OWNER} to let members of its roles open it`,
      { cause: error },
    );
  }
}

/** What ran must be the first of what this version has, without one of another and without a hole. */
function refuseOthers(names: readonly string[], applied: readonly string[]): void {
  const strange = applied.filter((name) => !names.includes(name));
  const last = applied.findLast((name) => names.includes(name)) ?? '';
  const missing = names.filter((name) => name < last && !applied.includes(name));
  if (strange.length === 0 && missing.length === 0) return;
  const newest = names.at(-1) ?? '';
  const newer = missing.length === 0 && strange.every((name) => name > newest);
  const found = [
    ...(strange.length > 0 ? [`${list(strange)}, which this version does not have`] : []),
    ...(missing.length > 0 ? [`none of ${list(missing)} before ${last}`] : []),
  ];
  const whatToDo = newer
    ? 'a newer version made it: run that one, or restore a backup from before it'
    : 'another line of versions made it: run the version that did, or begin with an empty database';
  throw new LatchkeyError(
    'STORE_VERSION',
    `cannot use the database: expected the migrations up to ${newest}, found ${found.join(' and ')}; ${whatToDo}`,
  );
}

function notTheOwner(names: readonly string[], applied: readonly string[], cause: unknown): LatchkeyError {
  const pending = names.filter((name) => !applied.includes(name));
  return new LatchkeyError(
    'STORE_VERSION',
    `cannot bring the database to this version: expected its owner, found a login that may not (${messageOf(cause)}); ` +
      `pending: ${list(pending)}; ${AS_OWNER}`,
    { cause },
  );
}

function list(names: readonly string[]): string {
  const more = names.length - NAMED_MAX;
  return `${names.slice(0, NAMED_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** SQLSTATE insufficient_privilege (PostgreSQL, appendix A). */
function isDenied(error: unknown): boolean {
  return (error as { readonly code?: unknown } | undefined)?.code === '42501';
}
