/** What anchors prove of stored logs, and which level the ledger gives an entry for it: as they arrive, and anew when the policy changes. */
import type { PGlite } from '@electric-sql/pglite';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { attestedSuccessor, successorDigest } from '../../../src/evidence/wire/attested-successor.ts';
import { formatEnvelope } from '../../../src/evidence/wire/envelope.ts';
import { successorPayload } from '../../../src/evidence/wire/successor.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { AssuranceBook } from '../../../src/risk/assurance/assurance-book.ts';
import { PartitionLeases } from '../../../src/risk/intake/sql-store/leases.ts';
import { SqlStore } from '../../../src/risk/intake/sql-store/sql-store.ts';
import type { IntakePolicy } from '../../../src/risk/intake/trust.ts';
import { entryLevel, type LevelWord } from '../../../src/risk/ledger/entry-level.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import type { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import type { Database } from '../../../src/risk/store/schema.ts';
import { formatAttest } from '../../../src/tpm2/attest.ts';
import { AnchoredLog, policyFor, vkeyText } from '../../support/anchored-log.ts';
import { EMPTY_CUSTODY } from '../../support/breaking-database.ts';
import { openInMemory } from '../../support/embedded.ts';
import { TestEnroller } from '../../support/test-enrolments.ts';
import { fill } from '../../support/test-events.ts';
import { linesOf } from '../../support/test-tpm.ts';
import { policyOf } from '../../support/test-trust.ts';
import { PARCEL, PUT_IN } from '../../unit/ledger/support.ts';

const owner = { tenant: 'default', region: 'eu' };
let pglite: PGlite;
let database: RiskDatabase;
let store: SqlStore;
let policy: IntakePolicy;
let book: AssuranceBook;
beforeAll(async () => {
  ({ pglite, database } = await openInMemory());
});
afterAll(() => database.close());
beforeEach(async () => {
  await pglite.exec(['begin', ...EMPTY_CUSTODY, 'commit'].join('; '));
  store = new SqlStore({ database, crypto: nodeCrypto, ...owner });
  book = new AssuranceBook({ database, store, crypto: nodeCrypto, ...owner, policy: () => policy });
});

async function keep(log: AnchoredLog, first: number, end: number): Promise<void> {
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
    storedAtMs: 1,
  };
  expect(await store.append([range])).toEqual(['stored']);
}

/** Deposits at 2 and 7, anchors over 5 (entry 5) and 9 (entry 9). */
function story(seed = 'assurance'): AnchoredLog {
  const log = new AnchoredLog(seed).opened();
  fill(log, 2).add('parcel.deposited', PUT_IN, { compartment: 'A01', device: 'board-1', parcel: PARCEL });
  fill(log, 5).anchor({});
  fill(log, 7).add('parcel.collected', PUT_IN, { compartment: 'A01', device: 'board-1', parcel: PARCEL });
  fill(log, 9).anchor({});
  return fill(log, 12);
}

/** Levels of the entries that name the parcel, by index. */
async function levels(word: LevelWord = {}): Promise<Readonly<Record<string, string>>> {
  const ledger = new LedgerStore({ database, ...owner, levelOf: (_, n, proof) => entryLevel(n, proof, word) });
  await ledger.catchUp();
  const { facts } = await ledger.ledger(PARCEL.ref, Date.UTC(2026, 10, 23));
  const signals = [...facts.forward.signals, ...facts.return.signals];
  return Object.fromEntries(signals.map(({ event, level }) => [event.split('#')[1] ?? '', level]));
}

function row(): Promise<Database['custody.assurance'] | undefined> {
  return database.kysely.selectFrom('custody.assurance').selectAll().executeTakeFirst() as Promise<
    Database['custody.assurance'] | undefined
  >;
}

