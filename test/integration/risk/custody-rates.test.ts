/** Rates over refunds against an example that was counted by hand, together and by operator, locker and courier. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { custodyRates } from '../../../src/risk/api/custody-rates.ts';
import type { Contradiction, ParcelFacts, Signal } from '../../../src/risk/decision/facts.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { bothEngines } from '../../support/engines.ts';

const engines = bothEngines('rates');
const OWNER = { tenant: 'default', region: 'eu' };
const FROM_MS = Date.UTC(2026, 9, 1);
const UNTIL_MS = Date.UTC(2026, 9, 2);
const HOUR_MS = 3_600_000;

/** 6 + 10 decibans of two groups are MODERATE, 6 are WEAK. */
const seen = (name: Signal['name'], event: string): Signal => ({
  name,
  says: 'supports',
  level: 'A2',
  clock: 'synced',
  event,
});
const at = (gateway: string, index: number): string => `lockers.example/${gateway}/1-0a1b2c3d#${index}`;

function parcel(
  ref: string,
  ledger_version: number,
  forward: Pick<ParcelFacts['forward'], 'state' | 'events'> & {
    readonly signals?: readonly Signal[];
    readonly back?: readonly string[];
  },
  contradictions: readonly Contradiction[] = [],
): ParcelFacts {
  const none = { state: 'NONE', certainty: 'unconfirmed', custodian: 'unknown', signals: [], events: [] } as const;
  const back = { ...none, events: forward.back ?? [] };
  const { state, events, signals = [] } = forward;
  const leg = { state, certainty: 'confirmed', custodian: 'unknown', signals, events } as const;
  return { ref, ledger_version, forward: leg, return: back, contradictions };
}

const C10: Contradiction = { code: 'C10', leg: 'both', severity: 'soft', events: [at('gw-2', 1)] };
const proved = [seen('door', at('gw-1', 4)), seen('weight', at('gw-1', 4))];
const inGw1 = ['shop:d1', 'north:e1', at('gw-1', 4), at('gw-1', 5)];
/**
 * One courier brought k1.one and another took it back; k1.two was handed over on its way there. Nobody is counted for an
 * entry that moved neither leg, nor for another parcel of the same entry.
 */
const HANDS = [
  ['k1.one', 'gw-1', 4, 'courier-n', 'put_in'],
  ['k1.one', 'gw-1', 5, 'courier-n', 'opened'],
  ['k1.one', 'gw-1', 6, 'courier-r', 'taken_out'],
  ['k1.two', 'gw-2', 1, 'courier-n', 'handed_on'],
  ['k1.two', 'gw-2', 1, 'courier-s', 'taken_over'],
  ['k1.three', 'gw-3', 9, 'courier-x', 'opened'],
  ['k1.other', 'gw-1', 4, 'courier-y', 'put_in'],
] as const;
const P1 = parcel('k1.one', 7, { state: 'IN_LOCKER', events: inGw1, signals: [seen('door', at('gw-1', 4))] });
const P1_LATER = parcel('k1.one', 9, { state: 'COLLECTED', events: inGw1, signals: proved, back: [at('gw-1', 6)] });
const P2 = parcel(
  'k1.two',
  3,
  { state: 'IN_LOCKER', events: ['north:e2', at('gw-2', 1)], signals: [seen('door', at('gw-2', 1))] },
  [C10],
);
const P3 = parcel('k1.three', 2, { state: 'WITH_COURIER', events: ['shop:d3', 'south:e3'] }, [
  { ...C10, innocent: 'a courier who sorted shelves' },
]);

interface Decided {
  readonly id: string;
  readonly refund: string;
  readonly operator: string;
  readonly payment: string;
  readonly parcel: ParcelFacts;
  readonly atMs: number;
  readonly codes?: readonly string[];
}

/** The first word about r-1 found something, the last one did not; r-5 was decided as the window ended. */
const DECISIONS: readonly Decided[] = [
  { id: 'd-1a', refund: 'r-1', operator: 'op-a', payment: 'pay-1', parcel: P1, atMs: FROM_MS, codes: ['C22'] },
  { id: 'd-1b', refund: 'r-1', operator: 'op-a', payment: 'pay-1', parcel: P1, atMs: FROM_MS + HOUR_MS },
  { id: 'd-2', refund: 'r-2', operator: 'op-a', payment: 'pay-1', parcel: P2, atMs: FROM_MS + HOUR_MS },
  {
    id: 'd-3',
    refund: 'r-3',
    operator: 'op-b',
    payment: 'pay-2',
    parcel: P3,
    atMs: FROM_MS + HOUR_MS,
    codes: ['C18', 'R01'],
  },
  {
    id: 'd-4',
    refund: 'r-4',
    operator: 'op-b',
    payment: 'pay-3',
    parcel: P1_LATER,
    atMs: UNTIL_MS - 1,
    codes: ['R01'],
  },
  { id: 'd-5', refund: 'r-5', operator: 'op-b', payment: 'pay-3', parcel: P2, atMs: UNTIL_MS },
];
/** Two disputes of pay-1 ended, one of pay-2 goes on. */
const DISPUTES = [
  ['dp-1', 'pay-1', 'lost'],
  ['dp-2', 'pay-1', 'won'],
  ['dp-3', 'pay-2', null],
] as const;

