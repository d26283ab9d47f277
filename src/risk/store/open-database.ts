/**
 * One database, two engines: PGlite in a directory of its own, for demonstrations and small sites, and PostgreSQL 15 or
 * later for production. The statements are the same, and no newer than PostgreSQL 15.
 *
 * Each is loaded by who opens it: PGlite alone is as much as the rest of the service.
 *
 * PGlite does not fsync: what it stored survives the process and not a power cut. Whoever stands on it may call its
 * receipts advisory and nothing more.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Kysely, sql, type Transaction } from 'kysely';
import type pg from 'pg';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { type FileLock, lockFile } from '../../platform/file-lock.ts';
import { compileWasmOnce } from '../../platform/plain-wasm.ts';
import { connectFailure } from './connect-failure.ts';
import { DriverDialect } from './dialect.ts';
import { letRoomsOpen, migrate } from './migrate.ts';
import { PgliteDriver } from './pglite-driver.ts';
import { ServerDriver } from './postgres-driver.ts';
import { layPreparedCluster } from './prepared-cluster.ts';
import { type Database, ROLES, type Role } from './schema.ts';

export interface PostgresSettings {
  readonly engine: 'postgres';
  readonly url: string;
  readonly poolMax?: number;
  /** The server ends a transaction whose client says nothing for so long: a frozen process holds no lock for ever. */
  readonly idleTransactionMs?: number;
}

export type DatabaseSettings = { readonly engine: 'pglite'; readonly directory: string } | PostgresSettings;

const CONNECT_LIMIT_MS = 10_000;
const STATEMENT_LIMIT_MS = 60_000;
const IDLE_TRANSACTION_LIMIT_MS = 10_000;
const POOL_MAX = 10;
/** Object identifier of int8 (pg_type.dat). */
const INT8 = 20;

export class RiskDatabase {
  readonly kysely: Kysely<Database>;
  /** Whether what was committed survives a power cut. */
  readonly durable: boolean;
  readonly #release: () => void;

  private constructor(kysely: Kysely<Database>, durable: boolean, release: () => void) {
    this.kysely = kysely;
    this.durable = durable;
    this.#release = release;
  }

  /**
   * Opens and migrates. Rejects with STORE_BUSY, STORE_IO or DATABASE_UNREACHABLE (retry), DATABASE_REFUSED (its address or the
   * server's settings are to be mended) or STORE_VERSION.
   */
  static async open(settings: DatabaseSettings): Promise<RiskDatabase> {
    return settings.engine === 'pglite' ? openPglite(settings.directory) : openPostgres(settings);
  }

  static make(kysely: Kysely<Database>, durable: boolean, release: () => void): RiskDatabase {
    return new RiskDatabase(kysely, durable, release);
  }

  /** One transaction under the rights of a room. */
  as<T>(role: Role, work: (trx: Transaction<Database>) => Promise<T>): Promise<T> {
    return this.kysely.transaction().execute(async (trx) => {
      await sql`set local role ${sql.id(ROLES[role])}`.execute(trx);
      return work(trx);
    });
  }

  async close(): Promise<void> {
    await this.kysely.destroy();
    this.#release();
  }
}

async function openPglite(directory: string): Promise<RiskDatabase> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const lock: FileLock = lockEmbedded(directory);
  try {
    const files = join(directory, 'pglite');
    await layPreparedCluster(files);
    compileWasmOnce();
    const { PGlite } = await import('@electric-sql/pglite');
    const pglite = new PGlite(files);
    const kysely = new Kysely<Database>({ dialect: new DriverDialect(new PgliteDriver(pglite)) });
    return await opened(kysely, () => lock.release(), false);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function lockEmbedded(directory: string): FileLock {
  try {
    return lockFile(join(directory, 'lock'), 'STORE_BUSY', `the database in ${directory}`);
  } catch (error) {
    if (!(error instanceof LatchkeyError)) throw error;
    const whatToDo = 'it serves one process at a time: ask the API of the service that runs on it, or stop that first';
    throw new LatchkeyError(error.code, `${error.message}; ${whatToDo}`, { cause: error });
  }
}

/** Nothing stays open of a database that cannot be used: an open one keeps its process alive. */
async function opened(kysely: Kysely<Database>, release: () => void, isShared: boolean): Promise<RiskDatabase> {
  try {
    await migrate(kysely, { isShared });
    return RiskDatabase.make(kysely, await isDurable(kysely), release);
  } catch (error) {
    // One that never started cannot be closed either: why it did not is what counts.
    await kysely.destroy().catch(() => undefined);
    throw cannotOpen(error);
  }
}

function cannotOpen(error: unknown): LatchkeyError {
  if (error instanceof LatchkeyError) return error;
  const failure = connectFailure(error);
  if (failure !== undefined) return failure;
  return new LatchkeyError('STORE_IO', `cannot open the database: ${messageOf(error)}`, { cause: error });
}

async function openPostgres(settings: PostgresSettings): Promise<RiskDatabase> {
  return opened(await serverOf(settings), () => undefined, true);
}

/**
 * As the owner of a database on a server: brings it to the present schema, and lets members of the rooms' roles open it.
 * Resolves with the migrations that ran. Rejects with STORE_BUSY, STORE_VERSION, STORE_IO,
 * DATABASE_UNREACHABLE or DATABASE_REFUSED.
 */
export async function migrateAsOwner(settings: PostgresSettings): Promise<readonly string[]> {
  const kysely = await serverOf({ ...settings, poolMax: 1 });
  try {
    const ran = await migrate(kysely);
    await letRoomsOpen(kysely);
    return ran;
  } catch (error) {
    throw cannotOpen(error);
  } finally {
    await kysely.destroy();
  }
}

async function serverOf({
  url,
  poolMax = POOL_MAX,
  idleTransactionMs = IDLE_TRANSACTION_LIMIT_MS,
}: PostgresSettings): Promise<Kysely<Database>> {
  const { default: pg } = await import('pg');
  const types = {
    getTypeParser: (id: number, format?: 'text' | 'binary') =>
      id === INT8 ? parseInt8 : (pg.types.getTypeParser(id, format as 'text') as (text: string) => unknown),
  };
  const pool = new pg.Pool({
    connectionString: url,
    max: poolMax,
    connectionTimeoutMillis: CONNECT_LIMIT_MS,
    statement_timeout: STATEMENT_LIMIT_MS,
    idle_in_transaction_session_timeout: idleTransactionMs,
    application_name: 'latchkey',
    types: types as pg.CustomTypesConfig,
    pipeline: true,
  });
  // An idle connection that the server ends is replaced by the next one that is asked for.
  pool.on('error', () => undefined);
  // One that it ends between two statements of a transaction fails with the next statement.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return new Kysely<Database>({ dialect: new DriverDialect(new ServerDriver(pool)) });
}

/** What the server says of itself: a commit that it answers is on the disk. */
async function isDurable(kysely: Kysely<Database>): Promise<boolean> {
  const { rows } = await sql<{ readonly fsync: string; readonly commit: string }>`
    select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit`.execute(kysely);
  return rows[0]?.fsync === 'on' && rows[0].commit !== 'off';
}

/** Counts and sizes stay far below 2^53; what does not is a broken row. */
function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new LatchkeyError('STORE_IO', `a number of the database is too large: ${text}`);
  return value;
}
