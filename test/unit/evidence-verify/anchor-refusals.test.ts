import { afterAll, describe, expect, test } from 'vitest';
import { base64url } from '../../../src/base/bytes.ts';
import { formatCheckpoint } from '../../../src/evidence/log/checkpoint.ts';
import type { NoteSignature } from '../../../src/evidence/log/note.ts';
import { VERIFY_REASONS } from '../../../src/evidence/verify/reasons.ts';
import type { Attest } from '../../../src/tpm2/attest.ts';
import { AnchoredLog, policyFor, reached, verdict } from '../../support/anchored-log.ts';
import { fill } from '../../support/test-events.ts';
import { linesOf, TestTpm } from '../../support/test-tpm.ts';

describe('a line of the AK that fails refutes the note', () => {
  const log = fill(new AnchoredLog('refuted').opened(), 8);
  log.tpm.counter = 1;
  const note = log.note();
  const { text } = note;
  const reason = (line: NoteSignature, policy = policyFor(log)): string => {
    log.put(8, { text, signatures: [...note.signatures.slice(0, 1), line] });
    const bytes = log.batch(0);
    const given = verdict(log, bytes, { policy });
    log.put(8, note);
    return given.reason ?? `verified ${given.logs[0]?.level}`;
  };
  const edited = (edit: Partial<Attest>): NoteSignature => log.tpm.line(text, (attest) => ({ ...attest, ...edit }));
  const { keyId } = log.tpm.line(text);

  test.each<readonly [string, string, () => NoteSignature]>([
    ['a sound one is an anchor', 'verified A2', () => log.tpm.line(text)],
    ['an old anchor under a new note', 'anchor_checkpoint', () => log.tpm.line(formatCheckpoint(log.checkpoint(5)))],
    [
      'another log’s anchor under this key id',
      'anchor_checkpoint',
      () => ({ ...log.tpm.line(text.replace('/1-', '/9-')), name: log.origin, keyId }),
    ],
    ['another log’s anchor', 'verified A1', () => log.tpm.line(text.replace('/1-', '/9-'))],
    ['another AK’s anchor', 'verified A1', () => new TestTpm('x').line(text)],
    ['another AK’s anchor under this key id', 'anchor_signer', () => ({ ...new TestTpm('x').line(text), keyId })],
    ['another counter', 'anchor_counter', () => new TestTpm('refuted', 0x01800009).line(text)],
    [
      'an attest of another type',
      'anchor_type',
      () => edited({ body: { kind: 'creation', objectName: keyId, creationHash: keyId } }),
    ],
    ['from another offset', 'anchor_offset', () => edited({ body: { ...log.tpm.nvBody(), offset: 8 } as never })],
    [
      'of nine bytes',
      'anchor_value',
      () => edited({ body: { ...log.tpm.nvBody(), contents: new Uint8Array(9) } as never }),
    ],
    [
      'cut short',
      'anchor_length',
      () => ({ ...log.tpm.line(text), signature: log.tpm.line(text).signature.subarray(0, 150) }),
    ],
    ['with another magic', 'anchor_magic', () => changed(2, 0xfe)],
    ['with a flag that is no flag', 'anchor_structure', () => changed(2 + 92, 9)],
    ['with s = 0', 'anchor_range', () => cleared()],
    ['with another s', 'anchor_signature', () => changed(200, 1)],
  ])('%s: %s', (_what, expected, line) => {
    expect(reason(line())).toBe(expected);
  });

  function changed(at: number, value: number): NoteSignature {
    const line = log.tpm.line(text);
    const signature = Uint8Array.from(line.signature);
    signature[at] = signature[at] === value ? value ^ 1 : value;
    return { ...line, signature };
  }

  function cleared(): NoteSignature {
    const line = log.tpm.line(text);
    const signature = Uint8Array.from(line.signature).fill(0, line.signature.length - 32);
    return { ...line, signature };
  }
});

describe('what anchors say together', () => {
  test('an anchor that was cut out of the log refutes it', () => {
    const log = new AnchoredLog('cut out').opened();
    fill(log, 5).anchor({});
    log.tpm.counter += 1;
    fill(log, 9).anchor({});
    const given = verdict(log, log.batch(0));
    expect(given).toMatchObject({ reason: 'anchor_continuity', exitCode: 1 });
    expect(given.detail).toContain('counter_gap: counter value 2 between anchor 1');
    // Without the entries between, nobody can tell yet.
    const part = log.batch(7, log.size, { left: true });
    expect(verdict(log, part)).toMatchObject({ outcome: 'verified' });
  });

  test('an `anchor.made` over another root than the log has refutes it', () => {
    const log = fill(new AnchoredLog('fork').opened(), 6);
    const other = { origin: log.origin, size: 4, root: new Uint8Array(32) };
    const note = log.tpm.anchor(log.sign(other));
    log.add('anchor.made', { size: 4, root: base64url(other.root), lines: linesOf(note), counter: 1 });
    expect(verdict(log, log.batch(0)).detail).toContain('anchor_fork');
  });

  test('a lying line in `anchor.made` counts for nothing, and is named', () => {
    const log = fill(new AnchoredLog('lying').opened(), 6);
    const line = log.tpm.line(formatCheckpoint(log.checkpoint(3)));
    const lines = linesOf({ text: '', signatures: [line, line] });
    log.add('anchor.made', { size: 6, root: base64url(log.checkpoint(6).root), lines, counter: 1 });
    const given = verdict(log, log.batch(0));
    expect(given).toMatchObject({
      outcome: 'verified',
      logs: [{ level: 'A1', anchors: { found: 1, verified: 0, refused: [{ index: 6, reason: 'checkpoint' }] } }],
    });
  });

  test('anchors after a clear do not count in the log that was there before', () => {
    const log = new AnchoredLog('cleared').opened();
    fill(log, 5).anchor({});
    log.tpm.resetCount = 0;
    fill(log, 9).anchor({});
    const given = verdict(log, log.batch(0));
    expect(given.logs[0]).toMatchObject({
      level: 'A2',
      anchors: { verified: 2, size: 5, continuity: [{ name: 'tpm_cleared' }] },
    });
  });
});

afterAll(() => {
  const all = Object.keys(VERIFY_REASONS).filter((name) => name.startsWith('anchor_'));
  expect(all.length).toBe(12);
  expect(all.filter((name) => !reached.has(name))).toEqual([]);
});
