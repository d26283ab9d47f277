/** What one log shows of a TPM counts for the others of its AK and counter: anchors over a closed log, and clears. */
import { describe, expect, test } from 'vitest';
import { base64url, utf8 } from '../../../src/base/bytes.ts';
import { subtreesOf } from '../../../src/evidence/log/proofs.ts';
import { AnchorsTogether } from '../../../src/evidence/verify/anchors-together.ts';
import { formatBundle } from '../../../src/evidence/verify/bundle.ts';
import { type BundleSource, bundleLog } from '../../../src/evidence/verify/bundle-source.ts';
import type { TrustPolicy } from '../../../src/evidence/verify/policy.ts';
import type { Verdict } from '../../../src/evidence/verify/verdict.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { type KeptLog, proveLogs } from '../../../src/risk/assurance/levels.ts';
import { AnchoredLog, verdict, vkeyText } from '../../support/anchored-log.ts';
import { fill } from '../../support/test-events.ts';
import { noteText, seedOf, type TestLog } from '../../support/test-log.ts';
import { linesOf, TestTpm } from '../../support/test-tpm.ts';
import { policyOf } from '../../support/test-trust.ts';

/** Of each log its row; `again`: enrolled once more, by a record of its own. */
function policy(tpm: TestTpm, logs: readonly TestLog[], again: readonly TestLog[] = [], least = 'A0'): TrustPolicy {
  const enrolment = Buffer.from(seedOf('enrolled again')).toString('base64url');
  const row = (log: TestLog) => ({ vkey: vkeyText(log as AnchoredLog), ...tpm.policy });
  const rows = [...logs.map(row), ...again.map((log) => ({ ...row(log), enrolment }))];
  return policyOf([], { logs: rows, least_level: least });
}

interface Wish {
  readonly sizes: readonly number[];
  readonly entries: readonly number[];
  readonly trees?: readonly number[];
}

function part(log: AnchoredLog, { sizes, entries, trees = [] }: Wish): BundleSource {
  return {
    origin: log.origin,
    searched: { first: 0, end: log.size },
    checkpoints: sizes.map((size) => ({ size, note: noteText(log.note(size)) })),
    entries: entries.map((index) => ({ index, leaf: log.leaves[index] ?? utf8('') })),
    subtree: subtreesOf(nodeCrypto, log.leafHashes),
    trees: trees.map((size) => ({ size, root: log.checkpoint(size).root })),
  };
}

function bundle(...sources: readonly BundleSource[]): Uint8Array {
  const logs = sources.map((each) => bundleLog(nodeCrypto, each));
  return formatBundle({ question: 'q', logs, successors: [], enrolments: [], decisions: [] });
}

/** An anchor over `old` that stands in the next log alone, as after a crash between intent and entry. */
function anchorElsewhere(old: AnchoredLog, size: number, next: AnchoredLog): void {
  const note = old.tpm.anchor(old.note(size));
  const root = base64url(old.checkpoint(size).root);
  next.add('anchor.made', { size, root, lines: linesOf(note), counter: old.tpm.counter, log: old.origin });
}

function levels({ logs }: Verdict): readonly string[] {
  return logs.map(({ level }) => level);
}

