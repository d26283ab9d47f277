/**
 * Retention by age, day by day: bodies go and leaf hashes stay, later the whole day goes and the roots stay. What a hold, a
 * case or a dispute needs stays whole, with what happened around it.
 *
 * Each day is a transaction of its own, so a run that is cut off goes on with the next one. What was done is signed.
 */

import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { hex } from '../../base/bytes.ts';
import { wallText } from '../../base/clock.ts';
import { timeOf } from '../../base/wall-time.ts';
import { type Compacted, compact } from './compact.ts';
import { dropOldCustomers } from './customers.ts';
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

export class RetentionRoom {
  readonly #parts: RetentionParts;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  /** What is due. Changes nothing. */
  async plan(signal?: AbortSignal): Promise<RetentionReport> {
    return this.#run(false, 'system', signal);
  }

  /** Durable when it resolves. Rejects with the abort reason between two days. */
  async run(by: string, signal?: AbortSignal): Promise<RetentionReport> {
    return this.#run(true, by, signal);
  }

  async #run(executes: boolean, by: string, signal: AbortSignal | undefined): Promise<RetentionReport> {
    const { database, settings, clock, crypto, logger } = this.#parts;
    await this.#parts.catchUp(signal);
    const nowMs = clock.wallMs();
    const dayBefore = (days: number): Date => new Date(Math.floor((nowMs - days * DAY_MS) / DAY_MS) * DAY_MS);
    const before = dayBefore(settings.bodies_days);
    const all = await database.as('retention', (trx) =>
      sql<{ readonly day: string }>`select to_char(day, 'YYYY-MM-DD') as day from custody.days() as day`.execute(trx),
    );
    const logsBefore = await database.as('retention', (trx) => digestOfRoots(trx, crypto));
    const tables = new Set<string>();
    let counts = NOTHING;
    for (const { day } of all.rows) {
      signal?.throwIfAborted();
      if (timeOf(`${day}T00:00:00Z`) >= before.getTime()) continue;
      const isDropped = timeOf(`${day}T00:00:00Z`) < dayBefore(settings.hashes_days).getTime();
      const part = await database.as('retention', (trx) => reduceDay(trx, day, { executes, isDropped }));
      if (part.bodies > 0 && part.days === 0) tables.add(`custody.entry_${day.replaceAll('-', '')}`);
      counts = sum(counts, part);
    }
    const rest = await database.as('retention', async (trx) => ({
      ...NOTHING,
      ...(await dropClaims(trx, dayBefore(settings.claims_days), executes)),
      ...(await dropSourceEvents(trx, dayBefore(settings.source_events_days), executes)),
      customers: await dropOldCustomers(trx, dayBefore(settings.refunds_days), executes),
    }));
    const ended = dayBefore(settings.refunds_days);
    const refunds = executes ? await dropRefunds(database, ended, signal) : await countRefunds(database, ended);
    counts = sum(sum(counts, rest), { ...NOTHING, ...refunds });
    const held = await database.as(
      'retention',
      async (trx) => new Set((await heldParcels(trx)).map((one) => one.parcel)),
    );
    const report = { counts, held: held.size, before: wallText(before.getTime()) };
    if (!executes || Object.values(counts).every((count) => count === 0)) return report;
    if (counts.mentions > 0) tables.add('custody.mention');
    if (counts.hands > 0) tables.add('custody.hand');
    if (counts.claims > 0) tables.add('custody.claim');
    if (counts.source_events > 0) tables.add('custody.source_event').add('payments.source_event');
    if (counts.customers > 0) tables.add('payments.customer_payment');
    if (counts.refunds > 0) for (const table of REFUND_TABLES) tables.add(table);
    const envelope = await this.#keep(report, by, logsBefore);
    const compacted = await compact(database, [...tables], logger);
    logger.info({ ...counts }, 'what was kept long enough is gone');
    return { ...report, envelope, compacted };
  }

  async #keep({ counts, before }: RetentionReport, by: string, logsBefore: string): Promise<string> {
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

interface DayOptions {
  readonly executes: boolean;
  /** Its hashes are old enough, too. */
  readonly isDropped: boolean;
}

