/**
 * Verified entries in SQL: the intake store's contract over PGlite and PostgreSQL alike.
 *
 * A group of appends is one transaction. Where several receivers share the database, it first locks the leases that it
 * stands on, and what another one took over meanwhile is answered `fenced`. Then the rows of the logs are locked, and what
 * the caller takes for the held trees is compared under that lock. However many gateways meet in a group, it takes as many
 * statements as one. After an error of the database every write rejects until
 * `reopen` found it answering again: what a broken connection committed is loaded anew.
 */
import { sql } from 'kysely';
import { base64, equalBytes, utf8 } from '../../../base/bytes.ts';
import { LatchkeyError } from '../../../base/errors.ts';
import type { EvidenceCrypto } from '../../../evidence/crypto.ts';
import { type Frontier, TreeBuilder } from '../../../evidence/log/tree.ts';
import type { RiskDatabase } from '../../store/open-database.ts';
import { send } from '../../store/sending.ts';
import {
  type AppendAnswer,
  type CosignAnswer,
  type CosignChange,
  type EntryPlace,
  FORK_BYTES_MAX,
  FORKS_MAX,
  type ForkProof,
  type HeldGateway,
  type IntakeStore,
  type RangeAppend,
  type TrustRecord,
  type UseEntry,
} from '../store.ts';
import { appendGroup } from './append-group.ts';
import type { PartitionLeases } from './leases.ts';
import { loadGateway } from './load.ts';
import { type EntryRow, entryOf, frontierOf, plain } from './rows.ts';
import { cosignGroup, failureOf, gatewayOf, isAboutValues, type LockedLog, lockLogs, type Trx } from './statements.ts';

export interface SqlStoreParts {
  readonly database: RiskDatabase;
  readonly crypto: EvidenceCrypto;
  readonly tenant: string;
  readonly region: string;
  /** Absent: nobody else writes to this database. */
  readonly leases?: PartitionLeases;
}

const PAGE_ROWS = 1_000;
const DAY_MS = 86_400_000;
/** A day that could not be made ahead is tried again after so long, by the time of what is stored. */
const AHEAD_RETRY_MS = 60_000;
const AHEAD_LOCK_MS = 1_000;

const COLUMNS = [
  'n',
  'position',
  'leaf_hash',
  'leaf',
  'status',
  'why',
  'paths',
  'of_origin',
  'of_n',
  'withheld_why',
  'carries',
] as const;

export class SqlStore implements IntakeStore {
  readonly isShared: boolean;
  readonly #parts: SqlStoreParts;
  #failure: LatchkeyError | undefined;
  /** From when on the day after is asked for again. */
  #aheadFromMs = 0;

  constructor(parts: SqlStoreParts) {
    this.#parts = parts;
    this.isShared = parts.leases !== undefined;
  }

