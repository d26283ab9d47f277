import { describe, expect, test } from 'vitest';
import { base64url, utf8 } from '../../../src/base/bytes.ts';
import { describeVerdict } from '../../../src/cli/commands/verify.ts';
import { formatCheckpoint } from '../../../src/evidence/log/checkpoint.ts';
import { formatNote } from '../../../src/evidence/log/note.ts';
import { subtreesOf } from '../../../src/evidence/log/proofs.ts';
import { formatBundle } from '../../../src/evidence/verify/bundle.ts';
import { bundleLog } from '../../../src/evidence/verify/bundle-source.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import {
  AnchoredLog,
  independent,
  policyFor,
  store,
  twice,
  verdict,
  vkeyText,
  whole,
} from '../../support/anchored-log.ts';
import { fill } from '../../support/test-events.ts';
import { noteText, TestLog } from '../../support/test-log.ts';
import { linesOf, TestTpm } from '../../support/test-tpm.ts';
import { envelopeJson, policyOf, statement } from '../../support/test-trust.ts';

describe('an export of an anchored log', () => {
  test('is A2 up to its newest anchor, with the tail named', () => {
    const log = twice();
    const given = verdict(log, whole(log));
    expect(given).toMatchObject({ outcome: 'verified' });
    expect(given.logs[0]).toMatchObject({
      level: 'A2',
      tail: 3,
      tailLevel: 'A1',
      anchors: {
        found: 2,
        verified: 2,
        size: 9,
        newest: { counter: 2, size: 9, clockMs: '11000', resets: 3, restarts: 0, safe: true },
        refused: [],
        continuity: [],
      },
    });
    expect(given.logs[0]?.whyNotHigher).toEqual([
      'A3: no cosignature of a witness that the policy calls independent',
      '3 entries from 9 on reach A1: no verified anchor covers them yet',
    ]);
    expect(JSON.parse(JSON.stringify(given)).logs[0].anchors.newest.counter).toBe(2);
  });

  test('is A2 by the line alone and by the entry alone, however the batches are cut', () => {
    const line = new AnchoredLog('line').opened();
    fill(line, 6).anchor({ entry: false });
    expect(verdict(line, line.batch(0)).logs[0]).toMatchObject({
      level: 'A2',
      tail: 0,
      anchors: { verified: 1, size: 6 },
    });
    const entry = new AnchoredLog('entry').opened();
    fill(entry, 6).anchor({ line: false });
    fill(entry, 9);
    for (const cuts of [[9], [6, 9], [3, 9], [7, 9], [1, 2, 5, 8, 9]]) {
      const given = verdict(entry, whole(entry, cuts));
      expect(given.logs[0], `${cuts}`).toMatchObject({ level: 'A2', tail: 3, anchors: { verified: 1, size: 6 } });
    }
  });

  test('that ends at an anchor has no tail, and reaches a least level; one with a tail does not', () => {
    const log = twice();
    const strict = { policy: policyFor(log, log.tpm.policy, 'A2') };
    expect(verdict(log, whole(log, [5, 9]), strict)).toMatchObject({ outcome: 'verified', logs: [{ tail: 0 }] });
    const given = verdict(log, whole(log), strict);
    expect(given).toMatchObject({ reason: 'below_least_level', exitCode: 2 });
    expect(given.detail).toContain('A2, and 3 entries at its end A1');
  });

  test('is A3 when an independent witness cosigned the newest anchored tree or a later one', () => {
    const log = twice();
    const at = (size: number): Uint8Array =>
      formatNote(independent.cosign(new TestLog('twice').append(...log.leaves).note(size), 1_795_000_000));
    expect(verdict(log, whole(log), { receipts: [at(9)] }).logs[0]).toMatchObject({ level: 'A3', tail: 3 });
    expect(verdict(log, whole(log), { receipts: [at(12)] }).logs[0]).toMatchObject({ level: 'A3' });
    const early = verdict(log, whole(log), { receipts: [at(8)] }).logs[0];
    expect(early).toMatchObject({ level: 'A2' });
    expect(early?.whyNotHigher[0]).toBe(
      'A3: the newest independent cosignature is at size 8, below the newest anchor at 9',
    );
    const stores = formatNote(store.cosign(log.note(12), 1_795_000_000));
    expect(verdict(log, whole(log), { receipts: [stores] }).logs[0]).toMatchObject({ level: 'A2', receiptedSize: 12 });
  });

  test('takes the anchor of a note from beside the file, when the tree is the same', () => {
    const log = new AnchoredLog('beside').opened();
    fill(log, 8);
    const plain = log.batch(0, 8, { size: 8 });
    const beside = formatNote(log.tpm.anchor(log.note(6)));
    expect(verdict(log, plain).logs[0]).toMatchObject({ level: 'A1', tail: 8 });
    expect(verdict(log, plain, { receipts: [beside] }).logs[0]).toMatchObject({ level: 'A2', tail: 2 });
    const other = fill(new AnchoredLog('beside', log.tpm), 6);
    expect(verdict(log, plain, { receipts: [formatNote(log.tpm.anchor(other.note()))] })).toMatchObject({
      reason: 'receipt_fork',
    });
    const bad = { ...log.note(6), signatures: [...log.note(6).signatures, log.tpm.line('x\n')] };
    expect(
      verdict(log, plain, { receipts: [formatNote({ ...bad, signatures: bad.signatures.slice(0, 1) })] }).logs[0],
    ).toMatchObject({ level: 'A1' });
  });
});

