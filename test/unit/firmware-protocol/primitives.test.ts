/** Cryptography, CRC and COBS on both sides against vectors of other hands. */
import { execFileSync } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cobsDecode, cobsEncode } from '../../../firmware-protocol/codec/cobs.ts';
import { crc32 } from '../../../firmware-protocol/codec/crc32.ts';
import { deriveKey } from '../../../firmware-protocol/codec/crypto.ts';
import { hex, utf8 } from '../../../src/base/bytes.ts';
import { nodeWireCrypto } from '../../../src/edge/drivers/latchkey/wire-crypto.ts';
import { type LineProgram, startHarness } from '../../support/firmware.ts';

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const word = (value: Uint8Array): string => (value.length === 0 ? '-' : hex(value));

let c: LineProgram;
beforeAll(() => {
  c = startHarness('compute');
});
afterAll(async () => {
  expect(await c.end()).toBe(0);
});

describe('AES-128', () => {
  test('FIPS 197 appendix C.1', async () => {
    const answer = await c.ask('aes 000102030405060708090a0b0c0d0e0f 00112233445566778899aabbccddeeff');
    expect(answer).toBe('69c4e0d86a7b0430d8cdb78070b4c55a');
  });

  test('the C side encrypts as OpenSSL does', async () => {
    const pairs = fc.sample(fc.tuple(block(), block()), 50);
    const answers = await c.askAll(pairs.map(([key, data]) => `aes ${hex(key)} ${hex(data)}`));
    const expected = pairs.map(([key, data]) =>
      hex(createCipheriv('aes-128-ecb', key, null).setAutoPadding(false).update(data)),
    );
    expect(answers).toEqual(expected);
  });
});

describe('CMAC', () => {
  const KEY = '2b7e151628aed2a6abf7158809cf4f3c';
  const TEXT =
    '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710';

  test.each([
    [0, 'bb1d6929e95937287fa37d129b756746'],
    [16, '070a16b46b4d4144f79bdd9dd04a287c'],
    [40, 'dfa66747de9ae63030ca32611497c827'],
    [64, '51f0bebf7e3b9d92fc49741779363cfe'],
  ])('RFC 4493 section 4, %i bytes', async (size, mac) => {
    const data = bytes(TEXT).subarray(0, size);
    expect(await c.ask(`cmac ${KEY} ${word(data)}`)).toBe(mac);
    expect(hex(nodeWireCrypto.cmac(bytes(KEY), data))).toBe(mac);
  });
});

describe('CCM', () => {
  const KEY = 'c0c1c2c3c4c5c6c7c8c9cacbcccdcecf';
  /** RFC 3610 section 8, packet vectors 1 to 3: nonce, additional data, text, text and tag encrypted. */
  const PACKETS: readonly (readonly [string, string, string, string])[] = [
    [
      '00000003020100a0a1a2a3a4a5',
      '0001020304050607',
      '08090a0b0c0d0e0f101112131415161718191a1b1c1d1e',
      '588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0',
    ],
    [
      '00000004030201a0a1a2a3a4a5',
      '0001020304050607',
      '08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
      '72c91a36e135f8cf291ca894085c87e3cc15c439c9e43a3ba091d56e10400916',
    ],
    [
      '00000005040302a0a1a2a3a4a5',
      '0001020304050607',
      '08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20',
      '51b1e5f44a197d1da46b0f8e2d282ae871e838bb64da8596574adaa76fbd9fb0c5',
    ],
  ];

  test.each(PACKETS)('RFC 3610 packet with nonce %s', async (nonce, aad, plain, sealed) => {
    // "opens closed": with the tag as made it opens, with a flipped one it does not.
    expect(await c.ask(`ccm ${KEY} ${nonce} ${aad} ${plain}`)).toBe(`${sealed} opens closed`);
    expect(hex(nodeWireCrypto.seal(bytes(KEY), bytes(nonce), bytes(aad), bytes(plain)))).toBe(sealed);
    const text = bytes(sealed).subarray(0, -8);
    const tag = bytes(sealed).subarray(-8);
    expect(nodeWireCrypto.open(bytes(KEY), bytes(nonce), bytes(aad), text, tag)).toEqual(bytes(plain));
    tag[0] = (tag[0] ?? 0) ^ 1;
    expect(nodeWireCrypto.open(bytes(KEY), bytes(nonce), bytes(aad), text, tag)).toBeUndefined();
  });

  test('both sides agree for every size of a body', async () => {
    const sizes = [1, 15, 16, 17, 31, 32, 33, 250, 251];
    const head = '280102030405';
    const nonce = hex(new Uint8Array(13).fill(7));
    const plains = sizes.map((size) => Uint8Array.from({ length: size }, (_, i) => i & 0xff));
    const answers = await c.askAll(plains.map((plain) => `ccm ${KEY} ${nonce} ${head} ${hex(plain)}`));
    const own = plains.map((plain) => hex(nodeWireCrypto.seal(bytes(KEY), bytes(nonce), bytes(head), plain)));
    expect(answers).toEqual(own.map((text) => `${text} opens closed`));
  });
});

