/** What whoever hands on a bundle may do to it: it is refused, or says no more than it did, and never what is not proved. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { base64, base64url, utf8, utf8Text } from '../../../src/base/bytes.ts';
import { describeVerdict } from '../../../src/cli/commands/verify.ts';
import type { JsonObject } from '../../../src/evidence/event/event.ts';
import { canonicalJson } from '../../../src/evidence/event/json.ts';
import { subtreesOf } from '../../../src/evidence/log/proofs.ts';
import { leafHash } from '../../../src/evidence/log/tree.ts';
import { formatBundle } from '../../../src/evidence/verify/bundle.ts';
import { bundleLog } from '../../../src/evidence/verify/bundle-source.ts';
import type { TrustPolicy } from '../../../src/evidence/verify/policy.ts';
import type { Verdict } from '../../../src/evidence/verify/verdict.ts';
import { verifyBytes } from '../../../src/evidence/verify/verify-file.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { AnchoredLog, vkeyText } from '../../support/anchored-log.ts';
import { refundDecision } from '../../support/proof-files.ts';
import { fill } from '../../support/test-events.ts';
import { noteText, TestLog } from '../../support/test-log.ts';
import { linesOf, TestTpm } from '../../support/test-tpm.ts';
import { envelopeJson, policyOf, statement } from '../../support/test-trust.ts';

interface Shape {
  decisions?: { answer: string }[];
  logs: {
    log: string;
    checkpoints: JsonObject[];
    entries: { leaf?: string; hash?: string; proof: string }[];
    searched: { first: number; end: number };
    trees?: JsonObject[];
  }[];
  successors?: string[];
}

/** Anchored over 5 and 9; the log after it anchors its last tree, of 12. */
const tpm = new TestTpm('attacked');
const log = new AnchoredLog('attacked', tpm).opened();
fill(log, 5).anchor({});
fill(log, 9).anchor({});
fill(log, 12);
const next = new AnchoredLog('attacked-next', tpm, 2).opened();
const lines = linesOf(tpm.anchor(log.note(12)));
next.add('anchor.made', { size: 12, root: base64url(log.checkpoint(12).root), lines, counter: 3, log: log.origin });
fill(next, 6);
/** Of another gateway and another TPM. */
const other = fill(new TestLog('attacked-other', 'gw-0002'), 6);

function part(of: TestLog, sizes: readonly number[], entries: readonly number[]) {
  return bundleLog(nodeCrypto, {
    origin: of.origin,
    searched: { first: 0, end: of.size },
    checkpoints: sizes.map((size) => ({ size, note: noteText(of.note(size)) })),
    entries: entries.map((index) => ({ index, leaf: of.leaves[index] ?? utf8('') })),
    subtree: subtreesOf(nodeCrypto, of.leafHashes),
  });
}

const sound = formatBundle({
  question: 'q',
  logs: [part(log, [5, 9, 12], [2, 5, 7, 11]), part(next, [6], [1, 3]), part(other, [6], [2, 4])],
  successors: [statement(log, next.vkey, { size: 12 })],
  enrolments: [],
  decisions: [refundDecision(log, [2, 11], '', 'A2')],
});

function policy(more: object = {}, statements: readonly unknown[] = []): TrustPolicy {
  const rows = [
    { vkey: vkeyText(log), ...tpm.policy, ...more },
    { vkey: vkeyText(next), ...tpm.policy },
  ];
  return policyOf([], { logs: [...rows, { vkey: vkeyText(other as AnchoredLog) }], successors: statements });
}

function verdict(bytes: Uint8Array, trusted = policy()): Verdict {
  return verifyBytes(bytes, { cryptos: [nodeCrypto], policy: trusted });
}

function changed(edit: (value: Shape) => unknown): Uint8Array {
  const value = JSON.parse(utf8Text(sound) ?? '') as Shape;
  edit(value);
  return utf8(canonicalJson(value as unknown as JsonObject));
}

