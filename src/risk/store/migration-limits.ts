/**
 * What every migration runs under: nothing cuts it off while it works, and a lock that somebody else holds ends it after a
 * while with who that is, instead of keeping the whole service from its tables for as long as it waits.
 *
 * Migrations that were released are never changed, so this stands around them.
 */
import { type Kysely, type Migration, sql } from 'kysely';
import { LatchkeyError } from '../../base/errors.ts';
import type { Database } from './schema.ts';

const LOCK_LIMIT_MS = 60_000;
const NAMED_MAX = 4;
/** SQLSTATE (PostgreSQL, appendix A). */
const LOCK_NOT_AVAILABLE = '55P03';
const QUERY_CANCELED = '57014';
/** First of the object identifiers that are not the system's (access/transam.h). */
const FIRST_NORMAL_OID = 16_384;
/** Of the advisory lock that Kysely takes, its two halves. */
const KYSELY_LOCK = 3_853_314_791_062_309_107n;

export interface MigrationLimits {
  /** For one lock. */
  readonly lockMs?: number;
  /** Others may use it at the same time; nobody can use an embedded one whose lock this process has. */
  readonly isShared?: boolean;
}

/** All of one run are in one transaction: each limit that its role, its database or this process has set is off in it. */
export function withLimits(
  migrations: Readonly<Record<string, Migration>>,
  { lockMs = LOCK_LIMIT_MS, isShared = true }: MigrationLimits,
): Readonly<Record<string, Migration>> {
  let isFirst = true;
  const entries = Object.entries(migrations).map(([name, { up }]): [string, Migration] => [
    name,
    {
      async up(db) {
        if (isFirst) await sql.raw(limits(lockMs)).execute(db);
        if (isFirst && isShared) await refuseRunning(db);
        isFirst = false;
        await up(db);
      },
    },
  ]);
  return Object.fromEntries(entries);
}

/** Some are of later versions than 15. */
function limits(lockMs: number): string {
  return `select set_config(name, '0', true), set_config('lock_timeout', '${lockMs}ms', true) from pg_settings
    where name in ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')`;
}

/**
 * A receiver or service of the version before would write rows that the new schema refuses, or that nobody finds. Each
 * renews its row for as long as it runs; whoever starts with this version has none yet.
 */
async function refuseRunning(db: Kysely<unknown>): Promise<void> {
  const { rows: found } = await sql<{ readonly there: boolean }>`
    select to_regclass('custody.replica') is not null as there`.execute(db);
  if (found[0]?.there !== true) return;
  const { rows } = await sql<{ readonly name: string; readonly left_s: number }>`
    select split_part(holder, '/', 1) as name, ceil(extract(epoch from until - clock_timestamp()))::int as left_s
    from custody.replica where until > clock_timestamp() order by until desc limit ${sql.lit(NAMED_MAX)}`.execute(db);
  if (rows.length === 0) return;
  const names = rows.map(({ name, left_s: leftS }) => `${name} (for ${leftS} s more)`).join(', ');
  throw new LatchkeyError(
    'STORE_BUSY',
    `cannot bring the database to this version: expected that no service runs on it, found ${names}; stop each of them and ` +
      'begin again: one that ended without a word counts as running for so long, nothing was changed',
  );
}

/** Why it ended, when somebody else's lock was the reason; undefined otherwise. After the transaction. */
export async function heldUp(
  kysely: Kysely<Database>,
  error: unknown,
  failed: string | undefined,
): Promise<LatchkeyError | undefined> {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  // Before the first migration the one limit is that of statements, and what waits is the lock of all migrations.
  if (code !== LOCK_NOT_AVAILABLE && (code !== QUERY_CANCELED || failed !== undefined)) return undefined;
  const what = failed === undefined ? 'its migrations' : `migration ${failed}`;
  const holders = await holdersOf(kysely);
  return new LatchkeyError(
    'STORE_BUSY',
    `cannot bring the database to this version: ${what} waited for a lock that another session had; ` +
      (holders.length === 0
        ? 'by now nobody has one: begin again'
        : `now these have some: ${holders.join(', ')}; let them end, or end them with pg_terminate_backend, and begin again`) +
      '; nothing was changed',
    { cause: error },
  );
}

interface Holder {
  readonly pid: number;
  readonly login: string | null;
  readonly name: string | null;
  readonly state: string | null;
  readonly open_s: number | null;
}

/** Of sessions of other logins the server tells most logins no more than who they are. */
async function holdersOf(kysely: Kysely<Database>): Promise<readonly string[]> {
  const { rows } = await sql<Holder>`
    select pid, usename as login, application_name as name, state,
      floor(extract(epoch from clock_timestamp() - xact_start))::int as open_s
    from pg_stat_activity where pid <> pg_backend_pid() and pid in (
      select pid from pg_locks where granted and database = (select oid from pg_database where datname = current_database())
        and (relation >= ${sql.lit(FIRST_NORMAL_OID)} or (locktype = 'advisory' and objsubid = 1
          and (classid::bigint << 32 | objid::bigint) = ${sql.lit(KYSELY_LOCK)})))
    order by xact_start nulls last, pid limit ${sql.lit(NAMED_MAX)}`.execute(kysely);
  return rows.map(({ pid, login, name, state, open_s: openS }) => {
    const said = [
      ...(login ? [`login ${login}`] : []),
      ...(name ? [name] : []),
      ...(state ? [`${state}${openS === null ? '' : ` for ${openS} s`}`] : []),
    ];
    return `process ${pid}${said.length > 0 ? ` (${said.join(', ')})` : ''}`;
  });
}
