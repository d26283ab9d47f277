/** A bundle of a log in parts, and what its decisions count for more than it proves: what a dishonest maker could try with either. */
import { describe, expect, test } from 'vitest';
import { hex, utf8 } from '../../../src/base/bytes.ts';
import type { JsonObject } from '../../../src/evidence/event/event.ts';
import { canonicalJson } from '../../../src/evidence/event/json.ts';
import { subtreesOf } from '../../../src/evidence/log/proofs.ts';
import { type BundleDecision, formatBundle } from '../../../src/evidence/verify/bundle.ts';
import type { BundleSource } from '../../../src/evidence/verify/bundle-source.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { AnchoredLog, verdict as anchoredVerdict } from '../../support/anchored-log.ts';
import { fill } from '../../support/test-events.ts';
import { noteText, type TestLog } from '../../support/test-log.ts';
import { bundleOf, edited, log, reason, source, verdict } from '../../support/verdict-bench.ts';

/** Entries of one stretch, over the notes of its own tree. */
function part(of: TestLog, first: number, end: number, indices: readonly number[], sizes = [end]): BundleSource {
  return {
    origin: of.origin,
    searched: { first, end },
    checkpoints: sizes.map((size) => ({ size, note: noteText(of.note(size)) })),
    entries: indices.map((index) => ({ index, leaf: of.leaves[index] ?? utf8('') })),
    subtree: subtreesOf(nodeCrypto, of.leafHashes),
  };
}

/** The same log with another history: entries from 5 on are others. */
const other = fill(fill(new AnchoredLog('verify'), 5).add('gateway.alive', { interval_ms: 1 }), 40);

describe('a bundle of a log in parts', () => {
  test('verifies each by itself, and says that nothing joins them', () => {
    const given = verdict(formatBundle(bundleOf(part(log, 0, 10, [3]), part(log, 20, 40, [30]))));
    expect(given).toMatchObject({ outcome: 'verified', logs: [{ end: 10 }, { end: 40 }] });
    for (const { missing } of given.logs) expect(missing.join()).toContain('nothing shows that they are of one tree');
    const whole = verdict(formatBundle(bundleOf(source(log))));
    expect(whole.logs[0]?.missing.join()).not.toContain('one tree');
  });

  test('is refused where a part goes back, or where two parts have one entry', () => {
    const good = bundleOf(part(log, 0, 10, [3]), part(log, 10, 40, [30]));
    expect(reason(formatBundle(good))).toBe('verified');
    const back = edited(good, (value) => Object.assign(value.logs[1]?.searched ?? {}, { first: 9 }));
    expect(reason(back)).toBe('bundle');
    expect(reason(edited(good, (value) => value.logs.reverse()))).toBe('bundle');
    expect(reason(formatBundle(bundleOf(part(log, 0, 10, [3]), part(log, 10, 40, [3, 30]))))).toBe('bundle');
  });

  test('is refuted where they have two roots for one size', () => {
    expect(other.origin).toBe(log.origin);
    expect(reason(formatBundle(bundleOf(part(log, 0, 20, [3]), part(other, 20, 40, [30], [20, 40]))))).toBe(
      'file_fork',
    );
    expect(reason(formatBundle(bundleOf(part(log, 0, 20, [3]), part(log, 20, 40, [30], [20, 40]))))).toBe('verified');
  });
});

function decision(facts: JsonObject, refund = 'r-1'): BundleDecision {
  const hash = (text: string): string => hex(nodeCrypto.sha256(utf8(text)));
  const text = canonicalJson(facts);
  const ruleset = `v1-${hash('{}').slice(0, 12)}`;
  const decision_id = `d-${hash(canonicalJson({ facts: hash(text), ruleset })).slice(0, 32)}`;
  const answer = JSON.stringify({ decision_id, refund_id: refund, outcome: 'PAY', facts_hash: hash(text), ruleset });
  return { answer, facts: text, parameters: '{}' };
}

describe('a decision in a bundle', () => {
  test('is of the refund that its facts name', () => {
    const facts = { refund: { refund_id: 'r-1' } };
    const good = bundleOf(source(log));
    expect(reason(formatBundle({ ...good, decisions: [decision(facts)] }))).toBe('verified');
    expect(reason(formatBundle({ ...good, decisions: [decision(facts, 'r-2')] }))).toBe('bundle_decision');
  });

  test('that counts an entry for more than the bundle proves of it is named, entry by entry', () => {
    const of = new AnchoredLog('above').opened();
    fill(of, 5).anchor({});
    fill(of, 12);
    const signal = (n: number, level: string): JsonObject => ({ event: `${of.origin}#${n}`, level, name: 'door' });
    const facts = { parcels: [{ forward: { signals: [signal(2, 'A2'), signal(9, 'A2'), signal(8, 'A1')] } }] };
    const sections = part(of, 0, 12, [2, 5, 8, 9], [5, 12]);
    const given = anchoredVerdict(of, formatBundle({ ...bundleOf(sections), decisions: [decision(facts)] }));
    expect(given).toMatchObject({
      outcome: 'verified',
      logs: [
        {
          level: 'A1',
          levels: [
            { level: 'A2', entries: [2] },
            { level: 'A1', entries: [8, 9] },
          ],
        },
      ],
      decisions: [{ above: [{ entry: `${of.origin}#9`, counted: 'A2', proved: 'A1' }] }],
    });
    const honest = { parcels: [{ forward: { signals: [signal(2, 'A2'), signal(9, 'A1')] } }] };
    const plain = anchoredVerdict(of, formatBundle({ ...bundleOf(sections), decisions: [decision(honest)] }));
    expect(plain.decisions?.[0]).not.toHaveProperty('above');
  });
});
