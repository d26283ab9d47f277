import { describe, expect, test } from 'vitest';
import { base64, hex, utf8, utf8Text } from '../../../src/base/bytes.ts';
import {
  BATCH_BYTES_MAX,
  BATCH_TYPE,
  type BatchRefusal,
  finishBatch,
  hintOf,
  parseBatch,
} from '../../../src/evidence/batch/batch.ts';
import { pae } from '../../../src/evidence/batch/pae.ts';
import { verifyBatch } from '../../../src/evidence/batch/verify-batch.ts';
import type { EvidenceCrypto } from '../../../src/evidence/crypto.ts';
import type { Note } from '../../../src/evidence/log/note.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { FUZZ_RUNS, FUZZ_TIMEOUT_MS, fuzz, mutate, Random } from '../../support/mutate.ts';
import { noteText, TestLog } from '../../support/test-log.ts';
import { headerOf, log, reason as reasonOf, signedHeader, witness } from './making.ts';

const ALL_REASONS = [
  'too_long',
  'framing',
  'signature_line',
  'kid',
  'unsigned',
  'signature',
  'header',
  'parked',
  'origin',
  'count',
  'size',
  'left',
  'gap',
  'tree_unknown',
  'note',
  'note_origin',
  'note_unsigned',
  'note_signature',
  'note_size',
  'fork',
] as const satisfies readonly BatchRefusal[];
// Fails to compile when a reason is missing above.
const _complete: Exclude<BatchRefusal, (typeof ALL_REASONS)[number]> extends never ? true : never = true;

const reached = new Set<string>();

function reason(...given: Parameters<typeof reasonOf>): string {
  const answer = reasonOf(...given);
  reached.add(answer);
  return answer;
}

