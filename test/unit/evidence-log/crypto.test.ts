import { createHash, createHmac, createPrivateKey, sign } from 'node:crypto';
import { hashes, verify as nobleVerify, Point } from '@noble/ed25519';
import { sha512 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concatBytes, hex, unhex, utf8 } from '../../../src/base/bytes.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import { nodeCrypto, nodeSha512 } from '../../../src/platform/node-crypto.ts';
import { seedOf, TestKey } from '../../support/test-log.ts';

const both = [nodeCrypto, portableCrypto()] as const;

function bytes(text: string): Uint8Array {
  const value = unhex(text);
  if (value === undefined) throw new Error(`not hex: ${text}`);
  return value;
}

/** What each edition says; the two must agree before a test looks at the answer. */
function verdict(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const [node, portable] = both.map((crypto) => crypto.verifyEd25519(publicKey, message, signature));
  expect(portable, `node says ${node} for ${hex(publicKey)} ${hex(signature)}`).toBe(node);
  return node === true;
}

/** RFC 8032 section 7.1: secret key, public key, message, signature. */
const RFC_8032 = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
  [
    '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
    'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704',
  ],
] as const;

/**
 * Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs" (2020), github.com/novifinancial/ed25519-speccheck cases.txt:
 * message, public key, signature, and what "canonical encodings, no small order, cofactorless" makes of them.
 */
const SPECCHECK = [
  // 0 small A and R, 1 small A, 2 small R
  [
    '8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a0000000000000000000000000000000000000000000000000000000000000000',
    false,
  ],
  [
    '9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
    'f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04',
    false,
  ],
  [
    'aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab',
    'f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e',
    false,
  ],
  // 3 mixed order, holds without the cofactor; 4 and 5 hold only with it
  [
    '9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79',
    'cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d',
    '9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009',
    true,
  ],
  [
    'e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c',
    'cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d',
    '160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09',
    false,
  ],
  [
    'e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c',
    'cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d',
    '21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405',
    false,
  ],
  // 6 and 7: S >= L
  [
    '85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40',
    '442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623',
    'e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514',
    false,
  ],
  [
    '85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40',
    '442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623',
    '8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa19427e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22',
    false,
  ],
  // 8 and 9: R not canonical; 10 and 11: A not canonical
  [
    '9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41',
    'f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff03be9678ac102edcd92b0210bb34d7428d12ffc5df5f37e359941266a4e35f0f',
    false,
  ],
  [
    '9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41',
    'f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffca8c5b64cd208982aa38d4936621a4775aa233aa0505711d8fdcfdaa943d4908',
    false,
  ],
  [
    'e96b7021eb39c1a163b6da4e3093dcd3f21387da4cc4572be588fafae23c155b',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    'a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dca5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04',
    false,
  ],
  [
    '39a591f5321bbe07fd5a23dc2f39d025d74526615746727ceefd6e82ae65c06f',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    'a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dca5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04',
    false,
  ],
] as const;

/** The eight points of small order and their other spellings: libsodium, ge25519_has_small_order; the paper's table 1. */
const SMALL_ORDER = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].flatMap((y) => [bytes(y), signBit(bytes(y))]);

function signBit(point: Uint8Array): Uint8Array {
  const other = new Uint8Array(point);
  other[31] = (other[31] ?? 0) | 0x80;
  return other;
}

function littleEndian(value: Uint8Array): bigint {
  return BigInt(`0x${hex(new Uint8Array(value).reverse())}`);
}

function scalarBytes(value: bigint): Uint8Array {
  return bytes(value.toString(16).padStart(64, '0')).reverse();
}

