/** Contradictions that a ledger finds only with what the store holds beside a parcel's own entries: on both engines. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import type { JsonObject } from '../../../src/evidence/event/event.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { importPayments } from '../../../src/risk/casework/imports.ts';
import { RefundDesk } from '../../../src/risk/casework/refund-desk.ts';
import type { RefundRequest } from '../../../src/risk/casework/refund-request.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';
import { SqlStore } from '../../../src/risk/intake/sql-store/sql-store.ts';
import type { EntryUse } from '../../../src/risk/intake/store.ts';
import { LedgerStore, type LedgerStoreParts } from '../../../src/risk/ledger/ledger-store.ts';
import { LEDGER_DEFAULTS } from '../../../src/risk/ledger/settings.ts';
import { RetentionRoom } from '../../../src/risk/retention/run.ts';
import { retentionSchema } from '../../../src/risk/retention/settings.ts';
import { openStatementKey } from '../../../src/risk/retention/statement.ts';
import { openRooms, type Rooms } from '../../../src/risk/service/rooms.ts';
import { riskSettings, riskSettingsSchema } from '../../../src/risk/service/settings.ts';
import { notedBeforeMigration } from '../../../src/risk/store/migrations/m0014-noted-before.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { embedded } from '../../support/embedded.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { eventOf } from '../../support/test-events.ts';
import { TestLog } from '../../support/test-log.ts';
import { TextLogger } from '../../unit/intake/harness.ts';
import { found, PUT_IN, TAKEN_OUT, without } from '../../unit/ledger/support.ts';

const dir = makeTempDir('contradictions');
const owner = { tenant: 'default', region: 'eu' };
const NOW_MS = Date.UTC(2026, 10, 22, 12);
const DAY_MS = 86_400_000;
let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => {
  await postgres.stop();
  dir.remove();
});

const ENGINES: Readonly<Record<string, () => Promise<RiskDatabase>>> = {
  PGlite: async () => RiskDatabase.open({ engine: 'pglite', directory: await embedded(dir.file('pglite')) }),
  PostgreSQL: async () =>
    RiskDatabase.open({ engine: 'postgres', url: await postgres.database('contradictions'), poolMax: 4 }),
};

type Told = readonly [
  type: string,
  data: JsonObject,
  parcel?: string | undefined,
  minute?: number,
  compartment?: string,
];

/** What one gateway tells, the first entry of its log before it; `minute` is of its clock. */
function logOf(gateway: string, told: readonly Told[], clock: JsonObject = { src: 'ntp', err_ms: 20 }): TestLog {
  const log = new TestLog(`contradictions ${gateway}`, gateway);
  const events = told.map(([type, data, parcel, minute = 0, compartment = 'A01'], i) => ({
    ...eventOf(log, i + 1, type, data, {
      compartment,
      device: 'board-1',
      ...(parcel !== undefined && { parcel: { ref: `k1.${parcel}`, scheme: 'sscc' } }),
    }),
    at: new Date(NOW_MS + minute * 60_000).toISOString(),
    clock,
  }));
  const opened = eventOf(log, 0, 'journal.opened', { version: '0.1.0' });
  return log.append(...[opened, ...events].map((event) => encodeLeaf(event as typeof opened)));
}

