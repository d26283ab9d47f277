import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concatBytes, hex, unhex, utf8 } from '../../../src/base/bytes.ts';
import { P256_SPKI_PREFIX } from '../../../src/evidence/crypto.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { seedOf } from '../../support/test-log.ts';

const both = [nodeCrypto, portableCrypto()] as const;
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const FIELD = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const PREFIX = Uint8Array.from(P256_SPKI_PREFIX);

function bytes(text: string): Uint8Array {
  const value = unhex(text.toLowerCase());
  if (value === undefined) throw new Error(`not hex: ${text}`);
  return value;
}

const number = (value: bigint): Uint8Array => bytes(value.toString(16).padStart(64, '0'));
const integer = (part: Uint8Array): bigint => BigInt(`0x${hex(part)}`);

/** What each edition says; the two must agree before a test looks at the answer. */
function verdict(spki: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const [node, portable] = both.map((crypto) => crypto.verifyEcdsaP256(spki, message, signature));
  expect(portable, `node says ${node} for ${hex(spki)} ${hex(signature)}`).toBe(node);
  return node === true;
}

/** A key of OpenSSL's making. */
class OpenSslKey {
  readonly #private: KeyObject;
  readonly spki: Uint8Array;

  constructor(privateKey: KeyObject = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey) {
    this.#private = privateKey;
    this.spki = new Uint8Array(createPublicKey(privateKey).export({ format: 'der', type: 'spki' }));
  }

  static of(secret: Uint8Array): OpenSslKey {
    const point = p256.getPublicKey(secret, false);
    const part = (from: number): string => Buffer.from(point.subarray(from, from + 32)).toString('base64url');
    const d = Buffer.from(secret).toString('base64url');
    const key = { kty: 'EC', crv: 'P-256', d, x: part(1), y: part(33) };
    return new OpenSslKey(createPrivateKey({ key, format: 'jwk' }));
  }

