import { describe, expect, test } from 'vitest';
import { base64, concatBytes, hex, utf8 } from '../../../src/base/bytes.ts';
import { pae } from '../../../src/evidence/batch/pae.ts';
import type { JsonObject } from '../../../src/evidence/event/event.ts';
import { canonicalJson } from '../../../src/evidence/event/json.ts';
import { formatNote, formatVkey, type Note } from '../../../src/evidence/log/note.ts';
import { type Bundle, type BundleDecision, formatBundle, parseBundle } from '../../../src/evidence/verify/bundle.ts';
import { BUNDLE_SEAL_TYPE, sealed, sealPayload } from '../../../src/evidence/verify/bundle-seal.ts';
import { parsePolicy } from '../../../src/evidence/verify/policy.ts';
import type { VerifyOptions } from '../../../src/evidence/verify/verify-file.ts';
import type { Envelope } from '../../../src/evidence/wire/envelope.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { spoiled, TestEnroller } from '../../support/test-enrolments.ts';
import { fill } from '../../support/test-events.ts';
import { noteText, TestLog } from '../../support/test-log.ts';
import { policyOf, statement } from '../../support/test-trust.ts';
import {
  BUNDLE_REASONS,
  type BundleJson,
  bundleOf,
  byKey,
  edited,
  log,
  reached,
  reason,
  source,
  store,
  verdict,
} from '../../support/verdict-bench.ts';

