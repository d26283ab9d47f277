import { describe, expect, test } from 'vitest';
import { base64, concatBytes, utf8 } from '../../../src/base/bytes.ts';
import { formatNote, type Note } from '../../../src/evidence/log/note.ts';
import { type Bundle, formatBundle, parseBundle } from '../../../src/evidence/verify/bundle.ts';
import type { VerifyOptions } from '../../../src/evidence/verify/verify-file.ts';
import type { Envelope } from '../../../src/evidence/wire/envelope.ts';
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
      (value) => Object.assign(value, { enrolment: 'x' }),
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
    const withSummary = (enrolment: Envelope): Uint8Array => formatBundle({ ...good, enrolment });
    expect(reason(withSummary(summary), { policy })).toBe('verified');
    expect(reason(withSummary(spoiled(summary)), { policy })).toBe('bundle_enrolment');
    expect(reason(withSummary(spoiled(summary)))).toBe('verified');
  });

  test('that would be refused is never written', () => {
    expect(() => formatBundle({ ...good, question: 'x'.repeat(1_001) })).toThrow('no bundle');
    expect(parseBundle(formatBundle(good))).toEqual({ ok: true, value: good });
    const enrolled: Bundle = {
      ...good,
      enrolment: { ...statement(log, log.vkey === undefined ? log.vkey : new TestLog('n', 'gw-0001', 2).vkey) },
    };
    expect(parseBundle(formatBundle(enrolled))).toEqual({ ok: true, value: enrolled });
  });
});

test('bundles reach every reason that a bundle can give', () => {
  expect(BUNDLE_REASONS.filter((name) => !reached.has(name))).toEqual([]);
});
