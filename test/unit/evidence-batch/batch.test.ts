import { describe, expect, test } from 'vitest';
import { concatBytes, equalBytes, hex, utf8, utf8Text } from '../../../src/base/bytes.ts';
import { type BatchHead, batchPayload, hintOf, parseBatch } from '../../../src/evidence/batch/batch.ts';
import { pae } from '../../../src/evidence/batch/pae.ts';
import { verifyBatch } from '../../../src/evidence/batch/verify-batch.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { noteText } from '../../support/test-log.ts';
import { headerOf, log, reason, signedHeader, witness } from './making.ts';

describe('a batch', () => {
  test('is header, events and signature, each a line', () => {
    const lines = (utf8Text(log.batch(0, 2, { size: 9 })) ?? '').split('\n');
    expect(lines).toHaveLength(5);
    expect(lines.slice(1, 3)).toEqual(['{"n":0}', '{"n":1}']);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      v: 1,
      log: log.origin,
      first: 0,
      count: 2,
      size: 9,
      checkpoint: noteText(log.note(2)),
    });
    expect(lines[3]).toMatch(/^\{"kid":"[0-9a-f]{8}","sig":"[A-Za-z0-9+/]{86}=="\}$/);
    expect(lines[4]).toBe('');
  });

  test('verifies from the start, on top of a held tree, and from `left`, in both editions of crypto', () => {
    const resumed = log.batch(4, 7, { left: true, size: 9, witnesses: [witness] });
    for (const crypto of [nodeCrypto, portableCrypto()]) {
      expect(reason(log.batch(0, 4), {}, crypto)).toBe('accepted');
      expect(reason(log.batch(4, 7), { before: log.frontier(4) }, crypto)).toBe('accepted');
      expect(reason(resumed, {}, crypto)).toBe('accepted');
      expect(reason(resumed, { before: log.frontier(4) }, crypto)).toBe('accepted');
    }
    const verified = verifyBatch(nodeCrypto, resumed, { vkey: log.vkey });
    if (!verified.ok) throw new Error(verified.detail);
    expect(verified.value.after).toEqual(log.frontier(7));
    expect(verified.value.before).toEqual(log.frontier(4));
    expect(verified.value.leafHashes.map(hex)).toEqual(log.leafHashes.slice(4, 7).map(hex));
    expect(verified.value.leaves.map(utf8Text)).toEqual(['{"n":4}', '{"n":5}', '{"n":6}']);
    expect(verified.value.checkpoint).toEqual(log.checkpoint(7));
    expect(verified.value.note.signatures).toHaveLength(2);
    expect(verified.value.head).toMatchObject({ first: 4, count: 3, size: 9, origin: log.origin });
  });

  test('verifying leaves the given bytes and the held tree as they were', () => {
    const bytes = log.batch(4, 9);
    const before = log.frontier(4);
    const copies = [hex(bytes), before.roots.map(hex).join()];
    expect(reason(bytes, { before })).toBe('accepted');
    expect([hex(bytes), before.roots.map(hex).join()]).toEqual(copies);
  });

  test('the DSSE encoding is that of the DSSE specification', () => {
    // secure-systems-lab/dsse, protocol.md: its test vector.
    expect(utf8Text(pae('http://example.com/HelloWorld', utf8('hello world')))).toBe(
      'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
    );
    expect(utf8Text(pae('é', utf8('ü')))).toBe('DSSEv1 2 é 2 ü');
  });

  test('no bit of a signed batch can change', () => {
    const bytes = log.batch(4, 7, { left: true, size: 9, witnesses: [witness] });
    // The signature is asked only when the framing holds; every answer must be a refusal.
    for (let at = 0; at < bytes.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const changed = new Uint8Array(bytes);
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        expect(reason(changed, { before: log.frontier(4), closedAccepted: true })).not.toBe('accepted');
      }
    }
  });

  test('no bit of an unsigned batch of a closed log can change', () => {
    for (const first of [0, 4]) {
      const bytes = log.batch(first, 9, { left: first > 0, unsigned: true });
      const before = log.frontier(first);
      expect(reason(bytes, { before, closedAccepted: true })).toBe('accepted');
      for (let at = 0; at < bytes.length; at += 1) {
        for (let bit = 0; bit < 8; bit += 1) {
          const changed = new Uint8Array(bytes);
          changed[at] = (changed[at] ?? 0) ^ (1 << bit);
          expect(reason(changed, { before, closedAccepted: true })).not.toBe('accepted');
          expect(reason(changed, { closedAccepted: true })).not.toBe('accepted');
        }
      }
    }
  });

  test('no line can be left out, doubled or moved', () => {
    const lines = (utf8Text(log.batch(0, 5)) ?? '').split(/(?<=\n)/);
    const whole = lines.join('');
    const answers = [];
    for (let i = 0; i < lines.length; i += 1) {
      const [line = ''] = lines.slice(i, i + 1);
      const without = [...lines.slice(0, i), ...lines.slice(i + 1)];
      answers.push(without.join(''), [...lines.slice(0, i), line, ...lines.slice(i)].join(''));
      for (let j = 0; j < without.length; j += 1) answers.push(without.toSpliced(j, 0, line).join(''));
    }
    expect(answers.length).toBeGreaterThan(50);
    for (const text of answers) expect(reason(utf8(text)) === 'accepted').toBe(text === whole);
  });
});

