import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { base64, base64url, concatBytes, utf8 } from '../../../src/base/bytes.ts';
import { canonicalJson } from '../../../src/evidence/event/json.ts';
import { formatNote } from '../../../src/evidence/log/note.ts';
import { formatBundle } from '../../../src/evidence/verify/bundle.ts';
import { FileVerifier, verifyFile } from '../../../src/evidence/verify/verify-file.ts';
import { eventOf, fill } from '../../support/test-events.ts';
import { TestLog } from '../../support/test-log.ts';
import { envelopeJson, policyOf, statement } from '../../support/test-trust.ts';
import { advisor, bundleOf, byKey, log, options, reason, source, store, verdict } from '../../support/verdict-bench.ts';

describe('a verdict over batches and exports', () => {
  test('says what was verified, its level, and why it is not higher', () => {
    const given = verdict(log.export(7));
    expect(given).toMatchObject({ outcome: 'verified', exitCode: 0, kind: 'export' });
    expect(given.logs).toEqual([
      {
        origin: log.origin,
        first: 0,
        end: 40,
        root: base64(log.checkpoint().root),
        entries: { accepted: 40, opaque: 0, withheld: 0 },
        noted: [],
        level: 'A0',
        whyNotHigher: [
          expect.stringContaining('A1: the policy names no enrolment'),
          expect.stringContaining('A2: no verified TPM anchor'),
          expect.stringContaining('A3: no cosignature'),
        ],
        receipts: [],
        receiptedSize: 0,
        tail: 40,
        anchors: { found: 0, verified: 0, size: 0, refused: [], continuity: [] },
        claimedTime: { from: '2026-11-22T00:00:00.000Z', to: '2026-11-22T00:00:39.000Z' },
        missing: [],
        believed: { key: 'policy' },
      },
    ]);
    expect(verdict(log.batch(0, 5), byKey())).toMatchObject({ outcome: 'verified', kind: 'batch' });
  });

  test('names what is not there: entries before, and entries that were still at the box', () => {
    const given = verdict(log.batch(8, 20, { left: true, size: 40 }));
    expect(given.logs[0]).toMatchObject({ first: 8, end: 20, tail: 12 });
    expect(given.logs[0]?.missing).toEqual([
      'entries 0 to 7 are not in this file',
      '20 entries above 20 were at the gateway and are not in this file',
    ]);
  });

  test('counts receipts from the notes and from beside the file, by role', () => {
    const cosigned = log.batch(0, 20, { witnesses: [store, advisor] });
    const [finding] = verdict(concatBytes(cosigned, log.batch(20, 40))).logs;
    expect(finding?.receipts).toEqual([
      { witness: advisor.vkey.name, roles: ['advisory', 'independent'], size: 20, timestampS: 1_700_000_000 },
      { witness: store.vkey.name, roles: ['store'], size: 20, timestampS: 1_700_000_000 },
    ]);
    expect(finding?.receiptedSize).toBe(20);
    // An independent witness alone lifts no level: A2 is missing.
    expect(finding?.level).toBe('A0');
    expect(finding?.whyNotHigher).toHaveLength(2);
    const beside = [formatNote(store.cosign(log.note(31), 1_700_000_100)), formatNote(store.cosign(log.note(3), 9))];
    const [better] = verdict(log.export(9), { receipts: beside }).logs;
    expect(better?.receiptedSize).toBe(31);
    expect(better?.receipts).toEqual([
      { witness: store.vkey.name, roles: ['store'], size: 31, timestampS: 1_700_000_100 },
    ]);
    // Above the end of the file, at its very beginning, and not at all.
    expect(
      verdict(log.export(9), { receipts: [formatNote(store.cosign(log.note(0), 9))] }).logs[0]?.receiptedSize,
    ).toBe(0);
    const early = verdict(log.batch(0, 9), { receipts: [formatNote(store.cosign(log.note(10), 9))] }).logs[0];
    expect(early?.receiptedSize).toBe(0);
    const atStart = log.batch(8, 20, { left: true, size: 20 });
    expect(verdict(atStart, { receipts: [formatNote(store.cosign(log.note(8), 9))] }).logs[0]?.receiptedSize).toBe(8);
    // What names another log is no receipt of this one; the command says which log it names.
    const bad = [utf8('x'), formatNote(store.cosign(new TestLog('other').append(utf8('a')).note(), 9))];
    const [poor] = verdict(log.export(9), { receipts: bad }).logs;
    expect(poor?.receiptedSize).toBe(0);
    expect(poor?.missing).toEqual(['1 receipts do not verify and count for nothing']);
  });

  test('reports entries of unknown type or version and guarded ones, and refutes nothing for them', () => {
    const odd = fill(new TestLog('odd'), 3);
    const leaf = (n: number, more: object): Uint8Array =>
      utf8(canonicalJson({ ...eventOf(odd, n, 'gateway.alive', { interval_ms: 1 }), ...more } as never));
    odd.append(leaf(3, { type: 'robot.danced' }));
    odd.append(leaf(4, { v: 2, n: 'elsewhere' }));
    odd.append(leaf(5, { data: { interval_ms: 1, memo: 'card 4111 1111 1111 1111' } }));
    odd.append(leaf(6, { salt: 5 }));
    fill(odd, 9);
    const given = verdict(odd.export(4), byKey(odd));
    expect(given.outcome).toBe('verified');
    expect(given.logs[0]?.entries).toEqual({ accepted: 5, opaque: 2, withheld: 2 });
    expect(given.logs[0]?.noted.map(({ index, use }) => [index, use])).toEqual([
      [3, 'opaque'],
      [4, 'opaque'],
      [5, 'withheld'],
      [6, 'withheld'],
    ]);
    expect(JSON.stringify(given)).not.toContain('4111');
  });

  test('notes at most sixteen such entries, and counts all', () => {
    const odd = fill(new TestLog('many'), 1);
    for (let n = 1; n < 40; n += 1) {
      odd.append(utf8(canonicalJson({ ...eventOf(odd, n, 'robot.danced', {}) } as never)));
    }
    const [finding] = verdict(odd.export(10), byKey(odd)).logs;
    expect(finding?.noted).toHaveLength(16);
    expect(finding?.entries).toEqual({ accepted: 1, opaque: 39, withheld: 0 });
  });

  test('names the predecessor of entry 0, by which the unsigned end of that log is accepted', () => {
    const old = fill(new TestLog('old'), 12);
    const after = { log: old.origin, cause: 'key_lost', size: 12, root: base64url(old.checkpoint().root) };
    const next = fill(new TestLog('next', 'gw-0001', 2), 3, after);
    const [finding] = verdict(next.export(2), { policy: policyOf([next, old]) }).logs;
    expect(finding?.predecessor).toEqual({ origin: old.origin, last: { size: 12, root: old.checkpoint().root } });
    const ended = concatBytes(old.batch(0, 8), old.batch(8, 12, { unsigned: true }));
    const closed = finding?.predecessor === undefined ? [] : [finding.predecessor];
    expect(reason(ended, { policy: policyOf([old]) })).toBe('unsigned');
    const given = verdict(ended, { policy: policyOf([old]), closed });
    expect(given).toMatchObject({ outcome: 'verified', logs: [{ closed: true, end: 12 }] });
  });

  test('a statement in the policy closes the old log and vouches for the next', () => {
    const old = fill(new TestLog('old'), 12);
    const next = fill(new TestLog('next', 'gw-0001', 2), 3);
    const policy = policyOf([old], { successors: [envelopeJson(statement(old, next.vkey, { size: 12 }))] });
    expect(reason(old.batch(0, 12, { unsigned: true }), { policy })).toBe('verified');
    expect(verdict(next.export(3), { policy }).logs[0]).toMatchObject({ vouchedBy: old.origin, end: 3 });
  });

  test('how the file is cut into chunks changes nothing', () => {
    const files = [
      log.export(7),
      log.batch(0, 3),
      log.export(7).subarray(0, 5_000),
      concatBytes(log.export(7), utf8('x')),
      formatBundle(bundleOf(source(log))),
    ];
    for (const bytes of files) {
      const whole = verdict(bytes);
      fc.assert(
        fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
          const edges = [0, ...cuts.sort((a, b) => a - b), bytes.length];
          const verifier = new FileVerifier(options());
          for (let i = 1; i < edges.length; i += 1) verifier.push(bytes.slice(edges[i - 1], edges[i]));
          expect(verifier.end()).toEqual(whole);
        }),
        { numRuns: 60, seed: 5 },
      );
    }
    const single = new FileVerifier(options());
    for (const byte of log.export(20)) single.push(Uint8Array.of(byte));
    expect(single.end()).toEqual(verdict(log.export(20)));
  });

  test('a stream is read no further than the verdict needs', async () => {
    let read = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield log.batch(0, 3);
      for (;;) {
        read += 1;
        yield utf8('{"nothing":"of ours"}\n');
      }
    }
    expect(await verifyFile(endless(), options())).toMatchObject({ outcome: 'refuted', at: 1 });
    expect(read).toBeLessThan(10_000);
    async function* whole(): AsyncGenerator<Uint8Array> {
      yield log.export(7);
    }
    expect(await verifyFile(whole(), options())).toEqual(verdict(log.export(7)));
  });
});
