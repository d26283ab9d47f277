/** What the batch analysis finds in a database, and what decisions make of it: on both engines. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { importRates } from '../../../src/risk/casework/imports.ts';
import { RefundDesk } from '../../../src/risk/casework/refund-desk.ts';
import type { RefundRequest } from '../../../src/risk/casework/refund-request.ts';
import type { Decision } from '../../../src/risk/decision/decision.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import { type AnalysisParts, analyse, latestAnalysis } from '../../../src/risk/patterns/analysis.ts';
import { type PromotionWindow, STALE_MS } from '../../../src/risk/patterns/findings.ts';
import { countGraded } from '../../../src/risk/patterns/graded.ts';
import { countLosses, percentile95, type Trx } from '../../../src/risk/patterns/measure.ts';
import { PatternRounds } from '../../../src/risk/patterns/rounds.ts';
import { serviceHealth } from '../../../src/risk/service/health.ts';
import { littleEvidenceMigration } from '../../../src/risk/store/migrations/m0029-little-evidence.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { captured, DAY_MS, NOW_MS, owner, requestOf } from '../../support/casework-bench.ts';
import { bothEngines } from '../../support/engines.ts';
import {
  approved,
  disputed,
  empty,
  findings,
  many,
  mentioned,
  originOf,
  stored,
} from '../../support/patterns-bench.ts';
import { until } from '../../support/until.ts';
import { TextLogger } from '../../unit/intake/harness.ts';

const engines = bothEngines('patterns');
const HOUR_MS = 3_600_000;

for (const [engine, settingsOf] of Object.entries(engines.settings)) {
  describe(engine, () => {
    let database: RiskDatabase;
    let real: LedgerStore;
    beforeAll(async () => {
      database = await RiskDatabase.open(await settingsOf());
      real = new LedgerStore({ database, ...owner, levelOf: () => 'A2' });
      await importRates(database, [{ currency: 'EUR', day: '2026-11-20', usd_e9: 1_100_000_000 }], owner);
    });
    afterAll(() => database.close());

    const partsOf = (promotions: readonly PromotionWindow[] = []): AnalysisParts => {
      return { database, ...owner, largeUsdMinor: 10_000, promotions };
    };
    const deskAt = (nowMs: number, gateway?: string): RefundDesk => {
      const ledgers: LedgerStore['ledgers'] = async (refs, asOfMs) =>
        (await real.ledgers(refs, asOfMs)).map((one) => {
          const events = gateway === undefined ? [] : [`${originOf(gateway)}#3`];
          return { ...one, facts: { ...one.facts, forward: { ...one.facts.forward, events } } };
        });
      const clock = new ManualScheduler(nowMs);
      const ruleset = makeRuleset(nodeCrypto, {});
      const logger = new TextLogger();
      return new RefundDesk({ database, ledger: { ledgers }, crypto: nodeCrypto, ruleset, ...owner, clock, logger });
    };
    async function decided(desk: RefundDesk, id: string, more: Partial<RefundRequest>): Promise<Decision> {
      await captured(database, id);
      const answer = await desk.decide(`k-${id}`, requestOf(id, more));
      if (!answer.ok) throw new Error(answer.detail);
      return answer.value;
    }
    const ruleOf = (decision: Decision, code: string) => decision.rules.find((one) => one.code === code);

    test('without refunds nothing is found, and whoever is alone has no peers', async () => {
      await empty(database);
      expect(await analyse(partsOf(), NOW_MS)).toEqual({
        as_of_ms: NOW_MS,
        operators: 0,
        lockers: 0,
        couriers: 0,
        kept: true,
      });
      expect(await findings(database)).toEqual({ tenant: {}, promotions: [] });
      await stored(
        database,
        many(10, (i) => ({ id: `a${i}`, operator: 'alone', amount: 20_000, grade: 'NONE' })),
      );
      await mentioned(database, 'gw-alone', ['p-a'], NOW_MS);
      await analyse(partsOf(), NOW_MS);
      expect(await findings(database)).toEqual({
        tenant: {},
        promotions: [],
        // Ten and a half in the two days that are known of it.
        'operator alone': { usual_per_day_milli: 5_250, approvals: { total: 0, top_pair: 0 }, chargebacks: 0 },
        'locker gw-alone': { chargebacks: 0 },
      });
    });

    test('windows end to the millisecond, and amounts count by the rate of their day', async () => {
      await empty(database);
      const large = { operator: 'edge', amount: 10_001 };
      await stored(database, [
        { id: 'out28', ...large, atMs: NOW_MS - 28 * DAY_MS },
        { id: 'in28', ...large, atMs: NOW_MS - 28 * DAY_MS + 1 },
        { id: 'now', ...large, atMs: NOW_MS },
        { id: 'later', ...large, atMs: NOW_MS + 1 },
        { id: 'even', ...large, amount: 10_000 },
        { id: 'gone', ...large, state: 'cancelled' },
        { id: 'eur', ...large, amount: 9_091, currency: 'EUR' },
        { id: 'eur-less', ...large, amount: 9_090, currency: 'EUR' },
        { id: 'no-rate', ...large, currency: 'JPY' },
        { id: 'out30', operator: 'old', atMs: NOW_MS - 30 * DAY_MS, grade: 'NONE' },
        { id: 'in30', operator: 'old', atMs: NOW_MS - 30 * DAY_MS + 1, grade: 'NONE' },
        { id: 'shown', operator: 'old' },
        { id: 'lost-out', operator: 'old', atMs: NOW_MS - 30 * DAY_MS, kind: 'empty', parcel: 'p-1' },
        { id: 'lost-in', operator: 'old', atMs: NOW_MS - 30 * DAY_MS + 1, kind: 'empty', parcel: 'p-2' },
      ]);
      for (const [id, actor, ageMs] of [
        ['shown', 'ann', 30 * DAY_MS],
        ['in30', 'ann', 30 * DAY_MS - 1],
        ['in30', 'bob', 0],
      ] as const)
        await approved(database, id, actor, NOW_MS - ageMs);
      await disputed(database, 'shown', NOW_MS - 14 * DAY_MS);
      await disputed(database, 'in30', NOW_MS - 14 * DAY_MS + 1);
      await database.kysely.transaction().execute(async (trx) => {
        await sql.raw("set local session_replication_role = 'replica'").execute(trx);
        await sql`update payments.refund set state = 'paid' where refund_id in ('lost-out', 'lost-in')`.execute(trx);
      });
      await mentioned(database, 'gw-edge', ['p-1', 'p-2'], NOW_MS - 30 * DAY_MS + 1);
      await mentioned(database, 'gw-old', ['p-1', 'p-2'], NOW_MS - 30 * DAY_MS);
      const counted = <T>(count: (trx: Trx, asOfMs: number) => Promise<T>): Promise<T> =>
        database.as('patterns', (trx) => count(trx, NOW_MS));
      // R04: all with a rate but what is cancelled, later, or as old as the window.
      expect(await counted(percentile95)).toMatchObject({ refunds: 9 });
      // R11: of those that were decided, the one within the window.
      expect((await counted(countGraded)).operators).toEqual([{ operator: 'old', refunds: 1, weak: 1 }]);
      // R13: what was lost, and what was seen of a locker, within the window.
      expect(await counted(countLosses)).toEqual([{ gateway: 'gw-edge', parcels: 2, lost: 1 }]);
      await analyse(partsOf(), NOW_MS);
      const found = await findings(database);
      // Three large ones (in28, now, eur) and a half, over 28 days less a millisecond and 14 of the peers, who made none.
      expect(found['operator edge']).toEqual({
        usual_per_day_milli: 83,
        approvals: { total: 0, top_pair: 0 },
        chargebacks: 0,
      });
      expect(found['operator old']).toMatchObject({ approvals: { total: 2, top_pair: 1 }, chargebacks: 1 });
    });

    test('a decision of before says of its evidence what a new one says, and one that cannot be read says nothing', async () => {
      await empty(database);
      const graded = (...grades: readonly object[]) => JSON.stringify({ reasons: [], evidence: grades });
      const answers: readonly (readonly [answer: string, little: boolean | null])[] = [
        [graded(), true],
        [graded({ grade: 'STRONG' }, { grade: 'WEAK' }), true],
        [graded({ grade: 'NONE' }), true],
        [graded({ grade: 'CONTRADICTED' }), true],
        [graded({ grade: 'STRONG' }, { grade: 'MODERATE' }), false],
        [graded({ grade: 'WEAK', before_doubt: 'MODERATE' }), false],
        ['{"note":"\\u0000","evidence":[{"grade":"NONE"}]}', null],
        ['{"evidence":{}}', null],
        ['{"reasons":[]}', null],
        ['not JSON', null],
      ];
      const { kysely } = database;
      const write = (age: string) =>
        sql`insert into payments.decision (decision_id, refund_id, decided_at, outcome, facts, ruleset, parameters, answer, tenant, region)
          select ${age}::text || (x ->> 0), 'graded', now(), 'HOLD', '{}', 'v1', '{}', x ->> 1, 'default', 'eu'
            from jsonb_array_elements(${JSON.stringify(answers.map(([answer], i) => [i, answer]))}::jsonb) x`.execute(
          kysely,
        );
      const said = async (age: string) => {
        const { rows } = await sql<{ readonly little_evidence: boolean | null }>`
          select little_evidence from payments.decision where decision_id ^@ ${age}
            order by substr(decision_id, 5)::int`.execute(kysely);
        return rows.map((row) => row.little_evidence);
      };
      await stored(database, [{ id: 'graded', operator: 'any' }]);
      await sql`alter table payments.decision drop column little_evidence`.execute(kysely);
      await sql`drop function payments.little_evidence, payments.couriers_of`.execute(kysely);
      await write('old-');
      await kysely.transaction().execute((trx) => littleEvidenceMigration.up(trx));
      await write('new-');
      expect(await said('old-')).toEqual(answers.map(([, little]) => little));
      expect(await said('new-')).toEqual(await said('old-'));
    });

    /** Peers without a fault, and for each rule one operator who does it and one who does not. */
    async function story(): Promise<void> {
      await empty(database);
      const strong = { grade: 'STRONG' } as const;
      await stored(database, [
        ...many(40, (i) => ({
          id: `p${i}`,
          operator: `peer-${i % 4}`,
          atMs: NOW_MS - (i % 27) * DAY_MS - HOUR_MS,
          ...strong,
        })),
        ...many(56, (i) => ({
          id: `u${i}`,
          operator: 'usual',
          atMs: NOW_MS - i * 12 * HOUR_MS,
          amount: 30_000,
          ...strong,
        })),
        { id: 'rush-0', operator: 'rush', atMs: NOW_MS - 27 * DAY_MS },
        ...many(10, (i) => ({ id: `m${i}`, operator: 'maker' })),
        ...many(10, (i) => ({ id: `n${i}`, operator: 'other-maker' })),
        ...many(10, (i) => ({ id: `w${i}`, operator: 'weak', grade: i < 4 ? 'WEAK' : 'STRONG' })),
        ...many(10, (i) => ({ id: `v${i}`, operator: 'less-weak', grade: i < 3 ? 'NONE' : 'MODERATE' })),
        ...many(3, (i) => ({ id: `c${i}`, operator: 'charged' })),
        ...many(2, (i) => ({ id: `b${i}`, operator: 'less-charged' })),
        ...many(3, (i) => ({ id: `l${i}`, operator: `one-${i}`, parcel: `at-${i}` })),
        ...many(40, (i) => ({
          id: `h${i}`,
          operator: `lost-${i}`,
          kind: 'not_received',
          state: 'open',
          parcel: `hot-${i}`,
        })),
      ]);
      for (const i of many(10, (n) => n)) {
        await approved(database, `m${i}`, i < 7 ? 'ann' : 'bob', NOW_MS - DAY_MS);
        await approved(database, `n${i}`, i < 6 ? 'ann' : 'bob', NOW_MS - DAY_MS);
      }
      for (const id of ['c0', 'c1', 'c2', 'b0', 'b1', 'l0', 'l1', 'l2']) await disputed(database, id, NOW_MS - DAY_MS);
      await mentioned(database, 'gw-shared', ['at-0', 'at-1', 'at-2'], NOW_MS - DAY_MS);
      for (const i of many(20, (n) => n))
        await mentioned(
          database,
          `gw-calm-${i}`,
          many(100, (n) => `calm-${i}-${n}`),
          NOW_MS - DAY_MS,
        );
      await mentioned(
        database,
        'gw-hot',
        many(100, (i) => `hot-${i}`),
        NOW_MS - DAY_MS,
      );
      // Commands that were delivered before: what a capture bounds is no matter of this test.
      await database.kysely.transaction().execute(async (trx) => {
        await sql.raw("set local session_replication_role = 'replica'").execute(trx);
        await sql`insert into payments.outbox (key, action, lane, refund_id, decision_id, body, created_at, due_at, state,
            tenant, region)
          select 'pay ' || refund_id, 'pay', 'money', refund_id, 'd', '{}', now(), now(), 'delivered', 'default', 'eu'
            from payments.refund where kind = 'not_received'`.execute(trx);
      });
    }

    test('each rule sees what was found, fires by it, and does not fire without cause', async () => {
      await story();
      await analyse(partsOf(), NOW_MS);
      const desk = deskAt(NOW_MS);
      const cases: readonly (readonly [code: string, operator: string, hit: boolean, gateway?: string])[] = [
        ['R09', 'maker', true],
        ['R09', 'other-maker', false],
        ['R11', 'weak', true],
        ['R11', 'less-weak', false],
        ['R14', 'charged', true],
        ['R14', 'less-charged', false],
        ['R14', 'peer-0', true, 'gw-shared'],
        ['R13', 'peer-0', true, 'gw-hot'],
        ['R13', 'peer-1', false, 'gw-calm-3'],
      ];
      for (const [code, operator, hit, gateway] of cases) {
        const id = `${code}-${operator}-${gateway ?? 'none'}`;
        const decision = await decided(gateway === undefined ? desk : deskAt(NOW_MS, gateway), id, { operator });
        const rule = ruleOf(decision, code);
        expect([id, rule?.hit, rule?.blind], rule?.observed).toEqual([id, hit, undefined]);
        expect(decision.reasons.some((one) => one.code === code)).toBe(hit);
      }
      // Four of them in a day are many for one, and what the other does.
      for (const [operator, hit] of [
        ['rush', true],
        ['usual', false],
      ] as const) {
        for (const i of [1, 2, 3]) await decided(desk, `${operator}-${i}`, { operator, amount_minor: 10_100 });
        const decision = await decided(desk, `${operator}-4`, { operator, amount_minor: 10_100 });
        expect([operator, ruleOf(decision, 'R01b')?.hit], ruleOf(decision, 'R01b')?.observed).toEqual([operator, hit]);
      }
      // The tenant's 95th percentile is $300: a run of $280 is nothing.
      for (const [operator, amount_minor, hit] of [
        ['runs-280', 28_000, false],
        ['runs-300', 30_000, true],
      ] as const) {
        await decided(desk, `${operator}-1`, { operator, amount_minor });
        await decided(desk, `${operator}-2`, { operator, amount_minor });
        const decision = await decided(desk, `${operator}-3`, { operator, amount_minor });
        expect([operator, ruleOf(decision, 'R04')?.hit], ruleOf(decision, 'R04')?.observed).toEqual([operator, hit]);
        expect(ruleOf(decision, 'R04')?.observed).toContain('$300.00');
      }
      const decision = await decided(desk, 'told', { operator: 'maker' });
      expect(await desk.replay(decision.decision_id)).toEqual(decision);
      const explanation = JSON.stringify(await desk.explain(decision.decision_id));
      expect(explanation).toContain('7 of 10 approvals by one checker');
    });

    test('what is stale is not known, a moment before it counts, and nothing is held for it', async () => {
      const at = (ageMs: number) => ({ operator: 'maker', requested_at: new Date(NOW_MS + ageMs).toISOString() });
      const fresh = await decided(deskAt(NOW_MS + STALE_MS - 1), 'fresh', at(STALE_MS - 1));
      expect(ruleOf(fresh, 'R09')).toMatchObject({ hit: true });
      const stale = await decided(deskAt(NOW_MS + STALE_MS), 'stale', at(STALE_MS));
      expect(ruleOf(stale, 'R09')).toMatchObject({ hit: false, blind: true });
      expect(stale.reasons.map(({ code }) => code)).not.toContain('DEPENDENCY_DOWN');
    });

    test('a promotion raises what is usual while it runs, and lowers nothing else', async () => {
      const runs = { from_ms: NOW_MS - HOUR_MS, until_ms: NOW_MS };
      const ask = async (id: string, promotions: readonly PromotionWindow[], operator: string) => {
        await analyse(partsOf(promotions), NOW_MS);
        return decided(deskAt(NOW_MS), id, { operator, amount_minor: 4_000 });
      };
      const observed = (decision: Decision) => ruleOf(decision, 'R01b')?.observed;
      const before = await ask('promotion-over', [runs], 'peer-2');
      expect(ruleOf(before, 'R16')?.observed).toBe('no promotion runs');
      const during = await ask('promotion-runs', [{ ...runs, until_ms: NOW_MS + 1 }], 'peer-2');
      expect(ruleOf(during, 'R16')?.observed).toBe('a promotion runs');
      const usual = (text = ''): number => Number(/where (\d+) thousandths/.exec(text)?.[1]);
      expect(usual(observed(during))).toBe(2 * usual(observed(before)));
      expect(during.evidence).toEqual(before.evidence.map((one) => ({ ...one, parcel: 'k1.promotion-runs' })));
    });

    test('a service finds patterns at its interval, says how old they are, and leaves newer ones alone', async () => {
      const scheduler = new ManualScheduler(NOW_MS + DAY_MS);
      const logger = new TextLogger();
      const rounds = new PatternRounds({ ...partsOf(), scheduler, logger, everyMs: 15 * 60_000 });
      expect(rounds.status()).toEqual({ stale: true });
      const stop = new AbortController();
      const running = rounds.run(stop.signal);
      await until('the first analysis', () => rounds.status().age_ms === 0);
      expect(rounds.status()).toMatchObject({ stale: false });
      scheduler.advance(15 * 60_000);
      await until('the next analysis', () => rounds.status().age_ms === 0);
      expect(await latestAnalysis(database)).toBe(NOW_MS + DAY_MS + 15 * 60_000);
      expect(await analyse(partsOf(), NOW_MS)).toMatchObject({ kept: false });
      expect(await latestAnalysis(database)).toBe(NOW_MS + DAY_MS + 15 * 60_000);
      expect(rounds.status(NOW_MS + 2 * DAY_MS + 15 * 60_000)).toMatchObject({ stale: true });
      stop.abort();
      await running;
    });

    // Statements of the embedded engine cannot be ended: its calls return when they are done.
    test.runIf(engine === 'PostgreSQL')(
      'an analysis that takes too long is told, keeps what was found, and is made at the next round',
      async () => {
        await empty(database);
        await stored(database, [{ id: 'slow', operator: 'slow' }]);
        const limits: readonly (readonly [statementLimitMs: number | undefined, advanceMs: number, failure: string])[] =
          [
            [1_500, 0, 'the batch analysis: a statement about operators was ended, which may take 1500 ms'],
            [undefined, 5 * 60_000, 'the batch analysis took longer than 300000 ms'],
          ];
        for (const [statementLimitMs, advanceMs, failure] of limits) {
          await database.kysely.deleteFrom('payments.finding').execute();
          await analyse(partsOf(), NOW_MS);
          const before = await findings(database);
          const scheduler = new ManualScheduler(NOW_MS + HOUR_MS);
          const logger = new TextLogger();
          const parts = { ...partsOf(), scheduler, logger, everyMs: HOUR_MS / 2 };
          const rounds = new PatternRounds({ ...parts, ...(statementLimitMs !== undefined && { statementLimitMs }) });
          const stop = new AbortController();
          let running: Promise<void> | undefined;
          await database.kysely.transaction().execute(async (trx) => {
            await sql`set local idle_in_transaction_session_timeout = 0`.execute(trx);
            await sql`lock table payments.refund in access exclusive mode`.execute(trx);
            running = rounds.run(stop.signal);
            scheduler.advance(advanceMs);
            await until(failure, () => rounds.status().failure !== undefined);
          });
          const told = rounds.status();
          expect(told).toMatchObject({ failure });
          expect(serviceHealth(undefined, undefined, { patterns: told }).samples).toContainEqual(
            expect.objectContaining({ name: 'patterns_up', value: 0 }),
          );
          expect(logger.text).toContain(`${JSON.stringify({ error: failure })} patterns could not be found`);
          expect([await findings(database), await latestAnalysis(database)]).toEqual([before, NOW_MS]);
          scheduler.advance(60_000);
          await until('the next round', () => rounds.status().failure === undefined);
          expect(await latestAnalysis(database)).toBe(scheduler.wallMs());
          expect(logger.text).toMatch(/patterns are found again\n$/);
          stop.abort();
          await running;
        }
      },
    );

    test('ten thousand refunds of as many operators are found in one go', async () => {
      await empty(database);
      await stored(
        database,
        many(10_000, (i) => ({ id: `x${i}`, operator: `op-${i}`, grade: 'WEAK' })),
      );
      expect(await analyse(partsOf(), NOW_MS)).toMatchObject({ operators: 10_000, kept: true });
    });
  });
}