test('the command line shows anchors found, verified, the last one, the tail, and what counts for nothing', () => {
  const log = twice();
  const line = log.tpm.line(formatCheckpoint(log.checkpoint(3)));
  const lines = linesOf({ text: '', signatures: [line, line] });
  log.add('anchor.made', { size: 12, root: base64url(log.checkpoint(12).root), lines, counter: 9 });
  const said = describeVerdict('file', verdict(log, log.batch(0))).map((each) => each.trim());
  expect(said).toContain('anchors    3 found, 2 verified, the last with counter 2 at size 9');
  expect(said).toContain('anchors    entry 12 counts for nothing: checkpoint');
  expect(said).toContain('level      A2; not higher because');
  expect(said).toContain('tail       4 entries after the last anchor');
  const bare = fill(new AnchoredLog('bare').opened(), 3);
  expect(describeVerdict('file', verdict(bare, bare.batch(0)))).toContain('  anchors    none');
});

describe('why a level is not higher', () => {
  const log = twice();
  const first = (members: object): readonly [string | undefined, string | undefined, number | undefined] => {
    const [finding] = verdict(log, whole(log), { policy: policyFor(log, members) }).logs;
    return [finding?.level, finding?.whyNotHigher[0], finding?.tail];
  };

  test('a policy that calls the TPM emulated, and one that names no enrolment or no class, stay at A0', () => {
    const { enrolment, class: hardware, ...keys } = log.tpm.policy;
    expect(first({ ...log.tpm.policy, class: 'emulated' })).toEqual([
      'A0',
      expect.stringContaining('A1: the policy calls this TPM emulated'),
      3,
    ]);
    expect(first({ ...keys, class: hardware })).toEqual([
      'A0',
      expect.stringContaining('A1: the policy names no enrolment'),
      3,
    ]);
    expect(first({ ...keys, enrolment })).toEqual([
      'A0',
      'A1: the policy names an enrolment, but not the class of its TPM',
      3,
    ]);
  });

  test('a policy without AK or counter sees lines, and believes none', () => {
    const { ak: _ak, ...noAk } = log.tpm.policy;
    const { counter: _counter, ...noCounter } = log.tpm.policy;
    for (const members of [noAk, noCounter]) {
      expect(first(members)).toEqual([
        'A1',
        expect.stringContaining('names no AK and counter; 2 lines look like anchors'),
        12,
      ]);
    }
  });

  test('another AK in the policy: its key id is on no line', () => {
    const other = { ...log.tpm.policy, ak: new TestTpm('other').policy.ak };
    expect(first(other)).toEqual(['A1', expect.stringContaining('are of another AK or counter, or do not verify'), 12]);
  });

  test('a stripped line is no anchor, and nothing is refuted for it', () => {
    const bare = fill(new AnchoredLog('stripped').opened(), 8);
    const given = verdict(bare as AnchoredLog, bare.batch(0));
    expect(given).toMatchObject({ outcome: 'verified', logs: [{ level: 'A1', tail: 8 }] });
    expect(given.logs[0]?.whyNotHigher[0]).toBe(
      'A2: no verified TPM anchor covers these entries: there is none in the file',
    );
  });

  test('a log for which only another log key vouches is A0', () => {
    const next = fill(new AnchoredLog('vouched', log.tpm, 2).opened(), 5);
    const envelope = statement(log, next.vkey, { size: 12 });
    const successors = [envelopeJson(envelope)];
    const policy = policyOf([], { logs: [{ vkey: vkeyText(log), ...log.tpm.policy }], successors });
    const given = verdict(next, next.batch(0), { policy });
    expect(given.logs[0]).toMatchObject({ level: 'A0', vouchedBy: log.origin });
    expect(given.logs[0]?.whyNotHigher[0]).toContain('A1: the policy does not name this log');
  });
});

