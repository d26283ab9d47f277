/** Refunds, disputes and mentions as they lie in a database, for whoever counts them. */
import { sql } from 'kysely';
import type { RiskDatabase } from '../../src/risk/store/open-database.ts';
import { DAY_MS, NOW_MS, owner } from './casework-bench.ts';

export interface Stored {
  readonly id: string;
  readonly operator: string;
  readonly atMs?: number;
  readonly amount?: number;
  readonly currency?: string;
  readonly state?: string;
  readonly kind?: string;
  /** Of its newest decision; none was made without it. */
  readonly grade?: string;
  readonly parcel?: string;
}

/** Refunds as they lie there once they were decided. */
export async function stored({ kysely }: RiskDatabase, refunds: readonly Stored[]): Promise<void> {
  const rows = refunds.map(
    ({ id, operator, atMs = NOW_MS - DAY_MS * 2, amount = 5_000, currency = 'USD', ...more }) => {
      const { state = 'open', kind = 'return', grade = null, parcel = null } = more;
      return { id, operator, at: new Date(atMs).toISOString(), amount, currency, state, kind, grade, parcel };
    },
  );
  await sql`with one as (select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
      as x (id text, operator text, at timestamptz, amount bigint, currency text, state text, kind text, grade text, parcel text)),
    refund as (insert into payments.refund (refund_id, payment_ref, operator, kind, amount_minor, currency, destination,
        requested_at, parcel_refs, state, tenant, region)
      select id, 'pay-' || id, operator, kind, amount, currency, 'original', at, '[]', state, 'default', 'eu' from one),
    parcel as (insert into payments.refund_parcel (parcel, refund_id, tenant, region)
      select parcel, id, 'default', 'eu' from one where parcel is not null)
    insert into payments.decision (decision_id, refund_id, decided_at, outcome, facts, ruleset, parameters, answer, tenant, region)
      select 'd-' || id, id, at, 'PAY', '{}', 'v1', '{}',
        jsonb_build_object('evidence', jsonb_build_array(jsonb_build_object('grade', grade)))::text, 'default', 'eu'
      from one where grade is not null`.execute(kysely);
}

export async function approved({ kysely }: RiskDatabase, id: string, actor: string, atMs: number): Promise<void> {
  await kysely
    .insertInto('cases.verdict')
    .values({
      decision_id: `d-${id}`,
      actor,
      refund_id: id,
      hold_id: `h-${id}`,
      verdict: 'release',
      reason: 'seen',
      at: new Date(atMs),
      ...owner,
    })
    .execute();
}

export async function disputed({ kysely }: RiskDatabase, id: string, atMs: number): Promise<void> {
  await kysely
    .insertInto('payments.dispute')
    .values({
      source: 'bank',
      dispute_ref: `x-${id}`,
      payment_ref: `pay-${id}`,
      amount_minor: 100,
      currency: 'USD',
      result: null,
      opened_at: new Date(atMs),
      closed_at: null,
      ...owner,
    })
    .execute();
}

export async function mentioned(
  { kysely }: RiskDatabase,
  gateway: string,
  parcels: readonly string[],
  atMs: number,
): Promise<void> {
  await sql`insert into custody.mention (key, origin, n, gateway, stored_at, tenant, region)
    select 'parcel ' || parcel, ${originOf(gateway)}, n, ${gateway}, ${new Date(atMs)}::timestamptz, 'default', 'eu'
      from unnest(${parcels}::text[]) with ordinality as x (parcel, n)`.execute(kysely);
}

export const originOf = (gateway: string): string => `lockers.example/${gateway}/1-0a1b2c3d`;
export const many = <T>(count: number, of: (i: number) => T): readonly T[] =>
  Array.from({ length: count }, (_, i) => of(i));

/** But for what a ledger noted of entries, where that is wanted. */
export async function empty({ kysely }: RiskDatabase, keeps?: 'ledger'): Promise<void> {
  await kysely.transaction().execute(async (trx) => {
    await sql.raw("set local session_replication_role = 'replica'").execute(trx);
    const tables = 'payments.refund, payments.dispute, payments.payment, payments.finding, cases.verdict';
    await sql
      .raw(`truncate ${tables}${keeps === 'ledger' ? '' : ', custody.mention, custody.hand'} cascade`)
      .execute(trx);
    await sql`delete from custody.hand where gateway = 'gw-held'`.execute(trx);
  });
}

export async function findings({ kysely }: RiskDatabase): Promise<Readonly<Record<string, unknown>>> {
  const rows = await kysely.selectFrom('payments.finding').select(['id', 'body']).execute();
  return Object.fromEntries(rows.map(({ id, body }) => [id, body]));
}

/** That couriers had parcels in hands: as the ledger notes it of entries. */
export async function held(
  { kysely }: RiskDatabase,
  hands: readonly (readonly [courier: string, parcel: string])[],
  atMs: number,
): Promise<void> {
  await sql`insert into custody.hand (parcel, origin, n, courier, deed, gateway, stored_at, tenant, region)
    select x->>1, ${originOf('gw-held')}, i, x->>0, 'put_in', 'gw-held', ${new Date(atMs)}::timestamptz, 'default', 'eu'
      from jsonb_array_elements(${JSON.stringify(hands)}::jsonb) with ordinality as y (x, i)`.execute(kysely);
}
