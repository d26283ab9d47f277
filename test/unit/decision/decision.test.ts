import { describe, expect, test } from 'vitest';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { CONTRADICTION_CODES, CONTRADICTIONS } from '../../../src/risk/decision/contradictions.ts';
import type { Facts, ForwardState, ParcelFacts } from '../../../src/risk/decision/facts.ts';
import { parseFacts } from '../../../src/risk/decision/facts-schema.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';
import {
  codes,
  contradiction,
  DAY_MS,
  decided,
  facts,
  NOW_MS,
  parcel,
  recent,
  signal,
  wholeDeposit,
} from './support.ts';

function forward(state: ForwardState, more: Partial<ParcelFacts> = {}): Facts {
  const leg = { state, certainty: 'confirmed', custodian: 'courier', signals: [], events: ['e#1'] } as const;
  return facts({ refund: { kind: 'not_received' }, parcels: [parcel({ forward: leg, ...more })] });
}

describe('a return', () => {
  test('that every sensor saw is paid at once', () => {
    expect(decided(facts())).toMatchObject({ outcome: 'PAY', pay_now: true, investigate: false, counterfactuals: [] });
    expect(codes(decided(facts()))).toEqual(['return_confirmed']);
  });

  test('that only a scan speaks for is held, and says what would release it', () => {
    const of = facts({ parcels: [parcel({ return: { ...parcel().return, signals: [signal('scan')] } })] });
    const decision = decided(of);
    expect(decision).toMatchObject({ outcome: 'HOLD', pay_now: false });
    expect(codes(decision)).toEqual(expect.arrayContaining(['R05', 'evidence_below_value']));
    expect(decision.release_when).toContain('return_inspected');
    expect(decision.counterfactuals[0]).toEqual({
      outcome: 'PAY',
      text: 'if the warehouse inspected it and found it sound',
    });
    expect(decision.deadline_at_ms).toBeGreaterThan(NOW_MS);
  });

  test.for([
    [2_500, [], 'RMA_OPEN', 'PAY'],
    [2_501, [], 'RMA_OPEN', 'HOLD'],
    [10_000, [signal('door')], 'R_IN_LOCKER', 'PAY'],
    [10_001, [signal('door')], 'R_IN_LOCKER', 'HOLD'],
    [10_001, [signal('door'), signal('occupancy')], 'R_IN_LOCKER', 'PAY'],
    [49_999, [signal('door'), signal('occupancy')], 'R_IN_LOCKER', 'PAY'],
    [50_001, [signal('door'), signal('occupancy')], 'R_IN_LOCKER', 'HOLD'],
    [50_001, wholeDeposit(), 'R_IN_LOCKER', 'STEP_UP'],
  ] as const)('of %d cents with so much evidence: %s', ([amount_minor, signals, state, outcome]) => {
    const back = { ...parcel().return, state, signals, events: state === 'RMA_OPEN' ? [] : ['e#1'] };
    expect(decided(facts({ refund: { amount_minor }, parcels: [parcel({ return: back })] })).outcome).toBe(outcome);
  });

  test('of two parcels is as good as the worse of them', () => {
    const missing = parcel({ ref: 'p2', return: { ...parcel().return, signals: [] } });
    expect(decided(facts({ parcels: [parcel(), missing] })).outcome).toBe('HOLD');
  });

  test('that was inspected needs no other evidence, and what was found wanting needs a person', () => {
    const inspected = (state: 'R_INSPECTED_OK' | 'R_INSPECTED_EMPTY'): Facts =>
      facts({ parcels: [parcel({ return: { ...parcel().return, state, signals: [] } })] });
    expect(decided(inspected('R_INSPECTED_OK')).outcome).toBe('PAY');
    expect(codes(decided(inspected('R_INSPECTED_EMPTY')))).toContain('return_found_wanting');
  });
});

