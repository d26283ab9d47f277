/** Refunds decided on a database: on both engines, at once, again, and when something is missing. */
import { writeFileSync } from 'node:fs';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { importPayments, importRates } from '../../../src/risk/casework/imports.ts';
import { RefundDesk, type RefundDeskParts } from '../../../src/risk/casework/refund-desk.ts';
import type { RefundRequest } from '../../../src/risk/casework/refund-request.ts';
import type { Decision } from '../../../src/risk/decision/decision.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';
import { SqlStore } from '../../../src/risk/intake/sql-store/sql-store.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import { openDatabase } from '../../../src/risk/receive/open-store.ts';
import { type DatabaseSettings, RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { refuseOtherTenant } from '../../../src/risk/store/tenant.ts';
import { bothEngines } from '../../support/engines.ts';
import { ApiBench, type Reply } from '../../support/risk-api.ts';
import { fakeRooms } from '../../support/risk-api-rooms.ts';
import { eventOf } from '../../support/test-events.ts';
import { TestLog } from '../../support/test-log.ts';
import { TextLogger } from '../../unit/intake/harness.ts';
import { PARCEL, PUT_IN, TAKEN_OUT } from '../../unit/ledger/support.ts';

const engines = bothEngines('desk', 8);
const NOW_MS = Date.UTC(2026, 10, 22, 12);
const DAY_MS = 86_400_000;
const owner = { tenant: 'default', region: 'eu' };

const place = { compartment: 'A01', device: 'board-1', parcel: PARCEL };

/** Delivered, collected with its code, and brought back. */
function story(): TestLog {
  const log = new TestLog('desk');
  const events = [
    eventOf(log, 0, 'journal.opened', { version: '0.1.0' }),
    eventOf(log, 1, 'parcel.deposited', PUT_IN, place),
    eventOf(log, 2, 'parcel.collected', TAKEN_OUT, place),
    eventOf(log, 3, 'parcel.deposited', PUT_IN, place),
  ];
  return log.append(...events.map((event) => encodeLeaf(event)));
}

async function keep(database: RiskDatabase, log: TestLog, first: number, end: number): Promise<void> {
  const store = new SqlStore({ database, crypto: nodeCrypto, ...owner });
  const rows = log.leaves.slice(first, end).map((leaf, i) => ({
    leaf,
    leafHash: log.leafHashes[first + i] ?? new Uint8Array(32),
    use: { status: 'used' } as const,
  }));
  const range = {
    origin: log.origin,
    opens: first === 0,
    before: log.frontier(first),
    rows,
    after: log.frontier(end),
    storedAtMs: NOW_MS,
  };
  expect(await store.append([range])).toEqual(['stored']);
}

function request(id: string, more: Partial<RefundRequest> = {}): RefundRequest {
  return {
    refund_id: id,
    kind: 'return',
    parcel_refs: [PARCEL.ref],
    amount_minor: 8_000,
    currency: 'USD',
    operator: `op-${id}`,
    requested_at: new Date(NOW_MS).toISOString(),
    payment_ref: `pay-${id}`,
    destination: 'original',
    ...more,
  };
}

for (const [engine, settingsOf] of Object.entries(engines.settings)) {
  describe(engine, () => {
    let settings: DatabaseSettings;
    let database: RiskDatabase;
    let ledger: LedgerStore;
    const log = story();
    beforeAll(async () => {
      settings = await settingsOf();
      database = await RiskDatabase.open(settings);
      ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A2' });
      await keep(database, log, 0, 4);
      expect(await ledger.catchUp()).toBe(4);
    });
    afterAll(() => database.close());

    function deskOf(more: Partial<RefundDeskParts> = {}): RefundDesk {
      const clock = new ManualScheduler(NOW_MS);
      const ruleset = makeRuleset(nodeCrypto, {});
      return new RefundDesk({
        database,
        ledger,
        crypto: nodeCrypto,
        ruleset,
        ...owner,
        clock,
        logger: new TextLogger(),
        ...more,
      });
    }

    async function pay(...ids: readonly string[]): Promise<void> {
      const rows = ids.map((id) => ({
        payment_ref: `pay-${id}`,
        currency: 'USD',
        captured_minor: 50_000,
        disputed_minor: 0,
      }));
      await importPayments(database, rows, owner);
    }

    async function decided(desk: RefundDesk, key: string, of: RefundRequest): Promise<Decision> {
      const answer = await desk.decide(key, of);
      if (!answer.ok) throw new Error(answer.detail);
      return answer.value;
    }

    test('an entry is read once, and what comes later is read on', async () => {
      expect(await ledger.catchUp()).toBe(0);
      const { facts, timeline } = await ledger.ledger(PARCEL.ref, NOW_MS);
      expect(facts).toMatchObject({
        forward: { state: 'COLLECTED' },
        return: { state: 'R_IN_LOCKER', certainty: 'confirmed' },
      });
      expect(timeline.map(({ ref }) => ref)).toEqual([1, 2, 3].map((n) => `${log.origin}#${n}`));
    });

    test('an honest return is paid, on the events that prove it, and replays to the byte', async () => {
      await pay('honest');
      const desk = deskOf();
      const decision = await decided(desk, 'k-honest', request('honest'));
      expect(decision).toMatchObject({ outcome: 'PAY', pay_now: true });
      expect(decision.reasons[0]?.events).toContain(`${log.origin}#3`);
      expect(JSON.stringify(await desk.replay(decision.decision_id))).toBe(JSON.stringify(decision));
      expect((await desk.decision(decision.decision_id))?.facts.refund.refund_id).toBe('honest');
      expect(await desk.decision('d-none')).toBeUndefined();
    });

    test('a decision replays to the byte also after the ledger went on and the ruleset changed', async () => {
      await pay('later');
      const decision = await decided(deskOf(), 'k-later', request('later'));
      const other = deskOf({ ruleset: makeRuleset(nodeCrypto, { instant_usd_minor: 1 }) });
      await ledger.claim(
        PARCEL.ref,
        { kind: 'claim', ref: `wms:${engine}`, at_ms: NOW_MS, body: { what: 'inspected', result: 'empty' } },
        NOW_MS,
      );
      expect(await other.replay(decision.decision_id)).toEqual(decision);
      const again = await decided(
        deskOf(),
        'k-later-2',
        request('later-2', { payment_ref: 'pay-later', amount_minor: 1_000 }),
      );
      expect(again.reasons.map(({ code }) => code)).toContain('return_found_wanting');
    });

    test('a parcel of which nothing is known is held', async () => {
      await pay('phantom');
      const decision = await decided(deskOf(), 'k-phantom', request('phantom', { parcel_refs: ['k1.nothing'] }));
      expect(decision).toMatchObject({ outcome: 'HOLD', pay_now: false });
      expect(decision.reasons.map(({ code }) => code)).toEqual(expect.arrayContaining(['C18', 'R05']));
    });

    test('the same key gives the same answer, and refuses another body', async () => {
      await pay('key');
      const first = await decided(deskOf(), 'k-same', request('key'));
      const later = deskOf({ clock: new ManualScheduler(NOW_MS + 5_000) });
      expect(await decided(later, 'k-same', request('key'))).toEqual(first);
      expect(await later.decide('k-same', request('key', { amount_minor: 8_001 }))).toMatchObject({
        ok: false,
        reason: 'key_reused',
      });
      expect(await later.decide('k-new', request('key', { amount_minor: 8_001 }))).toMatchObject({
        ok: false,
        reason: 'refund_known',
      });
    });

    test('of sixteen third refunds at once all but two are held', async () => {
      const ids = Array.from({ length: 16 }, (_, i) => `velocity-${i}`);
      await pay(...ids);
      const of = (id: string): RefundRequest =>
        request(id, { kind: 'goodwill', parcel_refs: [], operator: 'op-velocity', amount_minor: 10_001 });
      const decisions = await Promise.all(ids.map((id) => decided(deskOf(), `k-${id}`, of(id))));
      const held = decisions.filter(({ reasons }) => reasons.some(({ code }) => code === 'R01'));
      expect(held).toHaveLength(14);
      expect(held.every(({ outcome }) => outcome === 'HOLD')).toBe(true);
    });

    test('a third refund counts the others for 24 h to the millisecond, and none that was cancelled', async () => {
      const third = async (operator: string, afterMs: number, cancels: boolean): Promise<readonly string[]> => {
        const ids = [1, 2, 3].map((n) => `${operator}-${n}`);
        await pay(...ids);
        const decisions: Decision[] = [];
        for (const [i, id] of ids.entries()) {
          const clock = new ManualScheduler(NOW_MS + (i === 2 ? afterMs : 0));
          const requested_at = new Date(clock.wallMs()).toISOString();
          const more = { kind: 'return', operator, amount_minor: 10_001, requested_at } as const;
          const desk = deskOf({ clock });
          decisions.push(await decided(desk, `k-${id}`, request(id, { ...more, parcel_refs: [`k1.none-of-${id}`] })));
          if (cancels && i === 0) await desk.cancel(id, { actor: 'ann', reason: 'withdrawn' });
        }
        return decisions[2]?.rules.flatMap(({ code, hit }) => (hit ? [code] : [])) ?? [];
      };
      expect(await third('op-in-time', DAY_MS - 1, false)).toContain('R01');
      expect(await third('op-too-late', DAY_MS, false)).not.toContain('R01');
      expect(await third('op-at-once', 0, false)).toContain('R01');
      expect(await third('op-cancelled', 0, true)).not.toContain('R01');
    });

    test('of sixteen third refunds at once over HTTP, at two services, all but two are held', async () => {
      const ids = Array.from({ length: 16 }, (_, i) => `http-${i}`);
      await pay(...ids);
      // A database in a directory belongs to one service: there the second one shares it.
      const second = engine === 'PGlite' ? database : await RiskDatabase.open(settings);
      const benches = await Promise.all(
        [database, second].map((own) => {
          const desk = deskOf({
            database: own,
            ledger: new LedgerStore({ database: own, ...owner, levelOf: () => 'A2' }),
          });
          return ApiBench.start({ rooms: async (...given) => ({ ...(await fakeRooms()(...given)), desk }) });
        }),
      );
      const more: Partial<RefundRequest> = {
        kind: 'goodwill',
        parcel_refs: [],
        operator: 'op-http',
        amount_minor: 10_001,
      };
      const answers = await Promise.all(
        ids.map((id, i) => benches[i % 2]?.decide(`k-${id}`, request(id, more)) as Promise<Reply>),
      );
      expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 200));
      const held = answers.filter(({ body }) => body.reasons.some(({ code }: { code: string }) => code === 'R01'));
      expect(held.map(({ body }) => [body.outcome, body.pay_now])).toEqual(Array(14).fill(['HOLD', false]));
      for (const bench of benches) await bench.stop();
      if (second !== database) await second.close();
    });

    test('what is asked for one payment by several refunds counts together', async () => {
      await pay('shared');
      const of = (id: string): RefundRequest =>
        request(id, { kind: 'recall', parcel_refs: [], payment_ref: 'pay-shared', amount_minor: 30_000 });
      const [first, second] = [await decided(deskOf(), 'k-s1', of('s1')), await decided(deskOf(), 'k-s2', of('s2'))];
      expect(first.outcome).toBe('PAY');
      expect(second).toMatchObject({ outcome: 'HOLD', blocked: true });
    });

    test('no more than was captured is ever marked as paid, whoever writes it', async () => {
      const mark = (id: string) =>
        database.as('payments', (trx) =>
          trx.updateTable('payments.refund').set({ state: 'paid' }).where('refund_id', '=', id).execute(),
        );
      await mark('s1');
      await expect(mark('s2')).rejects.toThrow(/exceeds what payment pay-shared has left/);
    });

    test('a payment does not change its currency by an import, and nothing of such a file is kept', async () => {
      const row = { payment_ref: 'pay-yen', currency: 'USD', captured_minor: 10_000, disputed_minor: 0 };
      expect(await importPayments(database, [row], owner)).toMatchObject({ ok: true });
      const rows = [
        { ...row, captured_minor: 9_000 },
        { ...row, currency: 'JPY', captured_minor: 1_000_000 },
      ];
      expect(await importPayments(database, rows, owner)).toMatchObject({ ok: false, reason: 'currency_differs' });
      const of = database.kysely.selectFrom('payments.payment').select(['currency', 'captured_minor']);
      const kept = await of.where('payment_ref', '=', 'pay-yen').execute();
      expect(kept).toEqual([{ currency: 'USD', captured_minor: 10_000 }]);
    });

    test('a payment that is not known, or a rate that is missing, is a hold with a short deadline', async () => {
      const unknown = await decided(deskOf(), 'k-unknown', request('unknown'));
      expect(unknown.reasons[0]).toMatchObject({ code: 'DEPENDENCY_DOWN' });
      await importPayments(
        database,
        [{ payment_ref: 'pay-eur', currency: 'EUR', captured_minor: 50_000, disputed_minor: 0 }],
        owner,
      );
      const euros = request('eur', { kind: 'goodwill', parcel_refs: [], currency: 'EUR', amount_minor: 1_000 });
      expect((await decided(deskOf(), 'k-eur', euros)).outcome).toBe('HOLD');
      const friday = { currency: 'EUR', day: '2026-11-20', usd_e9: 1_080_000_000 };
      expect(await importRates(database, [friday], owner)).toMatchObject({ ok: true });
      expect(
        await importRates(
          database,
          [
            { ...friday, currency: 'CHF' },
            { ...friday, usd_e9: 1 },
          ],
          owner,
        ),
      ).toMatchObject({
        ok: false,
        reason: 'rate_differs',
      });
      // A file that is refused leaves nothing behind, so its other rows may come with another value.
      expect(await importRates(database, [{ ...friday, currency: 'CHF', usd_e9: 2 }], owner)).toMatchObject({
        ok: true,
      });
      // A Sunday has no table: that of Friday holds.
      expect((await decided(deskOf(), 'k-eur-2', { ...euros, refund_id: 'eur-2' })).outcome).toBe('PAY');
      const laterMs = NOW_MS + 3 * 86_400_000;
      const late = { ...euros, refund_id: 'eur-3', requested_at: new Date(laterMs).toISOString() };
      const then = deskOf({ clock: new ManualScheduler(laterMs) });
      expect((await decided(then, 'k-eur-3', late)).outcome).toBe('HOLD');
    });

    test('a ledger that cannot be read holds, and pays nothing', async () => {
      await pay('blind');
      const broken = { ledgers: () => Promise.reject(new Error('the disk is away')) };
      const decision = await decided(deskOf({ ledger: broken }), 'k-blind', request('blind', { kind: 'recall' }));
      expect(decision).toMatchObject({ outcome: 'HOLD', pay_now: false });
      expect(decision.reasons[0]?.text).toContain('ledger');
    });

    test.for([
      ['custody', 'select * from payments.refund'],
      ['payments', 'select * from custody.claim'],
      ['payments', 'delete from payments.refund'],
      ['payments', "update payments.decision set outcome = 'PAY'"],
      ['payments', 'update payments.usd_rate set usd_e9 = 1'],
    ] as const)('the role for %s may not: %s', async ([role, statement]) => {
      await expect(database.as(role, (trx) => sql.raw(statement).execute(trx))).rejects.toThrow(/permission denied/);
    });

    test('a database that holds rows of one tenant is refused to another, whichever table they are in', async () => {
      const refused = /^tenant: expected "default", whose rows this database holds, found "other"; give each tenant/;
      await expect(refuseOtherTenant(database, 'default')).resolves.toBeUndefined();
      await expect(refuseOtherTenant(database, 'other')).rejects.toThrow(refused);
      const undone = database.kysely.transaction().execute(async (trx) => {
        await sql`insert into custody.replica values ('f', 'h', now(), 'third', 'eu')`.execute(trx);
        await refuseOtherTenant({ kysely: trx }, 'default');
      });
      await expect(undone).rejects.toThrow(/^tenant: expected "third"/);
    });

    test('the owner cannot change a decision', async () => {
      await expect(sql.raw("update payments.decision set outcome = 'PAY'").execute(database.kysely)).rejects.toThrow(
        /append-only/,
      );
      await expect(sql.raw('delete from payments.request').execute(database.kysely)).rejects.toThrow(/append-only/);
    });
  });
}

test("on a server, who comes first with rows has the database, and an empty one is anybody's", async () => {
  const file = engines.dir.file('database.url');
  writeFileSync(file, await engines.postgres().database('tenants'), { mode: 0o600 });
  const store = { postgres: { url_file: file, pool_max: 2 } };
  const opened = (tenant: string) =>
    openDatabase({ store, data_dir: engines.dir.path, replica: { lease_s: 10 }, tenant });
  await (await opened('b')).close();
  const first = await opened('a');
  const rows = [{ payment_ref: 'p', currency: 'USD', captured_minor: 1, disputed_minor: 0 }];
  await importPayments(first, rows, { tenant: 'a', region: 'eu' });
  await expect(opened('b')).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('"a"') });
  await (await opened('a')).close();
  await first.close();
});
