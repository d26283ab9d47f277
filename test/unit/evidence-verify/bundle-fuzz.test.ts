import { describe, expect, test } from 'vitest';
import { equalBytes, hex, utf8 } from '../../../src/base/bytes.ts';
import { pae } from '../../../src/evidence/batch/pae.ts';
import type { EvidenceCrypto } from '../../../src/evidence/crypto.ts';
import { canonicalJson } from '../../../src/evidence/event/json.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import { type BundleDecision, bundleBody, formatBundle, parseBundle } from '../../../src/evidence/verify/bundle.ts';
import { BUNDLE_SEAL_TYPE, sealed, sealPayload } from '../../../src/evidence/verify/bundle-seal.ts';
import { formatTlogProof, parseTlogProof } from '../../../src/evidence/verify/tlog-proof.ts';
import { verifyBytes } from '../../../src/evidence/verify/verify-file.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { FUZZ_TIMEOUT_MS, fuzz, mutate, Random } from '../../support/mutate.ts';
import { TestEnroller } from '../../support/test-enrolments.ts';
import { noteText, TestLog } from '../../support/test-log.ts';
import { policyOf, statement } from '../../support/test-trust.ts';
import { bundleOf, source } from '../../support/verdict-bench.ts';

describe('the decoder of bundles', () => {
  test(
    'mutated bundles are refused or are the bundle itself, none throws',
    () => {
      const small = new TestLog('small').append(...['1', '2', '3'].map((v) => utf8(`{"v":${v}}`)));
      const tiny = source(small, {
        checkpoints: [2, 3].map((size) => ({ size, note: noteText(small.note(size)) })),
        entries: [{ index: 1, leaf: small.leaves[1] ?? utf8('') }],
      });
      const successor = statement(small, new TestLog('next', 'gw-0001', 2).vkey);
      const erased = { index: 0, leaf: { hash: small.leafHashes[0] ?? new Uint8Array(32) } };
      const trees = [{ size: 1, root: small.checkpoint(1).root }];
      const rich = {
        ...bundleOf({ ...tiny, entries: [erased, ...tiny.entries], trees }),
        decisions: [decision(`${small.origin}#1`)],
      };
      const payload = sealPayload(nodeCrypto, rich, '2026-11-22T12:00:00.000Z');
      const inputs = [
        formatBundle(bundleOf(tiny)),
        formatBundle({ ...bundleOf(tiny), successors: [successor] }),
        formatBundle(rich),
        formatBundle(sealed(rich, payload, maker.vkey, maker.key.sign(pae(BUNDLE_SEAL_TYPE, payload)))),
      ];
      const random = new Random(51);
      const credulous: EvidenceCrypto = { ...portableCrypto(), sha256: nodeCrypto.sha256, verifyEd25519: () => true };
      const cryptos = [credulous];
      const open = policyOf([small]);
      const closed = policyOf([small], { makers: [maker.row()] });
      const seen = new Map<string, number>();
      fuzz((i) => {
        const bytes = mutate(random, inputs[i % 4] ?? utf8(''), inputs);
        const policy = i % 8 < 6 ? open : closed;
        const given = verifyBytes(bytes, { cryptos, policy, single: i % 4 === 0 });
        if (given.reason === 'internal') throw new Error(given.detail);
        // Every signature is believed here, so the seal itself may change: what it is over may not.
        const sealedBundle = given.sealed === undefined ? undefined : parseBundle(bytes);
        if (sealedBundle?.ok) expect(equalBytes(bundleBody(sealedBundle.value), bundleBody(rich))).toBe(true);
        seen.set(given.reason ?? 'verified', (seen.get(given.reason ?? 'verified') ?? 0) + 1);
      });
      for (const name of [
        'verified',
        'bundle',
        'framing',
        'bundle_proof',
        'bundle_checkpoint',
        'unknown_log',
        'bundle_seal',
        'bundle_unsealed',
        'bundle_decision',
        'bundle_consistency',
      ]) {
        expect(seen.get(name) ?? 0, name).toBeGreaterThan(0);
      }
    },
    FUZZ_TIMEOUT_MS,
  );
});

const maker = new TestEnroller('refunds.lockers.example');

/** A decision on one entry, as the desk stores it. */
function decision(ref: string): BundleDecision {
  const hash = (text: string): string => hex(nodeCrypto.sha256(utf8(text)));
  const facts = canonicalJson({ events: [ref] });
  const ruleset = `v1-${hash('{}').slice(0, 12)}`;
  const facts_hash = hash(facts);
  const decision_id = `d-${hash(canonicalJson({ facts: facts_hash, ruleset })).slice(0, 32)}`;
  const answer = JSON.stringify({ decision_id, refund_id: 'r', outcome: 'PAY', facts_hash, ruleset });
  return { answer, facts, parameters: '{}' };
}

describe('tlog-proof', () => {
  test('has the form of C2SP tlog-proof, without the unauthenticated extra line', () => {
    // The example of c2sp.org/tlog-proof without its extra line and its abbreviated signatures.
    const text =
      'c2sp.org/tlog-proof@v1\nindex 73894\ngSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\nB95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n\nexample.com/fancylog\n109482\n';
    const proof = parseTlogProof(text);
    expect(proof).toMatchObject({ ok: true, value: { index: 73_894, note: 'example.com/fancylog\n109482\n' } });
    expect(proof.ok && formatTlogProof(proof.value)).toBe(text);
    for (const changed of [
      '',
      text.replace('@v1', '@v2'),
      text.replace('index 73894', 'index 073894'),
      text.replace('index 73894', 'index -1'),
      text.replace('index 73894\n', ''),
      text.replace('index', 'extra YWI=\nindex'),
      text.replace('PlQ=', 'PlR='),
      text.replace('\n\n', '\n'),
      text.replace('index 73894', 'index 9007199254740992'),
      text.replace(/index 73894\n/, `index 1\n${'gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n'.repeat(54)}`),
    ]) {
      expect(parseTlogProof(changed)).toMatchObject({ ok: false, reason: 'proof' });
    }
  });
});
