/** Looks up whom entries concern that name no parcel (`around.ts`), page by page: no number of parcels is too many. */
import { type RawBuilder, sql } from 'kysely';
import { utf8Text } from '../../base/bytes.ts';
import type { CustodyEvent } from '../../evidence/event/event.ts';
import { codeKeyOf } from '../ledger/select.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { Around, Grant, Known, Span, Turn } from './around.ts';
import type { Trx } from './rights.ts';

const PARCELS_MAX = 1_000;
/** With more of them the whole gateway is looked at. */
const GRANTS_MAX = 10_000;
const PARCEL = 'parcel ';

/** Number of a log, out of its origin in `column`; as `parseOrigin` reads it. */
const logOf = (column: string): RawBuilder<number> =>
  sql`coalesce(substring(${sql.ref(column)} from '/([0-9]{1,9})-[0-9a-f]{8}$')::bigint, 0)`;

/** Asks for parcels of a page: those after one, in their order. */
type Ask = (after: string) => RawBuilder<{ readonly key: string }>;

export class ConcernedParcels {
  readonly #database: RiskDatabase;

  constructor(database: RiskDatabase) {
    this.#database = database;
  }

  /** Parcels may come more than once. `parcelsOf` gives all of a gateway. Rejects where the database does. */
  async *by(
    around: Around,
    parcelsOf: (gateway: string) => AsyncIterable<readonly string[]>,
  ): AsyncIterable<readonly string[]> {
    const { gateways } = around;
    if (gateways.length === 0) return;
    const { spans, wide } = around.concerned(await this.#known(around));
    const narrow = spans.filter(({ gateway }) => wide.get(gateway) !== 'all');
    const some = [...wide].flatMap(([gateway, names]) =>
      names === 'all' ? [] : [...names].map((one) => [gateway, one]),
    );
    const named = narrow.filter(({ compartment }) => compartment !== undefined);
    const unnamed = narrow.filter(({ compartment }) => compartment === undefined);
    if (named.length > 0) yield* this.#pages((after) => lying(named, sql`m.compartment = s.compartment`, after));
    if (unnamed.length > 0) yield* this.#pages((after) => lying(unnamed, sql`m.compartment is not null`, after));
    if (some.length > 0) yield* this.#pages((after) => everIn(some, after));
    const unknown = [
      ...new Set([...narrow.map(({ gateway }) => gateway), ...some.flatMap(([gateway = '']) => gateway)]),
    ];
    if (unknown.length > 0) yield* this.#pages((after) => anywhere(unknown, after));
    for (const [gateway, names] of wide) if (names === 'all') yield* parcelsOf(gateway);
    yield* this.#awaiting(gateways);
  }

  async *#pages(ask: Ask): AsyncIterable<readonly string[]> {
    for (let after = ''; ; ) {
      const { rows } = await this.#database.as('custody', (trx) => ask(after).execute(trx));
      if (rows.length > 0) yield rows.map(({ key }) => key.slice(PARCEL.length));
      const last = rows.at(-1);
      if (last === undefined || rows.length < PARCELS_MAX) return;
      after = last.key;
    }
  }

  /** What waits for a gateway (R15) is held: whatever is heard of it may be what it waits for. */
  async *#awaiting(gateways: readonly string[]): AsyncIterable<readonly string[]> {
    for (let after = ''; ; ) {
      const { rows } = await this.#database.as('payments', (trx) =>
        sql<{ readonly hold_id: string; readonly parcels: readonly string[] }>`
          select h.hold_id, array(select p.parcel from payments.refund_parcel p where p.refund_id = h.refund_id) as parcels
            from payments.hold h where h.state = 'open' and h.codes @> '["R15"]' and h.hold_id > ${after}
            order by h.hold_id limit ${sql.lit(PARCELS_MAX)}`.execute(trx),
      );
      const keys = rows.flatMap(({ parcels }) => parcels.map((parcel) => `${PARCEL}${parcel}`));
      if (keys.length > 0) {
        const { rows: there } = await this.#database.as('custody', (trx) =>
          sql<{ readonly key: string }>`select distinct key from custody.mention
            where key = any((select ${keys}::text[])::text[]) and gateway = any(${gateways}::text[])`.execute(trx),
        );
        if (there.length > 0) yield there.map(({ key }) => key.slice(PARCEL.length));
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < PARCELS_MAX) return;
      after = last.hold_id;
    }
  }

  #known(around: Around): Promise<Known> {
    const { gateways, codes } = around;
    return this.#database.as('custody', async (trx) => {
      const orders = await trx
        .selectFrom('custody.gateway_order')
        .select(['gateway', 'upset_log', 'upset_n'])
        .where('gateway', 'in', gateways)
        .execute();
      const upset = orders.map(({ gateway, upset_log, upset_n }) => [gateway, turn(upset_log, upset_n)] as const);
      const order = new Map(upset);
      const [grants, refused] = [await grantsOf(trx, codes), await refusedAt(trx, around.lateGrants(order))];
      return { upset: order, grants, refused };
    });
  }
}