describe('the level of an entry', () => {
  test('is A2 below the newest verified anchor and A1 above it, and a late anchor raises it', async () => {
    const log = story();
    policy = policyFor(log);
    await keep(log, 0, 9);
    expect(await book.catchUp()).toBe(1);
    expect(await row()).toMatchObject({ sealed: true, anchored_size: 5, refuted: null, position: 9 });
    expect(await levels()).toEqual({ 7: 'A1' });
    expect(await book.catchUp()).toBe(0);
    await keep(log, 9, 12);
    expect(await book.catchUp()).toBe(1);
    expect(await row()).toMatchObject({ anchored_size: 9, position: 12 });
    expect(await levels()).toEqual({ 7: 'A2' });
  });

  test('is that of the first deposit as well, while nothing else is known of the parcel', async () => {
    const log = story();
    policy = policyFor(log);
    await keep(log, 0, 5);
    await book.catchUp();
    expect(await levels()).toEqual({ 2: 'A1' });
    await keep(log, 5, 6);
    await book.catchUp();
    expect(await levels()).toEqual({ 2: 'A2' });
  });

  test.for([
    ['an emulated TPM', (log: AnchoredLog) => policyFor(log, { ...log.tpm.policy, class: 'emulated' }), 'emulated'],
    ['a software key', (log: AnchoredLog) => policyFor(log, {}), 'software key'],
    [
      'a log that the policy does not name',
      (log: AnchoredLog) => policyFor(new AnchoredLog('other', log.tpm)),
      'does not name',
    ],
  ] as const)('of %s is A0, with the reason', async ([, policyWith, why]) => {
    const log = story();
    policy = policyWith(log);
    await keep(log, 0, 12);
    await book.catchUp();
    expect(await row()).toMatchObject({ sealed: false, why: expect.stringContaining(why) });
    expect(await levels()).toEqual({ 7: 'A0' });
  });

  test('of an emulated TPM is what its anchors prove where a trial says so, and never above a ceiling', async () => {
    const log = story();
    policy = policyFor(log, { ...log.tpm.policy, class: 'emulated' });
    await keep(log, 0, 9);
    await book.catchUp();
    expect(await levels({ trial: 'emulated_tpm' })).toEqual({ 7: 'A1' });
    await keep(log, 9, 12);
    await book.catchUp();
    expect(await levels({ trial: 'emulated_tpm' })).toEqual({ 7: 'A2' });
    expect(await levels({ trial: 'emulated_tpm', ceiling: 'A1' })).toEqual({ 7: 'A1' });
    expect(await levels({ ceiling: 'A2' })).toEqual({ 7: 'A0' });
    policy = policyFor(log, {});
    await book.catchUp();
    expect(await levels({ trial: 'emulated_tpm' })).toEqual({ 7: 'A0' });
    expect(await levels({ trial: 'software_keys' })).toEqual({ 7: 'A1' });
    policy = policyFor(log);
    await book.catchUp();
    expect(await levels({ trial: 'software_keys' })).toEqual({ 7: 'A2' });
    expect(await levels({ ceiling: 'A0' })).toEqual({ 7: 'A0' });
  });

  test('follows the policy when that changes, without a new entry', async () => {
    const log = story();
    await keep(log, 0, 12);
    for (const [members, level] of [
      [{}, 'A0'],
      [log.tpm.policy, 'A2'],
      [{ ...log.tpm.policy, class: 'emulated' }, 'A0'],
      [{ ...log.tpm.policy, ak: new AnchoredLog('stranger').tpm.policy.ak }, 'A1'],
      [log.tpm.policy, 'A2'],
    ] as const) {
      policy = policyFor(log, members);
      await book.catchUp();
      expect(await levels()).toEqual({ 7: level });
    }
  });

  test('is A0 from the size on at which the key was revoked, whatever is said of the gateway', async () => {
    const log = story();
    await keep(log, 0, 12);
    const empty = Buffer.from(nodeCrypto.sha256(new Uint8Array())).toString('base64');
    const at = (size: number) => ({ size, root: Buffer.from(log.checkpoint(size).root).toString('base64') });
    for (const [revoked, level] of [
      [at(7), 'A0'],
      // An anchor that stands above the revocation counts no more than the other entries there.
      [at(8), 'A1'],
      [at(10), 'A2'],
      [{ size: 8, root: empty }, 'A0'],
      [{ size: 0, root: empty }, 'A0'],
      // No stored tree is shown to be that one: neither would a verdict over these entries count on them.
      [{ size: 40, root: empty }, 'A0'],
      [at(12), 'A2'],
    ] as const) {
      policy = policyFor(log, { ...log.tpm.policy, revoked });
      await book.catchUp();
      expect(await levels({ trial: 'software_keys' })).toEqual({ 7: level });
    }
  });

  test('is A0 while two statements name successors of one log, and the policy does not say which one is the gateway', async () => {
    const log = story('branch');
    const old = new AnchoredLog('before', undefined, 2).opened();
    policy = policyOf([], { logs: [{ vkey: vkeyText(old), ...log.tpm.policy }] });
    await keep(log, 0, 12);
    const say = (next: AnchoredLog) => {
      const payload = successorPayload({
        gateway: 'gw-0001',
        old: old.origin,
        successor: next.vkey,
        cause: 'rotation',
      });
      const pcrs = { selections: [{ hash: 11, bitmap: Uint8Array.of(255, 0, 0) }], pcrDigest: new Uint8Array(32) };
      const attest = log.tpm.attest(successorDigest(nodeCrypto, payload), { kind: 'quote', ...pcrs });
      const quote = log.tpm.sign(formatAttest(attest));
      const envelope = attestedSuccessor(nodeCrypto, payload, log.tpm.ak.spki, quote);
      return store.saveTrust('gw-0001', { kind: 'successor', old: old.origin, statement: formatEnvelope(envelope) });
    };
    await say(log);
    await book.catchUp();
    expect(await levels()).toEqual({ 7: 'A2' });
    await say(new AnchoredLog('rival', log.tpm, 3));
    await book.catchUp();
    expect(await row()).toMatchObject({ why: expect.stringContaining('two statements'), emulated: false });
    expect(await levels({ trial: 'emulated_tpm' })).toEqual({ 7: 'A0' });
  });

  test('follows the policy also of a gateway that another receiver had when it changed', async () => {
    const log = story();
    await keep(log, 0, 12);
    let isMine = true;
    const leases = { holds: () => isMine, fence: async () => new Set(['00']) };
    const parts = { database, store, crypto: nodeCrypto, ...owner, policy: () => policy, leases };
    const taking = new AssuranceBook(parts);
    policy = policyFor(log);
    await taking.catchUp();
    expect(await levels()).toEqual({ 7: 'A2' });
    isMine = false;
    policy = policyFor(log, {});
    expect(await taking.catchUp()).toBe(0);
    isMine = true;
    expect(await taking.catchUp()).toBe(1);
    expect(await levels()).toEqual({ 7: 'A0' });
  });

  test('is what the newest holder of the gateway found, whatever one that stood still says afterwards', async () => {
    const log = story();
    await keep(log, 0, 12);
    const held = (replica: string) =>
      new PartitionLeases({
        ...{ database, crypto: nodeCrypto, ...owner, fleet: 'assurance', partitions: 'all', ttlMs: 60_000 },
        replica,
      });
    const [frozen, next] = [held('frozen'), held('next')];
    const bookOf = (leases: PartitionLeases, believed: IntakePolicy, from: Pick<SqlStore, 'load' | 'frontierAt'>) =>
      new AssuranceBook({
        ...{ database, store: from, crypto: nodeCrypto, ...owner, policy: () => believed },
        leases,
      });
    await frozen.round();
    let stoodStill = false;
    const stopping = bookOf(frozen, policyFor(log), {
      load: (gateway) => store.load(gateway),
      frontierAt: async (origin, size) => {
        if (!stoodStill) {
          stoodStill = true;
          await sql`update custody.lease set until = '-infinity' where fleet = 'assurance'`.execute(database.kysely);
          await sql`update custody.replica set until = '-infinity' where fleet = 'assurance'`.execute(database.kysely);
          await next.round();
          // Meanwhile the policy says no more whose the TPM is.
          expect(await bookOf(next, policyFor(log, {}), store).catchUp()).toBe(1);
        }
        return store.frontierAt(origin, size);
      },
    });
    const judged = await stopping.catchUp();
    expect(await row()).toMatchObject({ sealed: false, anchored_size: 0, trust: '' });
    expect([await levels(), judged, stoodStill]).toEqual([{ 7: 'A0' }, 0, true]);
  });

  test('comes from an enrolment record of a service of the policy', async () => {
    const log = story();
    const service = new TestEnroller();
    policy = policyOf([], { services: [service.row()], logs: [] });
    await keep(log, 0, 12);
    await book.catchUp();
    expect(await levels()).toEqual({ 7: 'A0' });
    const record = formatEnvelope(service.record(log, { tpm: log.tpm }));
    await store.saveTrust('gw-0001', { kind: 'enrolled', record });
    await book.catchUp();
    expect(await levels()).toEqual({ 7: 'A2' });
  });
});

