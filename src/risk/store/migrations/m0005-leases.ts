/**
 * Who may write for which part of a fleet, and what the anchors of a log prove.
 *
 * A lease is a row with an epoch: whoever takes the partition over raises it, and each write asks for the epoch that it
 * was begun under, with a lock that a take-over waits for. Times are the database's alone.
 */
import { type Kysely, type Migration, sql } from 'kysely';

export const leasesMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const OWNED = 'tenant text not null, region text not null';

const STATEMENTS: readonly string[] = [
  // Where a range ends: which one goes on from a tree, without reading those before.
  'create index range_end on custody.range (origin, end_size)',
  `create table custody.replica (
    fleet text not null, holder text not null, until timestamptz not null, ${OWNED}, primary key (fleet, holder))`,
  `create table custody.lease (
    fleet text not null, partition text not null, epoch bigint not null default 0, holder text not null default '',
    replica text not null default '', until timestamptz not null, ${OWNED}, primary key (fleet, partition))`,
  `create table custody.assurance (
    origin text primary key references custody.log, gateway text not null, position bigint not null default 0,
    held_first bigint not null default 0, trust text not null default '', sealed boolean not null default false,
    anchored_size bigint not null default 0, refuted text, why text not null default '', ${OWNED})`,
  'create index assurance_gateway on custody.assurance (gateway)',
  `create table custody.attestation (
    origin text not null references custody.log, n bigint not null, trust text not null, body jsonb not null, ${OWNED},
    primary key (origin, n, trust))`,
  `create trigger append_only before update or delete on custody.attestation
    for each row execute function custody.refuse_change()`,
  'grant select, insert on custody.attestation to latchkey_custody',
  'grant select, insert, update on custody.lease, custody.assurance to latchkey_custody',
  'grant select, insert, update, delete on custody.replica to latchkey_custody',
];
