/**
 * What the tests of verdicts share: one filled log, its witnesses, and a judge that keeps the reasons that it saw.
 */
import { expect } from 'vitest';
import { utf8, utf8Text } from '../../src/base/bytes.ts';
import { canonicalJson } from '../../src/evidence/event/json.ts';
import { subtreesOf } from '../../src/evidence/log/proofs.ts';
import { type Bundle, formatBundle } from '../../src/evidence/verify/bundle.ts';
import { type BundleSource, bundleLog } from '../../src/evidence/verify/bundle-source.ts';
import { EXIT_CODES, VERIFY_REASONS, type VerifyReason } from '../../src/evidence/verify/reasons.ts';
import type { Verdict } from '../../src/evidence/verify/verdict.ts';
import { type VerifyOptions, verifyBytes } from '../../src/evidence/verify/verify-file.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { fill } from './test-events.ts';
import { noteText, TestLog, TestWitness } from './test-log.ts';
import { policyOf, witnessMember } from './test-trust.ts';

export const log = fill(new TestLog('verify'), 40);
export const store = new TestWitness('store.example/w1');
export const advisor = new TestWitness('advisor.example/w1');
export const witnesses = [witnessMember(store, 'store'), witnessMember(advisor, 'advisory', 'independent')];
export const reached = new Set<string>();

export function options(more: Partial<VerifyOptions> = {}): VerifyOptions {
  return { cryptos: [nodeCrypto], policy: policyOf([log], { witnesses }), ...more };
}

export const byKey = (of = log): Partial<VerifyOptions> => ({ policy: policyOf([of]), single: true });

export function verdict(bytes: Uint8Array, more: Partial<VerifyOptions> = {}): Verdict {
  const given = verifyBytes(bytes, options(more));
  reached.add(given.reason ?? 'verified');
  const outcome = given.reason === undefined ? 'verified' : VERIFY_REASONS[given.reason].outcome;
  expect(given.outcome).toBe(outcome);
  expect(given.exitCode).toBe(EXIT_CODES[outcome]);
  return given;
}

/** The reason, or `verified`. */
export const reason = (bytes: Uint8Array, more: Partial<VerifyOptions> = {}): string =>
  verdict(bytes, more).reason ?? 'verified';

export function source(of: TestLog, more: Partial<BundleSource> = {}): BundleSource {
  return {
    origin: of.origin,
    searched: { first: 0, end: of.size },
    checkpoints: [10, 25, of.size].map((size) => ({ size, note: noteText(of.note(size)) })),
    entries: [0, 12, 30].map((index) => ({ index, leaf: of.leaves[index] ?? utf8('') })),
    subtree: subtreesOf(nodeCrypto, of.leafHashes),
    ...more,
  };
}

export function bundleOf(...logs: readonly BundleSource[]): Bundle {
  return {
    question: 'Was parcel p1.abc deposited?',
    logs: logs.map((each) => bundleLog(nodeCrypto, each)),
    successors: [],
    enrolments: [],
    decisions: [],
  };
}

/** A bundle with its JSON changed by hand. */
export function edited(bundle: Bundle, edit: (value: BundleJson) => void): Uint8Array {
  const value = JSON.parse(utf8Text(formatBundle(bundle)) ?? '');
  edit(value);
  return utf8(canonicalJson(value));
}

export interface BundleJson {
  v: number;
  question: unknown;
  enrolments?: unknown;
  decisions?: unknown;
  seal?: unknown;
  successors?: unknown;
  extra?: unknown;
  logs: {
    log: string;
    searched: { first: number; end: number };
    checkpoints: { note: string; consistency: string[] }[];
    entries: { leaf?: string; hash?: string; proof: string }[];
    trees?: { size: number; root: string; consistency: string[] }[];
  }[];
}

/** The batch with one bit of its signature changed. */
export function edited64(bytes: Uint8Array): Uint8Array {
  const text = utf8Text(bytes) ?? '';
  const changed = text.replace(/"sig":"(.)/, (_all, first: string) => `"sig":"${first === 'A' ? 'B' : 'A'}`);
  return utf8(changed);
}

/** The reasons that only a bundle, or a bundle too, can give; the tests of exports reach all the others. */
export const BUNDLE_REASONS: readonly VerifyReason[] = [
  'bundle',
  'bundle_log',
  'bundle_checkpoint',
  'bundle_consistency',
  'bundle_proof',
  'bundle_statement',
  'bundle_enrolment',
  'bundle_seal',
  'bundle_unsealed',
  'bundle_decision',
  'leaf',
  'leaf_place',
  'cosignature',
  'revoked_fork',
  'successor_fork',
  'beyond_successor',
  'unknown_log',
  'unattributed',
];
