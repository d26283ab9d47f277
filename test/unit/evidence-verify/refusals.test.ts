import { describe, expect, test } from 'vitest';
import { base64, concatBytes, utf8, utf8Text } from '../../../src/base/bytes.ts';
import type { BatchRefusal } from '../../../src/evidence/batch/batch.ts';
import type { LeafCheckRefusal } from '../../../src/evidence/batch/check-leaf.ts';
import type { EvidenceCrypto } from '../../../src/evidence/crypto.ts';
import { canonicalJson } from '../../../src/evidence/event/json.ts';
import { formatNote, type Note } from '../../../src/evidence/log/note.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import { VERIFY_REASONS, type VerifyReason } from '../../../src/evidence/verify/reasons.ts';
import { othersOf, verifyFile } from '../../../src/evidence/verify/verify-file.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { Random } from '../../support/mutate.ts';
import { eventOf, fill } from '../../support/test-events.ts';
import { noteText, TestLog } from '../../support/test-log.ts';
import { envelopeJson, policyOf, statement } from '../../support/test-trust.ts';
import {
  BUNDLE_REASONS,
  byKey,
  edited64,
  log,
  options,
  reached,
  reason,
  store,
  verdict,
} from '../../support/verdict-bench.ts';

// Every refusal of a batch and of a leaf has its row in the one table; `parked` too.
const _rows: Exclude<BatchRefusal | LeafCheckRefusal, VerifyReason> extends never ? true : never = true;

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
    expect(reason(log.batch(0, 3, { unsigned: true }))).toBe('unsigned');
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

  test('another root in another file of the log is a fork; a checkpoint of another log says nothing', () => {
    const branch = fill(new TestLog('verify'), 3).append(utf8('{"v":2}'));
    const others = othersOf(verdict(branch.export(9)));
    expect(others).toHaveLength(1);
    expect(verdict(log.export(9), { others })).toMatchObject({ reason: 'file_fork', exitCode: 1, at: 0 });
    const strange = others.map((each) => ({ ...each, origin: new TestLog('other').origin }));
    expect(verdict(log.export(9), { others: strange }).reason).toBeUndefined();
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

test('exports reach every reason of the table that is not a bundle\u2019s own', () => {
  expect(_rows).toBe(true);
  // Those of anchors are reached in anchors.test.ts.
  const own = (name: string): boolean => BUNDLE_REASONS.includes(name as VerifyReason) || name.startsWith('anchor_');
  expect(Object.keys(VERIFY_REASONS).filter((name) => !own(name) && !reached.has(name))).toEqual([]);
});
