/** Customers under keyed pseudonyms: whose payment one is and who lives with whom, from import to erasure, on both engines. */
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { HoldBook } from '../../../src/risk/casework/hold-book.ts';
import { importPayments, importRates, paymentsSchema } from '../../../src/risk/casework/imports.ts';
import { RefundDesk } from '../../../src/risk/casework/refund-desk.ts';
import type { RefundRequest } from '../../../src/risk/casework/refund-request.ts';
import { Sweep } from '../../../src/risk/casework/sweep.ts';
import { type CustomerNames, openCustomerNames } from '../../../src/risk/customers/customer-names.ts';
import { parseRelations, replaceRelations } from '../../../src/risk/customers/customer-rows.ts';
import type { Decision } from '../../../src/risk/decision/decision.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import { ErasureRoom } from '../../../src/risk/retention/erase.ts';
import { RetentionRoom } from '../../../src/risk/retention/run.ts';
import { retentionSchema } from '../../../src/risk/retention/settings.ts';
import { openStatement, openStatementKey, type StatementKey } from '../../../src/risk/retention/statement.ts';
import { openSources, SourcesRoom } from '../../../src/risk/sources/room.ts';
import { sourcesSchema } from '../../../src/risk/sources/settings.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { DAY_MS, NOW_MS, owner, requestOf } from '../../support/casework-bench.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';
import { writtenTogether } from '../../support/written-together.ts';
import { TextLogger } from '../../unit/intake/harness.ts';
import { CLOCK_GRAIN_MS, enginesWithFiles, filesWith } from './erasable.ts';

/** Of sixteen bytes and more, so that no other bytes are taken for them. */
const CUSTOMER = 'customer-ToBeSearchedInEveryFile';
const OPERATOR = 'desk-WhoLivesWithThatCustomer';
const CANARY = 'payment-ThatIsFoundInTheFiles';
const SECRET = Buffer.alloc(32, 7);

const root = mkdtempSync(join(tmpdir(), 'latchkey-customers-'));
let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => {
  await postgres.stop();
  rmSync(root, { recursive: true, force: true });
});

const ENGINES = enginesWithFiles('customers', { root, postgres: () => postgres, recyclesWal: false });