test('an anchor over a tree that is not the stored one proves nothing, and refutes the log for every entry', async () => {
  const log = story('honest');
  // The same TPM anchored another branch of this log, and the anchor's entry is here.
  const branch = fill(new AnchoredLog('honest', log.tpm).add('journal.opened', { version: '9' }), 12);
  const lines = linesOf(log.tpm.anchor(branch.note(12)));
  policy = policyFor(log);
  const root = Buffer.from(branch.checkpoint(12).root).toString('base64url');
  log.add('anchor.made', { size: 12, root, lines, counter: log.tpm.counter });
  await keep(log, 0, 13);
  await book.catchUp();
  expect(await row()).toMatchObject({ anchored_size: 9, refuted: expect.stringContaining('anchor_fork') });
  const ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A0' });
  await ledger.catchUp();
  const { facts } = await ledger.ledger(PARCEL.ref, Date.UTC(2026, 10, 23));
  expect(facts.contradictions.map(({ code }) => code)).toContain('C16');
});

test('both sides of a fork that are kept contradict every entry of the log', async () => {
  const log = story('forked');
  policy = policyFor(log);
  await keep(log, 0, 12);
  await store.keepFork(log.origin, { kind: 'batch', theirs: Uint8Array.of(1), ours: Uint8Array.of(2) });
  const ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A0' });
  await ledger.catchUp();
  const { facts } = await ledger.ledger(PARCEL.ref, Date.UTC(2026, 10, 23));
  expect(facts.contradictions.map(({ code }) => code)).toContain('C21');
});
