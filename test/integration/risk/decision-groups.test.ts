/** Refunds that are asked about at once: decided together, and come out as if one had waited for the other. */
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { RefundDesk, type RefundDeskParts } from '../../../src/risk/casework/refund-desk.ts';
import type { RefundRequest } from '../../../src/risk/casework/refund-request.ts';
import type { Decision } from '../../../src/risk/decision/decision.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { BreakingDatabase } from '../../support/breaking-database.ts';
import { captured, DAY_MS, emptyRefunds, NOW_MS, owner, requestOf, stateHash } from '../../support/casework-bench.ts';
import { openInMemory } from '../../support/embedded.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';
import { TextLogger } from '../../unit/intake/harness.ts';

/** Every step in the campaign; elsewhere some, from a place that changes with the day. */
const STRIDE = process.env['CRASH_STRIDE'] === undefined ? 4 : Number(process.env['CRASH_STRIDE']);
const FIRST_STEP = 1 + (Math.floor(Date.now() / DAY_MS) % STRIDE);

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

const ENGINES: Readonly<Record<string, () => Promise<RiskDatabase>>> = {
  PGlite: async () => (await openInMemory()).database,
  PostgreSQL: async () => RiskDatabase.open({ engine: 'postgres', url: await postgres.database('groups'), poolMax: 6 }),
};

type Answer = Awaited<ReturnType<RefundDesk['decide']>>;

function decisionOf(answer: Answer | undefined): Decision {
  if (answer?.ok !== true) throw new Error(`expected a decision, found ${JSON.stringify(answer)}`);
  return answer.value;
}

/** Large and without a parcel: the third of an operator is held by its velocity (R01). */
function large(id: string, more: Partial<RefundRequest> = {}): RefundRequest {
  return requestOf(id, { kind: 'goodwill', parcel_refs: [], amount_minor: 10_001, ...more });
}

function deskOn(database: RiskDatabase, more: Partial<RefundDeskParts> = {}): RefundDesk {
  const ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A2' });
  const ruleset = makeRuleset(nodeCrypto, {});
  const clock = new ManualScheduler(NOW_MS);
  const parts = { database, ledger, crypto: nodeCrypto, ruleset, ...owner, clock, logger: new TextLogger() };
  return new RefundDesk({ ...parts, ...more });
}

async function ownedBy({ kysely }: RiskDatabase, customer: string, ids: readonly string[]): Promise<void> {
  const [at, { tenant, region }] = [new Date(NOW_MS), owner];
  await sql`insert into payments.customer_payment (payment_ref, customer, captured_at, tenant, region)
    select 'pay-' || id, ${customer}::text, ${at}::timestamptz, ${tenant}::text, ${region}::text
    from unnest(${ids}::text[]) as id`.execute(kysely);
}

