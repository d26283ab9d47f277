/** From what couriers did at lockers to R10 and R14, on both engines: entries, notes of them, the analysis, a decision. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { RefundDesk } from '../../../src/risk/casework/refund-desk.ts';
import type { RefundRequest } from '../../../src/risk/casework/refund-request.ts';
import type { Decision } from '../../../src/risk/decision/decision.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';
import { SqlStore } from '../../../src/risk/intake/sql-store/sql-store.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import { analyse } from '../../../src/risk/patterns/analysis.ts';
import { ErasureRoom } from '../../../src/risk/retention/erase.ts';
import { RetentionRoom } from '../../../src/risk/retention/run.ts';
import { retentionSchema } from '../../../src/risk/retention/settings.ts';
import { openStatementKey } from '../../../src/risk/retention/statement.ts';
import { handsMigration } from '../../../src/risk/store/migrations/m0024-hands.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { captured, DAY_MS, NOW_MS, owner, requestOf } from '../../support/casework-bench.ts';
import { bothEngines } from '../../support/engines.ts';
import { disputed, empty, findings, held, many, type Stored, stored } from '../../support/patterns-bench.ts';
import { eventOf } from '../../support/test-events.ts';
import { TestLog } from '../../support/test-log.ts';
import { TextLogger } from '../../unit/intake/harness.ts';
import { PUT_IN, TAKEN_OUT } from '../../unit/ledger/support.ts';

const engines = bothEngines('couriers');
const MONTH_MS = 30 * DAY_MS;
const RING = 'k1.cmluZ3Jpbmc';
const HONEST = 'k1.aG9uZXN0';

const scheme = 'sscc';
const at = (ref: string, kind?: 'courier' | 'recipient', actor = RING) => ({
  compartment: 'A01',
  device: 'board-1',
  parcel: { ref, scheme },
  ...(kind && { actor: { kind, ref: actor } }),
});

/** What two couriers did with three parcels. */
function log(): TestLog {
  const of = new TestLog('couriers');
  const to = { kind: 'courier', ref: HONEST };
  const events = [
    eventOf(of, 0, 'journal.opened', { version: '0.1.0' }),
    eventOf(of, 1, 'parcel.deposited', PUT_IN, at('k1.ring', 'courier')),
    eventOf(of, 2, 'parcel.collected', TAKEN_OUT, at('k1.ring', 'recipient', 'k1.c29tZWJvZHk')),
    eventOf(of, 3, 'parcel.deposited', PUT_IN, at('k1.honest', 'courier', HONEST)),
    eventOf(of, 4, 'custody.handed_over', { from: { kind: 'courier', ref: RING }, to }, at('k1.handed')),
    eventOf(of, 5, 'access.granted', { method: 'code' }, at('k1.honest', 'courier')),
    eventOf(of, 6, 'parcel.deposited', PUT_IN, at('k1.clear', 'courier', 'Jane Doe')),
  ];
  return of.append(...events.map((event) => encodeLeaf(event)));
}

