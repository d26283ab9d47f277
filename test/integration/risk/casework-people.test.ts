/** What people must be shown before they answer, and what nobody may be left to find in a log. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { CaseBook } from '../../../src/risk/casework/case-book.ts';
import { HoldBook } from '../../../src/risk/casework/hold-book.ts';
import { Outbox } from '../../../src/risk/casework/outbox.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { CaseworkBench, captured, DAY_MS, NOW_MS, PaymentSide, requestOf } from '../../support/casework-bench.ts';
import { bothEngines } from '../../support/engines.ts';

const engines = bothEngines('casework_people', 8);

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
  const person = { actor: 'ann', reason: 'looked at it' };

  test('who releases a refund is told of each other one of its parcel since, also of a second for the same reason', async () => {
    await captured(database, 'since-1', 'since-2', 'since-3');
    const parcel_refs = ['k1.SINCEAAAAAAAAAAAAAAAAA'];
    const requested_at = new Date(NOW_MS - 1).toISOString();
    const other = (id: string) =>
      at(60_000).decided(requestOf(id, { kind: 'recall', parcel_refs, amount_minor: 1_000, requested_at }));
    await other('since-2');
    const held = await at(60_000).decided(requestOf('since-1', { kind: 'not_received', parcel_refs }));
    expect(held.reasons.find(({ code }) => code === 'refunded_by_other_payment')?.refunds).toContain('since-2');
    await other('since-3');
    const release = (holdId: string) => at(120_000).desk.release(holdId, person);
    const refused = await release(`h-${held.decision_id.slice(2)}`);
    expect(refused).toMatchObject({ reason: 'facts_missing', detail: expect.stringContaining('since-3') });
    expect(refused).toMatchObject({ detail: expect.not.stringContaining('since-2') });
    await at(120_000).round();
    const [now] = (await book.list({ state: 'open' })).holds.filter(({ refund_id }) => refund_id === 'since-1');
    expect(now?.decision_id).not.toBe(held.decision_id);
    const shown = await at(120_000).desk.explain(now?.decision_id ?? '');
    expect(shown?.facts.refund.alike?.map(({ refund_id }) => refund_id)).toEqual(['since-2', 'since-3']);
    expect(await release(now?.hold_id ?? '')).toMatchObject({ ok: true, value: { state: 'released' } });
  });

  test('what another open refund takes up of a payment says so in the answer, and blocks nothing once that one is cancelled', async () => {
    await captured(database, 'full');
    const part = (id: string, more = {}) =>
      requestOf(id, { kind: 'recall', parcel_refs: [], payment_ref: 'pay-full', amount_minor: 60_000, ...more });
    // For goods that are on their way: open, and not ordered to be paid.
    await at(0).decided(part('first', { kind: 'not_received', parcel_refs: ['k1.FULLAAAAAAAAAAAAAAAAAA'] }));
    const second = await at(1).decided(part('second'));
    const ended = 'if the other refunds of its payment that are open were denied or cancelled';
    expect([second.blocked, second.counterfactuals.map(({ text }) => text)]).toEqual([true, [ended]]);
    expect(await at(2).desk.cancel('first', person)).toMatchObject({ ok: true });
    await at(2 * DAY_MS).round();
    const [now] = (await book.list({ state: 'open' })).holds.filter(({ refund_id }) => refund_id === 'second');
    // Its value asks for two people still.
    expect(now).toMatchObject({ blocked: false, outcome: 'STEP_UP' });
  });

  test('of two refunds that exceed their payment together, the one asked for first waits for no other', async () => {
    await captured(database, 'mutual-1');
    await at(0).decided(requestOf('mutual-1'));
    const later = {
      payment_ref: 'pay-mutual-1',
      amount_minor: 99_000,
      requested_at: new Date(NOW_MS + 1).toISOString(),
    };
    expect(await at(1).decided(requestOf('mutual-2', later))).toMatchObject({ pay_now: false, blocked: true });
    await at(1).claim('k1.mutual-1', `${_}:wms:mutual`, { what: 'inspected', result: 'ok' });
    await at(DAY_MS).round();
    expect(side.paid()).toContain('mutual-1');
    expect(side.paid()).not.toContain('mutual-2');
    const held = (await book.list({ state: 'open' })).holds.filter(({ refund_id }) => refund_id.startsWith('mutual'));
    expect(held).toMatchObject([{ refund_id: 'mutual-2', blocked: true }]);
    // Also of those that are decided together, whichever came in first.
    await captured(database, 'together');
    const { desk } = at(1);
    const of = { payment_ref: 'pay-together' };
    const [last, first] = await Promise.all([
      desk.decide('k-together-2', requestOf('together-2', { ...later, ...of })),
      desk.decide('k-together-1', requestOf('together-1', { ...of, kind: 'recall', parcel_refs: [] })),
    ]);
    expect(last).toMatchObject({ ok: true, value: { pay_now: false } });
    expect(first).toMatchObject({ ok: true, value: { pay_now: true } });
  });

  const givenUp = async (id: string) => (await cases.list({ refundId: id })).filter(({ kind }) => kind === 'given_up');
  /** As after hours in which the payment side took nothing: the last attempt is refused, too. */
  const exhaust = async (refundId: string, atMs: number): Promise<void> => {
    side.answer = (action) => ({ taken: action === 'ticket', said: action === 'ticket' ? 'HTTP 200' : 'HTTP 503' });
    await database.as('payments', (trx) =>
      sql`update payments.outbox set attempts = 13 where refund_id = ${refundId} and state = 'waiting'`.execute(trx),
    );
    await at(atMs).round();
    side.answer = () => ({ taken: true, said: 'HTTP 200' });
    await at(atMs + 1).round();
  };
  /** The first of what waits about money of each refund. */
  const giveUp = async (): Promise<void> => {
    side.answer = (action) => ({ taken: action === 'ticket', said: action === 'ticket' ? 'HTTP 200' : 'HTTP 503' });
    await database.as('payments', (trx) =>
      sql`update payments.outbox set attempts = 13 where state = 'waiting'`.execute(trx),
    );
    await at(0).round();
  };
  const tickets = (caseId = '') =>
    [...side.done.values()].filter(({ body }) => body.includes(caseId) && body.includes('"what":"given_up"'));

  test('a payment that is given up opens a case, told once each time, and closed when it arrived after all', async () => {
    await captured(database, 'owed');
    const paid = await at(0).decided(requestOf('owed', { kind: 'recall', parcel_refs: [] }));
    expect(paid.outcome).toBe('PAY');
    await exhaust('owed', DAY_MS);
    const [one] = await givenUp('owed');
    expect(one).toMatchObject({ state: 'open', decision_id: paid.decision_id });
    const [order] = (await new Outbox(database).list('dead')).filter(({ refund_id }) => refund_id === 'owed');
    expect((await cases.show(one?.case_id ?? ''))?.history[0]).toMatchObject({
      what: 'given_up',
      detail: `pay (${order?.key}) after 14 attempts: HTTP 503`,
    });
    expect(tickets(one?.case_id).map(({ times }) => times)).toEqual([1]);
    const told = await at(2 * DAY_MS).desk.explain(paid.decision_id);
    expect(told?.actions).toContainEqual(expect.objectContaining({ action: 'pay', state: 'dead', said: 'HTTP 503' }));
    expect(told?.cases).toMatchObject([{ kind: 'given_up', state: 'open' }]);
    await new Outbox(database).revive(order?.key ?? '', NOW_MS + 3 * DAY_MS);
    await exhaust('owed', 3 * DAY_MS);
    expect(tickets(one?.case_id).map(({ times }) => times)).toEqual([1, 1]);
    await new Outbox(database).revive(order?.key ?? '', NOW_MS + 5 * DAY_MS);
    await at(5 * DAY_MS).round();
    expect(side.paid()).toContain('owed');
    expect(await givenUp('owed')).toMatchObject([{ case_id: one?.case_id, state: 'closed' }]);
  });

  test('a payment that was given up and then settled by people has no case left, and cannot be tried again', async () => {
    await captured(database, 'by-hand');
    await at(0).decided(requestOf('by-hand', { kind: 'recall', parcel_refs: [] }));
    await exhaust('by-hand', DAY_MS);
    expect(await givenUp('by-hand')).toMatchObject([{ state: 'open' }]);
    const [order] = (await new Outbox(database).list('dead')).filter(({ refund_id }) => refund_id === 'by-hand');
    const settlement = { reference: 'hand-1', amount_minor: 8_000, currency: 'USD', settled_at_ms: NOW_MS };
    expect(await at(3 * DAY_MS).desk.settle('by-hand', settlement)).toMatchObject({ ok: true });
    expect(await givenUp('by-hand')).toMatchObject([{ state: 'closed' }]);
    expect(await new Outbox(database).revive(order?.key ?? '', NOW_MS + 3 * DAY_MS)).toMatchObject({
      reason: 'command_unknown',
    });
    // As an order stands that was given up and settled before migration 0033.
    await database.as('payments', (trx) =>
      sql`update payments.outbox set state = 'dead' where key = ${order?.key}`.execute(trx),
    );
    expect(await new Outbox(database).revive(order?.key ?? '', NOW_MS + 3 * DAY_MS)).toMatchObject({
      reason: 'overtaken',
    });
    await at(4 * DAY_MS).round();
    expect(side.paid()).not.toContain('by-hand');
  });

  test('a settlement that could not be held has no case left once the refund is paid', async () => {
    await captured(database, 'unheld');
    const held = await at(0).decided(requestOf('unheld', { kind: 'not_received', parcel_refs: [] }));
    await exhaust('unheld', DAY_MS);
    expect(await givenUp('unheld')).toMatchObject([{ state: 'open' }]);
    const { desk } = at(DAY_MS + 2);
    expect(await desk.release(`h-${held.decision_id.slice(2)}`, person)).toMatchObject({ ok: true });
    const settlement = { reference: 'hand-2', amount_minor: 8_000, currency: 'USD', settled_at_ms: NOW_MS };
    expect(await desk.settle('unheld', settlement)).toMatchObject({ ok: true });
    expect(await givenUp('unheld')).toMatchObject([{ state: 'closed' }]);
  });

  test('a payout that was frozen is let go when people answer, whatever they answer', async () => {
    const ids = ['quick-1', 'quick-2', 'quick-3', 'quick-4', 'quick-5'];
    await captured(database, ...ids);
    const ask = (id: string) =>
      at(0).decided(requestOf(id, { kind: 'recall', parcel_refs: [], amount_minor: 20_000, operator: 'op-quick' }));
    const outcomes: string[] = [];
    for (const id of ids) outcomes.push((await ask(id)).outcome);
    expect(outcomes).toEqual(['PAY', 'PAY', 'HOLD', 'HOLD', 'HOLD']);
    await at(1).round();
    const sent = (wanted: string) =>
      ids.filter((id) =>
        [...side.done.values()].some(({ action, body }) => action === wanted && body.includes(`"refund_id":"${id}"`)),
      );
    expect([sent('freeze_payout'), sent('release_payout')]).toEqual([ids.slice(2), []]);
    const [hold] = (await book.list({ state: 'open' })).holds.filter(({ refund_id }) => refund_id === 'quick-3');
    expect(await at(2).desk.release(hold?.hold_id ?? '', person)).toMatchObject({ ok: true });
    expect(await at(2).desk.deny('quick-4', person)).toMatchObject({ ok: true });
    expect(await at(2).desk.cancel('quick-5', person)).toMatchObject({ ok: true });
    await at(3).round();
    expect(sent('release_payout')).toEqual(ids.slice(2));
  });

  test('what was given up, and is overtaken by what was ordered since, is never sent, and leaves no case', async () => {
    const ids = ['large-1', 'large-2', 'thawed', 'waiting'];
    await captured(database, ...ids);
    // The third and the fourth large one of an operator in a day hold the settlement, and freeze what was paid out.
    const large = { kind: 'recall' as const, parcel_refs: [], operator: 'op-large', amount_minor: 60_000 };
    for (const id of ids) await at(0).decided(requestOf(id, large));
    await giveUp();
    // What waited behind it.
    await giveUp();
    side.answer = () => ({ taken: true, said: 'HTTP 200' });
    const deadOf = async (id: string) =>
      (await new Outbox(database).list('dead')).filter(({ refund_id }) => refund_id === id);
    const dead = await deadOf('thawed');
    expect(dead.map(({ action }) => action)).toEqual(['hold_settlement', 'freeze_payout']);
    expect(await at(2 * DAY_MS).desk.deny('thawed', person)).toMatchObject({ ok: true });
    const [hold, freeze] = dead.map(({ key }) => key);
    const retry = (key = '') => at(3 * DAY_MS).worker.revive(key);
    expect(await retry(hold)).toMatchObject({ reason: 'overtaken', detail: expect.stringContaining('deny of refund') });
    expect(await retry(freeze)).toMatchObject({
      reason: 'overtaken',
      detail: expect.stringContaining('release_payout'),
    });
    expect(await retry(freeze)).toMatchObject({ reason: 'command_unknown' });
    await at(3 * DAY_MS).round();
    expect([hold, freeze].filter((key = '') => side.done.has(key))).toEqual([]);
    expect((await givenUp('thawed')).map(({ state }) => state)).toEqual(['closed', 'closed']);
    // Of a refund about which nothing else was ordered they are sent after all.
    for (const { key } of await deadOf('waiting')) expect(await retry(key)).toEqual({ ok: true, value: 'waiting' });
    await at(3 * DAY_MS).round();
    await at(3 * DAY_MS + 1).round();
    expect(await deadOf('waiting')).toEqual([]);
    expect((await givenUp('waiting')).map(({ state }) => state)).toEqual(['closed', 'closed']);
  });
});