describe('a verdict over a bundle', () => {
  test('proves entries of several logs, and reports what its maker claims', () => {
    const next = fill(new TestLog('next', 'gw-0001', 2), 35);
    const cosigned = noteText(store.cosign(log.note(40), 1_700_000_500));
    const first = source(log, {
      checkpoints: [
        { size: 13, note: noteText(log.note(13)) },
        { size: 40, note: cosigned },
      ],
    });
    const bundle: Bundle = { ...bundleOf(first, source(next)), successors: [statement(log, next.vkey)] };
    const given = verdict(formatBundle(bundle));
    expect(given).toMatchObject({ outcome: 'verified', kind: 'bundle', question: bundle.question });
    expect(
      given.logs.map((each) => [each.origin, each.end, each.receiptedSize, each.entries.accepted, each.vouchedBy]),
    ).toEqual([
      [log.origin, 40, 40, 3, undefined],
      [next.origin, 35, 0, 3, log.origin],
    ]);
    expect(given.logs[0]?.claimedTime).toEqual({ from: '2026-11-22T00:00:00.000Z', to: '2026-11-22T00:00:30.000Z' });
    expect(given.logs[0]?.missing[0]).toContain('searched 0 to 40');
    expect(reason(formatBundle(bundleOf(source(log))), byKey())).toBe('verified');
    // The statement closes the old log and cannot be left out for the new one.
    expect(reason(formatBundle({ ...bundle, successors: [] }))).toBe('unknown_log');
  });

  test('an empty answer over a checkpoint verifies, and proves no absence', () => {
    const given = verdict(formatBundle(bundleOf(source(log, { entries: [] }))));
    expect(given).toMatchObject({ outcome: 'verified', logs: [{ entries: { accepted: 0 }, end: 40 }] });
  });

  const good = bundleOf(source(log));
  const bundleReason = (edit: (value: BundleJson) => void, more: Partial<VerifyOptions> = {}): string =>
    reason(edited(good, edit), more);
  const section = (value: BundleJson): BundleJson['logs'][number] => {
    const [first] = value.logs;
    if (first === undefined) throw new Error('no log');
    return first;
  };

  test('is refused as malformed, each time', () => {
    expect(bundleReason(() => undefined)).toBe('verified');
    const edits: ((value: BundleJson) => void)[] = [
      (value) => Object.assign(value, { v: 2 }),
      (value) => Object.assign(value, { extra: 1 }),
      (value) => Object.assign(value, { question: 5 }),
      (value) => Object.assign(value, { question: 'x'.repeat(1_001) }),
      (value) => Object.assign(value, { successors: [] }),
      (value) => Object.assign(value, { successors: ['x'] }),
      (value) => Object.assign(value, { enrolments: 'x' }),
      (value) => value.logs.push(section(value)),
      (value) => Object.assign(section(value), { more: 1 }),
      (value) => Object.assign(section(value), { checkpoints: [] }),
      (value) => Object.assign(section(value), { entries: {} }),
      (value) => Object.assign(section(value).searched, { first: 7, end: 6 }),
      (value) => Object.assign(section(value).searched, { more: 6 }),
      (value) => Object.assign(section(value).checkpoints[0] ?? {}, { consistency: [base64(new Uint8Array(32))] }),
      (value) => Object.assign(section(value).checkpoints[1] ?? {}, { consistency: ['AAAA'] }),
      (value) => Object.assign(section(value).checkpoints[1] ?? {}, { more: 1 }),
      (value) => Object.assign(section(value).entries[1] ?? {}, { more: 1 }),
      (value) => Object.assign(section(value).entries[1] ?? {}, { leaf: 1 }),
    ];
    for (const edit of edits) {
      expect(bundleReason(edit), edit.toString()).toBe('bundle');
      expect(bundleReason(edit, byKey())).toBe('bundle');
    }
    expect(reason(concatBytes(formatBundle(good), utf8('\n')), byKey())).toBe('framing');
    expect(reason(concatBytes(formatBundle(good), utf8(' ')))).toBe('bundle');
    expect(bundleReason((value) => Object.assign(value, { logs: [] }))).toBe('unattributed');
  });

  test('is refused for its log, checkpoints, proofs, entries and statements', () => {
    const other = fill(new TestLog('other'), 40);
    expect(reason(formatBundle(bundleOf(source(other))))).toBe('unknown_log');
    expect(reason(formatBundle(bundleOf(source(other))), byKey())).toBe('bundle_log');
    // A refutation outweighs a log that is not known, in either order.
    const tampered = edited(bundleOf(source(other), source(log)), (value) => {
      Object.assign(value.logs[1]?.entries[0] ?? {}, { leaf: '{}' });
    });
    expect(verdict(tampered)).toMatchObject({ reason: 'bundle_proof', at: 1 });

    expect(
      bundleReason((value) => {
        Object.assign(section(value).checkpoints[0] ?? {}, { note: noteText(other.note(10)) });
      }),
    ).toBe('bundle_checkpoint');
    expect(
      bundleReason((value) => {
        Object.assign(section(value).checkpoints[0] ?? {}, { note: 'x' });
      }),
    ).toBe('bundle_checkpoint');
    expect(bundleReason((value) => section(value).checkpoints[1]?.consistency.pop())).toBe('bundle_consistency');
    expect(
      bundleReason((value) => {
        Object.assign(section(value).checkpoints[1] ?? {}, { consistency: [] });
      }),
    ).toBe('bundle_consistency');
    expect(
      bundleReason((value) => {
        section(value).checkpoints.splice(1, 0, { note: noteText(log.note(10)), consistency: [] });
      }),
    ).toBe('bundle_consistency');
    const fork = fill(new TestLog('verify'), 12).append(utf8('{"v":2}'));
    fill(fork, 40);
    const forked = edited(good, (value) => {
      Object.assign(section(value).checkpoints[2] ?? {}, { note: noteText(fork.note(40)) });
    });
    expect(reason(forked)).toBe('bundle_consistency');

    expect(bundleReason((value) => section(value).entries.reverse())).toBe('bundle_proof');
    expect(
      bundleReason((value) => section(value).entries.push(section(value).entries[2] ?? { leaf: '', proof: '' })),
    ).toBe('bundle_proof');
    expect(
      bundleReason((value) => {
        Object.assign(section(value).entries[1] ?? {}, { proof: 'x' });
      }),
    ).toBe('bundle_proof');
    expect(
      bundleReason((value) => {
        Object.assign(section(value).entries[1] ?? {}, { leaf: section(value).entries[0]?.leaf });
      }),
    ).toBe('bundle_proof');
    expect(
      bundleReason(
        (value) =>
          section(value).checkpoints.shift() && Object.assign(section(value).checkpoints[0] ?? {}, { consistency: [] }),
      ),
    ).toBe('bundle_proof');

    const misplaced = fill(new TestLog('misplaced'), 2).append(log.leaves[2] ?? utf8(''));
    const wrongPlace = source(misplaced, {
      checkpoints: [{ size: 3, note: noteText(misplaced.note(3)) }],
      entries: [{ index: 2, leaf: misplaced.leaves[2] ?? utf8('') }],
    });
    expect(reason(formatBundle(bundleOf(wrongPlace)), byKey(misplaced))).toBe('leaf_place');
    const blank = fill(new TestLog('blank'), 2).append(utf8('{ }'));
    const notJson = source(blank, {
      checkpoints: [{ size: 3, note: noteText(blank.note(3)) }],
      entries: [{ index: 2, leaf: utf8('{ }') }],
    });
    expect(reason(formatBundle(bundleOf(notJson)), byKey(blank))).toBe('leaf');

    const next = new TestLog('next', 'gw-0001', 2);
    const sound = statement(log, next.vkey);
    const [signature] = sound.signatures;
    const unsound = { ...sound, signatures: [{ keyid: signature?.keyid ?? '', sig: new Uint8Array(64) }] };
    expect(reason(formatBundle({ ...good, successors: [unsound] }))).toBe('bundle_statement');
    expect(reason(formatBundle({ ...good, successors: [statement(log, next.vkey, { size: 25 })] }))).toBe(
      'beyond_successor',
    );
    const wrongRoot = statement(log, next.vkey, { size: 25, root: new Uint8Array(32) });
    expect(reason(formatBundle({ ...good, successors: [wrongRoot] }))).toBe('successor_fork');
  });

  test('judges cosignatures, receipts and revocations as an export does', () => {
    const bad: Note = { ...log.note(40), signatures: [...log.note(40).signatures, store.line(log.note(3).text, 1)] };
    const cosigned = source(log, { checkpoints: [{ size: 40, note: noteText(bad) }] });
    expect(reason(formatBundle(bundleOf(cosigned)))).toBe('cosignature');
    expect(
      verdict(formatBundle(good), { receipts: [formatNote(store.cosign(log.note(25), 3))] }).logs[0]?.receiptedSize,
    ).toBe(25);
    const policy = policyOf([log]);
    const logs = new Map([[log.origin, { vkey: log.vkey, revokedAt: { size: 25, root: log.checkpoint(24).root } }]]);
    expect(reason(formatBundle(good), { policy: { ...policy, logs } })).toBe('revoked_fork');
  });

  test('is refuted by an enrolment that a service of the policy did not sign', () => {
    const enroller = new TestEnroller();
    const policy = policyOf([log], { services: [enroller.row()] });
    const summary = enroller.summary(log);
    const withSummary = (enrolment: Envelope): Uint8Array => formatBundle({ ...good, enrolments: [enrolment] });
    expect(reason(withSummary(summary), { policy })).toBe('verified');
    expect(reason(withSummary(spoiled(summary)), { policy })).toBe('bundle_enrolment');
    expect(reason(withSummary(spoiled(summary)))).toBe('verified');
  });

  test('that would be refused is never written', () => {
    expect(() => formatBundle({ ...good, question: 'x'.repeat(1_001) })).toThrow('no bundle');
    expect(parseBundle(formatBundle(good))).toEqual({ ok: true, value: good });
    const enrolled: Bundle = {
      ...good,
      enrolments: [statement(log, new TestLog('n', 'gw-0001', 2).vkey)],
    };
    expect(parseBundle(formatBundle(enrolled))).toEqual({ ok: true, value: enrolled });
  });
});