describe('a parcel that was not received', () => {
  test.for([
    ['COLLECTED', {}, 'REVIEW', 'collected'],
    ['MISSING', {}, 'PAY_AND_INVESTIGATE', 'taken_by_somebody'],
    ['DISTURBED', {}, 'PAY_AND_INVESTIGATE', 'taken_by_somebody'],
    ['EXPIRED', {}, 'PAY', 'never_collected'],
    ['RETRIEVED', {}, 'PAY', 'went_back'],
    ['RETURN_TO_SENDER', {}, 'PAY', 'went_back'],
    ['IN_LOCKER', { collect_by_ms: NOW_MS }, 'PAY', 'never_collected'],
    ['IN_LOCKER', { collect_by_ms: NOW_MS + 1 }, 'HOLD', 'still_in_locker'],
    ['WITH_COURIER', { promised_by_ms: NOW_MS }, 'PAY_AND_INVESTIGATE', 'overdue'],
    ['EXPECTED', {}, 'HOLD', 'on_its_way'],
  ] as const)('%s with %j: %s, %s', ([state, more, outcome, code]) => {
    const decision = decided(forward(state, more));
    expect(decision.outcome).toBe(outcome);
    expect(codes(decision)).toContain(code);
    expect(decision.investigate).toBe(outcome === 'PAY_AND_INVESTIGATE');
  });

  test('waits no longer than the time to collect, and says so', () => {
    const decision = decided(forward('IN_LOCKER', { collect_by_ms: NOW_MS + 3_600_000 }));
    expect(decision.next_check_at_ms).toBe(NOW_MS + 3_600_000);
    expect(decision.counterfactuals).toContainEqual({ outcome: 'PAY', text: 'when the time that runs has passed' });
  });

  test('is looked at again when the first of several times is over', () => {
    const [soon, late] = [NOW_MS + 1_000, NOW_MS + 3_600_000].map((collect_by_ms) =>
      forward('IN_LOCKER', { collect_by_ms }),
    );
    const parcels = [late, soon].flatMap((of) => of?.parcels ?? []);
    const decision = decided(facts({ refund: { kind: 'not_received' }, parcels }));
    expect(decision).toMatchObject({ until_ms: NOW_MS + 1_000, next_check_at_ms: NOW_MS + 1_000 });
  });
});

describe('other refunds', () => {
  test('of a recall are paid without evidence, but never beyond the payment', () => {
    expect(decided(facts({ refund: { kind: 'recall' }, parcels: [] })).outcome).toBe('PAY');
    const spent = { captured_minor: 8_000, refunded_minor: 1, disputed_minor: 0 };
    expect(decided(facts({ refund: { kind: 'recall' }, parcels: [], payment: spent })).outcome).toBe('HOLD');
  });

  test('of a recall are so by their kind, and by their member', () => {
    const nothing = parcel({ return: { ...parcel().return, signals: [] } });
    const recalled = decided(facts({ refund: { recall: true }, parcels: [nothing] }));
    expect([recalled.outcome, codes(recalled)]).toEqual(['PAY', ['recalled']]);
  });

  test.for([
    ['R_INSPECTED_DAMAGED', 8_000, 'PAY', 'return_inspected'],
    ['R_INSPECTED_OK', 8_000, 'PAY', 'return_inspected'],
    ['R_INSPECTED_EMPTY', 8_000, 'REVIEW', 'needs_inspection'],
    ['R_RECEIVED', 2_501, 'REVIEW', 'needs_inspection'],
    ['NONE', 2_500, 'PAY', 'small_amount'],
  ] as const)('of what is damaged, at %s and %d cents: %s, %s', ([state, amount_minor, outcome, code]) => {
    const parcels = [parcel({ return: { ...parcel().return, state } })];
    for (const kind of ['damaged', 'empty'] as const) {
      const decision = decided(facts({ refund: { kind, amount_minor }, parcels }));
      expect([decision.outcome, codes(decision)]).toEqual([outcome, [code]]);
    }
  });

  test('with no parcel go to a person, large goodwill to a second one', () => {
    expect(codes(decided(facts({ parcels: [] })))).toContain('no_custody_link');
    const goodwill = decided(facts({ refund: { kind: 'goodwill' }, parcels: [] }));
    expect(goodwill).toMatchObject({ outcome: 'STEP_UP', approvals: 2 });
  });
});

describe('contradictions', () => {
  test.for(CONTRADICTION_CODES.map((code) => [code] as const))('%s does what its row says', ([code]) => {
    const { action, severity } = CONTRADICTIONS[code];
    const decision = decided(facts({ parcels: [parcel({ contradictions: [contradiction(code, { severity })] })] }));
    const paid = decision.outcome === 'PAY' || decision.outcome === 'PAY_AND_INVESTIGATE';
    if (action === 'hold') expect(decision.outcome).toBe('HOLD');
    if (severity === 'hard' && action !== 'note') expect(paid).toBe(action === 'investigate');
    if (action === 'note') expect(codes(decision)).not.toContain(code);
    else expect(codes(decision)).toContain(code);
    if (action === 'investigate') expect(decision.investigate).toBe(true);
  });

  test.for(
    CONTRADICTION_CODES.filter((code) => CONTRADICTIONS[code].innocent.length > 0).map((code) => [code] as const),
  )('%s with its innocent cause changes nothing', ([code]) => {
    const innocent = CONTRADICTIONS[code].innocent[0] ?? '';
    const explained = facts({ parcels: [parcel({ contradictions: [contradiction(code, { innocent })] })] });
    expect(decided(explained).outcome).toBe('PAY');
  });

  test('that would hold, and are only soft, hold nobody', () => {
    const soft = contradiction('C05', { severity: 'soft' });
    expect(decided(facts({ parcels: [parcel({ contradictions: [soft] })] })).outcome).toBe('PAY');
  });

  test('of the other leg do not concern this refund', () => {
    const other = contradiction('C07', { leg: 'forward' });
    expect(decided(facts({ parcels: [parcel({ contradictions: [other] })] })).outcome).toBe('PAY');
    const delivered = contradiction('C12', { leg: 'forward' });
    expect(decided(facts({ parcels: [parcel({ contradictions: [delivered] })] })).outcome).toBe('PAY');
  });

  test('a forced door pays the customer and has somebody look for the parcel', () => {
    const of = forward('DISTURBED', { contradictions: [contradiction('C07', { leg: 'forward' })] });
    expect(decided(of)).toMatchObject({ outcome: 'PAY_AND_INVESTIGATE', pay_now: true, investigate: true });
  });
});

