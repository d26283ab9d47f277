/**
 * Whose turn it is to take away what was kept long enough: one holder at a time on one database, of services and commands.
 *
 * Every page first renews the turn in its own transaction, and is refused where another has taken it since; that row lock
 * also keeps the other one waiting until the page is done. Whether a turn ran out is asked of the database's clock alone.
 */
import { sql } from 'kysely';
import { LatchkeyError } from '../../base/errors.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { Trx } from './rename.ts';

export interface TurnsParts {
  readonly database: RiskDatabase;
  readonly tenant: string;
  readonly region: string;
}

export interface JobState {
  readonly doneAtMs?: number;
  readonly failingSinceMs?: number;
}

const JOB = 'retention';
/** Longer than any page and any rest between two; as long does one who died keep the others waiting. */
const TURN = '10 minutes';

export class RetentionTurns {
  readonly #parts: TurnsParts;

  constructor(parts: TurnsParts) {
    this.#parts = parts;
  }

  state(): Promise<JobState> {
    return this.#parts.database.as('retention', async (trx) => {
      const { rows } = await sql<{ readonly done_at: Date | null; readonly failing_since: Date | null }>`
        select done_at, failing_since from custody.job where ${this.#mine()}`.execute(trx);
      const [row] = rows;
      return {
        ...(row?.done_at && { doneAtMs: row.done_at.getTime() }),
        ...(row?.failing_since && { failingSinceMs: row.failing_since.getTime() }),
      };
    });
  }

  /** Undefined while it is another's. */
  take(): Promise<number | undefined> {
    const { database, tenant, region } = this.#parts;
    return database.as('retention', async (trx) => {
      await sql`insert into custody.job (name, epoch, held_until, tenant, region)
        values (${JOB}, 0, '-infinity', ${tenant}, ${region}) on conflict do nothing`.execute(trx);
      const { rows } = await sql<{ readonly epoch: number }>`
        update custody.job set epoch = epoch + 1, held_until = clock_timestamp() + ${TURN}::interval
        where ${this.#mine()} and epoch in (select epoch from custody.job
          where ${this.#mine()} and held_until <= clock_timestamp() for update skip locked)
        returning epoch`.execute(trx);
      return rows[0]?.epoch;
    });
  }

  /** First in each transaction of that turn. Rejects with STORE_BUSY when it is another's by now. */
  async renew(trx: Trx, epoch: number): Promise<void> {
    const { numAffectedRows } = await sql`
      update custody.job set held_until = clock_timestamp() + ${TURN}::interval
      where ${this.#mine()} and epoch = ${epoch} and held_until > '-infinity'`.execute(trx);
    if (numAffectedRows !== 1n) throw new LatchkeyError('STORE_BUSY', 'retention: another has taken over');
  }

  /** Gives the turn back, and says how it went: `stopped` is neither. Changes nothing when it is another's by now. */
  async end(epoch: number, nowMs: number, how: 'done' | 'failed' | 'stopped'): Promise<void> {
    const at = new Date(nowMs);
    const said = {
      done: sql`, done_at = ${at}, failing_since = null`,
      failed: sql`, failing_since = coalesce(failing_since, ${at})`,
      stopped: sql``,
    }[how];
    await this.#parts.database.as('retention', (trx) =>
      sql`update custody.job set held_until = '-infinity'${said} where ${this.#mine()} and epoch = ${epoch}`.execute(
        trx,
      ),
    );
  }

  #mine() {
    const { tenant, region } = this.#parts;
    return sql`name = ${JOB} and tenant = ${tenant} and region = ${region}`;
  }
}

/**
 * One run on a turn of its own; undefined while it is another's. `work` hands `renew` to each of its transactions, and
 * resolves with nothing when there was nothing to do.
 */
export async function onTurn<T>(
  turns: RetentionTurns,
  wallMs: () => number,
  work: (renew: (trx: Trx) => Promise<void>) => Promise<T | undefined>,
  signal?: AbortSignal,
): Promise<{ readonly value: T | undefined } | undefined> {
  const epoch = await turns.take();
  if (epoch === undefined) return undefined;
  try {
    const value = await work((trx) => turns.renew(trx, epoch));
    await turns.end(epoch, wallMs(), value === undefined ? 'stopped' : 'done');
    return { value };
  } catch (error) {
    // A database that is away says so by the first error; the turn then runs out by itself.
    await turns.end(epoch, wallMs(), signal?.aborted === true ? 'stopped' : 'failed').catch(() => undefined);
    throw error;
  }
}