describe.each(Object.entries(ENGINES))('%s', (engine, open) => {
  const clock = new ManualScheduler(NOW_MS);
  const logger = new TextLogger();
  const keyFile = join(root, engine, 'keys', 'customers.key');
  let database: RiskDatabase;
  let directory: string;
  let sinceMs: number;
  let names: CustomerNames;
  let ledger: LedgerStore;
  let desk: RefundDesk;
  let room: SourcesRoom;
  let statementKey: StatementKey;

  beforeAll(async () => {
    const one = await open();
    database = await RiskDatabase.open(one.settings);
    directory = await one.directory(database);
    sinceMs = Date.now() - CLOCK_GRAIN_MS;
    const key = { crypto: nodeCrypto, database, path: keyFile, tenant: owner.tenant };
    names = await openCustomerNames(key);
    expect((await openCustomerNames(key)).customer(CUSTOMER)).toBe(names.customer(CUSTOMER));
    ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A2' });
    const parts = { database, crypto: nodeCrypto, customers: names, ...owner, clock, logger };
    desk = new RefundDesk({ ...parts, ledger, ruleset: makeRuleset(nodeCrypto, {}) });
    const secretFile = join(root, `${engine}.secret`);
    writeFileSync(secretFile, `whsec_${SECRET.toString('base64')}\n`, { mode: 0o600 });
    const settings = sourcesSchema.parse([
      { name: 'psp-1', kind: 'payment', auth: { type: 'standard', secret_files: [secretFile] } },
      { name: 'carrier-1', kind: 'carrier', auth: { type: 'standard', secret_files: [secretFile] } },
    ]);
    room = new SourcesRoom({ ...parts, sources: await openSources(settings, nodeCrypto) });
    statementKey = await openStatementKey(nodeCrypto, join(root, engine, 'erasure.key'), 'default/eu/erasures');
  }, 120_000);
  afterAll(() => database.close());

  const imported = (rows: readonly object[]) =>
    importPayments(database, paymentsSchema.parse(rows), owner, { names, nowMs: clock.wallMs() });
  const paid = (payment_ref: string, customer_ref: string, more: object = {}) => ({
    payment_ref,
    currency: 'USD',
    captured_minor: 10_000,
    customer_ref,
    ...more,
  });

  /** Paid as it stands, unless a rule says otherwise: goods that are recalled ask for no evidence. */
  async function decided(id: string, payment_ref: string, more: Partial<RefundRequest> = {}): Promise<Decision> {
    const request = requestOf(id, { kind: 'recall', parcel_refs: [], payment_ref, amount_minor: 1_000, ...more });
    const answer = await desk.decide(`k-${id}`, request);
    if (!answer.ok) throw new Error(`${answer.reason}: ${answer.detail}`);
    return answer.value;
  }
  const eur = { currency: 'EUR' };
  const codes = ({ reasons }: Decision) => reasons.map(({ code }) => code);
  const customerFacts = async ({ decision_id }: Decision) =>
    (await desk.decision(decision_id))?.facts.patterns?.customer;

  function sent(source: string, type: string, data: object, id: string) {
    const body = JSON.stringify({ type, timestamp: new Date(NOW_MS).toISOString(), data });
    const atS = Math.floor(NOW_MS / 1_000);
    const mac = createHmac('sha256', SECRET).update(`${id}.${atS}.${body}`).digest('base64');
    const headers = new Headers({
      'webhook-id': id,
      'webhook-timestamp': String(atS),
      'webhook-signature': `v1,${mac}`,
    });
    return room.take(source, headers, Buffer.from(body));
  }

  test('R12: five orders, more than 40 % of their value refunded, whoever asked, also in one group', async () => {
    const orders = ['o1', 'o2', 'o3', 'o4', 'o5'];
    const old = paid('pay-old', 'c-many', { captured_at: new Date(NOW_MS - 91 * DAY_MS).toISOString() });
    expect(await imported([...orders.map((id) => paid(`pay-${id}`, 'c-many')), old])).toMatchObject({ ok: true });
    expect(await imported([paid('pay-few', 'c-few')])).toMatchObject({ ok: true });
    const first = await decided('m1', 'pay-o1', { amount_minor: 10_000 });
    expect(await customerFacts(first)).toEqual({ orders: 5, refunded_milli: 0 });
    expect(codes(first)).not.toContain('R12');
    // Both of a group, of two operators: the second sees the first.
    const pair = await Promise.all([
      decided('m2', 'pay-o2', { amount_minor: 10_000 }),
      decided('m3', 'pay-o3', { amount_minor: 10_000 }),
    ]);
    const seen = (await Promise.all(pair.map(customerFacts))).map((one) => one?.refunded_milli).sort();
    expect(seen).toEqual([200, 400]);
    const third = await decided('m4', 'pay-o4');
    expect(await customerFacts(third)).toEqual({ orders: 5, refunded_milli: 600 });
    expect(codes(third)).toContain('R12');
    expect(await desk.replay(third.decision_id)).toEqual(third);
    expect(codes(await decided('f1', 'pay-few', { amount_minor: 10_000 }))).not.toContain('R12');
  });

  test('R12: orders in several currencies are one history, in dollars of the day; a missing rate holds', async () => {
    const euros = { currency: 'EUR', captured_minor: 5_000 };
    const orders = [paid('pay-x1', 'c-x'), paid('pay-x2', 'c-x'), paid('pay-x3', 'c-x')];
    expect(await imported([...orders, paid('pay-x4', 'c-x', euros), paid('pay-x5', 'c-x', euros)])).toMatchObject({
      ok: true,
    });
    const unrated = await decided('x1', 'pay-x1');
    expect([unrated.outcome, codes(unrated)]).toEqual(['HOLD', ['DEPENDENCY_DOWN']]);
    expect(unrated.reasons[0]?.text).toContain('EUR of 2026-11-22');
    expect(await customerFacts(unrated)).toEqual({ orders: 5, unrated: ['EUR'] });
    expect(await desk.replay(unrated.decision_id)).toEqual(unrated);
    // Two dollars for a euro: the two orders are 200 of 500 dollars.
    await importRates(database, [{ currency: 'EUR', day: '2026-11-22', usd_e9: 2_000_000_000 }], owner);
    await desk.cancel('x1', { actor: 'desk-2', reason: 'asked again' });
    const both = ['pay-x4', 'pay-x5'].map((ref, i) => decided(`x${i + 4}`, ref, { ...eur, amount_minor: 5_000 }));
    expect((await Promise.all(both)).map(({ outcome }) => outcome)).toEqual(['PAY', 'PAY']);
    const at = await decided('x2', 'pay-x2', { amount_minor: 1 });
    expect(await customerFacts(at)).toEqual({ orders: 5, refunded_milli: 400 });
    expect(codes(at)).not.toContain('R12');
    // A cent more than the bound is more.
    const over = await decided('x3', 'pay-x3', { amount_minor: 1 });
    expect(await customerFacts(over)).toEqual({ orders: 5, refunded_milli: 401 });
    expect([over.outcome, codes(over)]).toEqual(['REVIEW', expect.arrayContaining(['R12'])]);
  });

  test('C24: who lives with the customer neither asks nor lets it be paid; another list takes the place of the first', async () => {
    expect(await imported([paid(CANARY, CUSTOMER), paid('pay-h1', CUSTOMER), paid('pay-h2', CUSTOMER)])).toMatchObject({
      ok: true,
    });
    const line = JSON.stringify({ operator: OPERATOR, customer_ref: CUSTOMER });
    const list = parseRelations(`${line}\n\n${line}\n`);
    if (!list.ok) throw new Error(list.detail);
    expect(await replaceRelations(database, names, list.value, owner)).toBe(1);
    const own = await decided('h1', 'pay-h1', { operator: OPERATOR });
    expect([own.outcome, codes(own)]).toEqual(['HOLD', expect.arrayContaining(['C24'])]);
    expect(await desk.replay(own.decision_id)).toEqual(own);
    expect(codes(await decided('h2', 'pay-few', { operator: OPERATOR }))).not.toContain('C24');
    const held = await decided('h3', 'pay-h2', { operator: 'desk-1', destination: 'other' });
    expect(held.outcome).not.toBe('PAY');
    const { rows } = await sql<{ hold_id: string }>`
      select hold_id from payments.hold where refund_id = 'h3'`.execute(database.kysely);
    const holdId = rows[0]?.hold_id ?? '';
    const verdict = { actor: OPERATOR, reason: 'looked at it' };
    expect(await desk.release(holdId, verdict)).toMatchObject({ ok: false, reason: 'own_household' });
    expect(await desk.release(holdId, { ...verdict, actor: 'desk-2' })).toMatchObject({ ok: true });
    await replaceRelations(database, names, [{ operator: 'desk-9', customer_ref: 'c-9' }], owner);
    expect(codes(await decided('h4', CANARY, { operator: OPERATOR }))).not.toContain('C24');
    await replaceRelations(database, names, list.value, owner);
  });

  test('a webhook says whose a payment is, and of that only the pseudonym is kept; other kinds may not say it', async () => {
    const captured = { payment_ref: 'pay-w1', amount_minor: 100, currency: 'USD', customer_ref: CUSTOMER };
    const taken = await sent('psp-1', 'payment.captured', captured, 'evt_1');
    expect(taken).toMatchObject({ ok: true, value: { fact: { fact: { customer_ref: names.customer(CUSTOMER) } } } });
    const again = await sent('psp-1', 'payment.captured', { ...captured, customer_ref: 'c-other' }, 'evt_2');
    expect(again).toMatchObject({ ok: false, reason: 'currency_differs' });
    const named = { parcel: 'k1.AAAAAAAAAAAAAAAAAAAAAA', customer_ref: CUSTOMER };
    expect(await sent('carrier-1', 'delivered', named, 'evt_3')).toMatchObject({ reason: 'personal_data' });
    for (const [i, text] of ['a@b.example', '4111111111111111', '+491701234567', 'Anna Muster', '123456'].entries()) {
      const wrong = { ...captured, payment_ref: 'pay-w2', customer_ref: text };
      expect((await sent('psp-1', 'payment.captured', wrong, `evt_w${i}`)).ok, text).toBe(false);
      expect(paymentsSchema.safeParse([paid('pay-w2', text)]).success, text).toBe(false);
      expect(parseRelations(JSON.stringify({ operator: 'desk-1', customer_ref: text })).ok, text).toBe(false);
    }
    const { rows } = await sql`select from payments.payment where payment_ref = 'pay-w2'`.execute(database.kysely);
    expect(rows).toHaveLength(0);
  });

  test('a list of relations is refused by the lines that are wrong, without their words, and an empty one as well', () => {
    const good = '{"operator":"desk-1","customer_ref":"c-1"}';
    const bad = `${good}\nnonsense\n{"operator":"desk-1"}\n{"operator":"desk-1","customer_ref":"x@y.example"}`;
    const refused = parseRelations(bad);
    expect(refused).toMatchObject({ ok: false, detail: expect.stringMatching(/line 2: .*line 3: .*line 4: /) });
    expect(JSON.stringify(refused)).not.toContain('x@y.example');
    expect(parseRelations('\n')).toMatchObject({ ok: false });
    expect(parseRelations('none\n')).toEqual({ ok: true, value: [] });
  });

  test('a payment is one customer’s, for good, and the rooms of custody and cases see nothing of it', async () => {
    expect(await imported([paid('pay-new', 'c-1'), paid('pay-o1', 'c-1')])).toMatchObject({
      reason: 'customer_differs',
    });
    const { rows } = await sql`select from payments.payment where payment_ref = 'pay-new'`.execute(database.kysely);
    expect(rows).toHaveLength(0);
    for (const table of ['payments.customer_payment', 'payments.household']) {
      for (const role of ['custody', 'cases'] as const)
        await expect(database.as(role, (trx) => sql`select from ${sql.table(table)}`.execute(trx))).rejects.toThrow(
          /permission denied/,
        );
      const { rows: found } = await sql<{ tenant: string; region: string }>`
        select distinct tenant, region from ${sql.table(table)}`.execute(database.kysely);
      expect(found).toEqual([owner]);
    }
  });

  test('another key than that of the names that are there is refused', async () => {
    const other = { crypto: nodeCrypto, database, path: join(root, engine, 'other.key'), tenant: owner.tenant };
    await expect(openCustomerNames(other)).rejects.toThrow(names.keyId);
  });

  test('no file holds a customer in clear, and after an erasure none the pseudonym; what was decided replays', async () => {
    await sql`checkpoint`.execute(database.kysely);
    expect(filesWith({ directory, sinceMs }, CANARY)).not.toEqual([]);
    expect(filesWith({ directory, sinceMs }, names.customer(CUSTOMER))).not.toEqual([]);
    expect(filesWith({ directory, sinceMs }, CUSTOMER)).toEqual([]);
    const decisions = await sql<{ decision_id: string }>`
      select decision_id from payments.decision order by 1`.execute(database.kysely);
    const replays = () => Promise.all(decisions.rows.map(({ decision_id }) => desk.replay(decision_id)));
    const before = await replays();
    const parts = { database, crypto: nodeCrypto, key: statementKey, customers: names, ...owner, clock, logger };
    const erasure = new ErasureRoom(parts);
    const request = { reference: CUSTOMER, reason: 'asked for by its subject', by: 'op-7' };
    expect(await erasure.erase(request)).toMatchObject({ ok: false, reason: 'held' });
    expect(await erasure.erase({ ...request, reference: OPERATOR })).toMatchObject({ ok: false, reason: 'held' });
    await database.kysely.updateTable('payments.outbox').set({ state: 'delivered' }).execute();
    for (const id of ['h1', 'h3', 'h4']) await desk.deny(id, { actor: 'desk-2', reason: 'not to be paid' });
    await database.kysely.updateTable('payments.outbox').set({ state: 'delivered' }).execute();
    await database.kysely.updateTable('cases.case').set({ state: 'closed', closed_at: clockDate() }).execute();
    const receipt = await erasure.erase(request);
    if (!receipt.ok) throw new Error(`${receipt.reason}: ${receipt.detail}`);
    expect(receipt.value.counts).toMatchObject({ customers: 5, refunds: 0, entries: 0 });
    expect(receipt.value.compacted.left).toEqual([]);
    expect(openStatement(nodeCrypto, statementKey.vkey, receipt.value.envelope)).toMatchObject({ ok: true });
    expect(await replays()).toEqual(before);
    expect(filesWith({ directory, sinceMs }, names.customer(CUSTOMER))).toEqual([]);
    expect(filesWith({ directory, sinceMs }, CUSTOMER)).toEqual([]);
    expect(logger.text).not.toContain(CUSTOMER);
    expect(await erasure.erase(request)).toMatchObject({ ok: false, reason: 'nothing' });
  });

  test('retention takes away whose a payment was: with its refunds, or by age where it never had one', async () => {
    clock.advance(3 * DAY_MS);
    const kept = async () => {
      const { rows } = await sql<{ payment_ref: string }>`
        select payment_ref from payments.customer_payment order by 1`.execute(database.kysely);
      return rows.map(({ payment_ref }) => payment_ref);
    };
    expect(await kept()).toContain('pay-o5');
    const parts = { database, crypto: nodeCrypto, key: statementKey, ...owner, clock, logger };
    const settings = retentionSchema.parse({ refunds_days: 1 });
    const report = await new RetentionRoom({ ...parts, settings, catchUp: async () => 0 }).run('operator:dpo-1');
    expect(report.counts.customers).toBeGreaterThan(0);
    expect(await kept()).not.toContain('pay-o5');
    // Its refund is open still.
    expect(await kept()).toContain('pay-o4');
  });

  test('C24: at the legal end people are told, and nobody is paid by time alone; other holds are', async () => {
    expect(await imported([paid('pay-end-1', 'c-end'), paid('pay-end-2', 'c-other')])).toMatchObject({ ok: true });
    await replaceRelations(database, names, [{ operator: 'desk-end', customer_ref: 'c-end' }], owner);
    const requested_at = new Date(clock.wallMs()).toISOString();
    const own = await decided('end-1', 'pay-end-1', { operator: 'desk-end', requested_at });
    await decided('end-2', 'pay-end-2', { operator: 'desk-end', destination: 'other', requested_at });
    const book = new HoldBook(database);
    const hold = () => book.show(`h-${own.decision_id.slice(2)}`);
    expect(await hold()).toMatchObject({ on_deadline: 'escalate', basis: expect.stringContaining('14 days') });
    const ruleset = makeRuleset(nodeCrypto, {});
    const ended = async (): Promise<readonly string[]> => {
      const parts = { database, ledger, crypto: nodeCrypto, customers: names, ruleset, ...owner, clock, logger };
      expect(await new Sweep(parts).due()).toMatchObject({ failed: 0 });
      const { rows } = await sql<{ one: string }>`select refund_id || ' ' || state as one from payments.hold
        where refund_id in ('end-1', 'end-2') order by 1`.execute(database.kysely);
      return rows.map(({ one }) => one);
    };
    clock.advance(14 * DAY_MS - 1);
    expect(await ended()).toEqual(['end-1 open', 'end-2 open']);
    expect((await hold())?.steps).not.toContain('deadline');
    clock.advance(1);
    expect(await ended()).toEqual(['end-1 open', 'end-2 deadline_paid']);
    const passed = await hold();
    expect(passed?.history).toContainEqual(
      expect.objectContaining({ what: 'deadline_passed', detail: 'self_dealing' }),
    );
    expect(passed?.cases).toMatchObject([{ state: 'open' }]);
    clock.advance(60 * DAY_MS);
    expect(await ended()).toContain('end-1 open');
    // Another person answers, at any time.
    const verdict = { actor: 'desk-2', reason: 'looked at it' };
    expect(await desk.release(passed?.hold_id ?? '', verdict)).toMatchObject({ ok: true });
  });

  function clockDate(): Date {
    return new Date(clock.wallMs());
  }
});