async function keep(database: RiskDatabase): Promise<void> {
  await database.as('custody', async (trx) => {
    const stored_at = new Date(FROM_MS).toISOString();
    const rows = HANDS.map(([parcel, gateway, n, courier, deed]) => {
      return {
        parcel,
        origin: `lockers.example/${gateway}/1-0a1b2c3d`,
        n,
        courier,
        deed,
        gateway,
        stored_at,
        ...OWNER,
      };
    });
    await trx.insertInto('custody.hand').values(rows).execute();
  });
  await database.as('payments', async (trx) => {
    for (const [payment_ref, disputed_minor] of [
      ['pay-1', 900],
      ['pay-2', 500],
      ['pay-3', 0],
    ] as const) {
      await trx
        .insertInto('payments.payment')
        .values({ payment_ref, currency: 'EUR', captured_minor: 10_000, disputed_minor, ...OWNER })
        .execute();
    }
    for (const [dispute_ref, payment_ref, result] of DISPUTES) {
      const times = { opened_at: new Date(FROM_MS), closed_at: result === null ? null : new Date(FROM_MS) };
      const row = { source: 'bank', dispute_ref, payment_ref, amount_minor: 500, currency: 'EUR', result, ...times };
      await trx
        .insertInto('payments.dispute')
        .values({ ...row, ...OWNER })
        .execute();
    }
    for (const { id, refund, operator, payment, parcel: facts, atMs, codes = [] } of DECISIONS) {
      await sql`insert into payments.refund (refund_id, payment_ref, operator, kind, amount_minor, currency, destination,
          requested_at, parcel_refs, state, tenant, region)
        values (${refund}, ${payment}, ${operator}, 'return', 500, 'EUR', 'original', ${new Date(atMs)}, '[]', 'open',
          ${OWNER.tenant}, ${OWNER.region}) on conflict do nothing`.execute(trx);
      const kept = JSON.stringify({ refund: { operator }, parcels: [facts] });
      const answer = JSON.stringify({ reasons: codes.map((code) => ({ code })) });
      await sql`insert into payments.decision (decision_id, refund_id, decided_at, outcome, facts, ruleset, parameters, answer, tenant, region)
        values (${id}, ${refund}, ${new Date(atMs)}, 'HOLD', ${kept}, 'r', '{}', ${answer}, ${OWNER.tenant}, ${OWNER.region})`.execute(
        trx,
      );
    }
  });
}

const share = (part: number, whole: number, rate?: number) => ({ part, whole, ...(rate !== undefined && { rate }) });

for (const [engine, settingsOf] of Object.entries(engines.settings)) {
  describe(engine, () => {
    let database: RiskDatabase;
    beforeAll(async () => {
      database = await RiskDatabase.open(await settingsOf());
      await keep(database);
    });
    afterAll(() => database?.close());
    const rates = () => custodyRates(database);

    test('together, each refund by its last decision and each parcel by its latest ledger', async () => {
      expect(await rates().rates(FROM_MS, UNTIL_MS)).toEqual({
        from: '2026-10-01T00:00:00.000Z',
        until: '2026-10-02T00:00:00.000Z',
        over: 'decided_refunds',
        refunds: 4,
        // r-2 by its ledger, r-3 by its request; not r-1, whose last decision found nothing.
        discrepancy: share(2, 4, 0.5),
        // k1.one is MODERATE by the later ledger, k1.two is WEAK, k1.three reached no locker.
        delivery_proof: share(1, 2, 0.5),
        dispute: share(2, 3, 0.666667),
        dispute_loss: share(1, 2, 0.5),
        disputed: [{ currency: 'EUR', captured_minor: 30_000, disputed_minor: 1_400 }],
      });
      expect(await rates().rates(UNTIL_MS, UNTIL_MS + 1)).toMatchObject({ refunds: 1, delivery_proof: share(0, 1, 0) });
    });

    test.for([
      [
        'operator',
        [
          ['op-a', 2, share(1, 2, 0.5), share(0, 1, 0), share(1, 1, 1), share(1, 2, 0.5)],
          ['op-b', 2, share(1, 2, 0.5), share(1, 1, 1), share(1, 2, 0.5), share(0, 0)],
        ],
      ],
      [
        'locker',
        [
          ['gw-1', 2, share(0, 2, 0), share(1, 1, 1), share(1, 2, 0.5), share(1, 2, 0.5)],
          ['gw-2', 1, share(1, 1, 1), share(0, 1, 0), share(1, 1, 1), share(1, 2, 0.5)],
        ],
      ],
      [
        'courier',
        [
          ['courier-n', 3, share(1, 3, 0.333333), share(1, 2, 0.5), share(1, 2, 0.5), share(1, 2, 0.5)],
          // Of the way back alone: a refund, and no delivery.
          ['courier-r', 1, share(0, 1, 0), share(0, 0), share(0, 1, 0), share(0, 0)],
          ['courier-s', 1, share(1, 1, 1), share(0, 1, 0), share(1, 1, 1), share(1, 2, 0.5)],
        ],
      ],
    ] as const)('by %s', async ([by, expected]) => {
      const told = await rates().ratesBy(by, FROM_MS, UNTIL_MS);
      const { groups } = told;
      expect(
        groups.map(({ name, refunds, discrepancy, delivery_proof, dispute, dispute_loss }) => [
          name,
          refunds,
          discrepancy,
          delivery_proof,
          dispute,
          dispute_loss,
        ]),
      ).toEqual(expected);
      expect([told.by, told.over, told.groups_total]).toEqual([by, 'decided_refunds', expected.length]);
    });
  });
}