describe('what is missing', () => {
  test.for(['ledger', 'payment', 'operator', 'usd_rate'] as const)('%s: a hold, never a payment', (name) => {
    const decision = decided(facts({ failed: [name] }));
    expect(decision).toMatchObject({ outcome: 'HOLD', pay_now: false });
    expect(decision.reasons[0]?.text).toContain(name);
  });

  test.for(['payment', 'operator'] as const)('%s: what is absent counts as failed', (name) => {
    const { [name]: _, ...without } = facts();
    expect(decided(without)).toMatchObject({ outcome: 'HOLD', pay_now: false });
    expect(decided(without).reasons[0]).toMatchObject({ code: 'DEPENDENCY_DOWN', text: expect.stringContaining(name) });
  });

  test('a rate is missed as far back as any rule looks, and no further', () => {
    const of = (agoMs: number) => {
      const one = recent('r-a', agoMs, 50, { currency: 'EUR' });
      return codes(decided(facts({ operator: { recent: [one] } }))).includes('DEPENDENCY_DOWN');
    };
    expect([of(7 * DAY_MS - 1), of(7 * DAY_MS)]).toEqual([true, false]);
  });
});

describe('the answer', () => {
  test('tells the customer no threshold, and no other person', () => {
    const of = facts({
      operator: { recent: [recent('r-a', 5, 20_000), recent('r-b', 6, 20_000)] },
      refund: { amount_minor: 20_000 },
    });
    const held = decided(of).reasons.find(({ code }) => code === 'R01');
    expect(held?.wording.customer).not.toMatch(/\d|operator|R01/);
    expect(held?.text).toContain('3 refunds over $100.00 in 24 h');
    expect(held?.wording.regulator).toContain('Rule R01');
  });

  test('differs in its identity with one fact or one parameter', () => {
    const ids = [
      decided(facts()),
      decided(facts({ as_of_ms: NOW_MS + 1 })),
      decided(facts(), { velocity_count: 4 }),
    ].map(({ decision_id }) => decision_id);
    expect(new Set(ids).size).toBe(3);
    expect(makeRuleset(nodeCrypto, {}).version).toMatch(/^v1-[0-9a-f]{12}$/);
  });

  test('that no single change makes milder says which are enough together', () => {
    const against = CONTRADICTION_CODES.slice(0, 10).map((code) => contradiction(code));
    const parcels = ['p-1', 'p-2'].map((ref) => parcel({ ref, contradictions: against }));
    expect(decided(facts({ parcels, wording: 2 })).counterfactuals).toEqual([]);
    expect(decided(facts({ parcels, wording: 3 })).counterfactuals).toEqual([
      { outcome: 'PAY', text: 'if C01, C02, C03, C04, C05, C06, C07, C08, C09, C10 were explained' },
    ]);
    const { payment: _, ...blind } = facts({ wording: 3, refund: { destination: 'other', self_dealing: true } });
    expect(decided(blind).counterfactuals).toEqual([
      {
        outcome: 'PAY',
        text: 'if another operator asked for it and it went to the original instrument and what is missing were there, and nothing in it spoke against it',
      },
    ]);
  });

  test('about as many parcels as a refund may have, each with much against it, has its counterfactuals too', () => {
    const against = CONTRADICTION_CODES.slice(0, 10).map((code) => contradiction(code));
    const parcels = Array.from({ length: 64 }, (_, i) => parcel({ ref: `p-${i}`, contradictions: against }));
    const { outcome, counterfactuals } = decided(facts({ parcels }));
    expect([outcome, counterfactuals]).toEqual(['HOLD', []]);
  });
});

describe('facts from a file', () => {
  test.for([
    [{ ...facts(), v: 2 }, 'v'],
    [{ ...facts(), as_of_ms: 1.5 }, 'as_of_ms'],
    [{ ...facts(), more: 1 }, 'facts'],
    [facts({ refund: { amount_minor: 0 } }), 'refund.amount_minor'],
    [facts({ refund: { currency: 'usd' } }), 'refund.currency'],
    ['text', 'facts'],
  ] as const)('are refused with the place: %#', ([value, place]) => {
    const read = parseFacts(value);
    expect(!read.ok && read.detail).toContain(place);
  });
});
