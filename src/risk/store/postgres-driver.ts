/**
 * Kysely over a PostgreSQL server, with few journeys: what nobody waits for (`begin`, a change of role, what is sent
 * `later`) leaves with the next statement, in one packet, and the commit with what is sent `last`.
 *
 * Order is kept, so nothing that was not sent can be missed: the server aborts the transaction at the first statement that
 * fails, refuses those behind it, and answers the commit with a rollback. Whoever waits is told of the first failure.
 */
import type { CompiledQuery, DatabaseConnection, Driver, QueryResult } from 'kysely';
import type pg from 'pg';
import type { SentQuery } from './sending.ts';

/** The pool's connections must be pipelined. */
export class ServerDriver implements Driver {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<ServerConnection> {
    return new ServerConnection(await this.#pool.connect());
  }

  async releaseConnection(connection: ServerConnection): Promise<void> {
    connection.release();
  }

  async beginTransaction(connection: ServerConnection): Promise<void> {
    connection.begin();
  }

  commitTransaction(connection: ServerConnection): Promise<void> {
    return connection.end('commit');
  }

  rollbackTransaction(connection: ServerConnection): Promise<void> {
    return connection.end('rollback');
  }

  async destroy(): Promise<void> {
    await this.#pool.end();
  }
}

type Answer = pg.QueryResult | readonly pg.QueryResult[];

const END: ReadonlySet<string> = new Set(['commit', 'rollback']);
const CHANGE_OF_ROLE = /^set local role "[a-z_]+"$/;

/** One transaction after the other: Kysely makes one for each time that it takes a client from the pool. */
class ServerConnection implements DatabaseConnection {
  readonly #client: pg.PoolClient;
  /** To leave with the next statement. */
  #ahead: SentQuery[] = [];
  #state: 'none' | 'begun' | 'sent' = 'none';

  constructor(client: pg.PoolClient) {
    this.#client = client;
  }

  release(): void {
    this.#client.release();
  }

  begin(): void {
    // Whatever the server's default is: who has waited for a lock must see what its holder wrote.
    this.#ahead = [bare('begin isolation level read committed')];
    this.#state = 'begun';
  }

  /** A transaction of which nothing was sent, or whose end was sent with its last statement, needs no word more. */
  async end(how: 'commit' | 'rollback'): Promise<void> {
    const ahead = how === 'commit' ? this.#ahead : [];
    const needed = this.#state === 'sent' || ahead.some(({ sending }) => sending?.when === 'later');
    this.#ahead = [];
    this.#state = 'none';
    if (needed) await this.#fly([...ahead, bare(how)]);
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { sending } = query as SentQuery;
    if (this.#state !== 'none' && (sending?.when === 'later' || CHANGE_OF_ROLE.test(query.sql))) {
      this.#ahead.push(query);
      return { rows: [] };
    }
    const isLast = this.#state !== 'none' && sending?.when === 'last';
    const flight = [...this.#ahead, query, ...(isLast ? [bare('commit')] : [])];
    const at = this.#ahead.length;
    this.#ahead = [];
    if (this.#state !== 'none') this.#state = isLast ? 'none' : 'sent';
    return resultOf<R>(await this.#fly(flight, at));
  }

  // biome-ignore lint/correctness/useYield: no room streams
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('no room streams');
  }

  /** All leave in one packet. Resolves with the answer to the one at `at` once all are answered. */
  async #fly(queries: readonly SentQuery[], at = 0): Promise<Answer> {
    const { stream } = (this.#client as pg.PoolClient & { readonly connection: pg.Connection }).connection;
    stream.cork();
    const sent: Promise<Answer>[] = [];
    let wanted = 0;
    let simple = '';
    const flush = (): void => {
      if (simple !== '') sent.push(this.#client.query(simple));
      simple = '';
    };
    try {
      for (const [i, { sql, parameters, sending }] of queries.entries()) {
        // What has no parameters travels as text, several in one message. The one that is waited for goes alone, and so does
        // the end: of one message the server leaves out all that follows a failure, and would stay in the transaction.
        if (i !== at && !END.has(sql) && parameters.length === 0 && sending?.name === undefined) {
          simple = simple === '' ? sql : `${simple}; ${sql}`;
          continue;
        }
        flush();
        if (i === at) wanted = sent.length;
        const name = sending?.name === undefined ? {} : { name: sending.name };
        sent.push(this.#client.query({ text: sql, values: [...parameters], ...name }));
      }
      flush();
    } finally {
      stream.uncork();
    }
    const settled = await Promise.allSettled(sent);
    for (const one of settled) if (one.status === 'rejected') throw one.reason;
    return (settled[wanted] as PromiseFulfilledResult<Answer>).value;
  }
}

function bare(sql: string): SentQuery {
  return {
    sql,
    parameters: [],
    query: { kind: 'RawNode', sqlFragments: [sql], parameters: [] },
    queryId: { queryId: '' },
  };
}

/** Of several statements in one text, the last one's. */
function resultOf<R>(answer: Answer): QueryResult<R> {
  const { command, rowCount, rows } = (Array.isArray(answer) ? answer.at(-1) : answer) as pg.QueryResult;
  const changes = command === 'INSERT' || command === 'UPDATE' || command === 'DELETE' || command === 'MERGE';
  return { rows: rows as R[], ...(changes && { numAffectedRows: BigInt(rowCount ?? 0) }) };
}
