import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concatBytes, hex, unhex } from '../../../src/base/bytes.ts';
import { ATTEST_TYPES, type AttestBody, formatAttest, parseAttest } from '../../../src/tpm2/attest.ts';
import { derOfP1363, formatEcdsaSignature, p1363OfDer, parseEcdsaSignature } from '../../../src/tpm2/signature.ts';
import { FUZZ_RUNS, FUZZ_TIMEOUT_MS, fuzz, mutate, Random } from '../../support/mutate.ts';

/** Made by swtpm and tpm2-tools: their `source` says with which commands. */
interface Vectors {
  readonly ak: { readonly qualified_name: string };
  readonly counter: { readonly name: string };
  readonly attested: Readonly<Record<AttestBody['kind'] | 'certify', { attest: string; signature: string }>>;
}
const vectors: Vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../vectors/tpm-attestations.json'), 'utf8'),
);

function bytes(text: string): Uint8Array {
  const value = unhex(text);
  if (value === undefined) throw new Error(`not hex: ${text}`);
  return value;
}

const KINDS = Object.keys(ATTEST_TYPES) as readonly AttestBody['kind'][];
const of = (kind: AttestBody['kind']): Uint8Array => bytes(vectors.attested[kind].attest);

describe('TPMS_ATTEST', () => {
  test.each(KINDS)('%s, as a TPM made it, reads to its last byte and writes back the same', (kind) => {
    const parsed = parseAttest(of(kind));
    if (!parsed.ok) throw new Error(parsed.detail);
    expect(parsed.value.body.kind).toBe(kind);
    expect(hex(parsed.value.qualifiedSigner)).toBe(vectors.ak.qualified_name);
    expect(parsed.value.clockInfo).toMatchObject({ resetCount: 1, restartCount: 0, safe: true });
    expect(hex(formatAttest(parsed.value))).toBe(vectors.attested[kind].attest);
  });

  test('the members of each type are those that tpm2-tools printed', () => {
    const body = (kind: AttestBody['kind']): unknown => {
      const parsed = parseAttest(of(kind));
      return parsed.ok ? parsed.value.body : parsed;
    };
    expect(body('nv')).toEqual({
      kind: 'nv',
      indexName: bytes(vectors.counter.name),
      offset: 0,
      contents: bytes('0000000000000003'),
    });
    // sha256:0,7,16
    expect(body('quote')).toMatchObject({ selections: [{ hash: 0x000b, bitmap: bytes('810001') }] });
    expect(body('time')).toMatchObject({ time: 21_710n, clockInfo: { clock: 21_710n, resetCount: 1 } });
    expect(body('creation')).toMatchObject({
      objectName: bytes('000b4396aad1f31762c28e1bb115408789f13f193665efb7f10276dd347e4e6724cf'),
    });
    expect(body('certify')).toMatchObject({
      name: bytes('000b0f352bb3af2a9cb1346b77bfdf6117aac2f68ba46a914ebd32cf66b2a9969a52'),
    });
  });

  test('no prefix and no longer form is taken', () => {
    for (const kind of KINDS) {
      const whole = of(kind);
      for (let size = 0; size < whole.length; size += 1) {
        expect(parseAttest(whole.subarray(0, size))).toMatchObject({ ok: false });
      }
      expect(parseAttest(concatBytes(whole, Uint8Array.of(0)))).toMatchObject({ ok: false, reason: 'structure' });
    }
  });

  test('other magic, other types, other flags and sizes beyond limits have their reasons', () => {
    const edit = (at: number, value: number): Uint8Array => {
      const changed = of('nv');
      changed[at] = value;
      return changed;
    };
    expect(parseAttest(edit(0, 0xfe))).toMatchObject({ reason: 'magic' });
    expect(parseAttest(edit(5, 0x16))).toMatchObject({ reason: 'type' });
    // `safe` stands after 4 + 2 + 36 + 34 + 8 + 4 + 4 bytes.
    expect(parseAttest(edit(92, 2))).toMatchObject({ reason: 'structure' });
    expect(parseAttest(edit(92, 0))).toMatchObject({ ok: true, value: { clockInfo: { safe: false } } });
    expect(parseAttest(edit(6, 0x40))).toMatchObject({ reason: 'structure' });
    expect(parseAttest(new Uint8Array(1_025))).toMatchObject({ reason: 'structure' });
    const quote = of('quote');
    quote[104] = 0xff;
    expect(parseAttest(quote)).toMatchObject({ reason: 'structure' });
  });

  test('of mutations none is thrown on, and what is read writes back the same', {
    timeout: FUZZ_TIMEOUT_MS,
  }, () => {
    const random = new Random(14);
    const all = KINDS.map(of);
    const seen = { read: 0, refused: 0 };
    fuzz((i) => {
      const input = mutate(random, all[i % all.length] ?? of('nv'), all);
      const parsed = parseAttest(input);
      seen[parsed.ok ? 'read' : 'refused'] += 1;
      if (parsed.ok && hex(formatAttest(parsed.value)) !== hex(input))
        throw new Error(`another spelling ${hex(input)}`);
    });
    expect(seen.read).toBeGreaterThan(FUZZ_RUNS / 100);
    expect(seen.refused).toBeGreaterThan(FUZZ_RUNS / 100);
  });
});

describe('an ECDSA signature', () => {
  test('reads from TPMT_SIGNATURE as two numbers of 32 bytes, zeros on the left', () => {
    const given = bytes(vectors.attested.nv.signature);
    const p1363 = parseEcdsaSignature(given);
    if (!p1363.ok) throw new Error(p1363.detail);
    expect(hex(p1363.value)).toBe(
      vectors.attested.nv.signature.replace('0018000b0020', '').replace(/(.{64})0020/, '$1'),
    );
    expect(hex(formatEcdsaSignature(p1363.value))).toBe(hex(given));
    const short = parseEcdsaSignature(bytes('0018000b0002123400017f'));
    expect(short).toMatchObject({ ok: true, value: bytes(`${'00'.repeat(30)}1234${'00'.repeat(31)}7f`) });
  });

  test.each([
    ['cut short', '0018000b0020aa'],
    ['a byte more', '0018000b0001010001010a'],
    ['33 bytes', `0018000b0021${'01'.repeat(33)}000101`],
    ['RSASSA', '0014000b000101000101'],
    ['SHA-1', '00180004000101000101'],
    ['nothing', ''],
  ])('is refused when it is %s', (_what, text) => {
    expect(parseEcdsaSignature(bytes(text))).toMatchObject({ ok: false, reason: 'signature' });
  });

  test('goes to DER and back, and other spellings of DER are refused', () => {
    const number = fc.oneof(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ minLength: 1, maxLength: 3 }).map((low) => {
        const whole = new Uint8Array(32);
        whole.set(low, 32 - low.length);
        return whole;
      }),
    );
    fc.assert(
      fc.property(number, number, (r, s) => {
        const p1363 = concatBytes(r, s);
        expect(p1363OfDer(derOfP1363(p1363))).toEqual(p1363);
      }),
      { numRuns: 500, seed: 4 },
    );
    // X.690: 1 and 128 are 02 01 01 and 02 02 00 80.
    expect(hex(derOfP1363(bytes(`${'00'.repeat(31)}01${'00'.repeat(31)}80`)))).toBe('300702010102020080');
    for (const text of [
      '',
      '3006020101',
      '300602010102018000',
      '3007020200010201ff',
      '30080202000102020001',
      '3107020101020201ff',
      `3025022101${'00'.repeat(32)}020101`,
    ]) {
      expect(p1363OfDer(bytes(text)), text).toBeUndefined();
    }
  });
});