describe.each(Object.entries(ENGINES))('%s', (_engine, open) => {
  let database: RiskDatabase;
  beforeAll(async () => {
    database = await open();
  });
  afterAll(() => database.close());
  beforeEach(async () => {
    await emptyRefunds(database);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  function deskOf(more: Partial<RefundDeskParts> = {}): RefundDesk {
    return deskOn(database, more);
  }

  /** How many transactions of decisions there are from now on. */
  function transactions(): () => number {
    const as = vi.spyOn(database, 'as');
    return () => as.mock.calls.filter(([role]) => role === 'payments').length;
  }

  async function keptRefunds(): Promise<readonly string[]> {
    const { rows } = await sql<{ id: string }>`select refund_id as id from payments.refund order by 1`.execute(
      database.kysely,
    );
    return rows.map(({ id }) => id);
  }

  /** Of one operator and of several, of one payment and of several, for parcels and without, paid, held and told of. */
  const MIXED: readonly RefundRequest[] = [
    large('a1', { operator: 'op-a' }),
    requestOf('inspected'),
    large('a2', { operator: 'op-a', payment_ref: 'pay-shared', amount_minor: 60_000 }),
    large('b1', { operator: 'op-b', payment_ref: 'pay-shared', amount_minor: 60_000 }),
    large('a3', { operator: 'op-a' }),
    requestOf('phantom', { parcel_refs: ['k1.phantom', 'k1.phantom-2'] }),
    large('unknown', { payment_ref: 'pay-nobody-knows' }),
    large('euros', { currency: 'EUR', operator: 'op-b' }),
    // The next day of the clock of a caller that is ahead: it counts from now.
    large('a4', { operator: 'op-a', requested_at: new Date(NOW_MS + 60_000).toISOString() }),
    large('a5', { operator: 'op-a', requested_at: new Date(NOW_MS - 1_800_000).toISOString(), recall: false }),
    large('a6', { operator: 'op-a', kind: 'recall', destination: 'other' }),
  ];

  async function begin(): Promise<void> {
    await emptyRefunds(database);
    await captured(database, 'inspected', 'phantom', 'shared', 'euros', 'a1', 'a3', 'a4', 'a5', 'a6');
    const ledger = new LedgerStore({ database, ...owner });
    const body = { what: 'inspected', result: 'ok' } as const;
    await ledger.claim('k1.inspected', { kind: 'claim', ref: 'wms:1', at_ms: NOW_MS, body, level: 'declared' }, NOW_MS);
  }

  test('what comes at once is one transaction, and comes out as one after the other', async () => {
    await begin();
    const desk = deskOf();
    const count = transactions();
    const together = await Promise.all(MIXED.map((one) => desk.decide(`k ${one.refund_id}`, one)));
    expect(count()).toBe(1);
    const state = await stateHash(database);
    await begin();
    const before = count();
    const turns: Answer[] = [];
    for (const one of MIXED) turns.push(await desk.decide(`k ${one.refund_id}`, one));
    expect(count() - before).toBe(MIXED.length);
    expect(together).toEqual(turns);
    expect(await stateHash(database)).toBe(state);
    // What the comparison is about did happen.
    const found = Object.fromEntries(turns.map(decisionOf).map((one) => [one.refund_id, one]));
    expect(codes(found['a3'])).toContain('R01');
    expect(codes(found['a1'])).not.toContain('R01');
    expect(found['b1']).toMatchObject({ outcome: 'HOLD', blocked: true });
    expect(found['inspected']).toMatchObject({ outcome: 'PAY' });
    expect(codes(found['unknown'])).toContain('DEPENDENCY_DOWN');
    for (const { decision_id } of Object.values(found)) {
      expect(await desk.replay(decision_id)).toEqual((await desk.decision(decision_id))?.decision);
    }
  });

  test('of sixteen third refunds at one desk at once all but two are held', async () => {
    const ids = Array.from({ length: 16 }, (_, i) => `velocity-${i}`);
    await captured(database, ...ids);
    const desk = deskOf();
    const answers = await Promise.all(ids.map((id) => desk.decide(`k ${id}`, large(id, { operator: 'op-v' }))));
    expect(answers.map(decisionOf).filter((one) => codes(one).includes('R01'))).toHaveLength(14);
  });

  describe.each([1, 2])('at %d desks', (count) => {
    const many = (desks: readonly RefundDesk[], asked: readonly RefundRequest[]) =>
      Promise.all(asked.map((one, i) => desks[i % desks.length]?.decide(`k ${one.refund_id}`, one)));

    test('of sixteen refunds of one customer at once as many pass as one after the other', async () => {
      const customer = `customer-${count}`;
      // Of 26 orders of one value ten are refunded: one more is seen below the bound of 40 %, and none after it.
      const ids = Array.from({ length: 26 }, (_, i) => `customer-${count}-${i}`);
      await captured(database, ...ids);
      await ownedBy(database, customer, ids);
      const desks = Array.from({ length: count }, () => deskOf());
      const asked = ids.map((id) => requestOf(id, { kind: 'recall', parcel_refs: [], amount_minor: 100_000 }));
      for (const one of asked.slice(0, 10)) await many(desks.slice(0, 1), [one]);
      const answers = (await many(desks, asked.slice(10))).map(decisionOf);
      expect(answers.filter((one) => !codes(one).includes('R12'))).toHaveLength(1);
    });

    test('of sixteen refunds of one parcel out of sixteen payments at once one is paid, and the others name it', async () => {
      const ids = Array.from({ length: 16 }, (_, i) => `parcel-${count}-${i}`);
      await captured(database, ...ids);
      const desks = Array.from({ length: count }, () => deskOf());
      // Each of two parcels, and in turns by another order of their names: nobody waits in vain.
      const parcels = ['k1.AAAAAAAAAAAAAAAAAAAAAA', 'k1.BBBBBBBBBBBBBBBBBBBBBB'];
      const asked = ids.map((id, i) => {
        const parcel_refs = i % 2 === 0 ? parcels : parcels.toReversed();
        return requestOf(id, { kind: 'recall', amount_minor: 1_000, parcel_refs });
      });
      const answers = (await many(desks, asked)).map(decisionOf);
      const paid = answers.filter(({ pay_now }) => pay_now);
      expect(paid).toHaveLength(1);
      const others = answers.filter(({ pay_now }) => !pay_now);
      expect(new Set(others.map(({ outcome }) => outcome))).toEqual(new Set(['REVIEW']));
      for (const { reasons } of others) {
        const reason = reasons.find(({ code }) => code === 'refunded_by_other_payment');
        expect(reason?.refunds).toContain(paid[0]?.refund_id);
        expect(reason?.text).toContain('paid in two payments');
      }
    });
  });

  test('a hundred refunds in parts of one payment hide no refund of the parcel out of another', async () => {
    await captured(database, 'z');
    const parcel = 'k1.PARTS';
    const at = new Date(NOW_MS - DAY_MS);
    for (const [id, payment, count] of [
      ['a', 'pay-z', 100],
      ['y', 'pay-y', 1],
    ] as const) {
      await sql`with made as (insert into payments.refund (refund_id, payment_ref, operator, kind, amount_minor, currency,
          destination, requested_at, parcel_refs, state, tenant, region)
          select ${id}::text || i, ${payment}::text, 'op-parts', 'recall', 1, 'USD', 'original', ${at}::timestamptz,
            ${JSON.stringify([parcel])}::jsonb, 'open', 'default', 'eu' from generate_series(1, ${count}::int) as i
          returning refund_id)
        insert into payments.refund_parcel (parcel, refund_id, tenant, region)
          select ${parcel}::text, refund_id, 'default', 'eu' from made`.execute(database.kysely);
    }
    const answer = await deskOf().decide('k z', requestOf('z', { kind: 'recall', parcel_refs: [parcel] }));
    const { outcome, reasons } = decisionOf(answer);
    expect(outcome).toBe('REVIEW');
    expect(reasons.find(({ code }) => code === 'refunded_by_other_payment')?.refunds).toEqual(['z', 'y1']);
  });

  test('two desks with the same operators in opposite orders: nobody waits in vain, and each operator has two', async () => {
    const operators = ['w', 'x', 'y', 'z'];
    const ids = operators.flatMap((name) => Array.from({ length: 6 }, (_, i) => `${name}-${i}`));
    await captured(database, ...ids);
    const desks = [deskOf(), deskOf()];
    const asked = ids.map((id, i) => ({ id, desk: desks[i % 2], operator: `op-${id.slice(0, 1)}` }));
    const inTurns = [
      ...asked.filter(({ desk }) => desk === desks[0]),
      ...asked.filter(({ desk }) => desk !== desks[0]).reverse(),
    ];
    const answers = await Promise.all(
      inTurns.map(({ id, desk, operator }) => desk?.decide(`k ${id}`, large(id, { operator }))),
    );
    const free = answers.map(decisionOf).filter((one) => !codes(one).includes('R01'));
    expect(free.map(({ refund_id }) => refund_id.slice(0, 1)).sort()).toEqual(
      operators.flatMap((name) => [name, name]),
    );
  });

  test('one that cannot be kept fails alone: the others have their answers, and of it nothing is left', async () => {
    await captured(database, 'good', 'poison', 'better');
    await sql`create function public.refuse_poison() returns trigger language plpgsql as $$ begin
      raise exception 'poison'; end $$`.execute(database.kysely);
    await sql`create trigger poison before insert on payments.refund for each row when (new.refund_id = 'poison')
      execute function public.refuse_poison()`.execute(database.kysely);
    try {
      const desk = deskOf();
      const ids = ['good', 'poison', 'better'];
      const settled = await Promise.allSettled(ids.map((id) => desk.decide(`k ${id}`, large(id))));
      expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(await keptRefunds()).toEqual(['better', 'good']);
      const { rows } = await sql`select from payments.request where idempotency_key = 'k poison'`.execute(
        database.kysely,
      );
      expect(rows).toHaveLength(0);
    } finally {
      await sql`drop trigger poison on payments.refund`.execute(database.kysely);
      await sql`drop function public.refuse_poison()`.execute(database.kysely);
    }
  });

  test('the same key twice at once is one answer; with another body it is refused', async () => {
    await captured(database, 'once');
    const desk = deskOf();
    const other = large('once', { amount_minor: 10_002 });
    const [first, same, differs, apart] = await Promise.all([
      desk.decide('k once', large('once')),
      desk.decide('k once', large('once')),
      desk.decide('k once', other),
      desk.decide('k other', large('apart')),
    ]);
    expect(same).toEqual(first);
    expect(decisionOf(first).refund_id).toBe('once');
    expect(differs).toMatchObject({ ok: false, reason: 'key_reused' });
    expect(apart?.ok).toBe(true);
    expect(await keptRefunds()).toEqual(['apart', 'once']);
  });

  test('one refund under two keys at once is decided once and then again, or not again once it is paid', async () => {
    await captured(database, 'paid', 'held');
    const desk = deskOf();
    const paid = requestOf('paid', { kind: 'recall', parcel_refs: [] });
    const held = requestOf('held');
    const [one, again, first, second, changed] = await Promise.all([
      desk.decide('k1', paid),
      desk.decide('k2', paid),
      desk.decide('k3', held),
      desk.decide('k4', held),
      desk.decide('k5', { ...held, amount_minor: 1 }),
    ]);
    expect(decisionOf(one)).toMatchObject({ outcome: 'PAY' });
    expect(again).toMatchObject({ ok: false, reason: 'refund_closed' });
    expect(decisionOf(first).outcome).toBe('HOLD');
    expect(decisionOf(second).outcome).toBe('HOLD');
    expect(changed).toMatchObject({ ok: false, reason: 'refund_known' });
    const { rows } = await sql<{
      n: number;
    }>`select count(*)::int as n from payments.outbox where action = 'pay'`.execute(database.kysely);
    expect(rows[0]?.n).toBe(1);
  });

  test('one from the future is refused, and those beside it are decided', async () => {
    await captured(database, 'now');
    const desk = deskOf();
    const future = large('future', { requested_at: new Date(NOW_MS + 3_600_000).toISOString() });
    const [refused, decided] = await Promise.all([desk.decide('k f', future), desk.decide('k n', large('now'))]);
    expect(refused).toMatchObject({ ok: false, reason: 'requested_at' });
    expect(decisionOf(decided).refund_id).toBe('now');
    expect(await keptRefunds()).toEqual(['now']);
  });

  /** Paid, held with a case, and told of nothing: none counts for another. */
  const APART = [requestOf('inspected'), requestOf('phantom'), large('a1')];
  const ask = (desk: RefundDesk) => Promise.allSettled(APART.map((one) => desk.decide(`k ${one.refund_id}`, one)));

  test('a group that breaks at any step, and a new start: each is decided once, as without the break', async () => {
    await begin();
    const calm = new BreakingDatabase(database, Number.POSITIVE_INFINITY, { staysBroken: true });
    await ask(deskOf({ database: calm.database }));
    const state = await stateHash(database);
    expect(calm.steps).toBeGreaterThan(5);
    for (let at = FIRST_STEP; at <= calm.steps; at += STRIDE) {
      await begin();
      const breaking = new BreakingDatabase(database, at, { staysBroken: true });
      const settled = await ask(deskOf({ database: breaking.database }));
      expect(`${at}: ${settled.map(({ status }) => status).join()}`).toBe(`${at}: rejected,rejected,rejected`);
      await ask(deskOf());
      expect(`${at}: ${await stateHash(database)}`).toBe(`${at}: ${state}`);
    }
  });

  test('a group whose connection breaks once is answered all the same, whatever had been kept', async () => {
    await begin();
    const calm = new BreakingDatabase(database, Number.POSITIVE_INFINITY, { staysBroken: false });
    const answers = await ask(deskOf({ database: calm.database }));
    const state = await stateHash(database);
    for (let at = FIRST_STEP; at <= calm.steps; at += STRIDE) {
      await begin();
      const breaking = new BreakingDatabase(database, at, { staysBroken: false });
      expect(await ask(deskOf({ database: breaking.database }))).toEqual(answers);
      expect(`${at}: ${await stateHash(database)}`).toBe(`${at}: ${state}`);
    }
  });

  test('a ledger that cannot be read of one parcel holds its refund alone', async () => {
    await captured(database, 'readable', 'broken');
    const ledger = new LedgerStore({ database, ...owner });
    const body = { what: 'inspected', result: 'ok' } as const;
    const claim = { kind: 'claim', ref: 'wms:r', at_ms: NOW_MS, body, level: 'declared' } as const;
    await ledger.claim('k1.readable', claim, NOW_MS);
    const partly: RefundDeskParts['ledger'] = {
      ledgers: async (parcels, asOfMs) => {
        if (parcels.includes('k1.broken')) throw new Error('the disk is away');
        return ledger.ledgers(parcels, asOfMs);
      },
    };
    const desk = deskOf({ ledger: partly });
    const ids = ['readable', 'broken'];
    const answers = await Promise.all(ids.map((id) => desk.decide(`k ${id}`, requestOf(id))));
    const [readable, broken] = answers.map(decisionOf);
    expect(readable?.outcome).toBe('PAY');
    expect(broken?.outcome).toBe('HOLD');
    expect(codes(broken)).toContain('DEPENDENCY_DOWN');
  });
});

test('who waits for a lock that somebody keeps holds up nobody who was asked about at once', async () => {
  const url = await postgres.database('locked');
  const database = await RiskDatabase.open({ engine: 'postgres', url, poolMax: 4 });
  const holder = new pg.Client({ connectionString: url });
  await holder.connect();
  try {
    await captured(database, 'free', 'stuck');
    await holder.query("begin; select pg_advisory_xact_lock(hashtextextended('operator op-stuck', 0))");
    const desk = deskOn(database);
    let isDone = false;
    const stuck = desk.decide('k stuck', large('stuck')).finally(() => {
      isDone = true;
    });
    expect(decisionOf(await desk.decide('k free', large('free'))).refund_id).toBe('free');
    expect(isDone).toBe(false);
    await holder.query('commit');
    expect(decisionOf(await stuck).refund_id).toBe('stuck');
  } finally {
    await holder.end();
    await database.close();
  }
});

function codes(decision: Decision | undefined): readonly string[] {
  return decision?.reasons.map(({ code }) => code) ?? [];
}