describe('KDF', () => {
  test('OpenSSL derives the same keys (SP 800-108, KBKDF)', async () => {
    const key = '101112131415161718191a1b1c1d1e1f';
    const context = 'aa00bb0102';
    const args = ['-keylen', '16', '-kdfopt', 'mac:CMAC', '-kdfopt', 'cipher:AES-128-CBC', '-kdfopt', 'mode:counter'];
    const inputs = ['-kdfopt', `hexkey:${key}`, '-kdfopt', 'salt:lkw1 g2d', '-kdfopt', `hexinfo:${context}`];
    const printed = execFileSync('openssl', ['kdf', ...args, ...inputs, 'KBKDF'], { timeout: 60_000 });
    const expected = printed.toString().trim().replaceAll(':', '').toLowerCase();
    expect(hex(deriveKey(nodeWireCrypto, bytes(key), 'lkw1 g2d', bytes(context)))).toBe(expected);
    // The harness reads words: a label without a blank, which both sides take alike.
    const plain = hex(deriveKey(nodeWireCrypto, bytes(key), 'lkw1_g2d', bytes(context)));
    expect(await c.ask(`kdf ${key} lkw1_g2d ${context}`)).toBe(plain);
  });
});

test('CRC-32 of "123456789" is the catalogue\'s check value on both sides', async () => {
  expect(crc32(utf8('123456789'))).toBe(0xcbf4_3926);
  expect(await c.ask(`crc ${hex(utf8('123456789'))}`)).toBe('cbf43926');
});

describe('COBS', () => {
  const upTo = (from: number, to: number): Uint8Array => Uint8Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const all = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));
  /** The examples that are usually printed for COBS. */
  const EXAMPLES: readonly (readonly [string, Uint8Array, Uint8Array])[] = [
    ['00', bytes('00'), bytes('01 01')],
    ['00 00', bytes('00 00'), bytes('01 01 01')],
    ['00 11 00', bytes('00 11 00'), bytes('01 02 11 01')],
    ['11 22 00 33', bytes('11 22 00 33'), bytes('03 11 22 02 33')],
    ['11 22 33 44', bytes('11 22 33 44'), bytes('05 11 22 33 44')],
    ['11 00 00 00', bytes('11 00 00 00'), bytes('02 11 01 01 01')],
    ['01 to FE', upTo(1, 254), all(bytes('ff'), upTo(1, 254))],
    ['00 to FE', upTo(0, 254), all(bytes('01 ff'), upTo(1, 254))],
    ['01 to FF', upTo(1, 255), all(bytes('ff'), upTo(1, 254), bytes('02 ff'))],
    ['02 to FF, 00', all(upTo(2, 255), bytes('00')), all(bytes('ff'), upTo(2, 255), bytes('01 01'))],
    ['03 to FF, 00 01', all(upTo(3, 255), bytes('00 01')), all(bytes('fe'), upTo(3, 255), bytes('02 01'))],
  ];

  test.each(EXAMPLES)('%s', async (_name, plain, coded) => {
    expect(cobsEncode(plain)).toEqual(coded);
    expect(cobsDecode(coded)).toEqual(plain);
    expect(await c.ask(`cobs ${hex(plain)}`)).toBe(`${hex(coded)} same`);
  });

  test('a content has one spelling: what decodes is what encoding gives', () => {
    let decoded = 0;
    // Whole groups of any size, so that most of it decodes.
    const group = fc.oneof(fc.constantFrom(1, 2, 3, 255), fc.integer({ min: 1, max: 255 }));
    const coded = fc
      .array(group, { minLength: 1, maxLength: 5 })
      .map((codes) => codes.flatMap((code) => [code, ...new Array<number>(code - 1).fill(7)]));
    fc.assert(
      fc.property(coded, (codes) => {
        const content = cobsDecode(Uint8Array.from(codes));
        if (content === undefined) return;
        decoded += 1;
        expect([...cobsEncode(content)]).toEqual(codes);
      }),
    );
    expect(decoded).toBeGreaterThan(10);
    expect(cobsDecode(all(bytes('ff'), upTo(1, 254), bytes('01')))).toBeUndefined();
  });
});

function block(): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: 16, maxLength: 16 });
}
