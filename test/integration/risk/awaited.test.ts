/** What the store knows of a gateway that owes entries reaches the decision about a parcel that lies there (R15), on both engines. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { CaseBook } from '../../../src/risk/casework/case-book.ts';
import { RefundDesk } from '../../../src/risk/casework/refund-desk.ts';
import type { Decision } from '../../../src/risk/decision/decision.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';
import { SqlStore } from '../../../src/risk/intake/sql-store/sql-store.ts';
import type { TrustRecord } from '../../../src/risk/intake/store.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import { LedgerPump } from '../../../src/risk/service/ledger-pump.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import {
  CaseworkBench,
  captured,
  DAY_MS,
  NOW_MS,
  owner,
  PaymentSide,
  requestOf,
} from '../../support/casework-bench.ts';
import { bothEngines } from '../../support/engines.ts';
import { eventOf } from '../../support/test-events.ts';
import { TestLog } from '../../support/test-log.ts';
import { TextLogger } from '../../unit/intake/harness.ts';
import { PUT_IN, TAKEN_OUT } from '../../unit/ledger/support.ts';

const engines = bothEngines('awaited');
const SILENT_MS = 3_600_000;

/** Delivered, collected with its code, brought back; then a door that is forced while it lies there. */
function story(gateway: string): TestLog {
  const log = new TestLog(`awaited ${gateway}`, gateway);
  const place = { compartment: 'A01', device: 'board-1', parcel: { ref: `k1.${gateway}`, scheme: 'sscc' } };
  const events = [
    eventOf(log, 0, 'journal.opened', { version: '0.1.0' }),
    eventOf(log, 1, 'parcel.deposited', PUT_IN, place),
    eventOf(log, 2, 'parcel.collected', TAKEN_OUT, place),
    eventOf(log, 3, 'parcel.deposited', PUT_IN, place),
    eventOf(log, 4, 'door.forced', { reason: 'opened_without_access' }, { compartment: 'A01', device: 'board-1' }),
  ];
  return log.append(...events.map((event) => encodeLeaf(event)));
}