  sign(message: Uint8Array): Uint8Array {
    return new Uint8Array(sign('sha256', message, { key: this.#private, dsaEncoding: 'ieee-p1363' }));
  }
}

/** RFC 6979 section A.2.5, with SHA-256: message, r, s. */
const RFC_6979_KEY = [
  '60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6',
  '7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299',
].join('');
const RFC_6979 = [
  [
    'sample',
    'EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716',
    'F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8',
  ],
  [
    'test',
    'F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367',
    '019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083',
  ],
] as const;

const key = new OpenSslKey();
const message = utf8('an attestation');
const good = key.sign(message);

describe('ECDSA P-256', () => {
  test.each(RFC_6979)('RFC 6979 section A.2.5 verifies: "%s"', (text, r, s) => {
    const spki = concatBytes(PREFIX, bytes(RFC_6979_KEY));
    expect(verdict(spki, utf8(text), bytes(r + s))).toBe(true);
    expect(verdict(spki, utf8(`${text} `), bytes(r + s))).toBe(false);
  });

  test('a high s and a low one are both accepted', () => {
    const [r, s] = [good.subarray(0, 32), integer(good.subarray(32))];
    expect(verdict(key.spki, message, good)).toBe(true);
    expect(verdict(key.spki, message, concatBytes(r, number(ORDER - s)))).toBe(true);
    expect(verdict(key.spki, utf8('another'), concatBytes(r, number(ORDER - s)))).toBe(false);
  });

  test('r and s stand in [1, n - 1]', () => {
    const [r, s] = [good.subarray(0, 32), good.subarray(32)];
    for (const value of [0n, ORDER, ORDER + 1n, 2n ** 256n - 1n]) {
      expect(verdict(key.spki, message, concatBytes(number(value), s))).toBe(false);
      expect(verdict(key.spki, message, concatBytes(r, number(value)))).toBe(false);
      expect(verdict(key.spki, message, concatBytes(number(value), number(value)))).toBe(false);
    }
    // s + n is the same number modulo n: only its range tells it from s.
    const small = smallS();
    expect(verdict(small.spki, small.message, concatBytes(small.r, number(small.s)))).toBe(true);
    expect(verdict(small.spki, small.message, concatBytes(small.r, number(small.s + ORDER)))).toBe(false);
  });

  test('a key is 91 bytes of one spelling, and a point of the curve', () => {
    const point = key.spki.subarray(27);
    const compressed = Uint8Array.of(2 + ((point[63] ?? 0) & 1), ...point.subarray(0, 32));
    const der = (body: Uint8Array): Uint8Array =>
      concatBytes(PREFIX.slice(0, 24), Uint8Array.of(body.length + 1, 0), body);
    const hybrid = concatBytes(PREFIX.slice(0, 26), Uint8Array.of(6 + ((point[63] ?? 0) & 1)), point);
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'der', type: 'spki' });
    const k256 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({
      format: 'der',
      type: 'spki',
    });
    const bad: readonly Uint8Array[] = [
      new Uint8Array(0),
      key.spki.subarray(0, 90),
      concatBytes(key.spki, Uint8Array.of(0)),
      point,
      compressed,
      der(compressed),
      hybrid,
      new Uint8Array(p384),
      new Uint8Array(k256),
      concatBytes(PREFIX, new Uint8Array(64)),
      concatBytes(PREFIX, point.subarray(0, 32), number(FIELD - integer(point.subarray(32)) - 1n)),
      concatBytes(PREFIX, number(FIELD), point.subarray(32)),
    ];
    for (const spki of bad) expect(verdict(spki, message, good), hex(spki)).toBe(false);
    expect(verdict(key.spki, message, good)).toBe(true);
  });

  test('a coordinate at or above p is no other spelling of a point', () => {
    let seen = 0;
    for (let x = 0n; seen < 4; x += 1n) {
      const point = pointAt(x);
      if (point === undefined) continue;
      seen += 1;
      const sound = concatBytes(PREFIX, number(x), point);
      expect(verdict(sound, message, good)).toBe(false);
      expect(verdict(concatBytes(PREFIX, number(x + FIELD), point), message, good)).toBe(false);
      // OpenSSL itself takes the first and refuses the second, so it was the coordinate that was looked at.
      const read = (spki: Uint8Array) => createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
      expect(read(sound).asymmetricKeyType).toBe('ec');
      expect(() => read(concatBytes(PREFIX, number(x + FIELD), point))).toThrow();
    }
  });

  test('both editions say the same of mutated keys, messages and signatures', () => {
    const whole = concatBytes(key.spki, good, message);
    const answers = { true: 0, false: 0 };
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
        const changed = new Uint8Array(whole);
        changed[at] = value;
        const answer = verdict(changed.subarray(0, 91), changed.subarray(155), changed.subarray(91, 155));
        expect(answer).toBe(whole[at] === value);
        answers[`${answer}`] += 1;
      }),
      { numRuns: 400, seed: 3, examples: [[100, whole[100] ?? 0]] },
    );
    expect(answers.true).toBeGreaterThan(0);
    expect(answers.false).toBeGreaterThan(300);
  });

  test('both editions take what OpenSSL signs, for any key and message, and nothing else', () => {
    fc.assert(
      fc.property(
        fc.bigInt(1n, ORDER - 1n),
        fc.uint8Array({ maxLength: 300 }),
        fc.bigInt(1n, ORDER - 1n),
        fc.bigInt(1n, ORDER - 1n),
        (secret, text, r, s) => {
          const own = OpenSslKey.of(number(secret));
          expect(verdict(own.spki, text, own.sign(text))).toBe(true);
          expect(verdict(own.spki, text, concatBytes(number(r), number(s)))).toBe(false);
        },
      ),
      { numRuns: 60, seed: 5 },
    );
  });

  test('wrong lengths are refused, not thrown', () => {
    for (const size of [0, 63, 65, 72]) expect(verdict(key.spki, message, new Uint8Array(size).fill(1))).toBe(false);
  });
});

/** A signature with s below 2^256 - n, so that s + n still fits into 32 bytes: s and the nonce are chosen, the key follows. */
function smallS(): {
  readonly spki: Uint8Array;
  readonly message: Uint8Array;
  readonly r: Uint8Array;
  readonly s: bigint;
} {
  const text = utf8('small s');
  const e = integer(nodeCrypto.sha256(text)) % ORDER;
  const k = integer(seedOf('nonce'));
  const r = p256.Point.BASE.multiply(k).toAffine().x % ORDER;
  const s = 12_345n;
  const { Fn } = p256.Point;
  const secret = Fn.div(Fn.sub(Fn.mul(s, k), e), r);
  return { spki: OpenSslKey.of(number(secret)).spki, message: text, r: number(r), s };
}

/** y of the point with this x, if there is one. */
function pointAt(x: bigint): Uint8Array | undefined {
  try {
    return p256.Point.fromBytes(concatBytes(Uint8Array.of(2), number(x)))
      .toBytes(false)
      .subarray(33);
  } catch {
    return undefined;
  }
}