async function reduceDay(trx: Trx, day: string, { executes, isDropped }: DayOptions): Promise<RetentionCounts> {
  const held = [...new Set((await heldParcels(trx)).map(({ parcel }) => `parcel ${parcel}`))];
  // What happened around a parcel says nothing of it by name, and belongs to its story; so does another parcel whose photo is its own.
  const free = sql`e.stored_at >= ${day}::date::timestamp at time zone 'UTC'
    and e.stored_at < (${day}::date + 1)::timestamp at time zone 'UTC' and e.leaf is not null
    and exists (select from custody.read_to r where r.origin = e.origin and r.position > e.position)
    and not exists (select from custody.mention m where m.origin = e.origin and m.n = e.n and (m.key = any(${held}::text[])
      or m.key in (select 'around ' || h.gateway from custody.mention h where h.key = any(${held}::text[]))
      or m.key in (select p.key from custody.mention h join custody.mention p on p.origin = h.origin and p.n = h.n
        where h.key = any(${held}::text[]) and p.key like 'photo %')))`;
  if (!executes) {
    const { rows } = await sql<{
      readonly bodies: number;
      readonly mentions: number;
      readonly hands: number;
      readonly kept: number;
      readonly rows: number;
    }>`
      select (select count(*) from custody.entry e where ${free})::int as bodies,
        (select count(*) from custody.mention x join custody.entry e on e.origin = x.origin and e.n = x.n where ${free})::int as mentions,
        (select count(*) from custody.hand x join custody.entry e on e.origin = x.origin and e.n = x.n where ${free})::int as hands,
        (select count(leaf) from custody.entry e where ${inDay(day)})::int as kept,
        (select count(*) from custody.entry e where ${inDay(day)})::int as rows`.execute(trx);
    const { bodies = 0, mentions = 0, hands = 0, kept = 0, rows: all = 0 } = rows[0] ?? {};
    const goes = isDropped && kept === bodies;
    return { ...NOTHING, bodies, mentions, hands, hashes: goes ? all : 0, days: goes ? 1 : 0 };
  }
  const mentions = await sql`delete from custody.mention x using custody.entry e
    where e.origin = x.origin and e.n = x.n and ${free}`.execute(trx);
  const hands = await sql`delete from custody.hand x using custody.entry e
    where e.origin = x.origin and e.n = x.n and ${free}`.execute(trx);
  const bodies = await sql`update custody.entry e set leaf = null where ${free}`.execute(trx);
  const counts = { ...NOTHING, bodies: numberOf(bodies), mentions: numberOf(mentions), hands: numberOf(hands) };
  if (!isDropped) return counts;
  const { rows } = await sql<{ readonly kept: number }>`
    select count(leaf)::int as kept from custody.entry e where ${inDay(day)}`.execute(trx);
  if (rows[0]?.kept !== 0) return counts;
  const dropped = await sql<{ readonly rows: number }>`select custody.drop_day(${day}::date)::int as rows`.execute(trx);
  return { ...counts, hashes: dropped.rows[0]?.rows ?? 0, days: 1 };
}

function inDay(day: string) {
  return sql`e.stored_at >= ${day}::date::timestamp at time zone 'UTC'
    and e.stored_at < (${day}::date + 1)::timestamp at time zone 'UTC'`;
}

async function dropClaims(trx: Trx, before: Date, executes: boolean): Promise<Pick<RetentionCounts, 'claims'>> {
  const held = [...new Set((await heldParcels(trx)).map(({ parcel }) => parcel))];
  const due = sql`received_at < ${before} and not parcel = any(${held}::text[])`;
  if (executes) return { claims: numberOf(await sql`delete from custody.claim where ${due}`.execute(trx)) };
  const { rows } = await sql<{ readonly count: number }>`
    select count(*)::int as count from custody.claim where ${due}`.execute(trx);
  return { claims: rows[0]?.count ?? 0 };
}

async function dropSourceEvents(
  trx: Trx,
  before: Date,
  executes: boolean,
): Promise<Pick<RetentionCounts, 'source_events'>> {
  let source_events = 0;
  for (const table of ['custody.source_event', 'payments.source_event']) {
    const from = sql.table(table);
    if (executes) source_events += numberOf(await sql`delete from ${from} where received_at < ${before}`.execute(trx));
    else {
      const { rows } = await sql<{ readonly count: number }>`
        select count(*)::int as count from ${from} where received_at < ${before}`.execute(trx);
      source_events += rows[0]?.count ?? 0;
    }
  }
  return { source_events };
}

function numberOf({ numAffectedRows }: { readonly numAffectedRows?: bigint | undefined }): number {
  return Number(numAffectedRows ?? 0n);
}

function sum(a: RetentionCounts, b: RetentionCounts): RetentionCounts {
  return {
    bodies: a.bodies + b.bodies,
    mentions: a.mentions + b.mentions,
    hands: a.hands + b.hands,
    claims: a.claims + b.claims,
    source_events: a.source_events + b.source_events,
    refunds: a.refunds + b.refunds,
    decisions: a.decisions + b.decisions,
    customers: a.customers + b.customers,
    hashes: a.hashes + b.hashes,
    days: a.days + b.days,
  };
}
