import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { base64, base64url, concatBytes, utf8, utf8Text } from '../../../src/base/bytes.ts';
import type { BatchRefusal } from '../../../src/evidence/batch/batch.ts';
import type { LeafCheckRefusal } from '../../../src/evidence/batch/check-leaf.ts';
import type { EvidenceCrypto } from '../../../src/evidence/crypto.ts';
import { canonicalJson } from '../../../src/evidence/event/json.ts';
import { formatNote, type Note } from '../../../src/evidence/log/note.ts';
import { subtreesOf } from '../../../src/evidence/log/proofs.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import {
  type Bundle,
  type BundleSource,
  bundleLog,
  formatBundle,
  parseBundle,
} from '../../../src/evidence/verify/bundle.ts';
import { EXIT_CODES, VERIFY_REASONS, type VerifyReason } from '../../../src/evidence/verify/reasons.ts';
import { formatTlogProof, parseTlogProof } from '../../../src/evidence/verify/tlog-proof.ts';
import type { Verdict } from '../../../src/evidence/verify/verdict.ts';
import { FileVerifier, type VerifyOptions, verifyBytes, verifyFile } from '../../../src/evidence/verify/verify-file.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { mutate, Random } from '../../support/mutate.ts';
import { eventOf, fill } from '../../support/test-events.ts';
import { noteText, TestLog, TestWitness } from '../../support/test-log.ts';
import { envelopeJson, policyOf, statement, witnessMember } from '../../support/test-trust.ts';

// Every refusal of a batch and of a leaf has its row in the one table; `parked` too.
const _rows: Exclude<BatchRefusal | LeafCheckRefusal, VerifyReason> extends never ? true : never = true;

const log = fill(new TestLog('verify'), 40);
const store = new TestWitness('store.example/w1');
const advisor = new TestWitness('advisor.example/w1');
const witnesses = [witnessMember(store, 'store'), witnessMember(advisor, 'advisory', 'independent')];
const reached = new Set<string>();

function options(more: Partial<VerifyOptions> = {}): VerifyOptions {
  return { cryptos: [nodeCrypto], policy: policyOf([log], { witnesses }), ...more };
}

const byKey = (of = log): Partial<VerifyOptions> => ({ policy: policyOf([of]), single: true });

function verdict(bytes: Uint8Array, more: Partial<VerifyOptions> = {}): Verdict {
  const given = verifyBytes(bytes, options(more));
  reached.add(given.reason ?? 'verified');
  const outcome = given.reason === undefined ? 'verified' : VERIFY_REASONS[given.reason].outcome;
  expect(given.outcome).toBe(outcome);
  expect(given.exitCode).toBe(EXIT_CODES[outcome]);
  return given;
}

/** The reason, or `verified`. */
const reason = (bytes: Uint8Array, more: Partial<VerifyOptions> = {}): string =>
  verdict(bytes, more).reason ?? 'verified';

function source(of: TestLog, more: Partial<BundleSource> = {}): BundleSource {
  return {
    origin: of.origin,
    searched: { first: 0, end: of.size },
    checkpoints: [10, 25, of.size].map((size) => ({ size, note: noteText(of.note(size)) })),
    entries: [0, 12, 30].map((index) => ({ index, leaf: of.leaves[index] ?? utf8('') })),
    subtree: subtreesOf(nodeCrypto, of.leafHashes),
    ...more,
  };
}

function bundleOf(...logs: readonly BundleSource[]): Bundle {
  return {
    question: 'Was parcel p1.abc deposited?',
    logs: logs.map((each) => bundleLog(nodeCrypto, each)),
    successors: [],
  };
}

/** A bundle with its JSON changed by hand. */
function edited(bundle: Bundle, edit: (value: BundleJson) => void): Uint8Array {
  const value = JSON.parse(utf8Text(formatBundle(bundle)) ?? '');
  edit(value);
  return utf8(canonicalJson(value));
}

interface BundleJson {
  v: number;
  question: unknown;
  enrolment?: unknown;
  successors?: unknown;
  extra?: unknown;
  logs: {
    log: string;
    searched: { first: number; end: number };
    checkpoints: { note: string; consistency: string[] }[];
    entries: { leaf: string; proof: string }[];
  }[];
}

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
        claimedTime: { from: '2026-11-22T00:00:00.000Z', to: '2026-11-22T00:00:39.000Z' },
        missing: [],
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
    const bad = [utf8('x'), formatNote(store.cosign(new TestLog('other').append(utf8('a')).note(), 9))];
    const [poor] = verdict(log.export(9), { receipts: bad }).logs;
    expect(poor?.receiptedSize).toBe(0);
    expect(poor?.missing).toEqual(['2 receipts do not verify and count for nothing']);
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

  test('both editions of crypto are asked, and must agree', () => {
    const cryptos = [nodeCrypto, portableCrypto()];
    expect(reason(log.export(20), { cryptos })).toBe('verified');
    for (const answer of [true, false]) {
      const liar: EvidenceCrypto = { ...portableCrypto(), verifyEd25519: () => answer };
      const bytes = answer ? edited64(log.batch(0, 3)) : log.batch(0, 3);
      expect(reason(bytes, { cryptos: [nodeCrypto, liar] })).toBe('crypto_disagree');
      expect(reason(bytes, { cryptos: [liar, nodeCrypto] })).toBe('crypto_disagree');
    }
  });
});

