/**
 * Rooms behind the API for tests: real ones over an embedded database, with one parcel that was delivered, collected and
 * brought back; and ones that know one decision alone, for tests of what comes before any room.
 */
import { expect } from 'vitest';
import { accept } from '../../src/base/result.ts';
import { encodeLeaf } from '../../src/evidence/event/leaf.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { custodyRates } from '../../src/risk/api/custody-rates.ts';
import { CaseBook, evidenceName } from '../../src/risk/casework/case-book.ts';
import { HoldBook } from '../../src/risk/casework/hold-book.ts';
import { importPayments } from '../../src/risk/casework/imports.ts';
import { RefundDesk, type RefundDeskParts } from '../../src/risk/casework/refund-desk.ts';
import type { RefundRequest } from '../../src/risk/casework/refund-request.ts';
import { type Decision, decide } from '../../src/risk/decision/decision.ts';
import { makeRuleset } from '../../src/risk/decision/ruleset.ts';
import { SqlStore } from '../../src/risk/intake/sql-store/sql-store.ts';
import { foldLedger } from '../../src/risk/ledger/fold.ts';
import { LedgerStore } from '../../src/risk/ledger/ledger-store.ts';
import { keepPaymentFact } from '../../src/risk/sources/payment-facts.ts';
import { RiskDatabase } from '../../src/risk/store/open-database.ts';
import { PARCEL, PUT_IN, TAKEN_OUT } from '../unit/ledger/support.ts';
import { embedded } from './embedded.ts';
import { type MakeRooms, NOW_MS } from './risk-api.ts';
import { eventOf } from './test-events.ts';
import { TestLog } from './test-log.ts';

const owner = { tenant: 'default', region: 'eu' };

export interface RealRooms {
  readonly make: MakeRooms;
  readonly log: TestLog;
  /** Captured payments, each named after its refund. */
  capture(captured_minor: number, ...refunds: readonly string[]): Promise<void>;
  /** What a source of chargebacks says of the payment of a refund. */
  dispute(refundId: string, amount_minor: number, result?: 'won' | 'lost'): Promise<void>;
}

export function realRooms(): RealRooms {
  const log = story();
  let opened: RiskDatabase | undefined;
  return {
    log,
    async make(dir, clock, logger) {
      const database = await RiskDatabase.open({ engine: 'pglite', directory: await embedded(dir.file('database')) });
      opened = database;
      await keep(database, log);
      const ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A2' });
      await ledger.catchUp();
      const ruleset = makeRuleset(nodeCrypto, {});
      const alike: RefundDeskParts['ledger'] = {
        ledgers: async (refs, asOfMs) => {
          const found = await ledger.ledgers(
            refs.map((ref) => (ref.startsWith(ALIKE) ? PARCEL.ref : ref)),
            asOfMs,
          );
          return found.map((one, i) => ({ ...one, facts: { ...one.facts, ref: refs[i] ?? '' } }));
        },
      };
      const desk = new RefundDesk({ database, ledger: alike, crypto: nodeCrypto, ruleset, ...owner, clock, logger });
      return {
        desk,
        ledger,
        holds: new HoldBook(database),
        rates: custodyRates(database),
        evidence: {
          kept: (refundId, bundle, keptAs, actor) => {
            const evidence = { name: evidenceName(nodeCrypto, bundle, keptAs), actor, atMs: clock.wallMs() };
            return new CaseBook(database).evidenceKept(refundId, evidence, owner);
          },
        },
        close: () => database.close(),
      };
    },
    async capture(captured_minor, ...refunds) {
      if (opened === undefined) throw new Error('the rooms were not made');
      const rows = refunds.map((id) => ({
        payment_ref: `pay-${id}`,
        currency: 'USD',
        captured_minor,
        disputed_minor: 0,
      }));
      expect(await importPayments(opened, rows, owner)).toMatchObject({ ok: true });
    },
    async dispute(refundId, amount_minor, result) {
      if (opened === undefined) throw new Error('the rooms were not made');
      const [dispute_ref, payment_ref] = [`dp-${refundId}`, `pay-${refundId}`];
      const context = { source: 'bank', atMs: NOW_MS, ...owner };
      await opened.as('payments', async (trx) => {
        const opening = { type: 'dispute.opened', dispute_ref, payment_ref, amount_minor, currency: 'USD' } as const;
        expect(await keepPaymentFact(trx, context, opening)).toBe('kept');
        if (result === undefined) return;
        expect(await keepPaymentFact(trx, context, { type: 'dispute.closed', dispute_ref, result })).toBe('kept');
      });
    },
  };
}