describe('refusals, each for its reason', () => {
  test('too long, as a whole or in one event', () => {
    expect(reason(new Uint8Array(BATCH_BYTES_MAX + 1).fill(0x61))).toBe('too_long');
    const long = new TestLog().append(utf8('x'.repeat(4096)));
    expect(verifyBatch(nodeCrypto, long.batch(0), { vkey: long.vkey }).ok).toBe(true);
    const longer = new TestLog().append(utf8('x'.repeat(4097)));
    expect(reason(longer.batch(0))).toBe('too_long');
  });

  test('framing: no final newline, a blank line, too few lines', () => {
    const text = utf8Text(log.batch(0, 2)) ?? '';
    expect(reason(utf8(''))).toBe('framing');
    expect(reason(utf8(text.slice(0, -1)))).toBe('framing');
    expect(reason(utf8(`${text}\n`))).toBe('framing');
    expect(reason(utf8(`\n${text}`))).toBe('framing');
    expect(reason(utf8(text.replace('\n', '\n\n')))).toBe('framing');
    const lines = text.split('\n');
    expect(reason(utf8(`${lines[0]}\n${lines[3]}\n`))).toBe('framing');
  });

  test('signature line: any other spelling', () => {
    const text = utf8Text(log.batch(0, 1)) ?? '';
    const cut = text.lastIndexOf('{');
    const { kid, sig } = JSON.parse(text.slice(cut));
    const others = [
      `{"sig":"${sig}","kid":"${kid}"}`,
      `{"kid":"${kid}", "sig":"${sig}"}`,
      `{"kid":"${kid}","sig":"${sig}"} `,
      `{"kid":"${kid}","sig":"${sig}","v":1}`,
      `{"kid":"${kid.toUpperCase()}x","sig":"${sig}"}`,
      `{"kid":"${kid}","sig":"${sig.slice(0, -2)}"}`,
      `{"kid":"${kid}","sig":"${sig.replace('==', '')}A="}`,
      `{"kid":"${kid}","sig":""}`,
      `{"kid":"","sig":"${sig}"}`,
      `{"kid":"${kid}","sig":"${sig}"}\r`,
    ];
    for (const line of others) expect(reason(utf8(`${text.slice(0, cut)}${line}\n`))).toBe('signature_line');
    expect(reason(utf8(`${text.slice(0, cut)}{"kid":"${kid}","sig":"${sig}"}\n`))).toBe('accepted');
  });

  test('kid and signature: another key, another type of payload', () => {
    expect(reason(new TestLog('other').append(utf8('{}')).batch(0))).toBe('kid');
    const payload = log.batch(0, 1).slice(0, parseOk(log.batch(0, 1)).payload.length);
    const other = new TestLog('other');
    const forged = { keyId: log.vkey.keyId, signature: other.key.sign(pae(BATCH_TYPE, payload)) };
    expect(reason(finishBatch(payload, forged))).toBe('signature');
    const successor = 'application/vnd.latchkey.successor.v1+json';
    const crossed = { keyId: log.vkey.keyId, signature: log.key.sign(pae(successor, payload)) };
    expect(reason(finishBatch(payload, crossed))).toBe('signature');
    const bare = { keyId: log.vkey.keyId, signature: log.key.sign(payload) };
    expect(reason(finishBatch(payload, bare))).toBe('signature');
    // A witness's key of the same name is no log's key.
    expect(reason(log.batch(0, 1), { vkey: { ...log.vkey, type: 4 } })).toBe('kid');
  });

  test('header: whatever is not the canonical JSON of its members', () => {
    const good = headerOf({});
    expect(reason(signedHeader(good))).toBe('accepted');
    const others = [
      'header',
      '[]',
      '{}',
      good.replace('"v":1', '"v":1.0'),
      good.replace('"v":1', '"v":"1"'),
      good.replace('"v":1', '"v":true'),
      good.replace('{', '{ '),
      good.replace('"count":1', '"count":1,"count":1'),
      headerOf({ count: 0 }),
      headerOf({ count: '1' }),
      headerOf({ first: -1 }),
      headerOf({ size: 2 ** 53 }),
      headerOf({ first: undefined }),
      headerOf({ checkpoint: undefined }),
      headerOf({ checkpoint: 1 }),
      headerOf({ log: undefined }),
      headerOf({ log: 'x'.repeat(121) }),
      headerOf({ first: null }),
    ];
    for (const header of others) expect(reason(signedHeader(header)), header).toBe('header');
  });

  test('an unknown version or member is parked under a valid signature, and only then', () => {
    for (const header of [headerOf({ v: 2 }), headerOf({ hint: 1 }), headerOf({ v: 7, log: 5 })]) {
      const bytes = signedHeader(header);
      expect(reason(bytes)).toBe('parked');
      const changed = new Uint8Array(bytes);
      changed[2] = 0x61;
      expect(reason(changed)).toBe('signature');
      const unsigned = finishBatch(bytes.slice(0, bytes.lastIndexOf(0x0a, bytes.length - 2) + 1), undefined);
      expect(reason(unsigned)).toBe('unsigned');
      expect(reason(unsigned, { closedAccepted: true })).toBe('header');
    }
  });

  test('origin, count and size', () => {
    expect(reason(signedHeader(headerOf({ log: new TestLog('other').origin })))).toBe('origin');
    expect(reason(signedHeader(headerOf({ count: 2, size: 2 })))).toBe('count');
    expect(reason(signedHeader(headerOf({}), ['{"n":0}', '{"n":1}']))).toBe('count');
    expect(reason(signedHeader(headerOf({ size: 0 })))).toBe('size');
    expect(reason(signedHeader(headerOf({ size: 5 })))).toBe('accepted');
    expect(reason(log.batch(0, 2, { unsigned: true, size: 9 }), { closedAccepted: true })).toBe('size');
  });

  test('left: another number of roots, another spelling, at index 0, and against the held tree', () => {
    const roots = log.frontier(6).roots.map(base64);
    const header = (left: unknown): string =>
      headerOf({ first: 6, count: 1, size: 7, checkpoint: noteText(log.note(7)), left });
    const leaf = ['{"n":6}'];
    expect(reason(signedHeader(header(roots), leaf))).toBe('accepted');
    const others = [
      [],
      roots.slice(1),
      [...roots, ...roots],
      roots.map((root) => root.replace('=', '')),
      roots.map((root) => root.replaceAll('+', '-')).map((root, i) => (i === 0 ? `-${root.slice(1)}` : root)),
      [1, 2],
      'AAAA',
      roots.map(() => base64(new Uint8Array(31))),
    ];
    for (const left of others) expect(reason(signedHeader(header(left), leaf))).toBe('left');
    expect(reason(signedHeader(headerOf({ left: [] })))).toBe('left');
    // A signed `left` that contradicts what we hold, while the held tree leads to the signed root.
    const wrong = signedHeader(header(roots.map(() => roots[0])), leaf);
    expect(reason(wrong, { before: log.frontier(6) })).toBe('left');
    expect(reason(wrong)).toBe('fork');
  });

  test('a gap to the held tree, and a tree that nobody gave', () => {
    expect(reason(log.batch(4, 6), { before: log.frontier(3) })).toBe('gap');
    expect(reason(log.batch(4, 6, { left: true }), { before: log.frontier(5) })).toBe('gap');
    expect(reason(log.batch(4, 6))).toBe('tree_unknown');
  });

  test('note: no note, of another log, not signed, wrongly signed, of another size', () => {
    const other = new TestLog('other').append(utf8('{"n":0}'));
    const note = log.note(1);
    const header = (checkpoint: string): Uint8Array => signedHeader(headerOf({ checkpoint }));
    expect(reason(header('x'))).toBe('note');
    expect(reason(header(noteText({ text: 'x\n', signatures: note.signatures })))).toBe('note');
    expect(reason(header(noteText(other.note())))).toBe('note_origin');
    expect(reason(header(noteText({ text: note.text, signatures: [witness.line(note.text, 1)] })))).toBe(
      'note_unsigned',
    );
    expect(reason(header(noteText({ text: note.text, signatures: log.note(2).signatures })))).toBe('note_signature');
    expect(reason(header(noteText(log.note(2))))).toBe('note_size');
    expect(reason(header(noteText(log.note(0))))).toBe('note_size');
  });

  test('without a batch signature the note has exactly one line', () => {
    const trust = { closedAccepted: true };
    expect(reason(log.batch(0, 3, { unsigned: true }))).toBe('unsigned');
    expect(reason(log.batch(0, 3, { unsigned: true }), trust)).toBe('accepted');
    expect(reason(log.batch(0, 3, { unsigned: true, witnesses: [witness] }), trust)).toBe('note');
    expect(reason(log.batch(0, 3, { witnesses: [witness] }), trust)).toBe('accepted');
  });

  test('a fork: signed entries that give another root than the signed note', () => {
    expect(reason(signedHeader(headerOf({}), ['{"n":1}']))).toBe('fork');
    const branch = new TestLog().append(utf8('{"n":"other"}'), utf8('{"n":1}'));
    expect(reason(log.batch(1, 2), { before: branch.frontier(1) })).toBe('fork');
  });
});

