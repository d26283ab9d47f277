/** A kept decision explained: by what it was decided on then, also when rules of today look otherwise at it. */
import { expect, test } from 'vitest';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { explainDecision } from '../../../src/risk/casework/explain.ts';
import { decide } from '../../../src/risk/decision/decision.ts';
import type { Facts } from '../../../src/risk/decision/facts.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';

const NOW_MS = Date.UTC(2026, 10, 22, 12);
const facts: Facts = {
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
};
const decision = decide(nodeCrypto, facts, makeRuleset(nodeCrypto, {}));
const { parameters } = makeRuleset(nodeCrypto, {});

test('each rule says why it did not fire, and that the decision is made again', () => {
  const { rules, replays } = explainDecision(nodeCrypto, { decision, facts, parameters });
  expect(replays).toBe(true);
  expect(rules.map(({ code }) => code)).toEqual(decision.rules.map(({ code }) => code));
  const why = (code: string): string | undefined => rules.find((one) => one.code === code)?.why;
  expect(why('R01')).toBe(
    'it did not fire: seen was 0 refunds over $100.00 in 24 h; it fires at: 3 over $100.00 in 24 h',
  );
  expect(why('R12')).toMatch(/^it did not fire, since the facts that it needs were not there; it fires at: /);
});

test('a rule that looked otherwise when it was decided is told as it looked then', () => {
  const before = decision.rules.map((one) =>
    one.code === 'R01' ? { ...one, hit: true, observed: '3 refunds', threshold: '3 refunds' } : one,
  );
  const kept = { decision: { ...decision, rules: before }, facts, parameters };
  const { rules, replays } = explainDecision(nodeCrypto, kept);
  expect(replays).toBe(false);
  expect(rules.find(({ code }) => code === 'R01')).toMatchObject({
    fired: true,
    why: 'it fired: seen was 3 refunds; it fires at: 3 refunds',
  });
});