/** Parcels so named have the custody of `PARCEL`: goods are refunded once. */
export const ALIKE = 'k1.alike-';

/** They know no parcel, no hold and no decision, and decide always the same; `asked` keeps what came so far. */
export function fakeRooms(asked: RefundRequest[] = []): MakeRooms {
  return async () => ({
    desk: {
      decide: async (_, request) => {
        asked.push(request);
        return accept(ONE_DECISION);
      },
      decision: async () => undefined,
      explain: async () => undefined,
      replay: async () => undefined,
      settle: async () => accept('paid'),
    },
    ledger: { ledger: async (ref, asOfMs) => foldLedger(ref, [], asOfMs) },
    holds: { list: async () => ({ holds: [] }), show: async () => undefined },
    evidence: { kept: async () => [] },
    rates: {
      rates: async (fromMs, untilMs) => ({
        from: new Date(fromMs).toISOString(),
        until: new Date(untilMs).toISOString(),
        over: 'decided_refunds',
        refunds: 0,
        discrepancy: NOTHING,
        delivery_proof: NOTHING,
        dispute: NOTHING,
        dispute_loss: NOTHING,
        disputed: [],
      }),
      ratesBy: async (by, fromMs, untilMs) => ({
        from: new Date(fromMs).toISOString(),
        until: new Date(untilMs).toISOString(),
        over: 'decided_refunds',
        by,
        groups: [],
        groups_total: 0,
      }),
    },
    close: async () => undefined,
  });
}

const NOTHING = { part: 0, whole: 0 };

const ONE_DECISION: Decision = decide(
  nodeCrypto,
  {
    v: 1,
    as_of_ms: NOW_MS,
    refund: {
      refund_id: 'r-1',
      kind: 'goodwill',
      amount_minor: 100,
      currency: 'USD',
      operator: 'op-1',
      requested_at_ms: NOW_MS,
      destination: 'original',
    },
    payment: { captured_minor: 1_000, refunded_minor: 0, disputed_minor: 0 },
    operator: { recent: [] },
    parcels: [],
    failed: [],
  },
  makeRuleset(nodeCrypto, {}),
);

function story(): TestLog {
  const log = new TestLog('api');
  const place = { compartment: 'A01', device: 'board-1', parcel: PARCEL };
  const events = [
    eventOf(log, 0, 'journal.opened', { version: '0.1.0' }),
    eventOf(log, 1, 'parcel.deposited', PUT_IN, place),
    eventOf(log, 2, 'parcel.collected', TAKEN_OUT, place),
    eventOf(log, 3, 'parcel.deposited', PUT_IN, place),
  ];
  return log.append(...events.map((event) => encodeLeaf(event)));
}

async function keep(database: RiskDatabase, log: TestLog): Promise<void> {
  const store = new SqlStore({ database, crypto: nodeCrypto, ...owner });
  const rows = log.leaves.map((leaf, i) => ({
    leaf,
    leafHash: log.leafHashes[i] ?? new Uint8Array(32),
    use: { status: 'used' } as const,
  }));
  const range = {
    origin: log.origin,
    opens: true,
    before: log.frontier(0),
    rows,
    after: log.frontier(rows.length),
    storedAtMs: NOW_MS,
  };
  expect(await store.append([range])).toEqual(['stored']);
}