describe('an anchor of a closed log that stands in the log after it', () => {
  const tpm = new TestTpm('elsewhere');
  const old = fill(new AnchoredLog('elsewhere-old', tpm).opened(), 9);
  const next = new AnchoredLog('elsewhere-new', tpm, 2).opened(undefined, 0);
  anchorElsewhere(old, 6, next);
  fill(next, 5);
  const oldPart = part(old, { sizes: [9], entries: [2, 4], trees: [6] });
  const nextPart = part(next, { sizes: [5], entries: [1] });
  const both = policy(tpm, [old, next]);

  test('covers its entries in a bundle that has both, in whatever order they stand', () => {
    for (const bytes of [bundle(oldPart, nextPart), bundle(nextPart, oldPart)]) {
      const given = verdict(old, bytes, { policy: both });
      const own = given.logs.find(({ origin }) => origin === old.origin);
      expect([given.outcome, own?.level, own?.anchors.size]).toEqual(['verified', 'A2', 6]);
      expect(own?.levels).toEqual([{ level: 'A2', entries: [2, 4] }]);
    }
  });

  test('covers none without its entry, or without the tree that joins it', () => {
    expect(levels(verdict(old, bundle(oldPart), { policy: both }))).toEqual(['A1']);
    const bare = part(old, { sizes: [9], entries: [2, 4] });
    expect(levels(verdict(old, bundle(bare, nextPart), { policy: both }))[0]).toBe('A1');
  });

  test('does not count for a log of another TPM, or above what it is over', () => {
    const stranger = policyOf([], {
      logs: [
        { vkey: vkeyText(old), ...new TestTpm('stranger').policy },
        { vkey: vkeyText(next), ...tpm.policy },
      ],
    });
    expect(levels(verdict(old, bundle(oldPart, nextPart), { policy: stranger }))[0]).toBe('A1');
    const above = part(old, { sizes: [9], entries: [2, 7], trees: [6] });
    expect(verdict(old, bundle(above, nextPart), { policy: both }).logs[0]).toMatchObject({
      level: 'A1',
      levels: [
        { level: 'A2', entries: [2] },
        { level: 'A1', entries: [7] },
      ],
    });
  });

  test('leaves a log that is there for it alone out of the least level', () => {
    const strict = policy(tpm, [old, next], [], 'A2');
    expect(verdict(old, bundle(oldPart, nextPart), { policy: strict })).toMatchObject({ outcome: 'verified' });
    const asked = part(next, { sizes: [5], entries: [1, 3] });
    expect(verdict(old, bundle(oldPart, asked), { policy: strict })).toMatchObject({ reason: 'below_least_level' });
  });

  test('over another root than the log has at that size refutes the bundle', () => {
    const liar = new AnchoredLog('elsewhere-liar', tpm, 3).opened(undefined, 0);
    const other = fill(new AnchoredLog('elsewhere-old', tpm).opened(), 5).add('gateway.alive', { interval_ms: 1 });
    anchorElsewhere(other, 6, liar);
    const bytes = bundle(oldPart, part(liar, { sizes: [2], entries: [1] }));
    const given = verdict(old, bytes, { policy: policy(tpm, [old, liar]) });
    expect(given).toMatchObject({ outcome: 'refuted', reason: 'anchor_continuity' });
    expect(given.detail).toContain('anchor_fork');
  });

  test('counts for exports that are given together, each read with what the others show', () => {
    const files = [old, next].map((log) => log.batch(0));
    const around = new AnchorsTogether();
    for (const bytes of files) verdict(old, bytes, { policy: both, together: around });
    expect([...around.dependent]).toEqual([old.origin]);
    const [bytes = utf8('')] = files;
    expect(verdict(old, bytes, { policy: both }).logs[0]).toMatchObject({ level: 'A1', anchors: { size: 0 } });
    const again = verdict(old, bytes, { policy: both, around, sizes: around.sizesOver(old.origin) });
    expect(again.logs[0]).toMatchObject({ level: 'A2', anchors: { size: 6 } });
  });
});

