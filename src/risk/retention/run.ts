/**
 * Retention by age, day by day: bodies go and leaf hashes stay, later the whole day goes and the roots stay. What a hold, a
 * case or a dispute needs stays whole, with what happened around it.
 *
 * Each page is a transaction of its own: intake and decisions go on in between, and a run that is cut off goes on with the
 * next one. What was done is signed, whether or not a run came to its end.
 */

import { randomBytes } from 'node:crypto';
import { type RawBuilder, sql } from 'kysely';
import { hex } from '../../base/bytes.ts';
import { wallText } from '../../base/clock.ts';
import { timeOf } from '../../base/wall-time.ts';
import { type Compacted, compact } from './compact.ts';
import { oldCustomers } from './customers.ts';
import { affected, countDay, type DayPlace, dropDay, reducePage } from './days.ts';
import type { ErasureParts } from './erase.ts';
import { heldParcels } from './held.ts';
import { countRefunds, dropRefunds, REFUND_TABLES } from './refunds.ts';
import type { Trx } from './rename.ts';
import type { RetentionSettings } from './settings.ts';
import type { Statement } from './statement.ts';
import { digestOfRoots } from './tree-heads.ts';

export interface RetentionParts extends ErasureParts {
  readonly settings: RetentionSettings;
  /** Has the ledger read what is stored: what it has not read is not taken away. */
  readonly catchUp: (signal?: AbortSignal) => Promise<unknown>;
  /** First in every transaction; rejects when the turn is another's. */
  readonly renew?: (trx: Trx) => Promise<void>;
  /** A service runs on the same database: none of its tables is kept from it to be written anew. */
  readonly beside?: boolean;
}

export interface RetentionCounts {
  /** Bodies of entries. */
  readonly bodies: number;
  readonly mentions: number;
  readonly hands: number;
  readonly claims: number;
  readonly source_events: number;
  readonly refunds: number;
  readonly decisions: number;
  /** Payments without a refund that say no more whose they are. */
  readonly customers: number;
  /** Entries of days that were dropped. */
  readonly hashes: number;
  readonly days: number;
}

export interface RetentionReport {
  readonly counts: RetentionCounts;
  /** Parcels that are needed still. */
  readonly held: number;
  /** Bodies before this time went, or would go. */
  readonly before: string;
  /** Of a run that changed something. */
  readonly envelope?: string;
  readonly compacted?: Compacted;
}

const DAY_MS = 86_400_000;
const ID_BYTES = 16;
/** Rows in one transaction. */
const PAGE_ROWS = 2_000;
const NOTHING: RetentionCounts = {
  bodies: 0,
  mentions: 0,
  hands: 0,
  claims: 0,
  source_events: 0,
  refunds: 0,
  decisions: 0,
  customers: 0,
  hashes: 0,
  days: 0,
};

type Due = RawBuilder<unknown>;
type DayBefore = (days: number) => Date;

interface OldRows {
  readonly name: keyof RetentionCounts;
  readonly table: string;
  /** Of `x`. */
  readonly due: (trx: Trx) => Promise<Due>;
}

interface Gone {
  counts: RetentionCounts;
  /** That are there still, with fewer bodies. */
  readonly days: Set<string>;
}

export class RetentionRoom {
  readonly #parts: RetentionParts;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  /** What is due. Changes nothing. */
  async plan(signal?: AbortSignal): Promise<RetentionReport> {
    return this.#run(false, 'system', signal);
  }

  /** Durable when it resolves. Rejects with the abort reason between two pages. */
  async run(by: string, signal?: AbortSignal): Promise<RetentionReport> {
    return this.#run(true, by, signal);
  }

