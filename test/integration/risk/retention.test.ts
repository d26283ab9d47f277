/**
 * Retention and erasure on both engines: what goes is gone from every file, what stays still verifies and replays, and
 * nobody else can take anything away.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { equalBytes, unbase64url } from '../../../src/base/bytes.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { importPayments } from '../../../src/risk/casework/imports.ts';
import { RefundDesk } from '../../../src/risk/casework/refund-desk.ts';
import type { RefundRequest } from '../../../src/risk/casework/refund-request.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';
import { SqlStore } from '../../../src/risk/intake/sql-store/sql-store.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import { ErasureRoom } from '../../../src/risk/retention/erase.ts';
import { OWN_PLACES, PLACES } from '../../../src/risk/retention/places.ts';
import { RetentionRoom } from '../../../src/risk/retention/run.ts';
import { retentionSchema } from '../../../src/risk/retention/settings.ts';
import {
  commitment,
  openStatement,
  openStatementKey,
  type StatementKey,
} from '../../../src/risk/retention/statement.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';
import { eventOf } from '../../support/test-events.ts';
import { TextLogger } from '../../unit/intake/harness.ts';
import {
  CLOCK_GRAIN_MS,
  enginesWithFiles,
  filesWith,
  NOBODY,
  OTHER,
  PERSON,
  PERSONAL,
  story,
  type Where,
} from './erasable.ts';
import { expectRounds } from './retention-rounds.ts';

const root = mkdtempSync(join(tmpdir(), 'latchkey-retention-'));
const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 10, 22, 12);
const OLD_MS = NOW_MS - 600 * DAY_MS;
const owner = { tenant: 'default', region: 'eu' };
let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => {
  await postgres.stop();
  rmSync(root, { recursive: true, force: true });
});

function request(id: string, parcel: string, more: Partial<RefundRequest> = {}): RefundRequest {
  return {
    refund_id: id,
    kind: 'return',
    parcel_refs: [parcel],
    amount_minor: 8_000,
    currency: 'USD',
    operator: 'op-7',
    requested_at: new Date(NOW_MS).toISOString(),
    payment_ref: `payment-of-${id}`,
    destination: 'original',
    ...more,
  };
}

const ENGINES = enginesWithFiles('retention', { root, postgres: () => postgres, recyclesWal: false });

for (const [engine, open] of Object.entries(ENGINES)) {
  describe(engine, () => {
    const log = story();
    const clock = new ManualScheduler(NOW_MS);
    const logger = new TextLogger();
    let database: RiskDatabase;
    let where: Where;
    let store: SqlStore;
    let ledger: LedgerStore;
    let desk: RefundDesk;
    let key: StatementKey;

    beforeAll(async () => {
      const one = await open();
      database = await RiskDatabase.open(one.settings);
      where = { directory: await one.directory(database), sinceMs: Date.now() - CLOCK_GRAIN_MS };
      store = new SqlStore({ database, crypto: nodeCrypto, ...owner });
      ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A2' });
      const ruleset = makeRuleset(nodeCrypto, {});
      desk = new RefundDesk({ database, ledger, crypto: nodeCrypto, ruleset, ...owner, clock, logger });
      key = await openStatementKey(nodeCrypto, join(root, `${engine}.key`), 'refunds.example/erasures');
      await keep(0, 3, OLD_MS);
      await keep(3, 6, NOW_MS);
      await ledger.catchUp();
    });
    afterAll(() => database.close());

    async function keep(first: number, end: number, storedAtMs: number): Promise<void> {
      const rows = log.leaves.slice(first, end).map((leaf, i) => ({
        leaf,
        leafHash: log.leafHashes[first + i] ?? new Uint8Array(),
        use: { status: 'used' } as const,
      }));
      const range = {
        origin: log.origin,
        opens: first === 0,
        before: log.frontier(first),
        rows,
        after: log.frontier(end),
        storedAtMs,
      };
      expect(await store.append([range])).toEqual(['stored']);
    }

    const erasure = () => new ErasureRoom({ database, crypto: nodeCrypto, key, ...owner, clock, logger });
    const retention = (settings: object) =>
      new RetentionRoom({
        database,
        crypto: nodeCrypto,
        key,
        ...owner,
        clock,
        logger,
        settings: retentionSchema.parse(settings),
        catchUp: (signal) => ledger.catchUp(signal),
      });
    const bodies = async (): Promise<readonly number[]> => {
      const kept: number[] = [];
      for await (const { n, leaf } of store.entries(log.origin, 0)) if (leaf !== undefined) kept.push(n);
      return kept;
    };
    /** All that a verifier and the intake ask of a log. */
    async function expectWholeTree(): Promise<void> {
      const hashes = await store.leafHashes(log.origin, 0, log.size);
      expect(hashes.map((hash, n) => equalBytes(hash, log.leafHashes[n] ?? new Uint8Array()))).toEqual(
        log.leaves.map(() => true),
      );
      for (let size = 0; size <= log.size; size += 1) {
        expect(await store.frontierAt(log.origin, size)).toEqual(log.frontier(size));
      }
    }

    test('no role of a room can take anything away, whatever it sets, calls or becomes', async () => {
      const attempts = [
        'delete from custody.entry',
        'update custody.entry set leaf = null',
        'truncate custody.entry',
        'delete from custody.claim',
        'drop table custody.entry_20261122',
        "select custody.drop_day('2026-11-22')",
        'insert into custody.erasure values (null)',
        'alter table custody.entry disable trigger all',
        'create or replace function custody.refuse_change() returns trigger language sql as $$ select null $$',
      ];
      for (const role of ['latchkey_custody', 'latchkey_payments', 'latchkey_cases']) {
        for (const attempt of attempts) {
          const session = database.kysely.transaction().execute(async (trx) => {
            await sql`set local role ${sql.id(role)}`.execute(trx);
            await sql`select set_config('latchkey.retention', 'on', true)`.execute(trx);
            await sql.raw(attempt).execute(trx);
          });
          await expect(session, `${role}: ${attempt}`).rejects.toThrow(/permission denied|must be owner|append-only/);
        }
      }
      const { rows } = await sql<{ member: boolean }>`
        select pg_has_role(r, 'latchkey_retention', 'member') as member
        from unnest(array['latchkey_custody', 'latchkey_payments', 'latchkey_cases']) r`.execute(database.kysely);
      expect(rows).toEqual([{ member: false }, { member: false }, { member: false }]);
      // Also the owner of the tables goes by the role, since no setting lifts it any more.
      const owned = database.kysely.transaction().execute(async (trx) => {
        await sql`select set_config('latchkey.retention', 'on', true)`.execute(trx);
        await sql`delete from custody.entry`.execute(trx);
      });
      await expect(owned).rejects.toThrow(/append-only/);
      expect(await bodies()).toEqual([0, 1, 2, 3, 4, 5]);
    });

    test('age takes bodies and leaves the hashes, but for what a hold needs; first it says what would go', async () => {
      await importPayments(
        database,
        [{ payment_ref: 'pay-held', currency: 'USD', captured_minor: 90_000, disputed_minor: 0 }],
        owner,
      );
      const held = await desk.decide(
        'k-held',
        request('r-held', PERSON.ref, { kind: 'not_received', payment_ref: 'pay-held' }),
      );
      expect(held).toMatchObject({ ok: true, value: { pay_now: false } });
      const room = retention({});
      expect((await room.plan()).counts).toMatchObject({ bodies: 1, mentions: 0, days: 0 });
      expect(await bodies()).toHaveLength(6);
      const report = await room.run('operator:dpo-1');
      // Entries 1 and 2 are of the parcel that is held; entry 0 names nobody.
      expect(report).toMatchObject({ held: 1, counts: { bodies: 1 }, compacted: { left: [] } });
      expect(await bodies()).toEqual([1, 2, 3, 4, 5]);
      await expectWholeTree();
      const statement = openStatement(nodeCrypto, key.vkey, report.envelope ?? '');
      expect(statement).toMatchObject({
        ok: true,
        value: { kind: 'retention', by: 'operator:dpo-1', counts: { bodies: 1 } },
      });
      if (statement.ok) expect(statement.value.logs.after).toBe(statement.value.logs.before);
      expect((await room.run('operator:dpo-1')).envelope).toBeUndefined();
    });

    test('what somebody still needs is not erased, and is said by name', async () => {
      const answer = await erasure().erase({ reference: PERSON.ref, reason: 'asked for by its subject', by: 'op-7' });
      expect(answer).toMatchObject({ ok: false, reason: 'held' });
      await close('r-held');
      expect(await bodies()).toEqual([1, 2, 3, 4, 5]);
    });

    /** As a person does who denies or cancels it: nothing is open or about to be sent. */
    async function close(refundId: string): Promise<void> {
      await sql`update payments.hold set state = 'cancelled' where refund_id = ${refundId}`.execute(database.kysely);
      await sql`update cases.case set state = 'closed' where refund_id = ${refundId}`.execute(database.kysely);
      await sql`update payments.outbox set state = 'delivered' where refund_id = ${refundId}`.execute(database.kysely);
    }

    test('an erased person is found nowhere, and logs, decisions and the statement hold', async () => {
      const [ref, refund, pay, seal, event] = PERSONAL as [string, string, string, string, string];
      await importPayments(
        database,
        [{ payment_ref: pay, currency: 'USD', captured_minor: 90_000, disputed_minor: 0 }],
        owner,
      );
      const said = { kind: 'claim', ref: `wms-1:${event}`, at_ms: NOW_MS, body: { what: 'declared', seal } } as const;
      await ledger.claim(ref, said, NOW_MS);
      const of = request(refund, ref, { payment_ref: pay });
      const decided = await desk.decide(`key-${refund}`, of);
      const other = await desk.decide('k-other', request('r-other', OTHER.ref, { payment_ref: 'pay-held' }));
      if (!decided.ok || !other.ok) throw new Error('decided');
      await close(refund);
      await close('r-other');
      const fork = { kind: 'batch', theirs: log.batch(0, 6), ours: log.batch(3, 6, { left: true }) } as const;
      expect(await store.keepFork(log.origin, fork)).toBe('kept');
      await sql`analyze`.execute(database.kysely);
      await sql`checkpoint`.execute(database.kysely);
      for (const planted of PERSONAL) expect(filesWith(where, planted), planted).not.toEqual([]);

      const before = [await desk.decision(decided.value.decision_id), await desk.decision(other.value.decision_id)];
      expect(JSON.stringify(before[1]?.facts)).toContain(refund);
      const receipt = await erasure().erase({
        reference: ref,
        reason: 'asked for by its subject',
        by: 'operator:dpo-1',
      });
      if (!receipt.ok) throw new Error(`${receipt.reason}: ${receipt.detail}`);
      expect(receipt.value.counts).toMatchObject({
        entries: 3,
        forks: 1,
        mentions: 3,
        hands: 1,
        claims: 1,
        refunds: 2,
        decisions: 3,
      });
      expect(receipt.value.compacted.left).toEqual([]);

      await expectWholeTree();
      expect(await bodies()).toEqual([3, 5]);
      for (const [i, { decision_id }] of [decided.value, other.value].entries()) {
        const stored = await desk.decision(decision_id);
        expect(JSON.stringify(await desk.replay(decision_id))).toBe(JSON.stringify(stored?.decision));
        expect(withoutNames(stored?.decision)).toEqual(withoutNames(before[i]?.decision));
      }
      const again = await desk.decide('k-other', request('r-other', OTHER.ref, { payment_ref: 'pay-held' }));
      expect(again).toMatchObject({ ok: true });

      const { envelope, salt } = receipt.value;
      const statement = openStatement(nodeCrypto, key.vkey, envelope);
      if (!statement.ok) throw new Error(statement.detail);
      const { logs, rows, subject } = statement.value;
      expect(logs.after).toBe(logs.before);
      expect(rows?.after).not.toBe(rows?.before);
      expect(commitment(nodeCrypto, unbase64url(salt) ?? new Uint8Array(), ref)).toBe(subject);
      expect(openStatement(nodeCrypto, key.vkey, envelope.replace('"sig":"', '"sig":"AA'))).toMatchObject({
        ok: false,
      });
      const kept = await database.as('custody', (trx) =>
        trx.selectFrom('custody.erasure').select(['actor', 'statement']).where('kind', '=', 'erasure').execute(),
      );
      expect(kept).toEqual([{ actor: 'operator:dpo-1', statement: envelope }]);

      for (const planted of PERSONAL) expect(filesWith(where, planted), planted).toEqual([]);
      expect(logger.text).not.toContain(ref);
      expect(filesWith(where, OTHER.ref)).not.toEqual([]);
      expect(await erasure().erase({ reference: ref, reason: 'once more', by: 'op-7' })).toMatchObject({
        reason: 'nothing',
      });
    });

    test('a record of what was erased stays, for its own role, too', async () => {
      for (const attempt of [
        'delete from custody.erasure',
        "update custody.erasure set reason = 'x'",
        'truncate custody.erasure',
      ]) {
        const own = database.as('retention', (trx) => sql.raw(attempt).execute(trx));
        await expect(own).rejects.toThrow(/permission denied/);
        await expect(sql.raw(attempt).execute(database.kysely)).rejects.toThrow(/kept for good/);
      }
    });

    test('a day that is old enough goes whole, once nobody needs it, and the log goes on', async () => {
      const room = retention({ bodies_days: 1, hashes_days: 300 });
      // The day after that one was made ahead, and stayed empty.
      expect((await room.plan()).counts).toMatchObject({ hashes: 3, days: 2 });
      expect((await room.run('operator:dpo-1')).counts).toMatchObject({ hashes: 3, days: 2 });
      const { rows } = await sql<{ name: string }>`
        select inhrelid::regclass::text as name from pg_inherits where inhparent = 'custody.entry'::regclass`.execute(
        database.kysely,
      );
      expect(rows.map(({ name }) => name).sort()).toEqual(['custody.entry_20261122', 'custody.entry_20261123']);
      expect(await store.frontierAt(log.origin, 3)).toEqual(log.frontier(3));
      expect(await store.frontierAt(log.origin, 2)).toBeUndefined();
      expect(await store.frontierAt(log.origin, 5)).toEqual(log.frontier(5));
      log.append(encodeLeaf(eventOf(log, 6, 'gateway.alive', { interval_ms: 60_000 })));
      await keep(6, 7, NOW_MS);
      expect((await store.load('gw-0001')).logs[0]?.segments).toMatchObject([{ first: 0, end: { size: 7 } }]);
    });

    test('a refund that ended goes after its term with all of its payment, signed; what is open stays and replays', async () => {
      const rows = ['pay-ended', 'pay-open'].map((payment_ref) => ({
        payment_ref,
        currency: 'USD',
        captured_minor: 8_000,
        disputed_minor: 0,
      }));
      await importPayments(database, rows, owner);
      const asked = (id: string, payment_ref: string) =>
        request(id, OTHER.ref, { kind: 'recall', parcel_refs: [], payment_ref, operator: `op-${id}` });
      const ended = await desk.decide('k-ended', asked('r-ended', 'pay-ended'));
      const open = await desk.decide('k-open', asked('r-open', 'pay-open'));
      if (!ended.ok || !open.ok) throw new Error('not decided');
      expect([ended.value.outcome, open.value.outcome]).toEqual(['PAY', 'PAY']);
      const settlement = { reference: 'tr-ended', amount_minor: 8_000, currency: 'USD', settled_at_ms: NOW_MS };
      expect(await desk.settle('r-ended', settlement)).toEqual({ ok: true, value: 'paid' });
      await database.as('payments', (trx) =>
        trx.updateTable('payments.outbox').set({ state: 'delivered' }).where('refund_id', '=', 'r-ended').execute(),
      );
      clock.advance(3 * DAY_MS);
      const planned = async (days: number) => (await retention({ refunds_days: days }).plan()).counts;
      expect(await planned(3)).toMatchObject({ refunds: 0, decisions: 0 });
      const due = await planned(1);
      expect(due.refunds).toBeGreaterThan(0);
      const report = await retention({ refunds_days: 1 }).run('operator:dpo-1');
      expect(report.counts).toMatchObject({ refunds: due.refunds, decisions: due.decisions });
      expect(openStatement(nodeCrypto, key.vkey, report.envelope ?? '')).toMatchObject({
        ok: true,
        value: { kind: 'retention', counts: { refunds: due.refunds } },
      });
      expect(await planned(1)).toMatchObject({ refunds: 0, decisions: 0 });
      expect(await desk.decision(ended.value.decision_id)).toBeUndefined();
      expect(await desk.replay(open.value.decision_id)).toEqual(open.value);
      // Its payment went with it: nobody is paid again, whatever key comes.
      const again = await desk.decide('k-ended', asked('r-ended', 'pay-ended'));
      expect(again).toMatchObject({ ok: true, value: { outcome: 'HOLD', reasons: [{ code: 'DEPENDENCY_DOWN' }] } });
    });

    test('a service does it at its interval, in pages: one of two, told and tried again when it fails, signed as by hand', () =>
      expectRounds({ database, key, clock, logger }));

    test('every column of the database is either known to hold no person, or is walked by erasure', async () => {
      const { rows } = await sql<{ name: string }>`
        select table_schema || '.' || c.table_name || '.' || column_name as name
        from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
        where table_schema in ('custody', 'payments', 'cases') and table_type = 'BASE TABLE'
          and data_type in ('text', 'bytea', 'jsonb', 'json') and c.table_name !~ '^entry_[0-9]{8}$'
        order by 1`.execute(database.kysely);
      const walked = new Set([...OWN_PLACES, ...PLACES.map(({ table, column }) => `${table}.${column}`)]);
      const unknown = rows
        .map(({ name }) => name)
        .filter((name) => !walked.has(name) && !NOBODY.some((known) => known.test(name)));
      expect(unknown).toEqual([]);
      const columns = new Set(rows.map(({ name }) => name));
      expect([...walked].filter((name) => !columns.has(name))).toEqual([]);
    });
  });
}

/** A decision but for what its names make: hashes, identifiers, and other refunds of the parcel in sentences. */
function withoutNames(decision: unknown): unknown {
  const text = JSON.stringify(decision, (name, value) =>
    ['decision_id', 'facts_hash', 'digest', 'refund_id', 'parcel', 'events'].includes(name) ? undefined : value,
  );
  return JSON.parse(text.replace(/erased-[\w-]{22}|r-held|refund-of-the-person-1/g, 'a refund'));
}
