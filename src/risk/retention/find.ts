/** Where a reference stands: entries by their bytes, whatever became of them, and what hangs on it on the other sides. */
import { randomBytes } from 'node:crypto';
import { sql, type Transaction } from 'kysely';
import { base64url } from '../../base/bytes.ts';
import type { CustomerNames } from '../customers/customer-names.ts';
import type { Database } from '../store/schema.ts';
import { type CustomerRows, findCustomer } from './customers.ts';
import { decisionsNaming, type Names } from './decisions.ts';

type Trx = Transaction<Database>;

export interface FoundEntry {
  readonly origin: string;
  readonly n: number;
  /** `custody.entry_20261122`. */
  readonly partition: string;
}

export interface Found {
  readonly reference: string;
  readonly entries: readonly FoundEntry[];
  readonly forks: readonly {
    readonly origin: string;
    readonly digest: Uint8Array;
    readonly theirs: Uint8Array;
    readonly ours: Uint8Array;
  }[];
  readonly mentions: number;
  /** Notes of who had which parcel in hands. */
  readonly hands: number;
  readonly claims: readonly { readonly ref: string }[];
  /** Claims about other parcels that name it as who said so. */
  readonly told: number;
  readonly refunds: readonly string[];
  readonly payments: readonly string[];
  readonly decisions: readonly string[];
  /** What is known of it as a customer, or as who lives with one. */
  readonly customers: CustomerRows;
  /** What each name becomes. */
  readonly names: Names;
}

const NAME_BYTES = 16;

/** Leads nowhere: it is random, and nobody keeps what it stands for. */
export function erasedName(): string {
  return `erased-${base64url(Uint8Array.from(randomBytes(NAME_BYTES)))}`;
}

export async function findNames(trx: Trx, reference: string, customers: CustomerNames | undefined): Promise<Found> {
  const spelled = JSON.stringify(reference);
  const entries = await sql<FoundEntry>`
    select origin, n, tableoid::regclass::text as partition from custody.entry
    where position(convert_to(${spelled}, 'UTF8') in leaf) > 0 order by origin, n`.execute(trx);
  const forks = await sql<Found['forks'][number]>`
    select origin, digest, theirs, ours from custody.fork
    where position(convert_to(${spelled}, 'UTF8') in theirs) > 0
      or position(convert_to(${spelled}, 'UTF8') in ours) > 0`.execute(trx);
  const mentions = await sql<{ readonly count: number }>`
    select count(*) as count from custody.mention where key = ${`parcel ${reference}`}`.execute(trx);
  const hands = await sql<{ readonly count: number }>`
    select count(*) as count from (
      select parcel, origin, n, courier, deed from custody.hand where parcel = ${reference} or courier = ${reference}
      union select h.parcel, h.origin, h.n, h.courier, h.deed from custody.hand h join unnest(
        ${entries.rows.map(({ origin }) => origin)}::text[], ${entries.rows.map(({ n }) => n)}::bigint[])
        as e (origin, n) on e.origin = h.origin and e.n = h.n) named`.execute(trx);
  const claims = await sql<{ readonly ref: string }>`
    select ref from custody.claim where parcel = ${reference} order by ref`.execute(trx);
  const others = await sql<{ readonly count: number }>`
    select count(*) as count from custody.claim
    where parcel <> ${reference} and body->>'operator' = ${reference}`.execute(trx);
  const refunds = await sql<{ readonly refund_id: string; readonly payment_ref: string }>`
    select refund_id, payment_ref from payments.refund
    where refund_id in (select refund_id from payments.refund_parcel where parcel = ${reference})
    order by refund_id`.execute(trx);
  const refundIds = refunds.rows.map(({ refund_id }) => refund_id);
  const payments = [...new Set(refunds.rows.map(({ payment_ref }) => payment_ref))];
  const more = await sql<{ readonly name: string }>`
    select idempotency_key as name from payments.request q join payments.decision d using (decision_id)
      where d.refund_id = any(${refundIds}::text[])
    union select reference from payments.settlement where refund_id = any(${refundIds}::text[])
    union select dispute_ref from payments.dispute where payment_ref = any(${payments}::text[])`.execute(trx);
  const all = [
    reference,
    ...claims.rows.map(({ ref }) => ref),
    ...refundIds,
    ...payments,
    ...more.rows.map(({ name }) => name),
  ];
  const names = new Map([...new Set(all)].map((name) => [name, erasedName()]));
  return {
    reference,
    entries: entries.rows.map((row) => ({ ...row, n: Number(row.n) })),
    forks: forks.rows,
    mentions: Number(mentions.rows[0]?.count ?? 0),
    hands: Number(hands.rows[0]?.count ?? 0),
    claims: claims.rows,
    told: Number(others.rows[0]?.count ?? 0),
    refunds: refundIds,
    payments,
    decisions: await decisionsNaming(trx, [...names.keys()]),
    customers: await findCustomer(trx, reference, customers),
    names,
  };
}

/** These entries as they are now. */
export async function findEntries(
  trx: Trx,
  entries: readonly FoundEntry[],
): Promise<
  readonly { readonly origin: string; readonly n: number; readonly leaf_hash: Uint8Array; readonly body: string }[]
> {
  const { rows } = await sql<{
    readonly origin: string;
    readonly n: number;
    readonly leaf_hash: Uint8Array;
    readonly body: string;
  }>`
    select e.origin, e.n, e.leaf_hash, coalesce(encode(sha256(e.leaf), 'hex'), 'none') as body
    from unnest(${entries.map(({ origin }) => origin)}::text[], ${entries.map(({ n }) => n)}::bigint[]) as w (origin, n)
    join custody.entry e on e.origin = w.origin and e.n = w.n order by e.origin, e.n`.execute(trx);
  return rows;
}