  async #run(executes: boolean, by: string, signal: AbortSignal | undefined): Promise<RetentionReport> {
    const { settings, clock, crypto } = this.#parts;
    await this.#parts.catchUp(signal);
    const nowMs = clock.wallMs();
    const dayBefore = (days: number): Date => new Date(Math.floor((nowMs - days * DAY_MS) / DAY_MS) * DAY_MS);
    const before = wallText(dayBefore(settings.bodies_days).getTime());
    const held = await this.#page(async (trx) => new Set((await heldParcels(trx)).map((one) => one.parcel)).size);
    if (!executes) return { counts: await this.#count(dayBefore, signal), held, before };
    const logsBefore = await this.#page((trx) => digestOfRoots(trx, crypto));
    const gone: Gone = { counts: NOTHING, days: new Set() };
    try {
      await this.#take(gone, dayBefore, signal);
    } catch (error) {
      // What is gone is gone with a proof, also where a run ends early.
      if (!isNothing(gone.counts)) await this.#keep({ counts: gone.counts, before }, by, logsBefore);
      throw error;
    }
    const { counts } = gone;
    if (isNothing(counts)) return { counts, held, before };
    const envelope = await this.#keep({ counts, before }, by, logsBefore);
    this.#parts.logger.info({ ...counts }, 'what was kept long enough is gone');
    const { database, logger, beside = false } = this.#parts;
    const compacted = await compact(database, tablesOf(gone), logger, { beside, signal });
    return { counts, held, before, envelope, compacted };
  }

  async #count(dayBefore: DayBefore, signal: AbortSignal | undefined): Promise<RetentionCounts> {
    const { settings } = this.#parts;
    let counts = NOTHING;
    for (const day of await this.#days(dayBefore(settings.bodies_days))) {
      signal?.throwIfAborted();
      counts = sum(counts, await this.#page((trx) => countDay(trx, day, this.#isDropped(day, dayBefore))));
    }
    for (const { name, table, due } of this.#rest(dayBefore)) {
      const count = await this.#page(async (trx) => countRows(trx, table, await due(trx)));
      counts = sum(counts, { [name]: count });
    }
    return sum(counts, await this.#page((trx) => countRefunds(trx, dayBefore(settings.refunds_days))));
  }

  /** Page by page, each a transaction; `gone` knows what was taken, also where this rejects. */
  async #take(gone: Gone, dayBefore: DayBefore, signal: AbortSignal | undefined): Promise<void> {
    const add = (part: Partial<RetentionCounts>): void => {
      gone.counts = sum(gone.counts, part);
    };
    const { settings } = this.#parts;
    for (const day of await this.#days(dayBefore(settings.bodies_days))) {
      let from: DayPlace | undefined;
      do {
        signal?.throwIfAborted();
        const after = from;
        const { gone: part, next } = await this.#page((trx) => reducePage(trx, day, after));
        add(part);
        if (part.bodies > 0) gone.days.add(day);
        from = next;
      } while (from !== undefined);
      if (!this.#isDropped(day, dayBefore)) continue;
      const hashes = await this.#page((trx) => dropDay(trx, day));
      if (hashes === undefined) continue;
      add({ hashes, days: 1 });
      gone.days.delete(day);
    }
    for (const { name, table, due } of this.#rest(dayBefore)) {
      for (let count = PAGE_ROWS; count === PAGE_ROWS; ) {
        signal?.throwIfAborted();
        count = await this.#page(async (trx) => deleteRows(trx, table, await due(trx)));
        add({ [name]: count });
      }
    }
    for (let more = true; more; ) {
      signal?.throwIfAborted();
      const page = await this.#page((trx) => dropRefunds(trx, dayBefore(settings.refunds_days)));
      add(page.gone);
      more = page.more;
    }
  }

  #page<T>(work: (trx: Trx) => Promise<T>): Promise<T> {
    const { database, renew } = this.#parts;
    return database.as('retention', async (trx) => {
      await renew?.(trx);
      return work(trx);
    });
  }

