/** Commands about one refund: one after the other to the payment side, and under the same names whatever the database forgot. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { ACTION_NAMES } from '../../../src/risk/casework/actions.ts';
import { Outbox } from '../../../src/risk/casework/outbox.ts';
import type { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import {
  CaseworkBench,
  captured,
  DAY_MS,
  emptyRefunds,
  NOW_MS,
  PaymentSide,
  requestOf,
} from '../../support/casework-bench.ts';
import { openInMemory } from '../../support/embedded.ts';

let database: RiskDatabase;
beforeAll(async () => {
  ({ database } = await openInMemory());
});
afterAll(() => database.close());

const benchAt = (afterMs: number, side: PaymentSide): CaseworkBench =>
  new CaseworkBench(database, new ManualScheduler(NOW_MS + afterMs), side);
const toPeople = requestOf('r-1', { kind: 'not_received', parcel_refs: [], operator: 'op-1' });

test('what is ordered about the money of a refund leaves in its order, and waits for no ticket', async () => {
  await emptyRefunds(database);
  await captured(database, 'r-1');
  const { desk } = benchAt(0, new PaymentSide());
  expect(await desk.decide('k-1', toPeople)).toMatchObject({ ok: true, value: { outcome: 'REVIEW' } });
  expect(await desk.deny('r-1', { actor: 'ann', reason: 'seen on the pictures' })).toMatchObject({ ok: true });
  const outbox = new Outbox(database);
  const due = (untilMs: number) => outbox.lease(ACTION_NAMES, NOW_MS, untilMs, 8);
  const first = await due(NOW_MS);
  expect(first.map(({ action }) => action).sort()).toEqual(['hold_settlement', 'ticket']);
  const held = first.filter(({ action }) => action === 'hold_settlement');
  // Also while the first is tried again, and its lease ran out.
  expect((await due(NOW_MS + 1)).map(({ action }) => action).sort()).toEqual(['hold_settlement', 'ticket']);
  expect(await due(NOW_MS + 1)).toEqual([]);
  const [again] = held.map(({ key, token }) => ({ key, token: token + 1 }));
  expect(await outbox.end(again ?? { key: '', token: 0 }, { state: 'dead', said: 'HTTP 500' }, NOW_MS)).toBe(true);
  expect((await due(NOW_MS + 1)).map(({ action }) => action)).toEqual(['deny']);
});

test('a database that was restored from a backup orders the same things under the same keys, although it decides anew', async () => {
  await emptyRefunds(database);
  const side = new PaymentSide();
  const told = async (afterMs: number): Promise<string> => {
    await captured(database, 'r-1', 'recalled');
    const bench = benchAt(afterMs, side);
    const paid = await bench.decided(requestOf('recalled', { kind: 'recall', parcel_refs: [] }));
    expect(paid).toMatchObject({ pay_now: true });
    await bench.decided(toPeople);
    await bench.round();
    return paid.decision_id;
  };
  const before = await told(0);
  const keys = [...side.done.keys()].sort();
  expect([...side.done.values()].map(({ action }) => action).sort()).toEqual(
    expect.arrayContaining(['hold_settlement', 'pay', 'ticket']),
  );
  await emptyRefunds(database);
  expect(await told(60_000)).not.toBe(before);
  expect([...side.done.keys()].sort()).toEqual(keys);
  expect([...side.done.values()].map(({ times }) => times)).toEqual(keys.map(() => 2));
});

test('what a deadline pays goes to the instrument that was paid with, whatever was asked', async () => {
  await emptyRefunds(database);
  await captured(database, 'r-1');
  const side = new PaymentSide();
  const asked = await benchAt(0, side).decided({ ...toPeople, destination: 'other' });
  expect(asked).toMatchObject({ pay_now: false, blocked: false });
  await benchAt(14 * DAY_MS, side).round();
  await benchAt(14 * DAY_MS, side).round();
  const paid = [...side.done.values()].filter(({ action }) => action === 'pay');
  expect(paid.map(({ body }) => JSON.parse(body) as object)).toEqual([
    expect.objectContaining({ data: expect.objectContaining({ because: 'DEADLINE_PAID', destination: 'original' }) }),
  ]);
});