describe('a bundle with a seal, decisions and erased entries', () => {
  const maker = new TestEnroller('refunds.lockers.example');
  const makers = { makers: [maker.row()] };
  const policy = policyOf([log], makers);
  const ISSUED = '2026-11-22T12:00:00.000Z';
  const good = bundleOf(source(log));
  const seal = (bundle: Bundle): Bundle => {
    const payload = sealPayload(nodeCrypto, bundle, ISSUED);
    return sealed(bundle, payload, maker.vkey, maker.key.sign(pae(BUNDLE_SEAL_TYPE, payload)));
  };
  const decision = (events: readonly string[], facts: object = {}): BundleDecision => {
    const factsText = canonicalJson({ ...facts, parcels: [{ forward: { events } }] } as JsonObject);
    const parameters = '{}';
    const hash = (text: string): string => hex(nodeCrypto.sha256(utf8(text)));
    const ruleset = `v1-${hash(parameters).slice(0, 12)}`;
    const facts_hash = hash(factsText);
    const decision_id = `d-${hash(canonicalJson({ facts: facts_hash, ruleset })).slice(0, 32)}`;
    const answer = JSON.stringify({ decision_id, refund_id: 'r-1', outcome: 'PAY', facts_hash, ruleset, grade: 1.5 });
    return { answer, facts: factsText, parameters };
  };
  const ref = (n: number): string => `${log.origin}#${n}`;

  test('counts with the seal of a maker whom the policy names, and with no other', () => {
    const sealedBundle = seal(good);
    expect(parseBundle(formatBundle(sealedBundle))).toEqual({ ok: true, value: sealedBundle });
    const given = verdict(formatBundle(sealedBundle), { policy });
    expect(given).toMatchObject({ outcome: 'verified', sealed: { maker: maker.vkey.name, issued: ISSUED } });
    expect(given.logs[0]?.missing).toHaveLength(1);
    expect(reason(formatBundle(good), { policy })).toBe('bundle_unsealed');
    // Who names no maker hears that nobody sealed it.
    const open = verdict(formatBundle(sealedBundle));
    expect(open).toMatchObject({ outcome: 'verified' });
    expect(open).not.toHaveProperty('sealed');
    expect(open.logs[0]?.missing.join()).toContain('nobody whom the policy names sealed this bundle');
    // One for another operator's logs has no word here, and its own logs need no seal of this one's.
    const elsewhere = policyOf([log], { makers: [maker.row('parcels.example')] });
    expect(verdict(formatBundle(sealedBundle), { policy: elsewhere })).not.toHaveProperty('sealed');
    expect(reason(formatBundle(good), { policy: elsewhere })).toBe('verified');
  });

  test('shows whatever was changed, taken out or put in after it was sealed', () => {
    const decided = seal({ ...good, decisions: [decision([ref(12)])] });
    const changes: ((value: BundleJson) => void)[] = [
      (value) => value.logs[0]?.entries.pop(),
      (value) => value.logs[0]?.checkpoints.splice(1, 1),
      (value) => Object.assign(value, { question: 'another' }),
      (value) => Object.assign(value.logs[0]?.searched ?? {}, { end: 41 }),
      (value) => Object.assign(value, { decisions: undefined }) && delete value.decisions,
    ];
    for (const change of changes) expect(reason(edited(decided, change), { policy })).toBe('bundle_seal');
    const [signature] = decided.seal?.signatures ?? [];
    if (decided.seal === undefined || signature === undefined) throw new Error('no seal');
    const payload = utf8('{}');
    const other = {
      ...decided.seal,
      payload,
      signatures: [{ ...signature, sig: maker.key.sign(pae(BUNDLE_SEAL_TYPE, payload)) }],
    };
    expect(reason(formatBundle({ ...decided, seal: other }), { policy })).toBe('bundle_seal');
    expect(reason(formatBundle({ ...decided, seal: spoiled(decided.seal) }), { policy })).toBe('bundle_seal');
    const stranger = { ...decided.seal, signatures: [{ ...signature, keyid: '00000000' }] };
    expect(reason(formatBundle({ ...decided, seal: stranger }), { policy })).toBe('bundle_unsealed');
  });

  test('says of a receipt beside it that does not verify that it counts for nothing', () => {
    const receipt = utf8(noteText(log.note()).replace(/.{12}\n$/, 'AAAAAAAAAAA=\n'));
    const given = verdict(formatBundle(good), { receipts: [receipt] });
    expect(given.logs[0]?.missing.join()).toContain('1 receipts do not verify');
  });

  test('has decisions that are of their facts and name no entry that is not there', () => {
    const told = verdict(formatBundle({ ...good, decisions: [decision([ref(12), 'carrier:7', ref(30)])] }));
    const [finding] = told.decisions ?? [];
    expect(finding).toMatchObject({ refundId: 'r-1', outcome: 'PAY', entries: [ref(12), ref(30)] });
    const sound = decision([ref(12)]);
    const wrong: readonly BundleDecision[] = [
      decision([ref(13)]),
      { ...sound, facts: decision([]).facts },
      { ...sound, parameters: '{"a":1}' },
      { ...sound, answer: sound.answer.replace('"d-', '"d-0') },
      { ...sound, answer: '[]' },
      { ...sound, answer: '{' },
      { ...sound, answer: sound.answer.replace('"PAY"', '1') },
      { ...sound, facts: 'null' },
      // What it names so far down would be looked for by nobody.
      { ...sound, answer: sound.answer.replace('1.5', `${'{"a":'.repeat(40)}{"event":"${ref(13)}"}${'}'.repeat(40)}`) },
    ];
    for (const each of wrong)
      expect(reason(formatBundle({ ...good, decisions: [each] })), each.answer).toBe('bundle_decision');
    // The entry is there and does not verify: that is said first.
    const tampered = edited({ ...good, decisions: [sound] }, (value) => {
      Object.assign(value.logs[0]?.entries[1] ?? {}, { leaf: '{}' });
    });
    expect(reason(tampered)).toBe('bundle_proof');
  });

  test('proves the leaf hash of an entry whose body was erased, and says so', () => {
    const hash = log.leafHashes[12] ?? new Uint8Array(32);
    const entries = [
      { index: 0, leaf: log.leaves[0] ?? utf8('') },
      { index: 12, leaf: { hash } },
    ];
    const bundle = bundleOf(source(log, { entries }));
    const given = verdict(formatBundle({ ...bundle, decisions: [decision([ref(12)])] }));
    expect(given.logs[0]).toMatchObject({ entries: { accepted: 1, erased: 1 }, noted: [{ index: 12, use: 'erased' }] });
    const changed = edited(bundle, (value) => {
      Object.assign(value.logs[0]?.entries[1] ?? {}, { hash: base64(log.leafHashes[13] ?? new Uint8Array(32)) });
    });
    expect(reason(changed)).toBe('bundle_proof');
    for (const spelt of ['AAAA', 7]) {
      expect(reason(edited(bundle, (value) => Object.assign(value.logs[0]?.entries[1] ?? {}, { hash: spelt })))).toBe(
        'bundle',
      );
    }
  });

  test('is refused for trees that its checkpoints do not contain, and for empty lists', () => {
    const trees = [9, 20].map((size) => ({ size, root: log.checkpoint(size).root }));
    const joined = bundleOf(source(log, { trees }));
    expect(reason(formatBundle(joined))).toBe('verified');
    const first = (value: BundleJson) => value.logs[0]?.trees?.[0] ?? {};
    for (const [change, why] of [
      [(value) => Object.assign(first(value), { root: base64(log.checkpoint(8).root) }), 'bundle_consistency'],
      [(value) => Object.assign(first(value), { size: 8 }), 'bundle_consistency'],
      [(value) => Object.assign(first(value), { size: 10 }), 'bundle_consistency'],
      [(value) => Object.assign(first(value), { size: 30 }), 'bundle_consistency'],
      [(value) => value.logs[0]?.trees?.reverse(), 'bundle_consistency'],
      [(value) => Object.assign(first(value), { size: 41 }), 'bundle_consistency'],
      [(value) => Object.assign(first(value), { more: 1 }), 'bundle'],
      [(value) => Object.assign(first(value), { root: 'AAAA' }), 'bundle'],
      [(value) => Object.assign(value.logs[0] ?? {}, { trees: [] }), 'bundle'],
      [(value) => Object.assign(value, { decisions: [] }), 'bundle'],
      [(value) => Object.assign(value, { decisions: [{ answer: '', facts: '' }] }), 'bundle'],
      [(value) => Object.assign(value, { enrolments: [] }), 'bundle'],
      [(value) => Object.assign(value, { seal: 'x' }), 'bundle'],
    ] as readonly (readonly [(value: BundleJson) => unknown, string])[]) {
      expect(reason(edited(joined, (value) => void change(value))), change.toString()).toBe(why);
    }
  });

  test('a policy refuses a maker that enrols, too, or has the name of a log', () => {
    const text = (members: object): Uint8Array => utf8(JSON.stringify({ v: 1, logs: [], ...members }));
    const problems = (members: object) => {
      const parsed = parsePolicy(nodeCrypto, text(members));
      return parsed.ok ? [] : parsed.problems.map(({ path }) => path);
    };
    expect(problems({ makers: [maker.row()] })).toEqual([]);
    expect(problems({ makers: [maker.row()], services: [maker.row()] })).toEqual(['makers[0].vkey']);
    expect(problems({ makers: [maker.row(), maker.row()] })).toEqual(['makers[1].vkey']);
    expect(problems({ makers: [{ vkey: formatVkey(log.vkey), domains: ['lockers.example'] }] })).toEqual([
      'makers[0].vkey',
    ]);
  });
});

test('bundles reach every reason that a bundle can give', () => {
  expect(BUNDLE_REASONS.filter((name) => !reached.has(name))).toEqual([]);
});
