/**
 * Verified entries in SQL: the intake store's contract over PGlite and PostgreSQL alike.
 *
 * A group of appends is one transaction. Where several receivers share the database, it first locks the leases that it
 * stands on, and what another one took over meanwhile is answered `fenced`. Then the row of a log is locked, and what the
 * caller takes for the held tree is compared under that lock. After an error of the database every write rejects until
 * `reopen` found it answering again: what a broken connection committed is loaded anew.
 */
import { sql } from 'kysely';
import { base64, equalBytes, utf8 } from '../../../base/bytes.ts';
import { LatchkeyError } from '../../../base/errors.ts';
import type { EvidenceCrypto } from '../../../evidence/crypto.ts';
import { type Frontier, TreeBuilder } from '../../../evidence/log/tree.ts';
import type { RiskDatabase } from '../../store/open-database.ts';
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
import type { PartitionLeases } from './leases.ts';
import { loadGateway } from './load.ts';
import { columnsOf, type EntryRow, entryOf, frontierOf, plain, rootsOf } from './rows.ts';
import { cosignOne, failureOf, type Trx } from './statements.ts';

export interface SqlStoreParts {
  readonly database: RiskDatabase;
  readonly crypto: EvidenceCrypto;
  readonly tenant: string;
  readonly region: string;
  /** Absent: nobody else writes to this database. */
  readonly leases?: PartitionLeases;
}

/** Rows of one INSERT: a statement has at most 65,535 parameters. */
const ROWS_AT_ONCE = 1_000;
const PAGE_ROWS = 1_000;

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

  append(ranges: readonly RangeAppend[]): Promise<readonly AppendAnswer[]> {
    const days = new Set(ranges.map(({ storedAtMs }) => new Date(storedAtMs).toISOString().slice(0, 10)));
    const prepare = async (trx: Trx): Promise<void> => {
      for (const day of days) await sql`select custody.ensure_day(${day}::date)`.execute(trx);
    };
    return this.#inGroup(ranges, (trx, range) => this.#appendOne(trx, range), prepare);
  }

  cosign(changes: readonly CosignChange[]): Promise<readonly CosignAnswer[]> {
    return this.#inGroup(changes, cosignOne);
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
      if (kept.some((one) => equalBytes(plain(one.digest), digest))) return 'known';
      if (kept.length >= FORKS_MAX) return 'full';
      const { kind, theirs, ours } = fork;
      await trx.insertInto('custody.fork').values({ origin, digest, kind, theirs, ours, tenant, region }).execute();
      return 'kept';
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
    work: (trx: Trx, item: T) => Promise<A>,
    prepare?: (trx: Trx) => Promise<void>,
  ): Promise<readonly (A | 'fenced')[]> {
    return this.#write(async (trx) => {
      const origins = [...new Set(items.map(({ origin }) => origin))].sort();
      const mayWrite = await this.#mayWrite(trx, origins.map(gatewayOf));
      await this.#lockLogs(
        trx,
        origins.filter((origin) => mayWrite(gatewayOf(origin))),
      );
      await prepare?.(trx);
      const answers: (A | 'fenced')[] = [];
      for (const item of items) answers.push(mayWrite(gatewayOf(item.origin)) ? await work(trx, item) : 'fenced');
      return answers;
    });
  }

  async #mayWrite(trx: Trx, gateways: readonly string[]): Promise<(gateway: string) => boolean> {
    const { leases } = this.#parts;
    if (leases === undefined) return () => true;
    const held = await leases.fence(trx, gateways);
    return (gateway) => held.has(leases.partitionOf(gateway));
  }

  /** Makes the logs' rows where there are none, and holds them until the transaction ends. */
  async #lockLogs(trx: Trx, origins: readonly string[]): Promise<void> {
    const { tenant, region } = this.#parts;
    if (origins.length === 0) return;
    const none = { positions: 0, carried: 0, cosigned_size: null, cosigned_root: null, cosigned_note: null };
    await trx
      .insertInto('custody.log')
      .values(origins.map((origin) => ({ origin, gateway: gatewayOf(origin), ...none, tenant, region })))
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    await trx
      .selectFrom('custody.log')
      .select('origin')
      .where('origin', 'in', [...origins])
      .orderBy('origin')
      .forUpdate()
      .execute();
  }

  async #appendOne(trx: Trx, range: RangeAppend): Promise<AppendAnswer> {
    const { origin, before, after } = range;
    const last = await trx
      .selectFrom('custody.range')
      .select('end_size')
      .where('origin', '=', origin)
      .where('first', '<', after.size)
      .orderBy('first', 'desc')
      .limit(1)
      .executeTakeFirst();
    if (last !== undefined && last.end_size > before.size) return 'conflict';
    const grown = await trx
      .selectFrom('custody.range')
      .select('after_roots')
      .where('origin', '=', origin)
      .where('end_size', '=', before.size)
      .executeTakeFirst();
    if (range.opens !== (grown === undefined)) return 'conflict';
    if (grown !== undefined && !equalBytes(plain(grown.after_roots), rootsOf(before))) return 'conflict';
    const next = await trx
      .selectFrom('custody.range')
      .select('before_roots')
      .where('origin', '=', origin)
      .where('first', '=', after.size)
      .executeTakeFirst();
    if (next !== undefined && !equalBytes(plain(next.before_roots), rootsOf(after))) return 'fork';
    await this.#insert(trx, range);
    return 'stored';
  }

  async #insert(trx: Trx, { origin, before, after, note, rows, storedAtMs }: RangeAppend): Promise<void> {
    const { tenant, region } = this.#parts;
    const owned = { origin, tenant, region };
    const gateway = gatewayOf(origin);
    const stored_at = new Date(storedAtMs);
    const carried = rows.filter(({ carries }) => carries !== undefined).length;
    const { positions } = await trx
      .updateTable('custody.log')
      .set((eb) => ({ positions: eb('positions', '+', rows.length), carried: eb('carried', '+', carried) }))
      .where('origin', '=', origin)
      .returning('positions')
      .executeTakeFirstOrThrow();
    const position = positions - rows.length;
    await trx
      .insertInto('custody.range')
      .values({
        ...owned,
        first: before.size,
        end_size: after.size,
        before_roots: rootsOf(before),
        after_roots: rootsOf(after),
        note: note ?? null,
        position,
      })
      .execute();
    const values = rows.map((row, i) => ({
      ...owned,
      ...columnsOf(row.use),
      stored_at,
      gateway,
      n: before.size + i,
      position: position + i,
      leaf_hash: row.leafHash,
      leaf: row.leaf ?? null,
      carries: row.carries ?? null,
    }));
    for (let from = 0; from < values.length; from += ROWS_AT_ONCE) {
      await trx
        .insertInto('custody.entry')
        .values(values.slice(from, from + ROWS_AT_ONCE))
        .execute();
    }
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

function gatewayOf(origin: string): string {
  return origin.split('/')[1] ?? '';
}