describe('hashes', () => {
  test('both editions give the digest of FIPS 180-4 and the MAC of RFC 4231', () => {
    for (const crypto of both) {
      expect(hex(crypto.sha256(utf8('abc')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
      // RFC 4231 section 4.3, test case 2.
      const mac = crypto.hmacSha256(utf8('Jefe'), utf8('what do ya want for nothing?'));
      expect(hex(mac)).toBe('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
    }
  });

  test('a MAC is that of OpenSSL for keys and messages of any length, also when keys take turns', () => {
    const keys = [0, 1, 32, 63, 64, 65, 200].map((length) => new Uint8Array(length).fill(0xa5));
    for (const length of [0, 1, 46, 255, 256, 257, 5_000]) {
      const message = new Uint8Array(length).map((_, i) => i);
      for (const key of keys) {
        const expected = createHmac('sha256', key).update(message).digest('hex');
        for (const crypto of both) expect(hex(crypto.hmacSha256(key, message))).toBe(expected);
      }
    }
  });

  test('the hash that the portable edition may borrow is SHA-512', () => {
    // FIPS 180-4 example: SHA-512("abc").
    const digest =
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f';
    expect(hex(nodeSha512(utf8('abc')))).toBe(digest);
    const key = new TestKey(seedOf('borrowed'));
    const borrowing = portableCrypto({ sha512: nodeSha512 });
    expect(borrowing.verifyEd25519(key.publicKey, utf8('m'), key.sign(utf8('m')))).toBe(true);
    expect(borrowing.verifyEd25519(key.publicKey, utf8('n'), key.sign(utf8('m')))).toBe(false);
  });

  test('a digest is an array of its own, also from a view into a larger one', () => {
    const whole = utf8('xabcx');
    for (const crypto of both) {
      const digest = crypto.sha256(whole.subarray(1, 4));
      expect(hex(digest)).toBe(createHash('sha256').update('abc').digest('hex'));
      expect(digest.constructor).toBe(Uint8Array);
      expect(digest).toHaveLength(32);
      const kept = digest.slice();
      digest.fill(0);
      expect(hex(kept)).not.toBe(hex(digest));
    }
  });
});

describe('Ed25519', () => {
  test.each(RFC_8032)('RFC 8032 section 7.1 verifies: secret key %s', (secret, publicKey, message, signature) => {
    const key = new TestKey(bytes(secret));
    expect(hex(key.publicKey)).toBe(publicKey);
    expect(hex(key.sign(bytes(message)))).toBe(signature);
    expect(verdict(key.publicKey, bytes(message), bytes(signature))).toBe(true);
  });

  test.each(SPECCHECK.map((row, i) => [i, ...row] as const))(
    'speccheck case %i has its one answer',
    (_i, message, publicKey, signature, expected) => {
      expect(verdict(bytes(publicKey), bytes(message), bytes(signature))).toBe(expected);
    },
  );

  test("the library's own verify takes what holds only with the cofactor, so it is not used", () => {
    hashes.sha512 = sha512;
    const [message, publicKey, signature] = SPECCHECK[4];
    expect(nobleVerify(bytes(signature), bytes(message), bytes(publicKey), { zip215: false })).toBe(true);
    expect(verdict(bytes(publicKey), bytes(message), bytes(signature))).toBe(false);
    hashes.sha512 = undefined;
  });

  test('no point of small order is a public key or an R, in any spelling', () => {
    const key = new TestKey(seedOf('small order'));
    for (const point of SMALL_ORDER) {
      for (let i = 0; i < 4; i += 1) {
        const message = utf8(`message ${i}`);
        // With A small and S = 0 the equation holds whenever R = -kA: for many messages, R in the small subgroup does.
        for (const r of SMALL_ORDER) expect(verdict(point, message, concatBytes(r, new Uint8Array(32)))).toBe(false);
        expect(verdict(key.publicKey, message, concatBytes(point, new Uint8Array(32)))).toBe(false);
      }
    }
  });

  test('no coordinate at or above p and no S at or above L is taken', () => {
    const key = new TestKey(seedOf('non canonical'));
    const message = utf8('message');
    const signature = key.sign(message);
    const order = Point.CURVE().n;
    const s = littleEndian(signature.subarray(32));
    expect(verdict(key.publicKey, message, signature)).toBe(true);
    for (let more = s + order; more < 2n ** 256n; more += order) {
      expect(verdict(key.publicKey, message, concatBytes(signature.subarray(0, 32), scalarBytes(more)))).toBe(false);
    }
    for (let y = 0; y < 19; y += 1) {
      const spelled = bytes(`${(0xed + y).toString(16)}${'ff'.repeat(30)}7f`);
      for (const point of [spelled, signBit(spelled)]) {
        expect(verdict(point, message, signature)).toBe(false);
        expect(verdict(key.publicKey, message, concatBytes(point, signature.subarray(32)))).toBe(false);
      }
    }
  });

  test('both editions say the same of keys and signatures with a component of small order', () => {
    const torsion = Point.fromBytes(bytes('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'), false);
    const { n: order } = Point.CURVE();
    const answers = { true: 0, false: 0 };
    fc.assert(
      fc.property(
        fc.bigInt(1n, order - 1n),
        fc.bigInt(1n, order - 1n),
        fc.uint8Array({ maxLength: 40 }),
        fc.nat(7),
        fc.nat(7),
        (a, r, message, timesA, timesR) => {
          const mixed = (n: bigint, times: number): Uint8Array =>
            Point.BASE.multiply(n, false)
              .add(torsion.multiply(BigInt(times), false))
              .toBytes();
          const publicKey = mixed(a, timesA);
          const encodedR = mixed(r, timesR);
          const k = littleEndian(sha512(concatBytes(encodedR, publicKey, message))) % order;
          const signature = concatBytes(encodedR, scalarBytes((r + k * a) % order));
          answers[`${verdict(publicKey, message, signature)}`] += 1;
        },
      ),
      { numRuns: 200, seed: 1 },
    );
    // Neither answer may be missing, or the property held of nothing.
    expect(answers.true).toBeGreaterThan(10);
    expect(answers.false).toBeGreaterThan(50);
  });

  test('both editions say the same of mutated signatures, keys and messages', () => {
    const key = new TestKey(seedOf('mutated'));
    const message = utf8('a message');
    const good = concatBytes(key.publicKey, key.sign(message), message);
    const answers = { true: 0, false: 0 };
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, value) => {
        const changed = new Uint8Array(good);
        changed[at] = value;
        const answer = verdict(changed.subarray(0, 32), changed.subarray(96), changed.subarray(32, 96));
        expect(answer).toBe(good[at] === value);
        answers[`${answer}`] += 1;
      }),
      { numRuns: 300, seed: 2, examples: [[40, good[40] ?? 0]] },
    );
    expect(answers.true).toBeGreaterThan(0);
    expect(answers.false).toBeGreaterThan(200);
  });

  test('wrong lengths are refused, not thrown', () => {
    for (const crypto of both) {
      for (const size of [0, 31, 33]) {
        expect(crypto.verifyEd25519(new Uint8Array(size), utf8(''), new Uint8Array(64))).toBe(false);
        expect(crypto.verifyEd25519(new Uint8Array(32).fill(3), utf8(''), new Uint8Array(32 + size))).toBe(false);
      }
    }
  });

  test('a key that verifies often answers as before, also of what does not verify', () => {
    const crypto = portableCrypto();
    const key = new TestKey(seedOf('often'));
    const other = new TestKey(seedOf('other'));
    for (let i = 0; i < 60; i += 1) {
      const message = utf8(`message ${i}`);
      const signature = (i % 3 === 2 ? other : key).sign(i % 3 === 1 ? utf8('another') : message);
      expect(crypto.verifyEd25519(key.publicKey, message, signature)).toBe(i % 3 === 0);
      expect(nodeCrypto.verifyEd25519(key.publicKey, message, signature)).toBe(i % 3 === 0);
    }
  });

  test('more keys than are kept answer as before', () => {
    const first = createPrivateKey({
      key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seedOf('first')]),
      format: 'der',
      type: 'pkcs8',
    });
    const key = new TestKey(seedOf('first'));
    const signature = new Uint8Array(sign(null, utf8('m'), first));
    expect(nodeCrypto.verifyEd25519(key.publicKey, utf8('m'), signature)).toBe(true);
    const portable = portableCrypto();
    expect(portable.verifyEd25519(key.publicKey, utf8('m'), signature)).toBe(true);
    for (let i = 0; i < 1100; i += 1) {
      const other = new TestKey(seedOf(`other ${i}`)).publicKey;
      expect(nodeCrypto.verifyEd25519(other, utf8('m'), signature)).toBe(false);
      if (i < 12) expect(portable.verifyEd25519(other, utf8('m'), signature)).toBe(false);
    }
    expect(nodeCrypto.verifyEd25519(key.publicKey, utf8('m'), signature)).toBe(true);
    expect(portable.verifyEd25519(key.publicKey, utf8('m'), signature)).toBe(true);
  });
});