  async #days(before: Date): Promise<readonly string[]> {
    const { rows } = await this.#page((trx) =>
      sql<{ readonly day: string }>`select to_char(day, 'YYYY-MM-DD') as day from custody.days() as day`.execute(trx),
    );
    return rows.map(({ day }) => day).filter((day) => timeOf(`${day}T00:00:00Z`) < before.getTime());
  }

  #isDropped(day: string, dayBefore: DayBefore): boolean {
    return timeOf(`${day}T00:00:00Z`) < dayBefore(this.#parts.settings.hashes_days).getTime();
  }

  /** Whole rows of tables that are not of a day. */
  #rest(dayBefore: DayBefore): readonly OldRows[] {
    const { claims_days, source_events_days, refunds_days } = this.#parts.settings;
    const received = async (): Promise<Due> => sql`received_at < ${dayBefore(source_events_days)}`;
    return [
      { name: 'claims', table: 'custody.claim', due: (trx) => oldClaims(trx, dayBefore(claims_days)) },
      { name: 'source_events', table: 'custody.source_event', due: received },
      { name: 'source_events', table: 'payments.source_event', due: received },
      { name: 'customers', table: 'payments.customer_payment', due: async () => oldCustomers(dayBefore(refunds_days)) },
    ];
  }

  async #keep(
    { counts, before }: Pick<RetentionReport, 'counts' | 'before'>,
    by: string,
    logsBefore: string,
  ): Promise<string> {
    const { database, crypto, key, tenant, region, clock } = this.#parts;
    return database.as('retention', async (trx) => {
      const id = `r-${hex(Uint8Array.from(randomBytes(ID_BYTES)))}`;
      const at = wallText(clock.wallMs());
      const logs = { before: logsBefore, after: await digestOfRoots(trx, crypto) };
      const reason = 'retention by age';
      const own = { id, kind: 'retention', at, by, reason, tenant, region } as const;
      const statement: Statement = { v: 1, ...own, counts: { ...counts }, logs, before };
      const envelope = key.sign(statement);
      await trx
        .insertInto('custody.erasure')
        .values({
          id,
          at: new Date(at),
          kind: 'retention',
          actor: by,
          reason,
          counts: JSON.stringify(counts),
          statement: envelope,
          tenant,
          region,
        })
        .execute();
      return envelope;
    });
  }
}

async function oldClaims(trx: Trx, before: Date): Promise<Due> {
  const held = [...new Set((await heldParcels(trx)).map(({ parcel }) => parcel))];
  return sql`received_at < ${before} and not parcel = any(${held}::text[])`;
}

async function countRows(trx: Trx, table: string, due: Due): Promise<number> {
  const { rows } = await sql<{ readonly count: number }>`
    select count(*)::int as count from ${sql.table(table)} x where ${due}`.execute(trx);
  return rows[0]?.count ?? 0;
}

async function deleteRows(trx: Trx, table: string, due: Due): Promise<number> {
  const at = sql.table(table);
  return affected(
    await sql`delete from ${at} where ctid = any(array(
      select x.ctid from ${at} x where ${due} limit ${sql.lit(PAGE_ROWS)}))`.execute(trx),
  );
}

/** Whose old bytes are to go, too. */
function tablesOf({ counts, days }: Gone): readonly string[] {
  const tables = [...days].map((day) => `custody.entry_${day.replaceAll('-', '')}`);
  if (counts.mentions > 0) tables.push('custody.mention');
  if (counts.hands > 0) tables.push('custody.hand');
  if (counts.claims > 0) tables.push('custody.claim');
  if (counts.source_events > 0) tables.push('custody.source_event', 'payments.source_event');
  if (counts.customers > 0) tables.push('payments.customer_payment');
  if (counts.refunds > 0) tables.push(...REFUND_TABLES);
  return [...new Set(tables)];
}

function isNothing(counts: RetentionCounts): boolean {
  return Object.values(counts).every((count) => count === 0);
}

function sum(a: RetentionCounts, b: Partial<RetentionCounts>): RetentionCounts {
  const names = Object.keys(a) as (keyof RetentionCounts)[];
  return Object.fromEntries(names.map((name) => [name, a[name] + (b[name] ?? 0)])) as unknown as RetentionCounts;
}