function turn(log: number, n: number): Turn {
  return { log: Number(log), n: Number(n) };
}

async function grantsOf(trx: Trx, codes: readonly string[]): Promise<Known['grants']> {
  const found = new Map<string, Grant[]>();
  if (codes.length === 0) return found;
  const { rows } = await sql<{
    readonly key: string;
    readonly log: number;
    readonly n: number;
    readonly leaf: Uint8Array | null;
  }>`select m.key, ${logOf('m.origin')}::int as log, m.n, e.leaf from custody.mention m
      cross join lateral (select leaf from custody.entry
        where origin = m.origin and n = m.n and stored_at = m.stored_at limit 1) e
      where m.key = any((select ${codes}::text[])::text[]) limit ${sql.lit(GRANTS_MAX)}`.execute(trx);
  if (rows.length === GRANTS_MAX) return undefined;
  for (const { key, log, n, leaf } of rows) {
    const text = leaf === null ? undefined : utf8Text(Uint8Array.from(leaf));
    const event = text === undefined ? undefined : (JSON.parse(text) as CustodyEvent);
    if (event?.compartment === undefined) continue;
    found.set(key, [...(found.get(key) ?? []), { ...turn(log, n), compartment: event.compartment }]);
  }
  return found;
}

/** Codes that were refused as spent at these gateways. */
async function refusedAt(trx: Trx, gateways: readonly string[]): Promise<Known['refused']> {
  if (gateways.length === 0) return new Set();
  const keys = gateways.map((gateway) => `around ${gateway}`);
  const { rows } = await sql<{ readonly gateway: string; readonly leaf: Uint8Array }>`
    select m.gateway, e.leaf from custody.mention m
      cross join lateral (select leaf from custody.entry
        where origin = m.origin and n = m.n and stored_at = m.stored_at limit 1) e
      where m.key = any((select ${keys}::text[])::text[]) and position(convert_to('"access.refused"', 'UTF8') in e.leaf) > 0
      limit ${sql.lit(GRANTS_MAX)}`.execute(trx);
  if (rows.length === GRANTS_MAX) return undefined;
  return new Set(rows.flatMap(({ gateway, leaf }) => codeIn(gateway, leaf)));
}

function codeIn(gateway: string, leaf: Uint8Array): readonly string[] {
  const text = utf8Text(Uint8Array.from(leaf));
  const code = text === undefined ? undefined : codeKeyOf(gateway, JSON.parse(text) as CustodyEvent);
  return code === undefined ? [] : [code];
}

/** Put in there up to the end of a span, and not taken out before it began. */
function lying(
  spans: readonly Span[],
  there: RawBuilder<unknown>,
  after: string,
): RawBuilder<{ readonly key: string }> {
  const column = <T>(of: (span: Span) => T): readonly T[] => spans.map(of);
  const order = (alias: string) => sql`(${logOf(`${alias}.origin`)}, ${sql.ref(`${alias}.n`)})`;
  return sql`
    with s as materialized (select * from unnest(${column(({ gateway }) => gateway)}::text[],
        ${column(({ compartment }) => compartment ?? '')}::text[], ${column(({ from }) => from.log)}::bigint[],
        ${column(({ from }) => from.n)}::bigint[], ${column(({ to }) => to.log)}::bigint[],
        ${column(({ to }) => to.n)}::bigint[]) as s (gateway, compartment, from_log, from_n, to_log, to_n))
    select distinct m.key from s join custody.mention m on m.gateway = s.gateway and ${there}
      where m.lies and m.key > ${after} and ${order('m')} <= (s.to_log, s.to_n)
        and not exists (select from custody.mention o where o.key = m.key and o.gateway = m.gateway and not o.lies
          and ${order('o')} > ${order('m')} and ${order('o')} < (s.from_log, s.from_n))
      order by m.key limit ${sql.lit(PARCELS_MAX)}`;
}

/** Named with the compartment, whatever became of them. */
function everIn(places: readonly (readonly string[])[], after: string): RawBuilder<{ readonly key: string }> {
  return sql`
    select distinct m.key from unnest(${places.map(([gateway = '']) => gateway)}::text[],
        ${places.map(([, compartment = '']) => compartment)}::text[]) as s (gateway, compartment)
      join custody.mention m on m.gateway = s.gateway and m.compartment = s.compartment
      where m.key > ${after} order by m.key limit ${sql.lit(PARCELS_MAX)}`;
}

/** Of which nobody noted a compartment. */
function anywhere(gateways: readonly string[], after: string): RawBuilder<{ readonly key: string }> {
  return sql`select distinct key from custody.mention
    where gateway = any(${gateways}::text[]) and compartment is null and starts_with(key, ${sql.lit(PARCEL)})
      and key > ${after} order by key limit ${sql.lit(PARCELS_MAX)}`;
}
