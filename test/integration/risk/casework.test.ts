/** Holds, commands, settlements, verdicts of people, deadlines and late facts, on both engines. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { CaseBook } from '../../../src/risk/casework/case-book.ts';
import { HoldBook, type HoldDetail } from '../../../src/risk/casework/hold-book.ts';
import { Outbox } from '../../../src/risk/casework/outbox.ts';
import { OutboxWorker } from '../../../src/risk/casework/outbox-worker.ts';
import { Sweep } from '../../../src/risk/casework/sweep.ts';
import { OUTCOMES, type Outcome } from '../../../src/risk/decision/outcome.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import {
  CaseworkBench,
  captured,
  DAY_MS,
  NOW_MS,
  owner,
  PaymentSide,
  requestOf,
} from '../../support/casework-bench.ts';
import { bothEngines } from '../../support/engines.ts';

const engines = bothEngines('casework', 8);
const HOUR_MS = 3_600_000;

/** A command to the payment side, as nobody but the verdict of a person may make one. */
const INSERT_DENY = `insert into payments.outbox
  (key, action, lane, refund_id, decision_id, body, created_at, due_at, state, tenant, region)
  select 'x', 'deny', lane, refund_id, decision_id, body, created_at, due_at, state, tenant, region from payments.outbox`;

