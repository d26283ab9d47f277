/** What people must be shown before they answer, and what nobody may be left to find in a log. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { HoldBook } from '../../../src/risk/casework/hold-book.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { CaseworkBench, captured, NOW_MS, PaymentSide, requestOf } from '../../support/casework-bench.ts';
import { bothEngines } from '../../support/engines.ts';

const engines = bothEngines('casework_people', 8);

describe.each(Object.entries(engines.settings))('%s', (_, settingsOf) => {
  let database: RiskDatabase;
  let book: HoldBook;
  const side = new PaymentSide();
  beforeAll(async () => {
    database = await RiskDatabase.open(await settingsOf());
    book = new HoldBook(database);
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
});
