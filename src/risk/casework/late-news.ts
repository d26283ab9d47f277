/**
 * What became known since the last look, a page at a time, and which parcels it concerns.
 *
 * Entries by a place in each log, moved on in the order in which the ledger read them, one page of each log after the other;
 * claims, decisions and changed levels by queues, whose rows go once they were looked at. What names no parcel and may
 * concern some, as a forced door, is gathered over many pages and looked up at once (`around.ts`). What concerns every parcel
 * that ever came to a gateway goes through those of its newest log first, the newest of each first, page by page to the last,
 * so that no number of them is too many and no more than a page of them is in memory.
 */
import { sql } from 'kysely';
import { utf8Text } from '../../base/bytes.ts';
import type { CustodyEvent } from '../../evidence/event/event.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import { Around, pointOf } from './around.ts';
import { ConcernedParcels } from './concerned.ts';
import type { Owner, Trx } from './rights.ts';

export interface NewsPage {
  /** So many pages of logs in one. */
  readonly pages?: number;
  readonly decisions: readonly string[];
  /** Parcels may come more than once. Rejects where the database does. */
  readonly parcels: () => AsyncIterable<readonly string[]>;
  /** Nobody needs to look at it any more: what is not done is found again. */
  readonly done: () => Promise<void>;
}

export interface NewsParts extends Owner {
  readonly database: RiskDatabase;
}

/** Entries [first, end) of a log; to its end without one. */
interface Stretch {
  readonly origin: string;
  readonly first: number;
  readonly end?: number;
}

interface Mention {
  readonly key: string;
  readonly n: number;
}

interface LogNews {
  readonly origin: string;
  readonly position: number;
  readonly end: number;
}

const ENTRIES_MAX = 500;
/** Of logs, that are gathered before a gateway is gone through. */
const MERGED_MAX = 100;
const QUEUE_MAX = 500;
const MENTIONS_MAX = 1_000;
const PARCEL = 'parcel ';
const AROUND = 'around ';

export class LateNews {
  readonly #parts: NewsParts;
  readonly #concerned: ConcernedParcels;
  /** The log of the last page: the next one is of another, so that none waits for one that always has more. */
  #origin = '';

  constructor(parts: NewsParts) {
    this.#parts = parts;
    this.#concerned = new ConcernedParcels(parts.database);
  }

  /** The sources, each of which has nothing when it resolves with undefined. */
  get sources(): readonly ((pagesMax: number) => Promise<NewsPage | undefined>)[] {
    return [
      (pagesMax) => this.#entries(Math.min(pagesMax, MERGED_MAX)),
      () => this.#claims(),
      () => this.#decided(),
      () => this.#levels(),
    ];
  }

  async #entries(pagesMax: number): Promise<NewsPage | undefined> {
    const waiting = [...((await this.#logs(this.#origin)) ?? (await this.#logs('')) ?? [])];
    if (waiting.length === 0) return undefined;
    const around = new Around();
    const named: (readonly string[])[] = [];
    const looked: LogNews[] = [];
    while (looked.length < pagesMax) {
      const log = waiting.shift();
      if (log === undefined) break;
      const end = Math.min(log.end, log.position + ENTRIES_MAX);
      named.push(await this.#gather({ ...log, end }, around));
      looked.push({ ...log, end });
      this.#origin = log.origin;
      if (end < log.end) waiting.push({ ...log, position: end });
    }
    return {
      pages: looked.length,
      decisions: [],
      parcels: () => this.#about(named, around),
      done: async () => {
        for (const { origin, position, end } of looked) await this.#lookedTo(origin, position, end);
      },
    };
  }

  async *#about(named: Iterable<readonly string[]>, around: Around): AsyncIterable<readonly string[]> {
    yield* named;
    yield* this.#concerned.by(around, (gateway) => this.#parcelsOf(gateway));
  }

  /** Resolves with the parcels that entries of a page name. */
  async #gather({ origin, position, end }: LogNews, around: Around): Promise<readonly string[]> {
    const rows = await this.#parts.database.as('custody', (trx) =>
      trx
        .selectFrom('custody.entry as e')
        .innerJoin('custody.mention as m', (join) => join.onRef('m.origin', '=', 'e.origin').onRef('m.n', '=', 'e.n'))
        .select(['m.key', 'm.gateway', 'm.n'])
        .select(sql<Uint8Array | null>`case when m.key ~ '^(around|code) ' then e.leaf end`.as('leaf'))
        .where('e.origin', '=', origin)
        .where('e.position', '>=', position)
        .where('e.position', '<', end)
        .execute(),
    );
    const log = numberOf(origin);
    for (const { key, gateway, n, leaf } of rows) {
      const text = leaf === null ? undefined : utf8Text(Uint8Array.from(leaf));
      if (text === undefined) continue;
      // Intake judged it before it was stored.
      const event = JSON.parse(text) as CustodyEvent;
      const point = pointOf(gateway, { log, n: Number(n) }, event, key.startsWith(AROUND));
      if (point !== undefined) around.add(point);
    }
    return [...new Set(rows.flatMap(({ key }) => parcelOf(key)))];
  }

