/** Bundles of logs that went on one after another: how long a chain of successor statements may be. */
import { expect, test } from 'vitest';
import { utf8, utf8Text } from '../../../src/base/bytes.ts';
import { canonicalJson } from '../../../src/evidence/event/json.ts';
import { subtreesOf } from '../../../src/evidence/log/proofs.ts';
import { BUNDLE_ENVELOPES_MAX, formatBundle } from '../../../src/evidence/verify/bundle.ts';
import { bundleLog } from '../../../src/evidence/verify/bundle-source.ts';
import type { Verdict } from '../../../src/evidence/verify/verdict.ts';
import { verifyBytes } from '../../../src/evidence/verify/verify-file.ts';
import { type Envelope, formatEnvelope } from '../../../src/evidence/wire/envelope.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { fill } from '../../support/test-events.ts';
import { noteText, TestLog } from '../../support/test-log.ts';
import { policyOf, statement } from '../../support/test-trust.ts';

const LOGS = BUNDLE_ENVELOPES_MAX + 2;
const logs = Array.from({ length: LOGS }, (_, i) => new TestLog(`chain ${i}`, 'gw-0001', i + 1));
const statements = logs.slice(1).flatMap((next, i) => {
  const old = logs[i];
  return old === undefined ? [] : [statement(old, next.vkey)];
});

/** Of the log after that many statements, with those that are given. */
function bundleAfter(count: number, successors: readonly Envelope[]): Uint8Array {
  const last = logs[count];
  if (last === undefined) throw new Error('a log');
  if (last.size === 0) fill(last, 3);
  const part = bundleLog(nodeCrypto, {
    origin: last.origin,
    searched: { first: 0, end: 3 },
    checkpoints: [{ size: 3, note: noteText(last.note(3)) }],
    entries: [{ index: 1, leaf: last.leaves[1] ?? utf8('') }],
    subtree: subtreesOf(nodeCrypto, last.leafHashes),
  });
  return formatBundle({ question: 'q', logs: [part], successors, enrolments: [], decisions: [] });
}

/** By who believes the first log alone. */
function verdict(bytes: Uint8Array, enrolments: readonly Envelope[] = [], believed = logs.slice(0, 1)): Verdict {
  return verifyBytes(bytes, { cryptos: [nodeCrypto], policy: policyOf(believed), enrolments });
}

test('a chain of 16, of 17 and of 256 statements leads to its log, in whatever order they stand', () => {
  for (const count of [16, 17, BUNDLE_ENVELOPES_MAX]) {
    const given = verdict(bundleAfter(count, statements.slice(0, count)));
    expect(given, `${count}`).toMatchObject({ outcome: 'verified', logs: [{ vouchedBy: logs[count - 1]?.origin }] });
  }
  const most = BUNDLE_ENVELOPES_MAX;
  expect(verdict(bundleAfter(most, statements.slice(0, most).toReversed())).outcome).toBe('verified');
});

test('one more is refused with what was expected and found; a chain whose oldest are left out is unknown', () => {
  const most = BUNDLE_ENVELOPES_MAX;
  const full = JSON.parse(utf8Text(bundleAfter(most + 1, statements.slice(1))) ?? '') as { successors: string[] };
  const oldest = statements.slice(0, 1);
  full.successors.unshift(...oldest.map(formatEnvelope));
  expect(verdict(utf8(canonicalJson(full)), [], logs.slice(-1))).toMatchObject({
    outcome: 'refuted',
    reason: 'bundle',
    detail: `expected 1 to ${most} envelopes as \`successors\`, or none of that name; found ${most + 1}, or what is none`,
  });
  const newest = bundleAfter(most + 1, statements.slice(1));
  expect(verdict(newest)).toMatchObject({ outcome: 'cannot_tell', reason: 'unknown_log' });
  // From beside the file they count as those in it.
  expect(verdict(newest, oldest).outcome).toBe('verified');
});