test('every refusal reason was reached, and an acceptance', () => {
  expect(_complete).toBe(true);
  for (const name of ['accepted', ...ALL_REASONS]) expect(reached).toContain(name);
});

test(
  'mutated batches are refused or are the batch itself, none throws',
  () => {
    const forged: Note = { text: log.note(3).text, signatures: log.note(2).signatures };
    const inputs = [
      log.batch(0, 3),
      log.batch(3, 6, { left: true, size: 9, witnesses: [witness] }),
      log.batch(0, 3, { unsigned: true }),
      log.batch(3, 6),
      signedHeader(headerOf({ v: 2 })),
      signedHeader(headerOf({ checkpoint: noteText(forged) })),
    ];
    const genuine = new Set(inputs.map(hex));
    const random = new Random(21);
    // Every signature verifies for the first, none for the second: so that all layers below are reached, at no cost.
    const credulous: EvidenceCrypto = { ...portableCrypto(), sha256: nodeCrypto.sha256, verifyEd25519: () => true };
    const seen = new Map<string, number>();
    fuzz(
      (i) => {
        const bytes = mutate(random, inputs[i % inputs.length] ?? utf8(''), inputs);
        const trust = { vkey: log.vkey, closedAccepted: i % 2 === 0 };
        const verified = verifyBatch(credulous, bytes, trust);
        const answer = verified.ok ? 'accepted' : verified.reason;
        seen.set(answer, (seen.get(answer) ?? 0) + 1);
        hintOf(bytes);
        if (verified.ok && !genuine.has(hex(bytes))) {
          // The credulous one took it: then only the signatures stand against it, and they do.
          expect(verifyBatch(nodeCrypto, bytes, trust).ok).toBe(false);
        }
      },
      Math.max(5 * FUZZ_RUNS, 100_000),
    );
    for (const name of [
      'accepted',
      'framing',
      'signature_line',
      'kid',
      'header',
      'parked',
      'origin',
      'count',
      'size',
      'left',
      'note',
      'note_size',
      'fork',
      'unsigned',
      'tree_unknown',
    ]) {
      expect(seen.get(name) ?? 0, name).toBeGreaterThan(0);
    }
  },
  FUZZ_TIMEOUT_MS,
);

function parseOk(bytes: Uint8Array) {
  const parsed = parseBatch(bytes);
  if (!parsed.ok) throw new Error(parsed.detail);
  return parsed.value;
}