describe.each(Object.entries(engines.settings))('%s', (_, settingsOf) => {
  let database: RiskDatabase;
  let book: HoldBook;
  let cases: CaseBook;
  const side = new PaymentSide();
  beforeAll(async () => {
    database = await RiskDatabase.open(await settingsOf());
    book = new HoldBook(database);
    cases = new CaseBook(database);
  });
  afterAll(() => database.close());

  const at = (afterMs: number): CaseworkBench =>
    new CaseworkBench(database, new ManualScheduler(NOW_MS + afterMs), side);
  const held = async (decisionId: string): Promise<HoldDetail> => {
    const hold = await book.show(`h-${decisionId.slice(2)}`);
    if (hold === undefined) throw new Error(`no hold of ${decisionId}`);
    return hold;
  };
  const person = (name: string) => ({ actor: name, reason: 'looked at it' });
  const settlement = (reference: string, more: object = {}) => ({
    reference,
    amount_minor: 8_000,
    currency: 'USD',
    settled_at_ms: NOW_MS,
    ...more,
  });

  test('a held refund has its hold, its case and its commands at once, and they are listed', async () => {
    await captured(database, 'phantom');
    const decision = await at(0).decided(requestOf('phantom'));
    expect(decision.outcome).toBe('HOLD');
    const hold = await held(decision.decision_id);
    expect(hold).toMatchObject({
      refund_id: 'phantom',
      state: 'open',
      codes: expect.arrayContaining(['C18', 'R05']),
      deadline_at_ms: NOW_MS + 14 * DAY_MS,
      on_deadline: 'pay',
      history: [{ what: 'placed', actor: 'system' }],
      cases: [{ kind: 'refund', contain_by_ms: NOW_MS + HOUR_MS, evidence_by_ms: NOW_MS + 2 * DAY_MS }],
    });
    expect(hold.actions.map(({ action, state }) => [action, state])).toEqual([
      ['hold_settlement', 'waiting'],
      ['ticket', 'waiting'],
    ]);
    expect(hold.release_when).toContain('return_deposited');
    const { holds } = await book.list({ state: 'open', limit: 1 });
    expect(holds).toHaveLength(1);
    expect((await at(0).desk.explain(decision.decision_id))?.rules.find(({ code }) => code === 'R08')).toMatchObject({
      fired: false,
      why: expect.stringContaining('did not fire'),
    });
  });

  test('commands arrive once each, and what arrived is contained', async () => {
    await at(1_000).round();
    const hold = (await book.list({ state: 'open' })).holds.find(({ refund_id }) => refund_id === 'phantom');
    const { actions } = await held(hold?.decision_id ?? '');
    expect(actions.map(({ state }) => state)).toEqual(['delivered', 'delivered']);
    await at(HOUR_MS).round();
    const [kept] = await cases.list({ refundId: 'phantom' });
    expect(kept).toMatchObject({ contained_at_ms: NOW_MS + 1_000 });
    expect([...side.done.values()].every(({ times }) => times === 1)).toBe(true);
  });

  test('what a hold waits for releases it with the next look, and pays once', async () => {
    const bench = at(DAY_MS);
    await bench.claim('k1.phantom', `${_}:wms:1`, { what: 'inspected', result: 'ok' });
    const round = await bench.round();
    expect(round.late.opened).toBe(1);
    expect(side.paid()).toContain('phantom');
    expect((await book.list({ state: 'paid' })).holds.map(({ refund_id }) => refund_id)).toContain('phantom');
    expect((await cases.list({ refundId: 'phantom' })).map(({ state }) => state)).toEqual(['closed', 'closed']);
    expect(await at(DAY_MS).desk.decide('k-again', requestOf('phantom'))).toMatchObject({ reason: 'refund_closed' });
  });

  test('a confirmation makes it paid; again it changes nothing, and one that contradicts opens a case', async () => {
    const { desk } = at(DAY_MS);
    expect(await desk.settle('phantom', settlement('tr-1', { amount_minor: 1 }))).toMatchObject({
      reason: 'amount_differs',
    });
    expect(await desk.settle('phantom', settlement('tr-1'))).toEqual({ ok: true, value: 'paid' });
    expect(await desk.settle('phantom', settlement('tr-1'))).toEqual({ ok: true, value: 'paid' });
    expect(await desk.settle('phantom', settlement('tr-2'))).toMatchObject({ reason: 'settled_before' });
    expect(await desk.settle('nobody', settlement('tr-3'))).toMatchObject({ reason: 'refund_unknown' });
    const open = await cases.list({ refundId: 'phantom', state: 'open' });
    expect(open.map(({ kind }) => kind)).toEqual(['settlement', 'settlement']);
  });

  test('a fact that comes after a payment opens one case, and changes no decision', async () => {
    const bench = at(2 * DAY_MS);
    const count = async () =>
      (await cases.list({ refundId: 'phantom' })).filter(({ kind }) => kind === 'late_fact').length;
    const before = await count();
    await bench.claim('k1.phantom', `${_}:wms:2`, { what: 'inspected', result: 'empty' });
    expect((await bench.round()).late).toMatchObject({ opened: 1 });
    expect((await bench.round()).late).toEqual({ looked: 0, opened: 0, more: false });
    expect(await count()).toBe(before + 1);
    const replayed = await sql<{
      n: number;
    }>`select count(*) as n from payments.decision where refund_id = 'phantom'`.execute(database.kysely);
    expect(Number(replayed.rows[0]?.n)).toBe(2);
  });

  test('a refund of more than one approval is paid when so many people said so, and never by who asked', async () => {
    await captured(database, 'large');
    const { desk, decided } = at(0);
    const decision = await decided.call(
      at(0),
      requestOf('large', { kind: 'goodwill', parcel_refs: [], amount_minor: 60_000 }),
    );
    expect(decision).toMatchObject({ outcome: 'STEP_UP', approvals: 2 });
    const id = `h-${decision.decision_id.slice(2)}`;
    expect(await desk.release(id, person('op-large'))).toMatchObject({ reason: 'own_refund' });
    expect(await desk.release(id, { actor: 'ann', reason: ' ' })).toMatchObject({ reason: 'reason' });
    expect(await desk.release(id, person('ann'))).toMatchObject({ value: { state: 'held', have: 1, need: 2 } });
    expect(await desk.release(id, person('ann'))).toMatchObject({ value: { state: 'held', have: 1, need: 2 } });
    expect(await desk.release(id, person('ben'))).toMatchObject({ value: { state: 'released', have: 2 } });
    expect(await desk.release(id, person('eve'))).toMatchObject({ reason: 'refund_closed' });
    await at(0).round();
    expect(side.paid().filter((refund) => refund === 'large')).toEqual(['large']);
  });

  test('only a person denies, with a name and a reason, and what was denied is never paid', async () => {
    await captured(database, 'denied');
    await at(0).decided(requestOf('denied'));
    const { desk } = at(0);
    expect(await desk.deny('denied', person('ann'))).toMatchObject({ value: { state: 'denied' } });
    expect(await desk.deny('denied', person('ann'))).toMatchObject({ reason: 'refund_closed' });
    expect(await desk.settle('denied', settlement('tr-9'))).toMatchObject({ reason: 'not_ordered' });
    await at(20 * DAY_MS).round();
    expect(side.paid()).not.toContain('denied');
    const { rows } = await sql`select actor, verdict from cases.verdict where refund_id = 'denied'`.execute(
      database.kysely,
    );
    expect(rows).toEqual([{ actor: 'ann', verdict: 'deny' }]);
  });

  test('a deadline pays what may no longer be withheld, and tells people of what may', async () => {
    await captured(database, 'lost', 'awaited', 'small');
    const lost = await at(0).decided(requestOf('lost', { kind: 'not_received', parcel_refs: [] }));
    const awaited = await at(0).decided(requestOf('awaited'));
    const over = await at(0).decided(requestOf('small', { kind: 'recall', parcel_refs: [], amount_minor: 100_001 }));
    expect([lost.outcome, awaited.outcome, over.blocked]).toEqual(['REVIEW', 'HOLD', true]);
    await at(14 * DAY_MS - 1).round();
    expect(side.paid()).not.toContain('lost');
    await at(14 * DAY_MS).round();
    await at(14 * DAY_MS).round();
    expect(side.paid()).toContain('lost');
    const paid = (await held(lost.decision_id)).history.map(({ what }) => what);
    expect(paid).toEqual(expect.arrayContaining(['half', 'unanswered', 'late', 'deadline_paid']));
    expect(paid.filter((what) => what === 'half')).toHaveLength(1);
    expect(await held(awaited.decision_id)).toMatchObject({
      state: 'open',
      steps: expect.arrayContaining(['deadline']),
    });
    expect((await held(over.decision_id)).history).toContainEqual(
      expect.objectContaining({ what: 'deadline_passed', detail: 'blocked' }),
    );
    await at(30 * DAY_MS).round();
    expect(side.paid()).not.toContain('awaited');
    expect(side.paid()).not.toContain('small');
  });

  test('a parcel that is refunded out of another payment is not paid for by time alone, and is as any other once the other is cancelled', async () => {
    await captured(database, 'goods-1', 'goods-2', 'goods-3', 'goods-4', 'goods-5', 'goods-6');
    const parcel_refs = ['k1.GOODSAAAAAAAAAAAAAAAAA'];
    const asked = (id: string, more = {}) => requestOf(id, { kind: 'not_received', parcel_refs, ...more });
    const first = await at(0).decided(asked('goods-1'));
    const second = await at(0).decided(asked('goods-2'));
    expect([first, second].map(({ reasons }) => reasons.map(({ code }) => code))).toEqual([
      ['on_its_way'],
      ['on_its_way', 'refunded_by_other_payment'],
    ]);
    expect(await held(second.decision_id)).toMatchObject({ on_deadline: 'escalate' });
    await at(14 * DAY_MS - 1).round();
    expect(side.paid()).not.toContain('goods-1');
    await at(14 * DAY_MS).round();
    await at(14 * DAY_MS).round();
    expect(side.paid()).toContain('goods-1');
    expect(side.paid()).not.toContain('goods-2');
    const { history, cases: told } = await held(second.decision_id);
    expect(history).toContainEqual(expect.objectContaining({ what: 'deadline_passed', detail: 'refunded_before' }));
    expect(told).toMatchObject([{ state: 'open' }]);
    // Of one payment what was captured bounds them together: it is paid, and somebody looks.
    const shared = ['k1.PARTSAAAAAAAAAAAAAAAAA'];
    const inParts = (id: string) => requestOf(id, { kind: 'recall', parcel_refs: shared, payment_ref: 'pay-goods-3' });
    expect((await at(0).decided(inParts('part-1'))).outcome).toBe('PAY');
    const part = await at(0).decided(inParts('part-2'));
    expect([part.outcome, part.reasons.find(({ code }) => code === 'refunded_in_parts')?.refunds]).toEqual([
      'PAY_AND_INVESTIGATE',
      ['part-2', 'part-1'],
    ]);
    const waits = await at(0).decided(asked('goods-4', { parcel_refs: shared }));
    expect(waits.reasons.map(({ code }) => code)).toContain('refunded_by_other_payment');
    const again = { parcel_refs: ['k1.AGAINAAAAAAAAAAAAAAAAA'] };
    await at(0).decided(asked('goods-5', again));
    await at(0).decided(asked('goods-6', again));
    const codesOf6 = async () =>
      (await book.list({ state: 'open', limit: 500 })).holds.filter(({ refund_id }) => refund_id === 'goods-6')[0]
        ?.codes;
    expect(await codesOf6()).toContain('refunded_by_other_payment');
    expect(await at(0).desk.cancel('goods-5', person('ann'))).toMatchObject({ ok: true });
    await at(DAY_MS).round();
    expect(await codesOf6()).toEqual(['on_its_way']);
  });

  test('who releases a refund is told first of another payment that the same parcel was refunded out of since', async () => {
    await captured(database, 'since-1', 'since-2');
    const parcel_refs = ['k1.SINCEAAAAAAAAAAAAAAAAA'];
    const waiting = await at(60_000).decided(requestOf('since-1', { kind: 'not_received', parcel_refs }));
    const other = requestOf('since-2', { kind: 'recall', parcel_refs, amount_minor: 1_000 });
    const before = { ...other, requested_at: new Date(NOW_MS - 1).toISOString() };
    expect((await at(60_000).decided(before)).outcome).toBe('PAY');
    const release = (holdId: string) => at(120_000).desk.release(holdId, person('ann'));
    expect(await release(`h-${waiting.decision_id.slice(2)}`)).toMatchObject({
      reason: 'facts_missing',
      detail: expect.stringContaining('since-2'),
    });
    await at(120_000).round();
    const [now] = (await book.list({ state: 'open' })).holds.filter(({ refund_id }) => refund_id === 'since-1');
    expect(now?.codes).toContain('refunded_by_other_payment');
    // A person who has seen it may say that it is owed: an order that was paid in two payments.
    expect(await release(now?.hold_id ?? '')).toMatchObject({ ok: true, value: { state: 'released' } });
  });

  test('what cannot be worked on holds up nothing that is due after it', async () => {
    await captured(database, 'broken-1', 'broken-2', 'behind');
    for (const id of ['broken-1', 'broken-2', 'behind']) {
      const requested_at = new Date(NOW_MS - (id === 'behind' ? 0 : 1_000)).toISOString();
      await at(0).decided(requestOf(id, { kind: 'not_received', parcel_refs: [], requested_at }));
    }
    await sql`create function public.refuse_broken() returns trigger language plpgsql as $$ begin
      raise exception 'broken'; end $$`.execute(database.kysely);
    await sql`create trigger broken before update on payments.hold for each row when (new.refund_id like 'broken%')
      execute function public.refuse_broken()`.execute(database.kysely);
    try {
      const { ledger, logger, clock } = at(14 * DAY_MS);
      const ruleset = makeRuleset(nodeCrypto, {});
      const parts = { database, ledger, crypto: nodeCrypto, ruleset, ...owner, logger, clock };
      expect(await new Sweep(parts, 2).due()).toMatchObject({ failed: 2 });
      const states = (await book.list({ state: 'deadline_paid', limit: 500 })).holds.map(({ refund_id }) => refund_id);
      expect(states).toContain('behind');
    } finally {
      await sql`drop trigger broken on payments.hold`.execute(database.kysely);
      await sql`drop function public.refuse_broken()`.execute(database.kysely);
    }
  });

  test('missing facts are asked for again within minutes, and open no case until that did not help', async () => {
    const held1 = await at(0).decided(requestOf('blind', { kind: 'recall', parcel_refs: [] }));
    expect(held1.reasons[0]?.code).toBe('DEPENDENCY_DOWN');
    expect(await cases.list({ refundId: 'blind' })).toEqual([]);
    expect(await at(0).desk.release(`h-${held1.decision_id.slice(2)}`, person('ann'))).toMatchObject({
      reason: 'facts_missing',
    });
    await captured(database, 'blind');
    await at(8 * 60_000).round();
    expect(side.paid()).toContain('blind');
  });

  test('a case whose evidence was kept is not warned about; one whose was not is, at 24 and at 48 hours', async () => {
    await captured(database, 'kept', 'unkept');
    await at(0).decided(requestOf('kept'));
    await at(0).decided(requestOf('unkept'));
    const warned = async (id: string) => {
      const [one] = await cases.list({ refundId: id });
      const { history = [] } = (await cases.show(one?.case_id ?? '')) ?? {};
      return history.map(({ what }) => what).filter((what) => what.startsWith('evidence'));
    };
    const [open] = await cases.list({ refundId: 'kept' });
    const evidence = { name: 'vault/kept sha256:00', actor: 'ann', atMs: NOW_MS + DAY_MS - 1 };
    expect(await cases.evidenceKept('kept', evidence, owner)).toEqual([open?.case_id]);
    expect(await cases.evidenceKept('kept', { ...evidence, actor: 'bea' }, owner)).toEqual([]);
    expect(await cases.evidenceKept('nobody', evidence, owner)).toEqual([]);
    await at(DAY_MS - 1).round();
    expect([await warned('kept'), await warned('unkept')]).toEqual([['evidence_kept'], []]);
    await at(DAY_MS).round();
    await at(2 * DAY_MS).round();
    expect(await warned('kept')).toEqual(['evidence_kept']);
    expect(await warned('unkept')).toEqual(['evidence_due', 'evidence_late']);
    expect(await cases.list({ refundId: 'kept' })).toMatchObject([{ evidence_at_ms: NOW_MS + DAY_MS - 1 }]);
  });

  test('two sweeps at once do each thing once', async () => {
    await captured(database, 'twice');
    const { decision_id } = await at(0).decided(requestOf('twice', { kind: 'not_received', parcel_refs: [] }));
    const rounds = await Promise.all([1, 2, 3, 4].map(() => at(14 * DAY_MS).round()));
    expect(rounds.reduce((sum, { swept }) => sum + swept.failed, 0)).toBe(0);
    await at(14 * DAY_MS).round();
    const { history } = await held(decision_id);
    expect(history.filter(({ what }) => what === 'deadline_paid')).toHaveLength(1);
    expect(side.paid().filter((refund) => refund === 'twice')).toEqual(['twice']);
  });

  test('a frozen worker that wakes too late is not believed, and what is refused too often is dead until revived', async () => {
    await captured(database, 'fenced');
    await at(0).decided(requestOf('fenced', { kind: 'recall', parcel_refs: [] }));
    const outbox = new Outbox(database);
    const nowMs = NOW_MS + 40 * DAY_MS;
    const [frozen] = await outbox.lease(['pay'], nowMs, nowMs + 1_000, 1);
    if (frozen === undefined) throw new Error('nothing was leased');
    expect(await outbox.lease(['pay'], nowMs + 999, nowMs + 2_000, 1)).toEqual([]);
    const [next] = await outbox.lease(['pay'], nowMs + 1_000, nowMs + 2_000, 1);
    expect(next).toMatchObject({ key: frozen.key, token: frozen.token + 1 });
    expect(await outbox.end(frozen, { state: 'dead', said: 'too late' }, nowMs)).toBe(false);
    const clock = new ManualScheduler(nowMs + DAY_MS);
    const refusing = new PaymentSide();
    refusing.answer = () => ({ taken: false, said: 'HTTP 503' });
    const { logger } = at(0);
    const worker = new OutboxWorker({ outbox, sink: refusing, scheduler: clock, logger });
    for (let attempt = 0; attempt < 20; attempt += 1) {
      await worker.deliverDue();
      clock.advance(DAY_MS);
    }
    expect(await outbox.list('dead')).toMatchObject([{ key: frozen.key, attempts: 14, said: 'HTTP 503' }]);
    expect(await outbox.revive(frozen.key, clock.wallMs())).toEqual({ ok: true, value: 'waiting' });
    await at(90 * DAY_MS).round();
    expect(side.paid()).toContain('fenced');
    expect(await outbox.status()).toMatchObject({ waiting: 0, dead: 0 });
  });

  test('whatever clocks, late facts and deadlines did here, what was denied is what a person denied', async () => {
    const of = (statement: string) =>
      sql
        .raw<{ refund_id: string }>(statement)
        .execute(database.kysely)
        .then(({ rows }) => rows.map(({ refund_id }) => refund_id).sort());
    const said = await of("select refund_id from cases.verdict where verdict = 'deny' and actor <> ''");
    expect(said).toEqual(['denied']);
    expect(await of("select refund_id from payments.refund where state = 'denied'")).toEqual(said);
    expect(await of("select refund_id from payments.hold where state = 'denied'")).toEqual(said);
    expect(await of("select refund_id from payments.outbox where action = 'deny'")).toEqual(said);
    const { rows } = await sql<{ outcome: Outcome }>`
      select distinct answer::jsonb->>'outcome' as outcome from payments.decision`.execute(database.kysely);
    expect(rows.length).toBeGreaterThan(2);
    for (const { outcome } of rows) expect(OUTCOMES).toContain(outcome);
  });

  test.for([
    ['payments', "update payments.refund set state = 'denied' where refund_id <> 'denied'", /no person said so/],
    ['payments', "update payments.hold set state = 'denied' where refund_id <> 'denied'", /no person said so/],
    ['payments', `${INSERT_DENY} where refund_id <> 'denied' limit 1`, /no person said so/],
    ['payments', "update payments.hold_event set what = 'x'", /permission denied/],
    ['payments', 'select * from cases.case', /permission denied/],
    ['payments', 'delete from payments.outbox', /permission denied/],
    ['cases', 'select * from payments.refund', /permission denied/],
    ['cases', 'delete from cases.verdict', /permission denied/],
    ['custody', 'select * from payments.hold', /permission denied/],
  ] as const)('the role for %s may not: %s', async ([role, statement, why]) => {
    await expect(database.as(role, (trx) => sql.raw(statement).execute(trx))).rejects.toThrow(why);
  });

  test('nobody changes what people said, or what was settled', async () => {
    const change = (statement: string) => sql.raw(statement).execute(database.kysely);
    await expect(change("update cases.verdict set verdict = 'release'")).rejects.toThrow(/append-only/);
    await expect(change('delete from payments.settlement')).rejects.toThrow(/append-only/);
    expect(owner.tenant).toBe('default');
  });
});