describe('a clear that one log of a TPM shows', () => {
  const tpm = new TestTpm('cleared-elsewhere');
  const old = fill(new AnchoredLog('clear-old', tpm).opened(), 5).anchor({});
  // Its resets begin anew, and the log after it has no anchor from before.
  tpm.resetCount = 0;
  const next = fill(new AnchoredLog('clear-new', tpm, 2).opened(undefined, 1), 6).anchor({});
  const oldPart = part(old, { sizes: [5], entries: [2] });
  const nextPart = part(next, { sizes: [6], entries: [3] });

  test('takes the anchors after it from all logs of that enrolment, and says so', () => {
    const one = policy(tpm, [old, next]);
    expect(levels(verdict(old, bundle(nextPart), { policy: one }))).toEqual(['A2']);
    const given = verdict(old, bundle(oldPart, nextPart), { policy: one });
    expect(given.outcome).toBe('verified');
    expect(levels(given)).toEqual(['A2', 'A1']);
    expect(given.logs[1]?.anchors).toMatchObject({ size: 0, cleared: 1 });
    expect(given.logs[1]?.whyNotHigher[0]).toContain('1 were made after its TPM was cleared');
    expect(given.logs[1]?.levels).toEqual([{ level: 'A1', entries: [3] }]);
  });

  test('takes none from a log that was enrolled anew since', () => {
    const given = verdict(old, bundle(oldPart, nextPart), { policy: policy(tpm, [old], [next]) });
    expect(levels(given)).toEqual(['A2', 'A2']);
  });

  test('counts in the service as in the verdict', () => {
    const kept = (log: AnchoredLog, trusted: TrustPolicy): KeptLog => {
      const around = new AnchorsTogether();
      verdict(log, bundle(part(log, { sizes: [log.size - 1], entries: [2] })), { policy: trusted, together: around });
      const histories = around.with(undefined).around({ ...rowOf(trusted, log), vkey: { ...log.vkey, name: '' } });
      return {
        origin: log.origin,
        trust: 'one',
        believed: rowOf(trusted, log),
        held: { first: 0, end: log.size },
        stretches: [{ first: 0, end: log.size, cosigned: 0 }],
        attested: histories.map(({ history }) => history),
      };
    };
    const anchored = (trusted: TrustPolicy) =>
      proveLogs([old, next].map((log) => kept(log, trusted))).map(({ anchoredSize }) => anchoredSize);
    expect(anchored(policy(tpm, [old, next]))).toEqual([5, 0]);
    expect(anchored(policy(tpm, [old], [next]))).toEqual([5, 6]);
  });

  test('counts for exports that are given together', () => {
    const one = policy(tpm, [old, next]);
    const around = new AnchorsTogether();
    for (const log of [old, next]) verdict(log, log.batch(0), { policy: one, together: around });
    expect(around.dependent).toEqual(new Set([old.origin, next.origin]));
    expect(levels(verdict(next, next.batch(0), { policy: one }))).toEqual(['A2']);
    expect(levels(verdict(next, next.batch(0), { policy: one, around }))).toEqual(['A1']);
  });
});

describe('a clear that another part of the same log shows', () => {
  const tpm = new TestTpm('cleared-part');
  const log = fill(new AnchoredLog('clear-part', tpm).opened(), 5).anchor({});
  tpm.resetCount = 0;
  fill(log, 9).anchor({});
  const one = policy(tpm, [log]);
  const before = { ...part(log, { sizes: [5], entries: [2] }), searched: { first: 0, end: 5 } };
  const since = { ...part(log, { sizes: [9], entries: [7] }), searched: { first: 7, end: 9 } };

  test('takes the anchors after it from every part in a bundle', () => {
    expect(levels(verdict(log, bundle(since), { policy: one }))).toEqual(['A2']);
    const given = verdict(log, bundle(before, since), { policy: one });
    expect(given.outcome).toBe('verified');
    expect(levels(given)).toEqual(['A2', 'A1']);
    expect(given.logs[1]?.anchors).toMatchObject({ size: 0, cleared: 1 });
  });

  test('counts for files of the log that are given together', () => {
    const around = new AnchorsTogether();
    for (const each of [before, since]) verdict(log, bundle(each), { policy: one, together: around });
    expect(around.dependent).toEqual(new Set([log.origin]));
    expect(levels(verdict(log, bundle(before), { policy: one, around }))).toEqual(['A2']);
    expect(verdict(log, bundle(since), { policy: one, around }).logs[0]).toMatchObject({
      level: 'A1',
      anchors: { found: 1, verified: 1, size: 0, cleared: 1 },
    });
  });
});

function rowOf(trusted: TrustPolicy, log: AnchoredLog) {
  const row = trusted.logs.get(log.origin);
  if (row === undefined) throw new Error('a row');
  return { ...row, keyFrom: 'policy' as const };
}