/** The batch with one bit of its signature changed. */
function edited64(bytes: Uint8Array): Uint8Array {
  const text = utf8Text(bytes) ?? '';
  const changed = text.replace(/"sig":"(.)/, (_all, first: string) => `"sig":"${first === 'A' ? 'B' : 'A'}`);
  return utf8(changed);
}

describe('refusals of exports', () => {
  test('with one key, whatever is not to the last byte of that log is refuted', () => {
    const other = fill(new TestLog('other'), 5);
    expect(reason(utf8(''), byKey())).toBe('empty');
    expect(reason(utf8('\n'), byKey())).toBe('framing');
    expect(reason(utf8('hello\n'), byKey())).toBe('framing');
    expect(reason(utf8('hello'), byKey())).toBe('bundle');
    expect(reason(new Uint8Array(200_000).fill(0x61), byKey())).toBe('bundle');
    expect(reason(new Uint8Array(8_388_609).fill(0x61), byKey())).toBe('too_long');
    expect(reason(other.export(2), byKey())).toBe('kid');
    expect(reason(formatNote(log.note()), byKey())).toBe('framing');
    expect(reason(log.export(7).subarray(0, -1), byKey())).toBe('framing');
    expect(reason(log.export(7).subarray(0, -200), byKey())).not.toBe('verified');
    expect(reason(concatBytes(log.export(7), utf8('\n')), byKey())).toBe('framing');
    expect(reason(concatBytes(utf8('{"x":1}\n'), new Uint8Array(140_000).fill(0x61)), byKey())).toBe('too_long');
    const endless = concatBytes(...Array.from({ length: 40_000 }, () => utf8('{"x":1}\n')));
    expect(reason(endless, byKey())).toBe('too_long');
    for (const bytes of [utf8('hello\n'), other.export(2), log.export(7).subarray(0, -1)]) {
      expect(verdict(bytes, byKey()).exitCode).toBe(1);
    }
  });

  test('no bit of an export can change under one key', () => {
    const small = fill(new TestLog('bits'), 4);
    const bytes = small.export(2);
    const single = byKey(small);
    const policy = policyOf([small, log]);
    const random = new Random(6);
    for (let i = 0; i < 1_500; i += 1) {
      const changed = new Uint8Array(bytes);
      const at = random.below(bytes.length);
      changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
      expect(verdict(changed, single).exitCode).toBe(1);
      // With a policy it is refuted too, unless the damage hides what it is of.
      expect(verdict(changed, { policy }).exitCode).toBe(1);
    }
  });

  test('with a policy, what is not of a log that it names cannot be told', () => {
    const other = fill(new TestLog('other'), 5);
    expect(reason(other.export(2))).toBe('unknown_log');
    expect(reason(utf8(''))).toBe('unattributed');
    expect(reason(utf8('hello\n'))).toBe('unattributed');
    expect(reason(utf8('hello'))).toBe('unattributed');
    expect(reason(new Uint8Array(8_388_609).fill(0x61))).toBe('unattributed');
    expect(reason(log.export(2), { policy: undefined })).toBe('no_trust');
    // Damaged beyond reading, but it says of which log it is.
    expect(reason(utf8(`{"log":"${log.origin}"`))).toBe('bundle');
    expect(reason(utf8(`{"log":"${log.origin}"\nx\n`))).toBe('framing');
    expect(reason(utf8(`{"log":"${log.origin}"\n{}\n{"kid":"","sig":""}\n`))).toBe('header');
    expect(reason(utf8(`{"log":"x"\n{}\n{"kid":"","sig":""}\n`))).toBe('unattributed');
  });

  test('each refusal of a batch keeps its name', () => {
    const lines = (utf8Text(log.batch(0, 3)) ?? '').split('\n');
    const resigned = (changes: object, leaves: readonly string[] = lines.slice(1, 4)): Uint8Array => {
      const header = JSON.stringify({ ...JSON.parse(lines[0] ?? ''), ...changes });
      return log.finish(utf8([header, ...leaves].map((line) => `${line}\n`).join('')));
    };
    expect(reason(utf8(lines.toSpliced(4, 1, '{}').join('\n')))).toBe('signature_line');
    expect(reason(edited64(log.batch(0, 3)))).toBe('signature');
    expect(reason(resigned({ count: '3' }))).toBe('header');
    expect(reason(resigned({ v: 2 }))).toBe('parked');
    expect(reason(resigned({ v: 2 }), byKey())).toBe('parked');
    expect(reason(resigned({ log: new TestLog('other').origin }), byKey())).toBe('origin');
    expect(reason(resigned({ count: 2, size: 3 }))).not.toBe('verified');
    expect(reason(resigned({ count: 4, size: 9 }))).toBe('count');
    expect(reason(resigned({ size: 1 }))).toBe('size');
    const { v, ...rest } = JSON.parse(lines[0] ?? '');
    const withLeft = canonicalJson({ ...rest, v, left: [base64(new Uint8Array(32))] });
    expect(reason(log.finish(utf8([withLeft, ...lines.slice(1, 4)].map((line) => `${line}\n`).join(''))))).toBe('left');
    expect(reason(concatBytes(log.batch(0, 3), log.batch(4, 6)))).toBe('gap');
    expect(reason(log.batch(4, 6))).toBe('tree_unknown');
    const note = (text: string): string => reason(resigned({ checkpoint: text }));
    const forged: Note = { text: log.note(3).text, signatures: log.note(2).signatures };
    expect(note('x')).toBe('note');
    expect(note(noteText(fill(new TestLog('other'), 3).note()))).toBe('note_origin');
    expect(note(noteText({ text: log.note(3).text, signatures: [store.line(log.note(3).text, 1)] }))).toBe(
      'note_unsigned',
    );
    expect(note(noteText(forged))).toBe('note_signature');
    expect(note(noteText(log.note(2)))).toBe('note_size');
    expect(reason(resigned({}, [lines[1] ?? '', lines[3] ?? '', lines[2] ?? '']))).toBe('fork');
  });

  test('an event that is not canonical or stands at another place refutes its batch', () => {
    const wrong = (leaf: string): string => {
      const bad = fill(new TestLog('wrong'), 2);
      return reason(bad.append(utf8(leaf)).batch(0), byKey(bad));
    };
    const bad = new TestLog('wrong');
    const event = canonicalJson(eventOf(bad, 2, 'gateway.alive', { interval_ms: 1 }) as never);
    expect(wrong(event)).toBe('verified');
    expect(wrong(event.replace('{', '{ '))).toBe('leaf');
    expect(wrong('hello')).toBe('leaf');
    expect(wrong(event.replace('"n":2', '"n":3'))).toBe('leaf_place');
    expect(wrong(event.replace(bad.origin, log.origin))).toBe('leaf_place');
    expect(wrong('{}')).toBe('leaf_place');
    expect(wrong('{"v":1}')).toBe('leaf_place');
    expect(wrong('{"v":2}')).toBe('verified');
  });

  test('a cosignature of a named witness must verify; those of others are not looked at', () => {
    const note = log.note(3);
    const line = store.line(log.note(4).text, 1);
    const header = JSON.parse((utf8Text(log.batch(0, 3)) ?? '').split('\n')[0] ?? '');
    const bytes = log.finish(
      concatBytes(
        utf8(
          `${JSON.stringify({ ...header, checkpoint: noteText({ ...note, signatures: [...note.signatures, line] }) })}\n`,
        ),
        ...log.leaves.slice(0, 3).flatMap((leaf) => [leaf, utf8('\n')]),
      ),
    );
    expect(reason(bytes)).toBe('cosignature');
    expect(reason(bytes, { policy: policyOf([log]) })).toBe('verified');
  });

  test('a receipt that the log signed for another root is a fork', () => {
    const branch = fill(new TestLog('verify'), 3).append(utf8('{"v":2}'));
    const receipt = formatNote(store.cosign(branch.note(4), 5));
    expect(verdict(log.export(9), { receipts: [receipt] })).toMatchObject({
      reason: 'receipt_fork',
      exitCode: 1,
      at: 0,
    });
  });

  test('a revoked key counts for the tree that the revocation names, and for nothing above it', () => {
    const policy = (size: number, root: Uint8Array) => {
      const base = policyOf([log]);
      return { ...base, logs: new Map([[log.origin, { vkey: log.vkey, revokedAt: { size, root } }]]) };
    };
    const sound = policy(18, log.checkpoint(18).root);
    expect(reason(concatBytes(log.batch(0, 9), log.batch(9, 18)), { policy: sound })).toBe('verified');
    expect(reason(log.export(9), { policy: sound })).toBe('revoked');
    expect(reason(log.batch(0, 9), { policy: sound })).toBe('revoked');
    expect(reason(log.export(9), { policy: policy(18, log.checkpoint(17).root) })).toBe('revoked_fork');
  });

  test('a closed log ends where its successor says', () => {
    const next = new TestLog('next', 'gw-0001', 2);
    const policy = (size: number, root?: Uint8Array) =>
      policyOf([log], { successors: [envelopeJson(statement(log, next.vkey, { size, ...(root && { root }) }))] });
    expect(reason(log.export(9), { policy: policy(40) })).toBe('verified');
    expect(reason(log.export(9), { policy: policy(44, new Uint8Array(32)) })).toBe('verified');
    expect(reason(log.export(9), { policy: policy(30) })).toBe('beyond_successor');
    expect(reason(log.export(9), { policy: policy(30, new Uint8Array(32)) })).toBe('successor_fork');
  });

  test('a disputed log is nobody’s, and a least level above A0 is not reached', () => {
    const next = fill(new TestLog('next', 'gw-0001', 2), 3);
    const rival = new TestLog('rival', 'gw-0001', 2);
    const successors = [statement(log, next.vkey), statement(log, rival.vkey)].map(envelopeJson);
    expect(reason(next.export(3), { policy: policyOf([log], { successors }) })).toBe('successor_conflict');
    const given = verdict(log.export(9), { policy: policyOf([log], { least_level: 'A1' }) });
    expect(given).toMatchObject({ reason: 'below_least_level', exitCode: 2, logs: [{ end: 40, level: 'A0' }] });
  });

  test('a failure shows what was verified before it, and where it is', () => {
    const given = verdict(concatBytes(log.batch(0, 9), log.batch(9, 18), edited64(log.batch(18, 20))));
    expect(given).toMatchObject({ reason: 'signature', kind: 'export', at: 2, logs: [{ first: 0, end: 18 }] });
  });

  test('a defect inside is "cannot tell"', async () => {
    const broken: EvidenceCrypto = {
      ...nodeCrypto,
      sha256: () => {
        throw new Error('out of order');
      },
      verifyEd25519: () => true,
      hmacSha256: nodeCrypto.hmacSha256,
    };
    expect(verdict(log.export(9), { cryptos: [broken] })).toMatchObject({ reason: 'internal', detail: 'out of order' });
    async function* stream(): AsyncGenerator<Uint8Array> {
      yield log.export(9);
    }
    expect(await verifyFile(stream(), options({ cryptos: [broken] }))).toMatchObject({
      reason: 'internal',
      exitCode: 2,
    });
    expect(verdict(log.export(9), { cryptos: [] })).toMatchObject({ reason: 'internal' });
  });
});

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

  test('that would be refused is never written', () => {
    expect(() => formatBundle({ ...good, question: 'x'.repeat(1_001) })).toThrow('no bundle');
    expect(parseBundle(formatBundle(good))).toEqual({ ok: true, value: good });
    const enrolled: Bundle = {
      ...good,
      enrolment: { ...statement(log, log.vkey === undefined ? log.vkey : new TestLog('n', 'gw-0001', 2).vkey) },
    };
    expect(parseBundle(formatBundle(enrolled))).toEqual({ ok: true, value: enrolled });
  });

  test('100,000 mutated bundles are refused or are the bundle itself, none throws', () => {
    const small = new TestLog('small').append(...['1', '2', '3'].map((v) => utf8(`{"v":${v}}`)));
    const tiny = source(small, {
      checkpoints: [2, 3].map((size) => ({ size, note: noteText(small.note(size)) })),
      entries: [{ index: 1, leaf: small.leaves[1] ?? utf8('') }],
    });
    const successor = statement(small, new TestLog('next', 'gw-0001', 2).vkey);
    const inputs = [formatBundle(bundleOf(tiny)), formatBundle({ ...bundleOf(tiny), successors: [successor] })];
    const random = new Random(51);
    const credulous: EvidenceCrypto = { ...portableCrypto(), sha256: nodeCrypto.sha256, verifyEd25519: () => true };
    const cryptos = [credulous];
    const policy = policyOf([small]);
    const seen = new Map<string, number>();
    for (let i = 0; i < 100_000; i += 1) {
      const bytes = mutate(random, inputs[i % 2] ?? utf8(''), inputs);
      const given = verifyBytes(bytes, { cryptos, policy, single: i % 4 === 0 });
      if (given.reason === 'internal') throw new Error(given.detail);
      seen.set(given.reason ?? 'verified', (seen.get(given.reason ?? 'verified') ?? 0) + 1);
    }
    for (const name of ['verified', 'bundle', 'framing', 'bundle_proof', 'bundle_checkpoint', 'unknown_log']) {
      expect(seen.get(name) ?? 0, name).toBeGreaterThan(0);
    }
  });
});

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

test('every reason of the table was reached, and an acceptance', () => {
  expect(_rows).toBe(true);
  expect([...reached].sort()).toEqual([...Object.keys(VERIFY_REASONS), 'verified'].sort());
});
