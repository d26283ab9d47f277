/** A decision says of each parcel which state of its ledger it stood on; what was decided before it did is made again as it was. */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { explainDecision } from '../../../src/risk/casework/explain.ts';
import { factsSchema } from '../../../src/risk/decision/facts-schema.ts';
import { decided, facts, parcel } from './support.ts';

/** Of plain ASCII and integers, sorted: RFC 8785 says nothing else of it. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]));
}
const sha256 = (value: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(sorted(value)))
    .digest('hex');

const parcels = ['a', 'b', 'c'].map((name, i) => parcel({ ref: `k1.${name}`, ledger_version: 3 - i }));
const pinned = { ...facts({ parcels }), pinned: true } as const;

test('a decision over three parcels names the version and the state of each, in their order', () => {
  const { ledgers, ledger_version } = decided(pinned);
  expect(ledgers).toEqual(
    parcels.map((each) => ({ parcel: each.ref, version: each.ledger_version, digest: sha256(each) })),
  );
  expect(ledger_version).toBe(3);
  expect(decided({ ...pinned, parcels: [] }).ledgers).toEqual([]);
});

test('what an entry counts for is another state of one parcel, at the same version', () => {
  const raised = parcels.map((each) => {
    const signals = each.return.signals.map((signal) => ({ ...signal, level: 'A3' as const }));
    return each.ref === 'k1.b' ? { ...each, return: { ...each.return, signals } } : each;
  });
  expect(raised).not.toEqual(parcels);
  const [before, after] = [decided(pinned).ledgers, decided({ ...pinned, parcels: raised }).ledgers];
  expect(after?.map(({ version }) => version)).toEqual(before?.map(({ version }) => version));
  expect(after?.filter(({ digest }, i) => digest !== before?.[i]?.digest).map(({ parcel: ref }) => ref)).toEqual([
    'k1.b',
  ]);
});

test('facts of before are decided again without it, and to the byte otherwise', () => {
  const { pinned: _, ...before } = pinned;
  const old = decided(before);
  expect(old).not.toHaveProperty('ledgers');
  const { ledgers, ...now } = decided(pinned);
  const names = { decision_id: old.decision_id, facts_hash: old.facts_hash };
  expect(JSON.stringify({ ...now, ...names })).toBe(JSON.stringify(old));
  for (const each of [before, pinned]) {
    expect(factsSchema.safeParse(each).success).toBe(true);
    const kept = { decision: decided(each), facts: factsSchema.parse(each), parameters: {} };
    expect(explainDecision(nodeCrypto, kept).replays).toBe(true);
  }
});