/** `<origin>#<n>` to the level that a verdict gives it. */
function claims({ logs }: Verdict): ReadonlyMap<string, string> {
  return new Map(
    logs.flatMap(({ origin, levels = [] }) =>
      levels.flatMap(({ level, entries }) => entries.map((n) => [`${origin}#${n}`, level] as const)),
    ),
  );
}

const whole = claims(verdict(sound));

describe('a bundle that was changed on its way', () => {
  test('is sound before: entries of each log at their own level', () => {
    expect(verdict(sound).outcome).toBe('verified');
    expect([...whole].map(([ref, level]) => `${ref.split('#')[1]} ${level}`)).toEqual([
      '2 A2',
      '7 A2',
      '11 A2',
      '3 A1',
      '2 A0',
      '4 A0',
    ]);
  });

  test('with parts repeated, dropped, swapped or taken from another log is refuted, or claims no more', {
    timeout: 60_000,
  }, () => {
    const outcomes = new Map<string, number>();
    const list = fc.constantFrom('logs', 'entries', 'checkpoints', 'successors', 'decisions');
    const deed = fc.constantFrom('repeat', 'drop', 'swap', 'move', 'steal');
    fc.assert(
      fc.property(fc.array(fc.tuple(list, deed, fc.nat(), fc.nat()), { minLength: 1, maxLength: 3 }), (deeds) => {
        const given = verdict(
          changed((value) => {
            for (const each of deeds) spoil(value, ...each);
          }),
        );
        outcomes.set(given.outcome, (outcomes.get(given.outcome) ?? 0) + 1);
        expect(given.reason).not.toBe('internal');
        if (given.outcome !== 'verified') return;
        for (const [ref, level] of claims(given)) expect(level <= (whole.get(ref) ?? ''), `${ref} ${level}`).toBe(true);
      }),
      { numRuns: 250, seed: 1_795_339 },
    );
    // Some only take away, and what is left is as it was.
    expect(outcomes.get('verified')).toBeGreaterThan(10);
    expect(outcomes.get('refuted')).toBeGreaterThan(60);
  });

  test('with a statement about another gateway believes nobody for it', () => {
    const stranger = fill(new TestLog('attacked-stranger', 'gw-0002', 2), 3);
    const about = (statements: readonly string[]) =>
      changed((value) => {
        value.logs = [JSON.parse(utf8Text(bundleOf(stranger)) ?? '').logs[0]];
        value.successors = [...statements];
        delete value.decisions;
      });
    const foreign = [JSON.stringify(envelopeJson(statement(log, next.vkey, { size: 12 })))];
    expect(verdict(about(foreign))).toMatchObject({ outcome: 'cannot_tell', reason: 'unknown_log' });
    const own = [JSON.stringify(envelopeJson(statement(other, stranger.vkey)))];
    expect(verdict(about(own))).toMatchObject({
      outcome: 'verified',
      logs: [{ level: 'A0', vouchedBy: other.origin }],
    });
  });

  test('with a body exchanged for its hash says that nobody vouches for an erasure', () => {
    const hidden = changed((value) => {
      const entry = value.logs[0]?.entries[2];
      if (entry === undefined) throw new Error('an entry');
      entry.hash = base64(leafHash(nodeCrypto, utf8(entry.leaf ?? '')));
      delete entry.leaf;
    });
    const given = verdict(hidden);
    expect(given.logs[0]?.missing.join('\n')).toContain("that they were erased is nobody's signed word");
    expect(given.logs[0]?.noted[0]?.why).toBe('its body is not here: the leaf hash alone is proved');
    expect(verdict(sound).logs[0]?.missing.join('\n')).not.toContain('erased');
  });

  test('with another outcome of a decision says that nobody sealed it; with a second of one name it is refuted', () => {
    const turned = changed(({ decisions = [] }) => {
      for (const each of decisions) each.answer = each.answer.replace('"REVIEW"', '"PAY"');
    });
    const said = describeVerdict('file', verdict(turned)).join('\n');
    expect(said).toContain('as the file says: PAY');
    expect(said).toContain('its outcome and its reasons are sealed by nobody whom the policy names');
    const twice = changed(({ decisions = [] }) => {
      const [first] = decisions;
      if (first !== undefined) decisions.push({ ...first, answer: first.answer.replace('"REVIEW"', '"PAY"') });
    });
    expect(verdict(twice)).toMatchObject({ outcome: 'refuted', reason: 'bundle_decision' });
  });
});