describe('a bundle of an anchored log', () => {
  const log = twice();
  const source = (sizes: readonly number[], entries: readonly number[]) => ({
    origin: log.origin,
    searched: { first: 0, end: 12 },
    checkpoints: sizes.map((size) => ({ size, note: noteText(log.note(size)) })),
    entries: entries.map((index) => ({ index, leaf: log.leaves[index] ?? utf8('') })),
    subtree: subtreesOf(nodeCrypto, log.leafHashes),
  });
  const bundle = (...sources: readonly ReturnType<typeof source>[]): Uint8Array =>
    formatBundle({
      question: 'q',
      logs: sources.map((each) => bundleLog(nodeCrypto, each)),
      successors: [],
      enrolments: [],
      decisions: [],
    });

  test('has the level of the entries in question: below the last anchor A2, above it A1', () => {
    expect(verdict(log, bundle(source([5, 9, 12], [3, 7]))).logs[0]).toMatchObject({
      level: 'A2',
      tail: 3,
      anchors: { size: 9 },
    });
    const above = verdict(log, bundle(source([5, 9, 12], [3, 11]))).logs[0];
    expect(above).toMatchObject({ level: 'A1', anchors: { size: 9 } });
    expect(above?.whyNotHigher[0]).toBe('A2: the newest verified anchor is at size 9, below entry 11');
    expect(verdict(log, bundle(source([5], []))).logs[0]).toMatchObject({ level: 'A2', tail: 0 });
  });

  test('is A3 when a witness cosigned as much as the smallest anchor over its entries, whatever was anchored later', () => {
    const cosigned = (entries: readonly number[], at: number) => {
      const bare = source([5, 8, 9, 12], entries);
      const checkpoints = bare.checkpoints.map((each) =>
        each.size === at ? { ...each, note: noteText(independent.cosign(log.note(at), 1_795_000_000)) } : each,
      );
      return verdict(log, bundle({ ...bare, checkpoints })).logs[0];
    };
    expect(cosigned([3], 5)).toMatchObject({ level: 'A3', anchors: { size: 9 } });
    expect(cosigned([3, 4], 8)?.level).toBe('A3');
    expect(cosigned([3, 7], 9)?.level).toBe('A3');
    const below = cosigned([3, 7], 8);
    expect(below?.level).toBe('A2');
    expect(below?.whyNotHigher[0]).toBe('A3: the newest independent cosignature is at size 8, below their anchor at 9');
    expect(cosigned([3, 11], 12)?.level).toBe('A1');
  });

  test('counts an anchor only when a chain of proofs joins it to the entry', () => {
    // Entry 9 is `anchor.made` over size 9, and no checkpoint of that size is here.
    const apart = verdict(log, bundle(source([12], [3, 9]))).logs[0];
    expect(apart).toMatchObject({ level: 'A1', anchors: { verified: 1, size: 0 } });
    expect(apart?.whyNotHigher[0]).toContain('1 verify, and none is joined to them by this file');
    const bare = source([9, 12], [3, 9]);
    const stripped = {
      ...bare,
      checkpoints: [9, 12].map((size) => ({ size, note: noteText(log.sign(log.checkpoint(size))) })),
    };
    // With the checkpoint, the entry's line is as good as the note's: it covers entry 3, and is not asked about itself.
    expect(verdict(log, bundle(stripped)).logs[0]).toMatchObject({ level: 'A2', anchors: { size: 9 } });
    const more = [3, 9, 10].map((index) => ({ index, leaf: log.leaves[index] ?? utf8('') }));
    const above = verdict(log, bundle({ ...stripped, entries: more })).logs[0];
    expect(above).toMatchObject({ level: 'A1' });
    expect(above?.whyNotHigher[0]).toContain('below entry 10');
  });

  test('is joined to an anchor by the root that it certifies, where no note of that size is here', () => {
    const joined = { ...source([12], [3, 9]), trees: [{ size: 9, root: log.checkpoint(9).root }] };
    expect(verdict(log, bundle(joined)).logs[0]).toMatchObject({ level: 'A2', anchors: { size: 9 } });
    const other = { ...joined, trees: [{ size: 8, root: log.checkpoint(8).root }] };
    expect(verdict(log, bundle(other)).logs[0]).toMatchObject({ level: 'A1', anchors: { size: 0 } });
    const wrong = { ...joined, trees: [{ size: 9, root: log.checkpoint(8).root }] };
    expect(verdict(log, bundle(wrong))).toMatchObject({ reason: 'bundle_consistency', exitCode: 1 });
  });

  test('of two logs with one counter shows what neither shows alone', () => {
    const tpm = new TestTpm('shared');
    const one = fill(new AnchoredLog('one', tpm).opened(), 6);
    one.anchor({ entry: false });
    tpm.counter = 0;
    const two = fill(new AnchoredLog('two', tpm, 2).opened(undefined, 0), 6);
    two.anchor({ entry: false });
    const of = (each: AnchoredLog) => ({
      origin: each.origin,
      searched: { first: 0, end: 6 },
      checkpoints: [{ size: 6, note: noteText(each.note(6)) }],
      entries: [],
      subtree: subtreesOf(nodeCrypto, each.leafHashes),
    });
    const bytes = formatBundle({
      question: 'q',
      logs: [one, two].map((each) => bundleLog(nodeCrypto, of(each))),
      successors: [],
      enrolments: [],
      decisions: [],
    });
    const policy = policyOf([], { logs: [one, two].map((each) => ({ vkey: vkeyText(each), ...tpm.policy })) });
    const given = verdict(one, bytes, { policy });
    expect(given).toMatchObject({ reason: 'anchor_continuity', exitCode: 1 });
    expect(given.detail).toContain('counter_cloned');
  });
});