test('two services at once: of one customer the second sees the first, and one confirmation is of one refund', async () => {
  const url = await postgres.database('at_once');
  const database = await RiskDatabase.open({ engine: 'postgres', url, poolMax: 4 });
  const holder = new pg.Client({ connectionString: url });
  await holder.connect();
  try {
    const ids = Array.from({ length: 7 }, (_, i) => `at-once-${i}`);
    const payment = { currency: 'USD', captured_minor: 10_000, disputed_minor: 0 };
    await importPayments(
      database,
      ids.map((id) => ({ payment_ref: `pay-${id}`, ...payment })),
      owner,
    );
    // The last two are nobody's: nothing but the reference joins them.
    await sql`insert into payments.customer_payment (payment_ref, customer, captured_at, tenant, region)
      select 'pay-' || id, 'c-1', ${new Date(NOW_MS)}::timestamptz, ${owner.tenant}::text, ${owner.region}::text
      from unnest(${ids.slice(0, 5)}::text[]) as id`.execute(database.kysely);
    const asked = ids.map((id) => requestOf(id, { kind: 'recall', parcel_refs: [], amount_minor: 10_000 }));
    const parts = {
      database,
      crypto: nodeCrypto,
      ...owner,
      clock: new ManualScheduler(NOW_MS),
      logger: new TextLogger(),
    };
    const ledger = new LedgerStore({ database, ...owner });
    const desk = () => new RefundDesk({ ...parts, ledger, ruleset: makeRuleset(nodeCrypto, {}) });
    const desks = [desk(), desk()];
    const decide = async (i: number) => {
      const answer = await desks[i % 2]?.decide(`k ${i}`, asked[i] as RefundRequest);
      return answer?.ok === true ? answer.value : undefined;
    };
    for (const i of [0, 1, 5, 6]) expect((await decide(i))?.pay_now).toBe(true);
    let answers: readonly (Decision | undefined)[] = [];
    await writtenTogether(holder, 'payments.refund', 2, async () => {
      answers = await Promise.all([decide(2), decide(3)]);
    });
    const shares = await Promise.all(
      answers.map(async (one) => (await desks[0]?.decision(one?.decision_id ?? ''))?.facts.patterns?.customer),
    );
    expect(shares.map((one) => one?.refunded_milli).sort()).toEqual([400, 600]);
    expect(answers.filter((one) => one?.reasons.some(({ code }) => code === 'R12'))).toHaveLength(1);
    const confirmation = { reference: 'psp-1', amount_minor: 10_000, currency: 'USD', settled_at_ms: NOW_MS };
    let settled: readonly unknown[] = [];
    await writtenTogether(holder, 'payments.settlement', 2, async () => {
      settled = await Promise.all([5, 6].map((i) => desks[i % 2]?.settle(`at-once-${i}`, confirmation)));
    });
    expect(settled).toContainEqual({ ok: true, value: 'paid' });
    expect(settled).toContainEqual(expect.objectContaining({ ok: false, reason: 'reference_known' }));
  } finally {
    await holder.end();
    await database.close();
  }
});