describe('a bundle read by who knows more', () => {
  const at = (size: number) => ({ revoked: { size, root: base64(log.checkpoint(size).root) } });

  test('of a revocation below some of its entries gives those A0, and tells nothing of the whole', () => {
    const given = verdict(sound, policy(at(9)));
    expect(given).toMatchObject({ outcome: 'cannot_tell', reason: 'revoked' });
    expect([...claims(given)].slice(0, 3).map(([, level]) => level)).toEqual(['A2', 'A2', 'A0']);
    expect(given.logs[0]).toMatchObject({ level: 'A0' });
    expect(given.logs[0]?.whyNotHigher[0]).toContain('the key is revoked');
    const older = { size: 4, root: base64(log.checkpoint(4).root) };
    const unseen = verdict(sound, policy({ revoked: older }));
    expect(unseen).toMatchObject({ outcome: 'cannot_tell', reason: 'revoked', logs: [{ level: 'A0' }, {}, {}] });
    expect(verdict(log.batch(0), policy(at(9))).logs[0]).toMatchObject({ level: 'A0' });
    expect(verdict(log.batch(0, 9), policy(at(9))).logs[0]).toMatchObject({ level: 'A2' });
  });

  test('of a second successor gives the disputed log A0', () => {
    const rival = new AnchoredLog('attacked-rival', tpm, 3);
    const rows = [{ vkey: vkeyText(log), ...tpm.policy }, { vkey: vkeyText(other as AnchoredLog) }];
    const successors = [envelopeJson(statement(log, rival.vkey, { size: 12 }))];
    const given = verdict(sound, policyOf([], { logs: rows, successors }));
    expect(given).toMatchObject({ outcome: 'cannot_tell', reason: 'successor_conflict' });
    const disputed = given.logs.find(({ origin }) => origin === next.origin);
    expect(disputed?.whyNotHigher[0]).toContain('two statements');
    expect(disputed?.levels).toEqual([{ level: 'A0', entries: [3] }]);
  });
});

function bundleOf(of: TestLog): Uint8Array {
  const parts = { successors: [], enrolments: [], decisions: [] };
  return formatBundle({ question: 'q', logs: [part(of, [3], [1])], ...parts });
}

/** One deed on one list, wherever the numbers lead. */
function spoil(value: Shape, name: string, deed: string, a: number, b: number): void {
  const lists = listsOf(value, name);
  const from = lists[a % lists.length] ?? [];
  const to = lists[b % lists.length] ?? [];
  const [i, j] = [a % Math.max(1, from.length), b % Math.max(1, to.length)];
  const item = structuredClone(from[i]);
  if (item === undefined) return;
  if (deed === 'repeat') from.splice(i, 0, item);
  else if (deed === 'drop' && from.length > 1) from.splice(i, 1);
  else if (deed === 'swap') from.push(...from.splice(i, 1));
  else if (deed === 'move') to.splice(j, 0, item);
  else if (deed === 'steal' && to.length > 0) to[j] = item;
}

function listsOf(value: Shape, name: string): unknown[][] {
  if (name === 'entries') return value.logs.map(({ entries }) => entries);
  if (name === 'checkpoints') return value.logs.map(({ checkpoints }) => checkpoints);
  const list = name === 'logs' ? value.logs : name === 'successors' ? value.successors : value.decisions;
  return [list ?? []];
}