describe.each(Object.entries(engines.settings))('%s', (_, settingsOf) => {
  let database: RiskDatabase;
  let store: SqlStore;
  beforeAll(async () => {
    database = await RiskDatabase.open(await settingsOf());
    store = new SqlStore({ database, crypto: nodeCrypto, ...owner });
  });
  afterAll(() => database.close());

  async function keep(log: TestLog, first: number, end: number, storedAtMs = NOW_MS): Promise<void> {
    const rows = log.leaves.slice(first, end).map((leaf, i) => ({
      leaf,
      leafHash: log.leafHashes[first + i] ?? new Uint8Array(32),
      use: { status: 'used' } as const,
    }));
    const tree = { before: log.frontier(first), after: log.frontier(end) };
    expect(await store.append([{ origin: log.origin, opens: first === 0, ...tree, rows, storedAtMs }])).toEqual([
      'stored',
    ]);
  }

  async function decided(id: string, refund: string, atMs = NOW_MS, silentMs?: number): Promise<Decision> {
    const ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A2', ...(silentMs && { silentMs }) });
    await ledger.catchUp();
    const clock = new ManualScheduler(atMs);
    const ruleset = makeRuleset(nodeCrypto, {});
    const parts = { database, ledger, crypto: nodeCrypto, ruleset, ...owner, clock, logger: new TextLogger() };
    await captured(database, refund);
    const more = { parcel_refs: [`k1.${id}`], requested_at: new Date(atMs).toISOString() };
    const answer = await new RefundDesk(parts).decide(`k-${refund}`, requestOf(refund, more));
    if (!answer.ok) throw new Error(answer.detail);
    return answer.value;
  }
  const codes = ({ reasons }: Decision): readonly string[] => reasons.map(({ code }) => code);

  test('a gateway that owes nothing is not waited for', async () => {
    await keep(story('sound'), 0, 4);
    const decision = await decided('sound', 'sound');
    expect(decision.outcome).toBe('PAY');
    expect(codes(decision)).not.toContain('R15');
  });

  test('silence counts from its limit on, to the millisecond, and only where a limit is set', async () => {
    await keep(story('quiet'), 0, 4);
    expect((await decided('quiet', 'at-limit', NOW_MS + SILENT_MS, SILENT_MS)).outcome).toBe('PAY');
    const late = await decided('quiet', 'over-limit', NOW_MS + SILENT_MS + 1, SILENT_MS);
    expect(late.outcome).toBe('HOLD');
    expect(codes(late)).toContain('R15');
    expect(codes(await decided('quiet', 'no-limit', NOW_MS + SILENT_MS + 1))).not.toContain('R15');
  });

  test('a closed log that is stored to less than its end is waited for, and one that is whole is not', async () => {
    const log = story('closed');
    await keep(log, 0, 4);
    const by = log.origin.replace('/1-', '/2-');
    const closed = (size: number): TrustRecord => ({ kind: 'closed', origin: log.origin, by, size });
    await store.saveTrust('closed', closed(4));
    expect((await decided('closed', 'whole')).outcome).toBe('PAY');
    await store.saveTrust('closed', closed(5));
    expect(codes(await decided('closed', 'short'))).toContain('R15');
    await keep(log, 4, 5);
    expect(codes(await decided('closed', 'filled'))).not.toContain('R15');
  });

  test('a fork of the log is waited for beside being held against the parcel, one of another gateway is not', async () => {
    const log = story('forked');
    await keep(log, 0, 4);
    await store.keepFork(log.origin, { kind: 'checkpoint', theirs: Uint8Array.of(1), ours: Uint8Array.of(2) });
    const decision = await decided('forked', 'forked');
    expect(decision.outcome).not.toBe('PAY');
    expect(codes(decision)).toEqual(expect.arrayContaining(['C21', 'R15']));
    expect(codes(await decided('sound', 'beside'))).not.toContain('R15');
  });

  test('an entry that comes late through its log opens a case for a decision that it would change, once', async () => {
    const log = story('late');
    await keep(log, 0, 4);
    await decided('late', 'late');
    const bench = new CaseworkBench(database, new ManualScheduler(NOW_MS + DAY_MS), new PaymentSide());
    const pump = new LedgerPump({ ledger: bench.ledger, scheduler: bench.clock, logger: bench.logger, everyMs: 250 });
    const round = async () => {
      await pump.upToDate();
      return (await bench.round()).late;
    };
    const book = new CaseBook(database);
    const late = async () => (await book.list({ refundId: 'late' })).filter(({ kind }) => kind === 'late_fact').length;
    await round();
    expect(await late()).toBe(0);
    const before = (await pump.ledger('k1.late', NOW_MS)).facts;
    await keep(log, 4, 5, NOW_MS + DAY_MS);
    expect(await round()).toMatchObject({ opened: 1 });
    const after = (await pump.ledger('k1.late', NOW_MS)).facts;
    expect(after.ledger_version).toBe(before.ledger_version + 1);
    expect(after.contradictions).toContainEqual(
      expect.objectContaining({ code: 'C02', leg: 'return', events: [`${log.origin}#4`] }),
    );
    expect(await round()).toMatchObject({ opened: 0 });
    expect(await late()).toBe(1);
    await pump.stop();
  });

  test('a parcel that was taken out of the locker waits for nobody', async () => {
    const log = story('taken');
    await keep(log, 0, 3);
    const ledger = new LedgerStore({ database, ...owner, silentMs: SILENT_MS });
    await ledger.catchUp();
    expect((await ledger.ledger('k1.taken', NOW_MS + DAY_MS)).facts).not.toHaveProperty('waiting_for');
    await keep(log, 3, 4, NOW_MS + 1);
    await ledger.catchUp();
    const { facts } = await ledger.ledger('k1.taken', NOW_MS + DAY_MS);
    expect(facts.waiting_for).toEqual({ gateway: 'taken', since_ms: NOW_MS + 1 });
  });
});
