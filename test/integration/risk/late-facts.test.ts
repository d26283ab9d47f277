/** Which decisions are looked at again when something becomes known late, on both engines: also far back, and also levels alone. */
import { Kysely, Migrator, sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { AssuranceBook } from '../../../src/risk/assurance/assurance-book.ts';
import { CaseBook } from '../../../src/risk/casework/case-book.ts';
import { Caseworker } from '../../../src/risk/casework/caseworker.ts';
import { LateFacts } from '../../../src/risk/casework/late-facts.ts';
import { SqlStore } from '../../../src/risk/intake/sql-store/sql-store.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import { serviceHealth } from '../../../src/risk/service/health.ts';
import { DriverDialect } from '../../../src/risk/store/dialect.ts';
import { MIGRATIONS, migrate } from '../../../src/risk/store/migrate.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { PgliteDriver } from '../../../src/risk/store/pglite-driver.ts';
import { ServerDriver } from '../../../src/risk/store/postgres-driver.ts';
import type { Database } from '../../../src/risk/store/schema.ts';
import { AnchoredLog, policyFor } from '../../support/anchored-log.ts';
import { CaseworkBench, captured, NOW_MS, owner, PaymentSide, requestOf } from '../../support/casework-bench.ts';
import { embeddedInMemory } from '../../support/embedded.ts';
import { bothEngines } from '../../support/engines.ts';
import { eventOf } from '../../support/test-events.ts';
import { TestLog } from '../../support/test-log.ts';
import { until } from '../../support/until.ts';
import { PUT_IN, TAKEN_OUT, without } from '../../unit/ledger/support.ts';

const engines = bothEngines('late-facts');

describe.each(Object.entries(engines.settings))('%s', (_, settingsOf) => {
  let database: RiskDatabase;
  let store: SqlStore;
  beforeAll(async () => {
    database = await RiskDatabase.open(await settingsOf());
    store = new SqlStore({ database, crypto: nodeCrypto, ...owner });
  });
  afterAll(() => database.close());

  async function keep(log: TestLog, first: number, end: number): Promise<void> {
    const rows = log.leaves.slice(first, end).map((leaf, i) => ({
      leaf,
      leafHash: log.leafHashes[first + i] ?? new Uint8Array(32),
      use: { status: 'used' } as const,
    }));
    const tree = { before: log.frontier(first), after: log.frontier(end) };
    const range = { origin: log.origin, opens: first === 0, ...tree, rows, storedAtMs: NOW_MS };
    expect(await store.append([range])).toEqual(['stored']);
  }

  const bench = (): CaseworkBench => new CaseworkBench(database, new ManualScheduler(NOW_MS), new PaymentSide());
  const late = async (refund: string): Promise<number> =>
    (await new CaseBook(database).list({ refundId: refund })).filter(({ kind }) => kind === 'late_fact').length;

  /** As if so many entries of parcels were stored there since, with numbers from `first` on. */
  async function crowd(log: TestLog, gateway: string, first: number, count: number): Promise<void> {
    await sql`insert into custody.mention (key, origin, n, gateway, stored_at, tenant, region)
      select 'parcel k1.crowd-' || ${gateway}::text || i / 3, ${log.origin}, ${first}::bigint + i, ${gateway},
        ${new Date(NOW_MS - 1_000)}::timestamptz, 'default', 'eu' from generate_series(0, ${count}::int - 1) as i`.execute(
      database.kysely,
    );
  }

  /** Delivered, collected, brought back: it lies there. */
  function returned(log: TestLog, parcel: string): TestLog {
    const place = { compartment: 'A01', device: 'board-1', parcel: { ref: parcel, scheme: 'sscc' } };
    return log.append(
      encodeLeaf(eventOf(log, 0, 'journal.opened', { version: '0.1.0' })),
      encodeLeaf(eventOf(log, 1, 'parcel.deposited', PUT_IN, place)),
      encodeLeaf(eventOf(log, 2, 'parcel.collected', TAKEN_OUT, place)),
      encodeLeaf(eventOf(log, 3, 'parcel.deposited', PUT_IN, place)),
    );
  }

  async function decided(refund: string, parcel: string): Promise<void> {
    const { ledger, decided: decide } = bench();
    await ledger.catchUp();
    await captured(database, refund);
    expect(await decide.call(bench(), requestOf(refund, { parcel_refs: [parcel] }))).toMatchObject({ outcome: 'PAY' });
    await bench().round();
  }

  const forced = (log: TestLog, n: number): Uint8Array =>
    encodeLeaf(eventOf(log, n, 'door.forced', { reason: 'opened_without_access' }, { compartment: 'A01' }));

  test.for([
    ['after another log of it with thousands of larger numbers', 'rotated', 2],
    ['before thousands of others in the same log', 'crowded', 1],
  ] as const)('a forced door concerns a parcel that came to its gateway %s', async ([, gateway, number]) => {
    const before = new TestLog(`${gateway} before`, gateway, 1);
    const log = number === 1 ? before : new TestLog(`${gateway} now`, gateway, number);
    if (number !== 1) {
      before.append(encodeLeaf(eventOf(before, 0, 'journal.opened', { version: '0.1.0' })));
      await keep(before, 0, 1);
    }
    returned(log, `k1.${gateway}`);
    await keep(log, 0, 4);
    await decided(gateway, `k1.${gateway}`);
    await crowd(before, gateway, 100, 5_000);
    log.append(forced(log, 4));
    await keep(log, 4, 5);
    const { ledger } = bench();
    await ledger.catchUp();
    expect((await bench().round()).late).toMatchObject({ opened: 1 });
    expect(await late(gateway)).toBe(1);
  });

  test('a doubted courier who turns out to have had the parcel opens a case; another does not', async () => {
    const finding = (id: string, body: object) =>
      sql`insert into payments.finding (id, as_of_ms, body, tenant, region) values
        (${id}, ${NOW_MS}, ${JSON.stringify(body)}, 'default', 'eu')`.execute(database.kysely);
    const { operator } = requestOf('hands');
    const pair = { refunds: 12, together: 12, expected_milli: 500, lift_milli: 24_000, p_micro: 1 };
    for (const courier of ['k1.ring', 'k1.known']) await finding(`courier ${courier}`, { chargebacks: 0 });
    await finding(`pair ${operator} k1.ring`, pair);
    const log = returned(new TestLog('hands', 'hands'), 'k1.hands');
    await keep(log, 0, 4);
    await decided('hands', 'k1.hands');
    const sealed = (courier: string): Uint8Array =>
      encodeLeaf(
        eventOf(
          log,
          log.size,
          'seal.recorded',
          { state: 'intact' },
          {
            compartment: 'A01',
            parcel: { ref: 'k1.hands', scheme: 'sscc' },
            actor: { kind: 'courier', ref: courier },
          },
        ),
      );
    const look = async (courier: string) => {
      log.append(sealed(courier));
      await keep(log, log.size - 1, log.size);
      await bench().ledger.catchUp();
      return (await bench().round()).late;
    };
    for (const courier of ['k1.known', 'k1.nobody'])
      expect(await look(courier)).toMatchObject({ looked: 1, opened: 0 });
    expect(await look('k1.ring')).toMatchObject({ looked: 1, opened: 1 });
    expect(await late('hands')).toBe(1);
  });

  /** What is looked at again for a level alone, and nothing else. */
  const waiting = async () =>
    (await database.kysely.selectFrom('custody.fresh_level').select(['first', 'end_n']).execute()).map((row) => [
      Number(row.first),
      row.end_n === null ? null : Number(row.end_n),
    ]);

  test('a decision is looked at again when its entries count for more, or less, with no entry about its parcel', async () => {
    const log = new AnchoredLog(`levels ${_}`).opened();
    const parcel = { ref: `k1.levels-${_}`, scheme: 'sscc' };
    const place = { compartment: 'A01', device: 'board-1', parcel };
    const little = without(PUT_IN, 'item_before', 'item_after', 'weight_before_g', 'weight_after_g', 'scans');
    log.add('parcel.deposited', PUT_IN, place).add('parcel.collected', TAKEN_OUT, place);
    log.add('parcel.deposited', little, place);
    let policy = policyFor(log);
    const book = new AssuranceBook({ database, store, crypto: nodeCrypto, ...owner, policy: () => policy });
    const side = new PaymentSide();
    let nowMs = NOW_MS;
    const proved = (): CaseworkBench => {
      nowMs += 1_000;
      return new CaseworkBench(database, new ManualScheduler(nowMs), side, 'proved');
    };
    const round = async () => {
      const now = proved();
      await now.ledger.catchUp();
      return (await now.round()).late;
    };
    await keep(log, 0, 4);
    await book.catchUp();
    await round();
    await captured(database, 'levels');
    const asked = requestOf('levels', { parcel_refs: [parcel.ref], amount_minor: 20_000 });
    const held = await proved().decided(asked);
    expect(held.outcome).not.toBe('PAY');
    expect(held.ledgers).toMatchObject([{ parcel: parcel.ref, version: 3 }]);
    expect(await proved().desk.replay(held.decision_id)).toEqual(held);
    expect(await round()).toMatchObject({ looked: 1, opened: 0 });
    expect(await waiting()).toEqual([]);
    // A1 to A2: the anchor is an entry that names no parcel.
    log.anchor({});
    await keep(log, 4, 5);
    expect(await book.catchUp()).toBe(1);
    expect(await waiting()).toEqual([[0, 4]]);
    expect(await round()).toMatchObject({ opened: 1 });
    expect(side.paid()).toEqual(['levels']);
    expect(await waiting()).toEqual([]);
    expect(await round()).toEqual({ looked: 1, opened: 0, more: false });
    expect(await round()).toEqual({ looked: 0, opened: 0, more: false });
    // Another word about the key: A0. What was paid stays paid, and somebody is told once.
    policy = policyFor(log, {});
    await book.catchUp();
    expect(await waiting()).toEqual([[0, null]]);
    expect(await round()).toMatchObject({ opened: 1 });
    expect(await round()).toEqual({ looked: 0, opened: 0, more: false });
    expect(await late('levels')).toBe(2);
    const { rows: told } = await sql<{
      detail: string;
    }>`select e.detail from cases.case_event e join cases.case c using (case_id)
      where c.refund_id = 'levels' and e.what = 'late_fact' order by e.id`.execute(database.kysely);
    expect(told[0]?.detail).toBe(`${held.outcome} would be PAY on what is known now of ${parcel.ref} (version 3)`);
    expect(told[1]?.detail).toMatch(/^PAY would be [A-Z_]+ on what is known now of k1\.levels-\w+ \(version 3\)$/);
    // Two roots for one size accuse all that the log says, also where no entry comes any more.
    for (const theirs of [1, 2]) {
      await store.keepFork(log.origin, { kind: 'checkpoint', theirs: Uint8Array.of(theirs), ours: Uint8Array.of(9) });
    }
    expect(await database.kysely.selectFrom('custody.fresh_level').select('changes').execute()).toEqual([
      { changes: 1 },
    ]);
    expect(await round()).toMatchObject({ opened: 1 });
    expect(await late('levels')).toBe(3);
    expect(side.paid()).toEqual(['levels']);
  });

  test('a parcel with more entries than are folded is named, and hides no late fact of another', async () => {
    const flood = new TestLog(`flood ${_}`, 'a-flood');
    const well = new TestLog(`well ${_}`, 'z-well');
    for (const [log, name] of [
      [flood, 'flood'],
      [well, 'well'],
    ] as const) {
      returned(log, `k1.${name}`);
      await keep(log, 0, 4);
      await decided(name, `k1.${name}`);
    }
    flood.append(...Array.from({ length: 6 }, (_each, i) => forced(flood, 4 + i)));
    well.append(forced(well, 4));
    await keep(flood, 4, 10);
    await keep(well, 4, 5);
    const { parts, logger, clock } = bench();
    await parts.ledger.catchUp();
    const ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A2', entriesMax: 6 });
    const worker = new Caseworker({ ...parts, ledger, scheduler: clock });
    const round = () => worker.once(new AbortController().signal);
    expect((await round()).late).toEqual({ looked: 2, opened: 1, more: false });
    const counted = { name: 'casework_late_unread', value: 1 };
    expect(serviceHealth(undefined, await worker.status()).samples).toContainEqual(expect.objectContaining(counted));
    expect(await late('well')).toBe(1);
    expect(logger.text).toMatch(/more than 6 entries.*"decision":"d-\w+".*cannot be looked at again for late facts/);
    expect((await round()).late).toMatchObject({ looked: 0 });
  });

  test('what falls due is swept while late facts are looked for without end', async () => {
    let end = (): void => undefined;
    const endless = new Promise<never>((_resolve, reject) => {
      end = () => reject(new Error('over'));
    });
    const { parts, clock } = bench();
    // Late facts are found with these rights, and what falls due without them.
    const slow = Object.create(database, {
      as: {
        value: (...asked: Parameters<RiskDatabase['as']>) => (asked[0] === 'custody' ? endless : database.as(...asked)),
      },
    }) as RiskDatabase;
    const worker = new Caseworker({ ...parts, database: slow, scheduler: clock });
    const stop = new AbortController();
    const running = worker.run(stop.signal);
    try {
      await until('a sweep', () => worker.latest !== undefined);
    } finally {
      stop.abort();
      end();
      await running;
    }
  });

  test('no more than some pages of each source are looked at in one round, a log with more waits for the others', async () => {
    const busy = new TestLog('a busy', 'a-busy');
    const quiet = new TestLog('quiet', 'z-quiet');
    busy.append(...Array.from({ length: 1_001 }, (_each, n) => encodeLeaf(eventOf(busy, n, 'gateway.alive', {}))));
    quiet.append(encodeLeaf(eventOf(quiet, 0, 'gateway.alive', {})));
    await keep(busy, 0, 1_001);
    await keep(quiet, 0, 1);
    const parts = { ...bench().parts };
    await parts.ledger.catchUp();
    const facts = new LateFacts(parts, 2);
    expect(await facts.look()).toEqual({ looked: 0, opened: 0, more: true });
    const { rows } = await sql<{ origin: string; position: number }>`
      select origin, position::int as position from custody.looked_to
        where origin in (${busy.origin}, ${quiet.origin}) order by 1`.execute(database.kysely);
    expect(rows).toEqual([
      { origin: busy.origin, position: 500 },
      { origin: quiet.origin, position: 1 },
    ]);
    expect(await facts.look()).toEqual({ looked: 0, opened: 0, more: false });
  });
});

const STEP_BEFORE: Readonly<Record<string, () => Promise<Kysely<Database>>>> = {
  PGlite: async () => new Kysely({ dialect: new DriverDialect(new PgliteDriver(await embeddedInMemory())) }),
  PostgreSQL: async () => {
    const connectionString = await engines.postgres().database('step_before');
    return new Kysely({ dialect: new DriverDialect(new ServerDriver(new pg.Pool({ connectionString }))) });
  },
};

/** Entries as the ledger of the step before noted them. Resolves with the latest time that any of them may have. */
async function enteredBefore(kysely: Kysely<Database>): Promise<number> {
  const log = new TestLog('before', 'g', 3);
  const named = (ref: string, compartment?: string): object => ({
    parcel: { ref, scheme: 'sscc' },
    ...(compartment !== undefined && { compartment }),
  });
  const events = [
    eventOf(log, 0, 'parcel.deposited', { ...PUT_IN, held: [{ ref: 'k1.b' }] }, named('k1.a', 'A01')),
    eventOf(log, 1, 'power.lost', {}),
    eventOf(log, 2, 'parcel.removed', TAKEN_OUT, named('k1.a', 'B-2')),
    eventOf(log, 3, 'seal.recorded', { state: 'intact' }, named('k1.c')),
  ];
  const keys = [['parcel k1.a', 'parcel k1.b'], ['around g'], ['parcel k1.a'], ['parcel k1.c']];
  await sql`select custody.ensure_day('2026-11-22')`.execute(kysely);
  for (const [n, event] of events.entries()) {
    const leaf = encodeLeaf(event);
    const at = new Date(NOW_MS);
    await sql`insert into custody.entry (stored_at, origin, n, position, gateway, leaf_hash, leaf, status, tenant, region)
      values (${at}, ${log.origin}, ${n}, ${n}, 'g', '', ${leaf}, 'used', 'shop', 'us')`.execute(kysely);
    for (const key of keys[n] ?? [])
      await sql`insert into custody.mention (key, origin, n, gateway, stored_at, tenant, region)
        values (${key}, ${log.origin}, ${n}, 'g', ${at}, 'shop', 'us')`.execute(kysely);
  }
  return Date.now();
}

test.each(Object.entries(STEP_BEFORE))(
  'what waited in a database of the step before has an owner, on %s',
  async (_, kyselyOf) => {
    const kysely = await kyselyOf();
    const run = (statement: string) => sql.raw(statement).execute(kysely);
    try {
      const before = Object.fromEntries(Object.entries(MIGRATIONS).filter(([name]) => name < '0023'));
      const old = new Migrator({ db: kysely, provider: { getMigrations: async () => before } });
      expect((await old.migrateToLatest()).error).toBeUndefined();
      await run("insert into custody.log (origin, gateway, tenant, region) values ('o', 'g', 'shop', 'us')");
      await run("insert into custody.looked_to values ('o', 7), ('gone', 3)");
      await run(`insert into custody.claim (ref, parcel, at, received_at, body, tenant, region)
        values ('w:1', 'k1.a', now(), now(), '{}', 'shop', 'us')`);
      await run("insert into custody.fresh_claim (parcel) values ('k1.gone')");
      await run(`insert into payments.refund (refund_id, payment_ref, operator, kind, amount_minor, currency, destination,
        requested_at, parcel_refs, state, tenant, region)
        values ('r', 'p', 'op', 'return', 1, 'USD', 'original', now(), '[]', 'open', 'shop', 'us')`);
      await run(`insert into payments.decision (decision_id, refund_id, decided_at, outcome, facts, ruleset, parameters, answer,
        tenant, region) values ('d', 'r', now(), 'HOLD', '{}', 'v1', '{}', '{}', 'shop', 'us')`);
      await run("insert into payments.fresh_decision values ('d')");
      const stored = await enteredBefore(kysely);
      await migrate(kysely);
      const notes = kysely.selectFrom('custody.mention').select(['key', 'compartment', 'lies']).orderBy('n');
      expect(await notes.orderBy('key').execute()).toEqual([
        { key: 'parcel k1.a', compartment: 'A01', lies: true },
        { key: 'parcel k1.b', compartment: 'A01', lies: true },
        { key: 'around g', compartment: null, lies: null },
        { key: 'parcel k1.a', compartment: 'B-2', lies: false },
        { key: 'parcel k1.c', compartment: '', lies: null },
      ]);
      // Nobody knows in which order they were read: all count as out of their turn.
      const { rows } = await sql<{ order: string; at_ms: string }>`
        select concat_ws(' ', gateway, log, n, upset_log, upset_n, tenant, region) as order, at_ms::text
          from custody.gateway_order`.execute(kysely);
      expect(rows.map(({ order }) => order)).toEqual(['g 3 3 3 3 shop us']);
      expect(Number(rows[0]?.at_ms)).toBeGreaterThan(stored);
      await run(`insert into custody.claim (ref, parcel, at, received_at, body, tenant, region)
        values ('w:2', 'k1.b', now(), now(), '{}', 'shop', 'us')`);
      const of = { tenant: 'shop', region: 'us' };
      expect(await kysely.selectFrom('custody.looked_to').select(['origin', 'tenant', 'region']).execute()).toEqual([
        { origin: 'o', ...of },
      ]);
      expect(
        await kysely.selectFrom('custody.fresh_claim').select(['parcel', 'tenant', 'region']).orderBy('id').execute(),
      ).toEqual([
        { parcel: 'k1.a', ...of },
        { parcel: 'k1.b', ...of },
      ]);
      expect(await kysely.selectFrom('payments.fresh_decision').selectAll().execute()).toEqual([
        { decision_id: 'd', ...of },
      ]);
      await expect(run("insert into custody.looked_to (origin, position) values ('x', 1)")).rejects.toThrow(/not-null/);
    } finally {
      await kysely.destroy();
    }
  },
);
