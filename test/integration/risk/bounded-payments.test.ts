/**
 * What the database itself refuses of payments, whoever writes: more paid or ordered than was captured, in another currency,
 * by two at once, or by the role that may take things away. On both engines; PGlite has one connection, so what needs two
 * transactions at once runs on the server alone.
 */
import { Kysely, Migrator, sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { present } from '../../../src/base/assert.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { importPayments } from '../../../src/risk/casework/imports.ts';
import { DriverDialect } from '../../../src/risk/store/dialect.ts';
import { MIGRATIONS, migrate } from '../../../src/risk/store/migrate.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { PgliteDriver } from '../../../src/risk/store/pglite-driver.ts';
import type { Database, Role } from '../../../src/risk/store/schema.ts';
import { CaseworkBench, NOW_MS, PaymentSide, requestOf } from '../../support/casework-bench.ts';
import { embeddedInMemory } from '../../support/embedded.ts';
import { bothEngines } from '../../support/engines.ts';

const engines = bothEngines('bounded', 18);
const owner = { tenant: 'default', region: 'eu' };

function refundRow(id: string, payment: string, amount: number, currency = 'USD'): string {
  return `insert into payments.refund (refund_id, payment_ref, operator, kind, amount_minor, currency, destination,
      requested_at, parcel_refs, state, tenant, region)
    values ('${id}', '${payment}', 'op', 'return', ${amount}, '${currency}', 'original', now(), '[]', 'open', 'default', 'eu')`;
}

interface Order {
  readonly refund: string;
  readonly payment: string;
  readonly amount: number;
  readonly currency?: string;
  readonly action?: string;
}

function orderRows(...orders: readonly Order[]): string {
  const rows = orders.map(({ refund, payment, amount, currency = 'USD', action = 'pay' }) => {
    const body = JSON.stringify({ data: { payment_ref: payment, amount_minor: amount, currency } });
    return `('act-${action}-${refund}', '${action}', 'money', '${refund}', 'd-1', '${body}', now(), now(), 'waiting', 'default', 'eu')`;
  });
  return `insert into payments.outbox (key, action, lane, refund_id, decision_id, body, created_at, due_at, state, tenant,
    region) values ${rows.join(', ')}`;
}

function markPaid(id: string): string {
  return `update payments.refund set state = 'paid' where refund_id = '${id}'`;
}

function settlement(id: string, amount: number, currency = 'USD'): string {
  return `insert into payments.settlement (refund_id, reference, amount_minor, currency, settled_at, recorded_at, tenant, region)
    values ('${id}', 'tr-${id}', ${amount}, '${currency}', now(), now(), 'default', 'eu')`;
}

for (const [engine, settingsOf] of Object.entries(engines.settings)) {
  describe(engine, () => {
    let database: RiskDatabase;
    beforeAll(async () => {
      database = await RiskDatabase.open(await settingsOf());
    });
    afterAll(() => database.close());

    async function run(role: Role, ...statements: readonly string[]): Promise<void> {
      await database.as(role, async (trx) => {
        for (const statement of statements) await sql.raw(statement).execute(trx);
      });
    }

    /** Of 100 US cents, with refunds that are asked for. */
    async function capture(payment: string, amounts: Readonly<Record<string, number>> = {}): Promise<void> {
      const row = { payment_ref: payment, currency: 'USD', captured_minor: 100, disputed_minor: 0 };
      expect(await importPayments(database, [row], owner)).toMatchObject({ ok: true });
      for (const [id, amount] of Object.entries(amounts)) await run('payments', refundRow(id, payment, amount));
    }

    async function sumsOf(payment: string) {
      const { rows } = await sql`select captured_minor::int as captured, paid_minor::int as paid,
        ordered_minor::int as ordered from payments.payment where payment_ref = ${payment}`.execute(database.kysely);
      return rows[0];
    }

    test('what is paid counts once, and stays paid', async () => {
      await capture('p-once', { 'once-1': 60, 'once-2': 60, 'once-3': 40 });
      await run('payments', markPaid('once-1'), markPaid('once-1'));
      await expect(run('payments', markPaid('once-2'))).rejects.toThrow(
        'refund once-2 exceeds what payment p-once has left',
      );
      await run('payments', markPaid('once-3'));
      for (const change of ["state = 'open'", 'amount_minor = 1', "currency = 'JPY'"]) {
        const changed = run('payments', `update payments.refund set ${change} where refund_id = 'once-1'`);
        await expect(changed).rejects.toThrow('refund once-1 keeps its amount, its currency, and that it was paid');
      }
      expect(await sumsOf('p-once')).toEqual({ captured: 100, paid: 100, ordered: 0 });
    });

    test('a refund is not paid out of a payment in another currency, nor ordered', async () => {
      await capture('p-usd');
      await run('payments', refundRow('kwd', 'p-usd', 60, 'KWD'));
      await expect(run('payments', markPaid('kwd'))).rejects.toThrow('refund kwd is in KWD, and payment p-usd in USD');
      const order = orderRows({ refund: 'kwd', payment: 'p-usd', amount: 60, currency: 'KWD' });
      await expect(run('payments', order)).rejects.toThrow('exceeds what was captured of payment p-usd in KWD');
      const other = database.as('payments', (trx) =>
        sql.raw("update payments.payment set currency = 'KWD' where payment_ref = 'p-usd'").execute(trx),
      );
      await expect(other).rejects.toThrow('permission denied');
      const owners = sql.raw("update payments.payment set currency = 'KWD'").execute(database.kysely);
      await expect(owners).rejects.toThrow('is in USD, for good');
    });

    test('no less is captured than is paid or ordered, and an import that says so is refused as a whole', async () => {
      await capture('p-low', { 'low-1': 60, 'low-2': 30 });
      await run('payments', markPaid('low-1'), orderRows({ refund: 'low-2', payment: 'p-low', amount: 30 }));
      const lower = (to: number) =>
        run('payments', `update payments.payment set captured_minor = ${to} where payment_ref = 'p-low'`);
      await expect(lower(59)).rejects.toThrow('payment p-low cannot be captured as 59: 60 is paid or ordered');
      const row = { payment_ref: 'p-low', currency: 'USD', captured_minor: 59, disputed_minor: 0 };
      const rows = [{ ...row, payment_ref: 'p-beside' }, row];
      expect(await importPayments(database, rows, owner)).toEqual({
        ok: false,
        reason: 'captured_below_paid',
        detail: 'payment p-low cannot be captured as 59: 60 is paid or ordered to be paid',
      });
      expect(await sumsOf('p-beside')).toBeUndefined();
      expect(await importPayments(database, [{ ...row, captured_minor: 60 }], owner)).toMatchObject({ ok: true });
      // A chargeback of what was paid before is a fact, and no payment.
      expect(await importPayments(database, [{ ...row, captured_minor: 60, disputed_minor: 60 }], owner)).toMatchObject(
        {
          ok: true,
        },
      );
    });

    test('no more is ordered than was captured, and nothing else than was asked for', async () => {
      await capture('p-order', { 'order-1': 40, 'order-2': 40, 'order-3': 40, 'order-4': 20 });
      const of = (refund: string, amount: number, more: Partial<Order> = {}) =>
        orderRows({ refund, payment: 'p-order', amount, ...more });
      const [one, two, three] = ['order-1', 'order-2', 'order-3'].map((refund) => {
        return { refund, payment: 'p-order', amount: 40 };
      });
      const exceeds = 'what is ordered exceeds what was captured of payment p-order in USD';
      const all = [one, two, three].map((each) => present(each, 'an order'));
      await expect(run('payments', orderRows(...all))).rejects.toThrow(exceeds);
      await run('payments', orderRows(...all.slice(0, 2)));
      await expect(run('payments', of('order-3', 40))).rejects.toThrow(exceeds);
      for (const wrong of [
        of('order-4', 21),
        of('order-4', 20, { currency: 'JPY' }),
        of('order-4', 20, { payment: 'p' }),
      ]) {
        await expect(run('payments', wrong)).rejects.toThrow('is not ordered as it was asked for');
      }
      await run('payments', of('order-4', 20, { action: 'cancel' }));
      for (const change of ["action = 'pay'", "body = '{}'"]) {
        const changed = run('payments', `update payments.outbox set ${change} where key = 'act-cancel-order-4'`);
        await expect(changed).rejects.toThrow('the command act-cancel-order-4 stays as it is');
      }
      expect(await sumsOf('p-order')).toEqual({ captured: 100, paid: 0, ordered: 80 });
    });

    test('a confirmation is of a refund that is paid, in its amount and currency', async () => {
      await capture('p-settle', { 'settle-1': 40 });
      const refused = 'is not of refund settle-1 as it was paid';
      await expect(run('payments', settlement('settle-1', 40))).rejects.toThrow(refused);
      await run('payments', markPaid('settle-1'));
      await expect(run('payments', settlement('settle-1', 41))).rejects.toThrow(refused);
      await expect(run('payments', settlement('settle-1', 40, 'KWD'))).rejects.toThrow(refused);
      await run('payments', settlement('settle-1', 40));
    });

    test('the role that may take things away can have nothing more paid by that', async () => {
      await capture('p-role', { 'role-1': 100, 'role-2': 100 });
      await capture('p-role-2', { 'role-3': 100 });
      const role = { refund: 'role-1', payment: 'p-role', amount: 100 };
      await run('payments', orderRows(role), markPaid('role-1'), settlement('role-1', 100));
      const denied: readonly (readonly [statement: string, why: RegExp])[] = [
        [markPaid('role-2'), /permission denied/],
        ["update payments.payment set captured_minor = 500 where payment_ref = 'p-role'", /permission denied/],
        ["update payments.payment set paid_minor = 0 where payment_ref = 'p-role'", /permission denied/],
        ["update payments.settlement set amount_minor = 500 where refund_id = 'role-1'", /permission denied/],
        ["update payments.outbox set action = 'deny' where refund_id = 'role-1'", /permission denied/],
        ["update payments.outbox set body = '{}' where refund_id = 'role-1'", /the command act-pay-role-1 stays/],
        ["update payments.refund set payment_ref = 'p-role-2' where refund_id = 'role-1'", /stays with payment p-role/],
        ["delete from payments.payment where payment_ref = 'p-role'", /goes with its refunds, or not at all/],
      ];
      for (const [statement, why] of denied) await expect(run('retention', statement)).rejects.toThrow(why);
      // Also not by forgetting what was paid, or by another name.
      await run(
        'retention',
        "delete from payments.settlement where refund_id = 'role-1'",
        "delete from payments.outbox where refund_id = 'role-1'",
      );
      await expect(run('payments', orderRows({ ...role, refund: 'role-2' }))).rejects.toThrow(
        'exceeds what was captured',
      );
      await run('retention', "delete from payments.refund where refund_id = 'role-1'");
      await expect(run('payments', markPaid('role-2'))).rejects.toThrow('exceeds what payment p-role has left');
      await run('payments', markPaid('role-3'));
      await run('retention', "update payments.payment set payment_ref = 'p-new' where payment_ref = 'p-role-2'");
      const back = { payment_ref: 'p-role-2', currency: 'USD', captured_minor: 99, disputed_minor: 0 };
      expect(await importPayments(database, [back], owner)).toMatchObject({ reason: 'captured_below_paid' });
      await run('retention', "update payments.refund set payment_ref = 'p-new' where payment_ref = 'p-role-2'");
      expect(await sumsOf('p-new')).toMatchObject({ paid: 100 });
    });

    test('the sums of a payment are written by nobody', async () => {
      const columns = 'payment_ref, currency, captured_minor, paid_minor, tenant, region';
      const made = run(
        'payments',
        `insert into payments.payment (${columns}) values ('p-x', 'USD', 1, -99, 'default', 'eu')`,
      );
      await expect(made).rejects.toThrow('permission denied');
      await expect(run('payments', 'update payments.payment set paid_minor = 0')).rejects.toThrow('permission denied');
      const owners = sql.raw('update payments.payment set paid_minor = paid_minor - 1').execute(database.kysely);
      await expect(owners).rejects.toThrow('does not become less');
    });

    test('people cannot release what exceeds what is captured by then', async () => {
      const bench = new CaseworkBench(database, new ManualScheduler(NOW_MS), new PaymentSide());
      const row = { payment_ref: 'pay-shrunk', currency: 'USD', captured_minor: 100_000, disputed_minor: 0 };
      await importPayments(database, [row], owner);
      const of = requestOf('shrunk', { kind: 'goodwill', parcel_refs: [], amount_minor: 60_000 });
      const hold = `h-${(await bench.decided(of)).decision_id.slice(2)}`;
      await importPayments(database, [{ ...row, captured_minor: 50_000 }], owner);
      const say = (actor: string) => bench.desk.release(hold, { actor, reason: 'seen' });
      await say('ann');
      expect(await say('ben')).toMatchObject({ ok: false, reason: 'blocked' });
    });
  });
}

describe('two at once, on a server', () => {
  let url: string;
  let database: RiskDatabase;
  beforeAll(async () => {
    url = await engines.postgres().database('at_once');
    database = await RiskDatabase.open({ engine: 'postgres', url, poolMax: 18 });
  });
  afterAll(() => database.close());

  async function capture(payment: string, captured: number, refunds: readonly string[], amount: number): Promise<void> {
    const row = { payment_ref: payment, currency: 'USD', captured_minor: captured, disputed_minor: 0 };
    await importPayments(database, [row], owner);
    for (const id of refunds) await sql.raw(refundRow(id, payment, amount)).execute(database.kysely);
  }

  /** As the role of payments, which reads one state for the whole transaction. */
  async function session(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('begin isolation level repeatable read; set local role latchkey_payments');
    await client.query('select count(*) from payments.refund');
    return client;
  }

  test.for([
    ['marks', (id: string) => markPaid(id)],
    ['orders', (id: string) => orderRows({ refund: id, payment: 'p-orders', amount: 60 })],
  ] as const)(
    'of two repeatable reads that each %s 60 of 100 the second fails with 40001',
    async ([name, statement]) => {
      const ids = [`${name}-1`, `${name}-2`] as const;
      await capture(`p-${name}`, 100, ids, 60);
      const [first, second] = [await session(), await session()];
      try {
        await first.query(statement(ids[0]));
        const waiting = second.query(statement(ids[1]));
        const refused = expect(waiting).rejects.toMatchObject({ code: '40001' });
        await first.query('commit');
        await refused;
      } finally {
        await Promise.all([first.end(), second.end()]);
      }
    },
  );

  test('sixteen refunds of one payment at once: as many are paid as were captured, and none waits for ever', async () => {
    const ids = Array.from({ length: 16 }, (_, i) => `many-${i}`);
    await capture('p-many', 100, ids, 10);
    const outcomes = await Promise.all(
      ids.map((id) =>
        database
          .as('payments', async (trx) => {
            await sql.raw(orderRows({ refund: id, payment: 'p-many', amount: 10 })).execute(trx);
            await sql.raw(markPaid(id)).execute(trx);
          })
          .then(
            () => 'paid',
            (error: { readonly code?: string }) => error.code,
          ),
      ),
    );
    expect(outcomes.toSorted()).toEqual([...Array(6).fill('23514'), ...Array(10).fill('paid')]);
  });

  test('two groups of orders over the same payments do not wait for each other, whatever the order of their rows', async () => {
    const payments = Array.from({ length: 8 }, (_, i) => `p-cross-${i}`);
    for (const payment of payments) await capture(payment, 100, [`${payment}-a`, `${payment}-b`], 10);
    const rows = (side: string) => payments.map((payment) => ({ refund: `${payment}-${side}`, payment, amount: 10 }));
    const keep = (orders: readonly Order[]) =>
      database.as('payments', (trx) => sql.raw(orderRows(...orders)).execute(trx));
    await Promise.all([keep(rows('a')), keep(rows('b').toReversed())]);
    const { rows: sums } = await sql`select distinct ordered_minor::int as ordered from payments.payment
      where payment_ref like 'p-cross-%'`.execute(database.kysely);
    expect(sums).toEqual([{ ordered: 20 }]);
  });

  test('the service reads what others committed, whatever the default of the server', async () => {
    await sql.raw("alter database at_once set default_transaction_isolation = 'serializable'").execute(database.kysely);
    const other = await RiskDatabase.open({ engine: 'postgres', url, poolMax: 1 });
    try {
      const { rows } = await other.as('payments', (trx) => sql`show transaction_isolation`.execute(trx));
      expect(rows).toEqual([{ transaction_isolation: 'read committed' }]);
    } finally {
      await other.close();
    }
  });
});

test('a database in which more was paid than captured opens, and takes disputes and no payments', async () => {
  const kysely = new Kysely<Database>({ dialect: new DriverDialect(new PgliteDriver(await embeddedInMemory())) });
  try {
    const before = Object.fromEntries(Object.entries(MIGRATIONS).filter(([name]) => name < '0015'));
    const old = new Migrator({ db: kysely, provider: { getMigrations: async () => before } });
    expect((await old.migrateToLatest()).error).toBeUndefined();
    const run = (statement: string) => sql.raw(statement).execute(kysely);
    await run(
      "insert into payments.payment (payment_ref, currency, captured_minor, tenant, region) values ('p', 'USD', 100, 'default', 'eu')",
    );
    for (const id of ['a', 'b']) await run(refundRow(id, 'p', 60));
    await run(markPaid('a'));
    await run(orderRows({ refund: 'a', payment: 'p', amount: 60 }, { refund: 'b', payment: 'p', amount: 60 }));
    await run("update payments.payment set captured_minor = 50 where payment_ref = 'p'");
    await migrate(kysely);
    const { rows } =
      await sql`select paid_minor::int as paid, ordered_minor::int as ordered from payments.payment`.execute(kysely);
    expect(rows).toEqual([{ paid: 60, ordered: 120 }]);
    await run("update payments.payment set disputed_minor = 10 where payment_ref = 'p'");
    await run("update payments.payment set captured_minor = 60 where payment_ref = 'p'");
    await expect(run(markPaid('b'))).rejects.toThrow('exceeds what payment p has left');
  } finally {
    await kysely.destroy();
  }
});