describe.each(Object.entries(ENGINES))('%s', (engine, open) => {
  let database: RiskDatabase;
  let store: SqlStore;
  beforeAll(async () => {
    database = await open();
    store = new SqlStore({ database, crypto: nodeCrypto, ...owner });
  });
  afterAll(() => database.close());

  async function keep(
    log: TestLog,
    storedAtMs = NOW_MS,
    first = 0,
    end = log.leaves.length,
    use: EntryUse = { status: 'used' },
  ): Promise<void> {
    const rows = log.leaves.slice(first, end).map((leaf, i) => ({
      leaf,
      leafHash: log.leafHashes[first + i] ?? new Uint8Array(32),
      use,
    }));
    const tree = { before: log.frontier(first), after: log.frontier(end) };
    expect(await store.append([{ origin: log.origin, opens: first === 0, ...tree, rows, storedAtMs }])).toEqual([
      'stored',
    ]);
  }

  async function foundOf(parcel: string, more: Partial<LedgerStoreParts> = {}): Promise<readonly string[]> {
    const ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A2', ...more });
    await ledger.catchUp();
    return found(await ledger.ledger(`k1.${parcel}`, NOW_MS + DAY_MS));
  }

  const withPhoto = (letter: string): JsonObject => ({ ...PUT_IN, photo: `${letter.repeat(42)}A` });

  test('C17: a photo that stood for another parcel before, and not one that is this parcel own', async () => {
    await keep(logOf('photo-1', [['parcel.deposited', withPhoto('x'), 'first']]), NOW_MS);
    await keep(
      logOf('photo-2', [
        ['parcel.deposited', withPhoto('x'), 'second'],
        ['parcel.deposited', withPhoto('y'), 'third'],
        ['parcel.collected', { ...TAKEN_OUT, photo: withPhoto('y')['photo'] ?? '' }, 'third'],
      ]),
      NOW_MS + 1,
    );
    expect(await foundOf('first')).not.toContain('C17');
    expect(await foundOf('second')).toContain('C17');
    expect(await foundOf('third')).not.toContain('C17');
  });

  test('C17: whichever arrives late is the one that is not believed, within a batch the later entry', async () => {
    await keep(
      logOf('photo-3', [
        ['parcel.deposited', withPhoto('z'), 'fourth'],
        ['parcel.deposited', withPhoto('z'), 'fifth', 0, 'B02'],
      ]),
    );
    expect(await foundOf('fourth')).not.toContain('C17');
    expect(await foundOf('fifth')).toContain('C17');
    await keep(logOf('photo-4', [['parcel.deposited', withPhoto('z'), 'sixth', -600]]), NOW_MS + 5);
    expect(await foundOf('sixth')).toContain('C17');
    expect(await foundOf('fourth')).not.toContain('C17');
  });

  test('C13: a code that was guessed at where the parcel lies, though the entry names no parcel', async () => {
    const guessed = (attempts: number): JsonObject => ({ method: 'code', attempts, credential: 'c-1' });
    await keep(
      logOf('guess', [
        ['access.granted', guessed(9), undefined, 0],
        ['parcel.deposited', PUT_IN, 'guessed', 1],
        ['parcel.deposited', PUT_IN, 'calm', 2, 'B02'],
        ['access.granted', guessed(3), undefined, 3, 'B02'],
        ['access.granted', guessed(4), undefined, 4],
      ]),
    );
    expect(await foundOf('guessed')).toEqual(['C13']);
    expect(await foundOf('calm')).toEqual([]);
  });

  test('C13: a spent code that is tried again, of whichever parcel its grant tells', async () => {
    const code = (credential: string): JsonObject => ({ method: 'code', attempts: 0, credential });
    const log = logOf('spent', [
      ['parcel.deposited', PUT_IN, 'again', 0],
      ['parcel.deposited', PUT_IN, 'once', 1, 'B02'],
      ['access.granted', code('c-again'), undefined, 2],
      ['parcel.collected', TAKEN_OUT, 'again', 3],
      ['access.granted', code('c-once'), undefined, 4, 'B02'],
      ['parcel.collected', TAKEN_OUT, 'once', 5, 'B02'],
      ['access.refused', { ...code('c-again'), reason: 'used' }, undefined, 60],
    ]);
    const size = log.leaves.length;
    await keep(log, NOW_MS + DAY_MS, 0, size - 1);
    expect(await foundOf('again')).toEqual([]);
    await keep(log, NOW_MS + DAY_MS + 1, size - 1, size);
    expect(await foundOf('again')).toEqual(['C13']);
    expect(await foundOf('once')).toEqual([]);
    const patient = { ...LEDGER_DEFAULTS, code_again_s: 3_600 };
    expect(await foundOf('again', { settings: patient })).toEqual([]);
  });

  test('C10: where the settings of the service say that compartments hold several parcels, a second one is no conflict', async () => {
    const second: Told = ['parcel.deposited', { ...PUT_IN, contradictions: ['already_occupied'] }, 'second-one'];
    await keep(logOf('shared-1', [second]), NOW_MS);
    const written = riskSettingsSchema.parse({
      mqtt: { url: 'mqtt://127.0.0.1' },
      trust_first_use: true,
      ledger: { several_parcels: ['shared-1'] },
    });
    const { receive, ledger: ledgerSettings } = riskSettings(written, dir.path);
    const shared = { database, crypto: nodeCrypto, clock: new ManualScheduler(NOW_MS), logger: new TextLogger() };
    const parts = { ...shared, settings: { ...receive, ...owner }, ruleset: makeRuleset(nodeCrypto, {}) };
    const story = async (rooms: Rooms) => {
      await rooms.ledger.catchUp();
      return found(await rooms.ledger.ledger('k1.second-one', NOW_MS));
    };
    expect(await story(openRooms(parts))).toEqual(['C10']);
    expect(await story(openRooms({ ...parts, ledgerSettings }))).toEqual([]);
  });

  const MUNICH = { lat_mdeg: 48_117, lon_mdeg: 11_517 };
  const BERLIN = { lat_mdeg: 52_520, lon_mdeg: 13_405 };

  test('C09: taken out of one locker and put into another, faster than anything travels', async () => {
    // 500 km at 150 km/h are 200 minutes.
    const sites = (of: string) => ({ [`${of}-1`]: MUNICH, [`${of}-2`]: BERLIN });
    const journey = async (of: string, minutes: number, clock?: JsonObject): Promise<readonly string[]> => {
      const first: readonly Told[] = [
        ['parcel.deposited', PUT_IN, of, 0],
        ['parcel.collected', TAKEN_OUT, of, 1_000],
      ];
      await keep(logOf(`${of}-1`, first), NOW_MS + DAY_MS);
      await keep(logOf(`${of}-2`, [['parcel.deposited', PUT_IN, of, 1_000 + minutes]], clock), NOW_MS + DAY_MS);
      return foundOf(of, { sites: sites(of) });
    };
    expect(await journey('fast', 190)).toContain('C09');
    expect(await foundOf('fast')).not.toContain('C09');
    expect(await journey('slow', 210)).not.toContain('C09');
    expect(await journey('free', 190, { src: 'rtc' })).not.toContain('C09');
    expect(await journey('vague', 190, { src: 'ntp', err_ms: 3_600_000 })).not.toContain('C09');
  });

  test('C01 and C11: what its gateway owes may explain it, and the refund waits for that', async () => {
    const lone: Told = ['exception.reported', { what: 'scan_without_door', count: 1 }, 'scanned'];
    const taken: Told = ['parcel.collected', TAKEN_OUT, 'taken'];
    const log = logOf('owing', [lone, taken]);
    await keep(log);
    expect(await foundOf('scanned')).toEqual(['C01']);
    expect(await foundOf('taken')).toEqual(['C11']);
    await store.saveTrust('owing', {
      kind: 'closed',
      origin: log.origin,
      by: log.origin.replace('/1-', '/2-'),
      size: 9,
    });
    for (const parcel of ['scanned', 'taken']) {
      const ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A2' });
      const of = await ledger.ledger(`k1.${parcel}`, NOW_MS + DAY_MS);
      expect(found(of)).toEqual([]);
      expect(of.facts.waiting_for).toMatchObject({ gateway: 'owing' });
    }
  });

  test('what happened around a gateway long before its parcel came is not read, what happened shortly before is', async () => {
    const faulted: Told = ['device.faulted', { reason: 'damaged' }];
    const scan = { ...without(PUT_IN, 'item_after', 'weight_before_g', 'weight_after_g'), item_after: false };
    const empty = (parcel: string): Told => [
      'compartment.disturbed',
      { ...scan, contradictions: ['shut_but_empty'] },
      parcel,
    ];
    const [old, young] = [logOf('old', [faulted, empty('long')]), logOf('young', [faulted, empty('short')])];
    await keep(old, NOW_MS - 15 * DAY_MS, 0, 2);
    await keep(old, NOW_MS, 2);
    await keep(young, NOW_MS - 13 * DAY_MS, 0, 2);
    await keep(young, NOW_MS, 2);
    expect(await foundOf('long')).toEqual(['C03']);
    expect(await foundOf('short')).toEqual([]);
  });

  test('a parcel about which there is more than can be read is not decided about by a part of it', async () => {
    const forced: Told = ['door.forced', { reason: 'lock_engaged' }];
    await keep(logOf('flood', [['parcel.deposited', PUT_IN, 'flooded'], forced, forced]));
    expect(await foundOf('flooded', { entriesMax: 3 })).toEqual(['C07']);
    await expect(foundOf('flooded', { entriesMax: 2 })).rejects.toThrow(/nothing is decided on a part/);
  });

  test('entries that an earlier version read are noted as those of today are, by a migration', async () => {
    const strange = new TestLog('strange', 'strange').append(
      utf8('no JSON: "type":"access.granted" "photo":"'),
      utf8('{"type":"access.granted","data":{"attempts":"9","photo":"\\u0000"}}'),
    );
    await keep(strange, NOW_MS, 0, 1, { status: 'opaque', why: 'unknown_version' });
    await keep(strange, NOW_MS, 1);
    await new LedgerStore({ database, ...owner }).catchUp();
    const mentions = async (): Promise<readonly object[]> => {
      const rows = database.kysely.selectFrom('custody.mention').selectAll();
      return rows.orderBy('key').orderBy('origin').orderBy('n').execute();
    };
    const noted = await mentions();
    const keys = noted.map((row) => (row as { readonly key: string }).key);
    expect(keys.filter((key) => key.startsWith('photo '))).toHaveLength(7);
    expect(keys.filter((key) => key === 'around guess')).toHaveLength(2);
    const trigger = (word: string) => sql.raw(`alter table custody.mention ${word} trigger append_only`);
    await trigger('disable').execute(database.kysely);
    await sql`delete from custody.mention where key like 'photo %' or key = 'around guess'`.execute(database.kysely);
    await trigger('enable').execute(database.kysely);
    expect(await mentions()).toHaveLength(noted.length - 9);
    await notedBeforeMigration.up(database.kysely);
    expect(await mentions()).toEqual(noted);
  });

  test('C17 stays as long as its parcel is held: age takes no entry whose photo stands for that, too', async () => {
    const taken = logOf('pictures', [
      ['parcel.deposited', withPhoto('p'), 'pictured'],
      ['parcel.deposited', withPhoto('p'), 'again'],
    ]);
    await keep(taken, NOW_MS - 600 * DAY_MS, 0, 2);
    await keep(taken, NOW_MS, 2);
    expect(await foundOf('again')).toContain('C17');
    const clock = new ManualScheduler(NOW_MS);
    const logger = new TextLogger();
    const ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A2' });
    const parts = { database, crypto: nodeCrypto, ...owner, clock, logger };
    await importPayments(
      database,
      [{ payment_ref: 'pay-1', currency: 'USD', captured_minor: 90_000, disputed_minor: 0 }],
      owner,
    );
    const asked: RefundRequest = {
      refund_id: 'r-1',
      kind: 'not_received',
      parcel_refs: ['k1.again'],
      amount_minor: 8_000,
      currency: 'USD',
      operator: 'op-1',
      requested_at: new Date(NOW_MS).toISOString(),
      payment_ref: 'pay-1',
      destination: 'original',
    };
    const desk = new RefundDesk({ ...parts, ledger, ruleset: makeRuleset(nodeCrypto, {}) });
    expect(await desk.decide('key-1', asked)).toMatchObject({ ok: true, value: { pay_now: false } });
    const key = await openStatementKey(nodeCrypto, dir.file(`${engine}.key`), 'refunds.example/erasures');
    const settings = retentionSchema.parse({});
    const room = new RetentionRoom({ ...parts, key, settings, catchUp: (signal) => ledger.catchUp(signal) });
    // Its first entry names no parcel.
    expect((await room.run('op-2')).counts.bodies).toBe(1);
    expect(await foundOf('again')).toContain('C17');
    const ended = { 'payments.hold': 'cancelled', 'cases.case': 'closed', 'payments.outbox': 'delivered' };
    for (const [table, state] of Object.entries(ended))
      await sql.raw(`update ${table} set state = '${state}'`).execute(database.kysely);
    expect((await room.run('op-2')).counts.bodies).toBe(1);
  });
});
