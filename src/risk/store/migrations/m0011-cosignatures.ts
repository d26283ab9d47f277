/**
 * Cosignatures of independent witnesses over stored checkpoints (FORMAT.md sections 6 and 9), and what they add to the level
 * of a log.
 *
 * A cosignature stands beside the range whose end it is over: the note that it was made for is that range's. It is kept as
 * long as the notes are, and nobody changes it. `cosigned_due` goes up with each one that is stored, in its transaction;
 * whoever judges the log notes up to where he looked, so that none is passed over.
 */
import { type Kysely, type Migration, sql } from 'kysely';
import { RETENTION_ROLE } from './m0004-sources.ts';

export const cosignaturesMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const OWNED = 'tenant text not null, region text not null';
const TABLES = ['witness', 'cosignature'] as const;

const STATEMENTS: readonly string[] = [
  `create table custody.witness (
    id integer generated always as identity primary key, vkey text not null unique, ${OWNED})`,
  `create table custody.cosignature (
    origin text not null references custody.log, witness integer not null references custody.witness,
    size bigint not null check (size > 0), at timestamptz not null, signature bytea not null,
    stored_at timestamptz not null, ${OWNED}, primary key (origin, witness, size))`,
  'create index cosignature_at on custody.cosignature (witness, at)',
  ...TABLES.flatMap((table) => [
    `create trigger append_only before update or delete on custody.${table}
      for each row execute function custody.refuse_always()`,
    `create trigger never_emptied before truncate on custody.${table}
      for each statement execute function custody.refuse_always()`,
    `grant select, insert on custody.${table} to latchkey_custody`,
    `grant select on custody.${table} to ${RETENTION_ROLE}`,
  ]),
  `alter table custody.assurance
    add column witnessed_size bigint not null default 0,
    add column cosigned_size bigint not null default 0,
    add column cosigned_due bigint not null default 0,
    add column cosigned_judged bigint not null default 0`,
];