  gateways(): Promise<readonly string[]> {
    return this.#read(async (trx) => {
      const logs = await trx.selectFrom('custody.log').select('gateway').distinct().execute();
      const trust = await trx.selectFrom('custody.trust').select('gateway').distinct().execute();
      return [...new Set([...logs, ...trust].map(({ gateway }) => gateway))];
    });
  }

  load(gateway: string): Promise<HeldGateway> {
    return this.#read((trx) => loadGateway(trx, gateway));
  }

  /** Together. If the server cannot hold what one of them says, by halves, so that the others lose nothing by it. */
  async append(ranges: readonly RangeAppend[]): Promise<readonly AppendAnswer[]> {
    const together = await this.#tryAppend(ranges);
    if (together !== undefined) {
      await this.#makeDayAhead(Math.max(...ranges.map(({ storedAtMs }) => storedAtMs)));
      return together;
    }
    if (ranges.length === 1) return ['refused'];
    const half = Math.ceil(ranges.length / 2);
    return [...(await this.append(ranges.slice(0, half))), ...(await this.append(ranges.slice(half)))];
  }

  cosign(changes: readonly CosignChange[]): Promise<readonly CosignAnswer[]> {
    return this.#inGroup(changes, cosignGroup);
  }

  /** Undefined, and nothing stored, when the server refused a value of them. */
  async #tryAppend(ranges: readonly RangeAppend[]): Promise<readonly AppendAnswer[] | undefined> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return await this.#inGroup(ranges, async (trx, mine, logs) => {
        const days = new Set(mine.map(({ storedAtMs }) => new Date(storedAtMs).toISOString().slice(0, 10)));
        await send(trx, sql`select custody.ensure_day(day) from unnest(${[...days]}::date[]) day`, { when: 'later' });
        return appendGroup(trx, mine, logs, this.#parts);
      });
    } catch (error) {
      if (!isAboutValues((error as Error).cause)) throw error;
      this.#failure = undefined;
      return undefined;
    }
  }

  /**
   * The partition of tomorrow, today: to make one asks for the whole table, and at midnight every write would wait behind
   * whoever reads it then, such as a dump. Best effort: the first write of a day makes it if nobody did.
   */
  async #makeDayAhead(storedAtMs: number): Promise<void> {
    if (storedAtMs < this.#aheadFromMs) return;
    const tomorrowMs = (Math.floor(storedAtMs / DAY_MS) + 1) * DAY_MS;
    const day = new Date(tomorrowMs).toISOString().slice(0, 10);
    try {
      await this.#parts.database.as('custody', async (trx) => {
        await sql`set local lock_timeout = ${sql.lit(AHEAD_LOCK_MS)}`.execute(trx);
        await sql`select custody.ensure_day(${day}::date)`.execute(trx);
      });
      this.#aheadFromMs = tomorrowMs;
    } catch {
      this.#aheadFromMs = storedAtMs + AHEAD_RETRY_MS;
    }
  }

  frontierAt(origin: string, size: number): Promise<Frontier | undefined> {
    return this.#read(async (trx) => {
      // Ranges are disjoint: if the last that begins there does not reach it, none does.
      const range = await trx
        .selectFrom('custody.range')
        .select(['first', 'end_size', 'before_roots', 'after_roots'])
        .where('origin', '=', origin)
        .where('first', '<=', size)
        .orderBy('first', 'desc')
        .limit(1)
        .executeTakeFirst();
      if (range === undefined || range.end_size < size) return undefined;
      const tree = new TreeBuilder(this.#parts.crypto, frontierOf(range.first, range.before_roots));
      const rows = await trx
        .selectFrom('custody.entry')
        .select('leaf_hash')
        .where('origin', '=', origin)
        .where('n', '>=', range.first)
        .where('n', '<', size)
        .orderBy('n')
        .execute();
      // Retention drops hashes in the end, and leaves the roots at the edges of ranges.
      if (rows.length !== size - range.first)
        return size === range.end_size ? frontierOf(size, range.after_roots) : undefined;
      for (const { leaf_hash } of rows) tree.push(plain(leaf_hash));
      return tree.frontier();
    });
  }

  async leafHashes(origin: string, first: number, count: number): Promise<readonly Uint8Array[]> {
    const rows = await this.#read((trx) =>
      trx
        .selectFrom('custody.entry')
        .select(['n', 'leaf_hash'])
        .where('origin', '=', origin)
        .where('n', '>=', first)
        .where('n', '<', first + count)
        .orderBy('n')
        .execute(),
    );
    const gap = rows.findIndex(({ n }, i) => n !== first + i);
    return (gap === -1 ? rows : rows.slice(0, gap)).map(({ leaf_hash }) => plain(leaf_hash));
  }

  async carriersOf(gateway: string, leafHashes: readonly Uint8Array[]): Promise<readonly (EntryPlace | undefined)[]> {
    if (leafHashes.length === 0) return [];
    const rows = await this.#read((trx) =>
      trx
        .selectFrom('custody.entry')
        .select(['origin', 'n', 'carries'])
        .where('gateway', '=', gateway)
        .where('carries', 'in', [...leafHashes])
        .execute(),
    );
    const found = new Map(rows.map(({ origin, n, carries }) => [base64(carries ?? new Uint8Array()), { origin, n }]));
    return leafHashes.map((hash) => found.get(base64(hash)));
  }

  async *entries(origin: string, position: number): AsyncIterable<UseEntry> {
    const end = await this.#read(async (trx) => {
      const log = await trx
        .selectFrom('custody.log')
        .select('positions')
        .where('origin', '=', origin)
        .executeTakeFirst();
      return log?.positions ?? 0;
    });
    for (let from = position; from < end; from += PAGE_ROWS) {
      const rows = await this.#read((trx) =>
        trx
          .selectFrom('custody.entry')
          .select(COLUMNS)
          .where('origin', '=', origin)
          .where('position', '>=', from)
          .where('position', '<', Math.min(end, from + PAGE_ROWS))
          .orderBy('position')
          .execute(),
      );
      for (const row of rows) yield entryOf(origin, row satisfies EntryRow);
    }
  }

  async excerpt(origin: string, first: number, end: number): Promise<Uint8Array> {
    const rows = await this.#read((trx) =>
      trx
        .selectFrom('custody.entry')
        .select(['leaf', 'leaf_hash'])
        .where('origin', '=', origin)
        .where('n', '>=', first)
        .where('n', '<', end)
        .orderBy('n')
        .limit(FORK_BYTES_MAX)
        .execute(),
    );
    const lines: Uint8Array[] = [];
    let bytes = 0;
    for (const { leaf, leaf_hash } of rows) {
      if (bytes >= FORK_BYTES_MAX) break;
      const line = leaf ?? utf8(`{"#":"withheld","leaf_hash":"${base64(leaf_hash)}"}`);
      lines.push(line, utf8('\n'));
      bytes += line.length + 1;
    }
    return plain(Buffer.concat(lines).subarray(0, FORK_BYTES_MAX));
  }

  async saveTrust(gateway: string, record: TrustRecord): Promise<'stored' | 'fenced'> {
    const { tenant, region } = this.#parts;
    return this.#write(async (trx) => {
      if (!(await this.#mayWrite(trx, [gateway]))(gateway)) return 'fenced';
      await trx
        .insertInto('custody.trust')
        .values({ gateway, record: JSON.stringify(record), tenant, region })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      return 'stored';
    });
  }

  async keepFork(origin: string, fork: ForkProof): Promise<'kept' | 'known' | 'full' | 'fenced'> {
    const { crypto, tenant, region } = this.#parts;
    const digest = crypto.sha256(fork.theirs);
    const [answer = 'fenced'] = await this.#inGroup([{ origin }], async (trx) => {
      const kept = await trx.selectFrom('custody.fork').select('digest').where('origin', '=', origin).execute();
      if (kept.some((one) => equalBytes(plain(one.digest), digest))) return ['known' as const];
      if (kept.length >= FORKS_MAX) return ['full' as const];
      const { kind, theirs, ours } = fork;
      await trx.insertInto('custody.fork').values({ origin, digest, kind, theirs, ours, tenant, region }).execute();
      return ['kept' as const];
    });
    return answer;
  }

  async reopen(): Promise<void> {
    await this.#parts.database
      .as('custody', (trx) => sql`select 1`.execute(trx))
      .catch((error: unknown) => {
        throw failureOf(error);
      });
    this.#failure = undefined;
  }

  /** The database is its opener's: it may serve other rooms. */
  async close(): Promise<void> {
    this.#failure = new LatchkeyError('STORE_IO', 'the store is closed');
  }

  /** One transaction over leases and logs, locked in one order for every replica, so that no two wait for each other. */
  #inGroup<T extends { readonly origin: string }, A>(
    items: readonly T[],
    work: (trx: Trx, mine: readonly T[], logs: ReadonlyMap<string, LockedLog>) => Promise<readonly A[]>,
  ): Promise<readonly (A | 'fenced')[]> {
    return this.#write(async (trx) => {
      const origins = [...new Set(items.map(({ origin }) => origin))].sort();
      const mayWrite = await this.#mayWrite(trx, origins.map(gatewayOf));
      const mine = items.filter(({ origin }) => mayWrite(gatewayOf(origin)));
      if (mine.length === 0) return items.map(() => 'fenced');
      const locked = origins.filter((origin) => mayWrite(gatewayOf(origin)));
      const answers = (await work(trx, mine, await lockLogs(trx, locked, this.#parts))).values();
      return items.map(({ origin }) => (mayWrite(gatewayOf(origin)) ? (answers.next().value as A) : 'fenced'));
    });
  }

  async #mayWrite(trx: Trx, gateways: readonly string[]): Promise<(gateway: string) => boolean> {
    const { leases } = this.#parts;
    if (leases === undefined) return () => true;
    const held = await leases.fence(trx, gateways);
    return (gateway) => held.has(leases.partitionOf(gateway));
  }

  async #read<T>(work: (trx: Trx) => Promise<T>): Promise<T> {
    try {
      return await this.#parts.database.as('custody', work);
    } catch (error) {
      throw failureOf(error);
    }
  }

  async #write<T>(work: (trx: Trx) => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return await this.#parts.database.as('custody', work);
    } catch (error) {
      this.#failure = failureOf(error);
      throw this.#failure;
    }
  }
}