for (const [engine, settingsOf] of Object.entries(engines.settings)) {
  describe(engine, () => {
    const kept = log();
    let database: RiskDatabase;
    let ledger: LedgerStore;
    let desk: RefundDesk;
    beforeAll(async () => {
      database = await RiskDatabase.open(await settingsOf());
      const store = new SqlStore({ database, crypto: nodeCrypto, ...owner });
      const rows = kept.leaves.map((leaf, n) => {
        return { leaf, leafHash: kept.leafHashes[n] ?? new Uint8Array(), use: { status: 'used' } as const };
      });
      const [before, after] = [kept.frontier(0), kept.frontier(kept.size)];
      const range = { origin: kept.origin, opens: true, before, rows, after, storedAtMs: NOW_MS - DAY_MS };
      expect(await store.append([range])).toEqual(['stored']);
      ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A2' });
      await ledger.catchUp();
      const parts = { database, ledger, crypto: nodeCrypto, ruleset: makeRuleset(nodeCrypto, {}), ...owner };
      desk = new RefundDesk({ ...parts, clock: new ManualScheduler(NOW_MS), logger: new TextLogger() });
    });
    afterAll(() => database.close());

    const analysed = () => analyse({ database, ...owner, largeUsdMinor: 10_000, promotions: [] }, NOW_MS);
    const hands = async () => {
      const { rows } = await sql<object>`
        select parcel, n::int, courier, deed, gateway, stored_at from custody.hand order by n, courier`.execute(
        database.kysely,
      );
      return rows;
    };
    async function decided(id: string, more: Partial<RefundRequest>): Promise<Decision> {
      await captured(database, id);
      const answer = await desk.decide(`k-${id}`, requestOf(id, { kind: 'not_received', ...more }));
      if (!answer.ok) throw new Error(answer.detail);
      return answer.value;
    }
    const ruleOf = (decision: Decision, code: string) => decision.rules.find((one) => one.code === code);

    test('the ledger notes whose hand each entry speaks of, and an upgrade notes the same of what was read before', async () => {
      const of = { gateway: 'gw-0001', stored_at: new Date(NOW_MS - DAY_MS) };
      const expected = [
        { parcel: 'k1.ring', n: 1, courier: RING, deed: 'put_in', ...of },
        { parcel: 'k1.honest', n: 3, courier: HONEST, deed: 'put_in', ...of },
        { parcel: 'k1.handed', n: 4, courier: HONEST, deed: 'taken_over', ...of },
        { parcel: 'k1.handed', n: 4, courier: RING, deed: 'handed_on', ...of },
      ];
      expect(await hands()).toEqual(expected);
      await database.kysely.transaction().execute(async (trx) => {
        await sql`drop table custody.hand`.execute(trx);
        await handsMigration.up(trx);
      });
      expect(await hands()).toEqual(expected);
      const [one] = await ledger.ledgers(['k1.ring'], NOW_MS);
      expect(one?.hands).toEqual([{ courier: RING, deed: 'put_in', event: `${kept.origin}#1`, leg: 'forward' }]);
    });

    /** Of 20 operators and 20 couriers, each pair one refund; every tenth of them has little evidence. */
    const crowd = many(400, (i) => ({
      id: `x${i}`,
      operator: `op-${i % 20}`,
      parcel: `x-${i}`,
      grade: i % 10 === 3 ? 'WEAK' : 'STRONG',
    }));
    const handsOfCrowd = crowd.map(({ parcel }, i) => [`k1.courier${Math.floor(i / 20)}`, parcel] as const);

    /** `weak` of `count` refunds of a ring with little evidence, `lateMs` of them asked for at that age. */
    async function planted(count: number, ages: readonly number[] = []): Promise<void> {
      await empty(database, 'ledger');
      const ring = many(count, (i): Stored => {
        const ageMs = ages[i] ?? DAY_MS;
        return { id: `r${i}`, operator: 'ring', parcel: `r-${i}`, grade: 'WEAK', atMs: NOW_MS - ageMs };
      });
      await stored(database, [...crowd, ...ring]);
      await held(
        database,
        [...handsOfCrowd, ...ring.map(({ parcel = '' }) => [RING, parcel] as const)],
        NOW_MS - DAY_MS,
      );
      await analysed();
    }

    test('a planted ring is found, investigated, told to people alone, and replays; others are not', async () => {
      await planted(12);
      const found = await findings(database);
      expect(found[`pair ring ${RING}`]).toMatchObject({ refunds: 12, together: 12 });
      expect(Object.keys(found).filter((id) => id.startsWith('pair '))).toEqual([`pair ring ${RING}`]);
      expect(found['courier k1.courier3']).toEqual({ chargebacks: 0 });

      const decision = await decided('ring-1', { operator: 'ring', parcel_refs: ['k1.ring'] });
      const reason = decision.reasons.find(({ code }) => code === 'R10');
      expect(reason).toMatchObject({ events: [`${kept.origin}#1`] });
      expect(decision.investigate).toBe(true);
      expect(reason?.wording.analyst).toContain(RING);
      expect(reason?.wording.regulator).toContain('12 of 12 refunds with little evidence');
      for (const { wording } of decision.reasons) expect(wording.customer).not.toContain(RING);
      expect(await desk.replay(decision.decision_id)).toEqual(decision);
      expect((await desk.explain(decision.decision_id))?.rules.find(({ code }) => code === 'R10')).toMatchObject({
        fired: true,
        why: expect.stringContaining('it fired: seen was courier'),
      });

      // The same courier with another operator, another courier with the same operator, and no courier at all.
      for (const [id, operator, parcel, observed] of [
        ['other-operator', 'op-1', 'k1.ring', 'too few refunds'],
        ['other-courier', 'ring', 'k1.honest', 'not known'],
        ['no-courier', 'ring', 'k1.nobody', 'not known'],
      ] as const) {
        const other = await decided(id, { operator, parcel_refs: [parcel] });
        expect(ruleOf(other, 'R10')).toMatchObject({ hit: false, observed: expect.stringContaining(observed) });
        expect(other.reasons.map(({ code }) => code)).not.toContain('R10');
        const why = (await desk.explain(other.decision_id))?.rules.find(({ code }) => code === 'R10')?.why;
        expect(why).toMatch(/^it did not fire/);
      }
    });

    test('five refunds are a ring to the millisecond of thirty days, and four are none', async () => {
      const inside = [MONTH_MS - 1, MONTH_MS - 1, 0, 0, 0];
      await planted(5, inside);
      expect((await findings(database))[`pair ring ${RING}`]).toMatchObject({ refunds: 5, together: 5 });
      await planted(5, [MONTH_MS, ...inside.slice(1)]);
      expect(Object.keys(await findings(database)).filter((id) => id.startsWith('pair '))).toEqual([]);
      await planted(5, [-1, ...inside.slice(1)]);
      expect(Object.keys(await findings(database)).filter((id) => id.startsWith('pair '))).toEqual([]);
    });

    test('what a doubt lowered counts as it was before: doubt is not its own cause', async () => {
      await planted(12);
      await sql`alter table payments.decision disable trigger append_only`.execute(database.kysely);
      await sql`update payments.decision set answer = replace(answer, '"grade": "WEAK"', '"grade": "WEAK", "before_doubt": "STRONG"')
        where refund_id in ('r0', 'r1')`.execute(database.kysely);
      await sql`alter table payments.decision enable trigger append_only`.execute(database.kysely);
      await analysed();
      expect((await findings(database))[`pair ring ${RING}`]).toMatchObject({ refunds: 10, together: 12 });
    });

    test('three chargebacks of fourteen days that share a courier alone are a cluster, to the millisecond', async () => {
      const cluster = async (ages: readonly number[]): Promise<Decision> => {
        await empty(database, 'ledger');
        await stored(
          database,
          many(3, (i) => ({ id: `c${i}`, operator: `apart-${i}`, parcel: `c-${i}`, grade: 'STRONG' })),
        );
        await held(
          database,
          many(3, (i) => [RING, `c-${i}`] as const),
          NOW_MS - DAY_MS,
        );
        for (const [i, ageMs] of ages.entries()) await disputed(database, `c${i}`, NOW_MS - ageMs);
        await analysed();
        return decided(`cluster-${ages[0]}`, { operator: 'somebody', parcel_refs: ['k1.ring'] });
      };
      const inside = await cluster([14 * DAY_MS - 1, DAY_MS, 0]);
      expect(ruleOf(inside, 'R14')).toMatchObject({ hit: true, observed: `3 that share a courier, ${RING}` });
      expect(inside.reasons.find(({ code }) => code === 'R14')).toMatchObject({ events: [`${kept.origin}#1`] });
      const outside = await cluster([14 * DAY_MS, DAY_MS, 0]);
      expect(ruleOf(outside, 'R14')).toMatchObject({ hit: false, observed: `2 that share a courier, ${RING}` });
    });

    test('a courier who is erased had nothing in hands, and an older note goes with its body', async () => {
      await empty(database, 'ledger');
      await sql`insert into payments.finding (id, as_of_ms, body, tenant, region) values
        (${`courier ${RING}`}, 0, '{}', 'default', 'eu'), (${`pair op-7 ${RING}`}, 0, '{}', 'default', 'eu')`.execute(
        database.kysely,
      );
      const key = await openStatementKey(nodeCrypto, engines.dir.file(`${engine}.key`), 'refunds.example/erasures');
      const clock = new ManualScheduler(NOW_MS);
      const parts = { database, crypto: nodeCrypto, key, ...owner, clock, logger: new TextLogger() };
      const asked = { reference: RING, reason: 'asked for by its subject', by: 'operator:dpo-1' };
      const receipt = await new ErasureRoom(parts).erase(asked);
      // Of the handover both hands, since its body is gone; the other courier's own deposit stays.
      expect(receipt).toMatchObject({ ok: true, value: { counts: { entries: 3, hands: 3 } } });
      expect(await hands()).toMatchObject([{ parcel: 'k1.honest', n: 3 }]);
      const ids = Object.keys(await findings(database)).map((id) => id.replace(/erased-[\w-]{22}/, 'erased'));
      expect(ids.sort()).toEqual(['courier erased', 'pair op-7 erased']);
      const left = await sql`select from custody.entry where position(convert_to(${RING}, 'UTF8') in leaf) > 0`.execute(
        database.kysely,
      );
      expect(left.rows).toEqual([]);

      clock.advance(400 * DAY_MS);
      const settings = retentionSchema.parse({ bodies_days: 390 });
      const room = new RetentionRoom({ ...parts, settings, catchUp: (signal) => ledger.catchUp(signal) });
      expect((await room.plan()).counts).toMatchObject({ hands: 1 });
      expect((await room.run('operator:dpo-1')).counts).toMatchObject({ hands: 1 });
      expect(await hands()).toEqual([]);
    });
  });
}