  /** Those behind one that have more than was looked at; undefined when none has. */
  async #logs(after: string): Promise<readonly LogNews[] | undefined> {
    const rows = await this.#parts.database.as('custody', (trx) =>
      trx
        .selectFrom('custody.read_to as r')
        .leftJoin('custody.looked_to as l', 'l.origin', 'r.origin')
        .select(({ fn, val }) => ['r.origin', 'r.position as end', fn.coalesce('l.position', val(0)).as('position')])
        .where(({ eb, fn, val }) => eb('r.position', '>', fn.coalesce('l.position', val(0))))
        .where('r.origin', '>', after)
        .orderBy('r.origin')
        .limit(MERGED_MAX)
        .execute(),
    );
    if (rows.length === 0) return undefined;
    return rows.map(({ origin, position, end }) => ({ origin, position: Number(position), end: Number(end) }));
  }

  /** Nobody else moved it meanwhile, or they looked at the same. */
  async #lookedTo(origin: string, from: number, end: number): Promise<void> {
    const { tenant, region, database } = this.#parts;
    await database.as('custody', async (trx) => {
      await trx
        .insertInto('custody.looked_to')
        .values({ origin, position: 0, tenant, region })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      await trx
        .updateTable('custody.looked_to')
        .set({ position: end })
        .where('origin', '=', origin)
        .where('position', '=', from)
        .execute();
    });
  }

  async #claims(): Promise<NewsPage | undefined> {
    const rows = await this.#parts.database.as('custody', (trx) =>
      trx.selectFrom('custody.fresh_claim').selectAll().orderBy('id').limit(QUEUE_MAX).execute(),
    );
    if (rows.length === 0) return undefined;
    const ids = rows.map(({ id }) => id);
    const parcels = [...new Set(rows.map(({ parcel }) => parcel))];
    return {
      decisions: [],
      parcels: () => parcelsAlone(parcels),
      done: async () => {
        await this.#parts.database.as('custody', (trx) =>
          trx.deleteFrom('custody.fresh_claim').where('id', 'in', ids).execute(),
        );
      },
    };
  }

  /** An entry may be stored between the reading of a decision's ledger and its commit. */
  async #decided(): Promise<NewsPage | undefined> {
    const rows = await this.#parts.database.as('payments', (trx) =>
      trx.selectFrom('payments.fresh_decision').selectAll().orderBy('decision_id').limit(QUEUE_MAX).execute(),
    );
    if (rows.length === 0) return undefined;
    const decisions = rows.map(({ decision_id }) => decision_id);
    return {
      decisions,
      parcels: () => parcelsAlone([]),
      done: async () => {
        await this.#parts.database.as('payments', (trx) =>
          trx.deleteFrom('payments.fresh_decision').where('decision_id', 'in', decisions).execute(),
        );
      },
    };
  }

  /** Entries that the ledger has not read yet are looked at when it did. */
  async #levels(): Promise<NewsPage | undefined> {
    const row = await this.#parts.database.as('custody', (trx) =>
      trx
        .selectFrom('custody.fresh_level as f')
        .innerJoin('custody.log as l', 'l.origin', 'f.origin')
        .select(['f.origin', 'f.first', 'f.end_n', 'f.whole_gateway', 'f.changes', 'l.gateway'])
        .orderBy('f.origin')
        .executeTakeFirst(),
    );
    if (row === undefined) return undefined;
    const { origin, first, end_n: end, whole_gateway, changes, gateway } = row;
    return {
      decisions: [],
      parcels: () =>
        whole_gateway ? this.#parcelsOf(gateway) : this.#parcelsIn({ origin, first, ...(end !== null && { end }) }),
      done: async () => {
        await this.#parts.database.as('custody', (trx) =>
          trx.deleteFrom('custody.fresh_level').where('origin', '=', origin).where('changes', '=', changes).execute(),
        );
      },
    };
  }

  async *#parcelsOf(gateway: string): AsyncIterable<readonly string[]> {
    const logs = await this.#parts.database.as('custody', (trx) =>
      trx.selectFrom('custody.log').select('origin').where('gateway', '=', gateway).execute(),
    );
    const newestFirst = logs.map(({ origin }) => origin).sort((a, b) => numberOf(b) - numberOf(a) || (a < b ? -1 : 1));
    for (const origin of newestFirst) yield* this.#parcelsIn({ origin, first: 0 });
  }

  /** From the newest back. */
  async *#parcelsIn(stretch: Stretch): AsyncIterable<readonly string[]> {
    let before: Mention | undefined;
    for (;;) {
      const page = await this.#parts.database.as('custody', (trx) => mentionsBefore(trx, stretch, before));
      if (page.length > 0) yield [...new Set(page.flatMap(({ key }) => parcelOf(key)))];
      if (page.length < MENTIONS_MAX) return;
      before = page.at(-1);
    }
  }
}

async function mentionsBefore(
  trx: Trx,
  { origin, first, end }: Stretch,
  before: Mention | undefined,
): Promise<readonly Mention[]> {
  const below = end === undefined ? sql`` : sql`and n < ${end}`;
  const further = before === undefined ? sql`` : sql`and (n, key) < (${before.n}, ${before.key})`;
  const { rows } = await sql<Mention>`select n, key from custody.mention
    where origin = ${origin} and n >= ${first} ${below} ${further} and starts_with(key, ${PARCEL})
    order by n desc, key desc limit ${MENTIONS_MAX}::bigint`.execute(trx);
  return rows;
}

async function* parcelsAlone(parcels: readonly string[]): AsyncIterable<readonly string[]> {
  yield parcels;
}

function parcelOf(key: string): readonly string[] {
  return key.startsWith(PARCEL) ? [key.slice(PARCEL.length)] : [];
}

function numberOf(origin: string): number {
  const named = parseOrigin(origin);
  return named.ok ? named.value.number : 0;
}