describe('parsing without trust', () => {
  test('parseBatch reads what verifyBatch would, and refuses framing, header and count', () => {
    const batch = parseOk(log.batch(4, 6, { left: true, size: 9 }));
    expect(batch.head).toEqual({
      origin: log.origin,
      first: 4,
      count: 2,
      size: 9,
      note: noteText(log.note(6)),
      left: log.frontier(4).roots,
    });
    expect(batch.kid).toBe(hex(log.vkey.keyId));
    expect(
      equalBytes(concatBytes(batch.payload), log.batch(4, 6, { left: true, size: 9 }).slice(0, batch.payload.length)),
    ).toBe(true);
    expect(parseBatch(utf8('x\n'))).toMatchObject({ reason: 'framing' });
    expect(parseBatch(signedHeader(headerOf({ v: 2 })))).toMatchObject({ reason: 'parked' });
    expect(parseBatch(signedHeader(headerOf({ count: 2, size: 2 })))).toMatchObject({ reason: 'count' });
  });

  test('a hint names log, index and key, also of a batch of another version', () => {
    const kid = hex(log.vkey.keyId);
    expect(hintOf(log.batch(4, 6, { left: true }))).toEqual({ origin: log.origin, first: 4, kid });
    expect(hintOf(signedHeader(headerOf({ v: 2 })))).toEqual({ origin: log.origin, first: 0, kid });
    expect(hintOf(log.batch(0, 2, { unsigned: true }))).toEqual({ origin: log.origin, first: 0, kid: '' });
    for (const text of ['', '\n', '{}\n', 'x', 'x\ny\n']) expect(hintOf(utf8(text))).toEqual({});
  });

  test('a head that does not fit its leaves is never written', () => {
    const head: BatchHead = { origin: log.origin, first: 0, count: 2, size: 2, note: noteText(log.note(2)) };
    expect(() => batchPayload(head, log.leaves.slice(0, 1))).toThrow('1 leaves for count 2');
    expect(() => batchPayload({ ...head, size: 1 }, log.leaves.slice(0, 2))).toThrow('at least as large');
    expect(() => batchPayload({ ...head, left: [] }, log.leaves.slice(0, 2))).toThrow('frontier');
  });
});

function parseOk(bytes: Uint8Array) {
  const parsed = parseBatch(bytes);
  if (!parsed.ok) throw new Error(parsed.detail);
  return parsed.value;
}
