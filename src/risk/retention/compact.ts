/**
 * After something was taken away: its bytes, too. PostgreSQL leaves old rows, statistics and its write-ahead log as they
 * are until somebody needs the place; tables are written anew here, and the log goes on to its next file.
 *
 * Copies elsewhere (backups, replicas, archives of the write-ahead log) are their keeper's.
 */
import { type Kysely, sql } from 'kysely';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { Database } from '../store/schema.ts';

export interface Compacted {
  readonly tables: readonly string[];
  /** What the server did not allow this login, or keeps by its settings: its administrator has to. */
  readonly left: readonly string[];
}

export interface CompactOptions {
  /**
   * A service works on the same tables: only days that are over are written anew. Of the others places become free for
   * other rows, and old bytes stay until then; nothing takes longer than any question may.
   */
  readonly beside?: boolean;
  readonly signal?: AbortSignal | undefined;
}

const DAY = /^custody\.entry_[0-9]{8}$/;
/** Whoever waits for a table keeps those waiting that come after. */
const LOCK_WAIT = '5s';
const TABLE = /^[a-z]+\.[a-z0-9_]+$/;

/** Takes each table for itself alone while it is written anew, unless there is somebody beside. */
export async function compact(
  database: RiskDatabase,
  tables: readonly string[],
  logger: Logger,
  { beside = false, signal }: CompactOptions = {},
): Promise<Compacted> {
  const left: string[] = [];
  const done: string[] = [];
  await database.kysely.connection().execute(async (own) => {
    const attempt = async (what: string, statement: string): Promise<boolean> => {
      try {
        await sql.raw(statement).execute(own);
        return true;
      } catch (error) {
        logger.warn({ what, error: messageOf(error) }, 'the database did not let go of old bytes');
        left.push(what);
        return false;
      }
    };
    // A large table takes longer than any question may.
    if (beside) await attempt('lock_timeout', `set lock_timeout = '${LOCK_WAIT}'`);
    else await attempt('statement_timeout', 'set statement_timeout = 0');
    const vacuum = async (table: string, how: string): Promise<boolean> => {
      if (await mayVacuum(own, table)) return attempt(`vacuum ${table}`, `vacuum (${how}) ${table}`);
      left.push(`vacuum ${table}: this login does not own it`);
      return false;
    };
    for (const table of [...new Set(tables)].filter((name) => TABLE.test(name))) {
      if (signal?.aborted === true) {
        left.push(`vacuum ${table}`);
        continue;
      }
      const anew = !beside || DAY.test(table);
      if (!(await vacuum(table, anew ? 'full, analyze' : 'analyze'))) continue;
      if (anew) done.push(table);
      else left.push(`${table} is in use: its old places wait to be overwritten`);
    }
    if (!beside) await vacuum('pg_catalog.pg_statistic', 'full');
    await attempt('wal_recycle', 'set wal_recycle = off');
    // The first checkpoint ends in the file that is then left behind, and the second removes it.
    for (const statement of ['checkpoint', 'select pg_switch_wal()', 'checkpoint']) {
      if (!(await attempt('write-ahead log', statement))) break;
    }
    const { rows } = await sql<{ readonly recycle: string; readonly source: string }>`
      select reset_val as recycle, source from pg_settings where name = 'wal_recycle'`.execute(own);
    await attempt('reset', 'reset wal_recycle');
    await attempt('reset', `reset ${beside ? 'lock_timeout' : 'statement_timeout'}`);
    // Another process makes checkpoints there, and goes by the server's own setting.
    if (database.durable && rows[0]?.recycle === 'on') left.push('wal_recycle is on: old files wait to be overwritten');
  });
  return { tables: done, left };
}

/** For anybody else the server says so in a warning alone, leaves the table out, and answers as if it were done. */
async function mayVacuum(kysely: Kysely<Database>, table: string): Promise<boolean> {
  const { rows } = await sql<{ readonly may: boolean }>`
    select pg_has_role(c.relowner, 'usage') or (pg_has_role(d.datdba, 'usage') and not c.relisshared) as may
      from pg_class c, pg_database d where c.oid = to_regclass(${table}) and d.datname = current_database()`.execute(
    kysely,
  );
  return rows[0]?.may === true;
}
