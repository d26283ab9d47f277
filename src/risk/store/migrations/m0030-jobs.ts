/**
 * Whose turn it is to take away what was kept long enough, and when that was last done: of several services on one database
 * one does it, and a service that starts anew knows that it was done. `epoch` counts the turns.
 */
import { type Kysely, type Migration, sql } from 'kysely';
import { RETENTION_ROLE } from './m0004-sources.ts';

export const jobsMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const STATEMENTS: readonly string[] = [
  `create table custody.job (
    name text not null, epoch bigint not null, held_until timestamptz not null, done_at timestamptz,
    failing_since timestamptz, tenant text not null, region text not null, primary key (name, tenant, region))`,
  `create trigger never_emptied before truncate on custody.job
    for each statement execute function custody.refuse_change()`,
  `grant select, insert, update on custody.job to ${RETENTION_ROLE}`,
];
