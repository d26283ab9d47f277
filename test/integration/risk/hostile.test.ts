/** What callers may try who do not mean well: one payment twice, one key or one name from two sides, amounts that are none. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import type { DeskRefusal } from '../../../src/risk/casework/refund-desk.ts';
import { type RefundRequest, refundRequestSchema } from '../../../src/risk/casework/refund-request.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { CaseworkBench, captured, NOW_MS, PaymentSide, requestOf } from '../../support/casework-bench.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';

const ROUNDS = 6;
let postgres: Postgres;
let database: RiskDatabase;
beforeAll(async () => {
  postgres = await startPostgres();
  database = await RiskDatabase.open({ engine: 'postgres', url: await postgres.database('hostile'), poolMax: 8 });
});
afterAll(async () => {
  await database?.close();
  await postgres.stop();
});

/** A service of its own, as if it were another replica. */
const desk = () => new CaseworkBench(database, new ManualScheduler(NOW_MS), new PaymentSide()).desk;
const recall = (id: string, more: Partial<RefundRequest> = {}): RefundRequest =>
  requestOf(id, { kind: 'recall', parcel_refs: [], ...more });

describe('at the same moment', () => {
  test('operators who ask for more of one payment than it has: what is left is paid, the rest is blocked', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const payment = `twice-${round}`;
      await captured(database, payment);
      const all = { payment_ref: `pay-${payment}`, amount_minor: 30_000 };
      const asked = ['one', 'two', 'three', 'four', 'five'].map((who) => recall(`${payment}-${who}`, all));
      const answers = await Promise.all(asked.map((each) => desk().decide(`k-${each.refund_id}`, each)));
      const told = answers.map((answer) => (answer.ok ? [answer.value.pay_now, answer.value.blocked].join() : answer));
      expect([...told].sort()).toEqual(['false,true', 'false,true', 'true,false', 'true,false', 'true,false']);
    }
  });

  const losers: readonly (readonly [
    string,
    DeskRefusal,
    (at: string, who: string) => readonly [string, RefundRequest],
  ])[] = [
    [
      'one key with two bodies',
      'key_reused',
      (at, who) => [`k-${at}`, recall(`${at}-${who}`, { payment_ref: `pay-${at}` })],
    ],
    [
      'one refund of two operators',
      'refund_known',
      (at, who) => [`k-${at}-${who}`, recall(at, { operator: `op-${who}`, payment_ref: `pay-${who}` })],
    ],
  ];
  test.for(losers)(
    '%s: one is answered, the other is refused by name, and nobody meets an error',
    async ([, word, ask]) => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const at = `${word.replace('_', '-')}-${round}`;
        await captured(database, at, 'one', 'two');
        const [one, two] = [ask(at, 'one'), ask(at, 'two')];
        const answers = await Promise.all([desk().decide(...one), desk().decide(...two)]);
        const told = answers.map((answer) => (answer.ok ? 'answered' : answer.reason));
        expect([...told].sort()).toEqual(['answered', word].sort());
      }
    },
  );
});

describe('an amount', () => {
  test.for([
    ['a text', '8000'],
    ['negative', -1],
    ['nothing', 0],
    ['a fraction', 80.5],
    ['beyond what a number holds', 2 ** 53],
    ['more than any refund', 1_000_000_000_001],
    ['no number', Number.NaN],
    ['a list', [8_000]],
  ] as const)('that is %s is refused', ([, amount_minor]) => {
    const parsed = refundRequestSchema.safeParse({ ...requestOf('amount'), amount_minor });
    expect(parsed.success).toBe(false);
    expect(parsed.error?.issues.every(({ path }) => path.join('.') === 'amount_minor')).toBe(true);
    expect(refundRequestSchema.safeParse(requestOf('amount')).success).toBe(true);
  });
});
