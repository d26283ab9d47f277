/** R10 and the couriers of R14: who is told what, and what a courier who is doubted still proves. */
import { describe, expect, test } from 'vitest';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { explainDecision } from '../../../src/risk/casework/explain.ts';
import { decide, factsText } from '../../../src/risk/decision/decision.ts';
import type { CourierLift, Facts, PatternFacts } from '../../../src/risk/decision/facts.ts';
import { parseFacts } from '../../../src/risk/decision/facts-schema.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';
import { decided, facts, NOW_MS, parcel, signal, wholeDeposit } from './support.ts';

const NAME = 'k1.Y291cmllckludGhlRmFjdHM';
const EVENT = 'lockers.example/gw/1-00000000#900';
const LIFT: CourierLift = {
  refunds: 9,
  together: 11,
  expected_milli: 2_000,
  lift_milli: 4_500,
  p_micro: 1_200,
  courier: NAME,
  events: [EVENT],
};
const QUIET: CourierLift = {
  ...LIFT,
  refunds: 0,
  lift_milli: 0,
  p_micro: 1_000_000,
  courier: 'k1.cXVpZXQ',
  events: [],
};

/** A return that the courier himself put into the locker. */
function broughtBy(patterns: Partial<PatternFacts>, event = EVENT): Facts {
  const signals = wholeDeposit().map((one) => ({ ...one, event }));
  return facts({
    refund: { amount_minor: 30_000 },
    parcels: [parcel({ return: { ...parcel().return, signals } })],
    patterns: { as_of_ms: NOW_MS, ...patterns },
  });
}

const traceOf = (of: Facts) => decided(of).rules.find(({ code }) => code === 'R10');
const reasonOf = (of: Facts, code: string) => decided(of).reasons.find((one) => one.code === code);

describe('R10', () => {
  test('fires by any of the couriers, wherever that one stands, and names its entries', () => {
    const alone = reasonOf(broughtBy({ courier_lifts: [QUIET, LIFT] }), 'R10');
    expect(alone).toMatchObject({ outcome: 'PAY_AND_INVESTIGATE', events: [EVENT] });
    expect(decided(broughtBy({ courier_lifts: [QUIET, LIFT] })).investigate).toBe(true);
    // The least likely one may lack the lift.
    const likely = { ...LIFT, p_micro: 1, lift_milli: 2_999 };
    expect(traceOf(broughtBy({ courier_lifts: [likely, LIFT] }))).toMatchObject({ hit: true });
    expect(traceOf(broughtBy({ courier_lifts: [likely] }))).toMatchObject({ hit: false });
  });

  test('tells analysts and regulators who, how often and how likely, and the customer nothing', () => {
    const { wording } = reasonOf(broughtBy({ courier_lifts: [LIFT] }), 'R10') ?? {};
    for (const text of [wording?.analyst, wording?.regulator]) {
      expect(text).toContain(`courier ${NAME}: 9 of 11 refunds with little evidence`);
      expect(text).toContain('4500 thousandths, p 1200 in a million; its 1 entries here count as A0 at most');
    }
    const clustered = { chargebacks: { count: 3, shared: 'a courier', courier: NAME, events: [EVENT] } };
    expect(reasonOf(broughtBy(clustered), 'R14')).toMatchObject({ events: [EVENT] });
    expect(reasonOf(broughtBy(clustered), 'R14')?.wording.analyst).toContain(`3 that share a courier, ${NAME}`);
    const { reasons } = decided(broughtBy({ courier_lifts: [LIFT], ...clustered }));
    expect(reasons.map(({ code }) => code)).toEqual(expect.arrayContaining(['R10', 'R14']));
    for (const reason of reasons) expect(reason.wording.customer).not.toMatch(/k1|courier|operator|fraud/i);
  });

  test('says why it did not fire: unknown, too few together, or short of the threshold', () => {
    expect(traceOf(broughtBy({}))).toMatchObject({ hit: false, blind: true, observed: 'not known' });
    const quiet = traceOf(broughtBy({ courier_lifts: [QUIET] }));
    expect(quiet).toMatchObject({
      hit: false,
      observed: expect.stringContaining('too few refunds with little evidence'),
    });
    expect(quiet?.blind).toBeUndefined();
    const short = traceOf(broughtBy({ courier_lifts: [{ ...LIFT, refunds: 4 }] }));
    expect(short?.observed).toBe(
      `courier ${NAME}: 4 of 11 refunds with little evidence where 2000 thousandths of one are expected: 4500 thousandths, p 1200 in a million`,
    );
  });
});

describe('evidence of a courier who is doubted', () => {
  // Of such a value the best evidence is asked for.
  const before = decided(broughtBy({ courier_lifts: [QUIET] }), { moderate_usd_minor: 20_000 });
  const after = decided(broughtBy({ courier_lifts: [LIFT] }), { moderate_usd_minor: 20_000 });

  test('counts as A0 at most, and the grade without doubt stands beside', () => {
    expect(before.evidence[0]).toMatchObject({ grade: 'STRONG' });
    expect(before.evidence[0]).not.toHaveProperty('before_doubt');
    const plain = decided(
      facts({ parcels: [parcel({ return: { ...parcel().return, signals: wholeDeposit('A0') } })] }),
    );
    expect(after.evidence[0]).toMatchObject({ grade: plain.evidence[0]?.grade, mdb: plain.evidence[0]?.mdb });
    expect(after.evidence[0]?.before_doubt).toBe('STRONG');
    expect([before.outcome, after.outcome]).toEqual(['PAY', 'HOLD']);
    expect(after.reasons.map(({ code }) => code)).toContain('evidence_below_value');
  });

  test('of others, and what speaks against, keeps its weight; what proved less is not raised', () => {
    const others = decided(broughtBy({ courier_lifts: [LIFT] }, 'lockers.example/gw/1-00000000#1'));
    expect(others.evidence).toEqual(
      decided(broughtBy({ courier_lifts: [QUIET] }, 'lockers.example/gw/1-00000000#1')).evidence,
    );
    expect(others.outcome).toBe('PAY_AND_INVESTIGATE');
    const of = (level: 'unsigned' | 'declared' | 'A0', lifts: readonly CourierLift[]) => {
      const signals = [
        signal('scan', { level, event: EVENT }),
        signal('weight', { says: 'contradicts', event: EVENT }),
      ];
      const asked = broughtBy({ courier_lifts: lifts });
      const parcels = [parcel({ return: { ...parcel().return, signals } })];
      return decided({ ...asked, parcels }).evidence[0]?.mdb;
    };
    for (const level of ['unsigned', 'declared', 'A0'] as const) expect(of(level, [LIFT])).toBe(of(level, [QUIET]));
  });

  test('makes a decision that is decided again to the byte, out of facts that a store gives back', () => {
    const asked = broughtBy({ courier_lifts: [LIFT, QUIET] });
    const text = factsText(asked);
    const kept = parseFacts(JSON.parse(text));
    if (!kept.ok) throw new Error(kept.detail);
    const ruleset = makeRuleset(nodeCrypto, {});
    const decision = decide(nodeCrypto, asked, ruleset);
    expect(explainDecision(nodeCrypto, { decision, facts: kept.value, parameters: ruleset.parameters })).toMatchObject({
      replays: true,
      rules: expect.arrayContaining([expect.objectContaining({ code: 'R10', fired: true })]),
    });
  });
});
