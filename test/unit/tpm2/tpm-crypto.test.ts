/** The slot TpmCrypto by node:crypto, against published vectors and against OpenSSL's other half of each exchange. */
import { constants, createECDH, createPublicKey, generateKeyPairSync, privateDecrypt } from 'node:crypto';
import { expect, test } from 'vitest';
import { hex, unbase64url, unhex, utf8 } from '../../../src/base/bytes.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { coordinateSizeBytes, TPM_ALG, TPM_ECC } from '../../../src/tpm2/algorithms.ts';

const bytes = (text: string): Uint8Array => unhex(text.replaceAll(' ', '')) ?? new Uint8Array();

test('HMAC gives the answer of RFC 4231 section 4.2', () => {
  const key = new Uint8Array(20).fill(0x0b);
  expect(hex(nodeTpmCrypto.hmac(TPM_ALG.SHA256, key, utf8('Hi There')))).toBe(
    'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
  );
});

test('AES-CFB gives the answer of SP 800-38A F.3.13 and F.3.17, and goes back', () => {
  const plain = bytes('6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51');
  const iv = bytes('000102030405060708090a0b0c0d0e0f');
  for (const [key, cipher] of [
    ['2b7e151628aed2a6abf7158809cf4f3c', '3b3fd92eb72dad20333449f8e83cfb4a c8a64537a0b3a93fcde3cdad9f1ce58b'],
    [
      '603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4',
      'dc7e84bfda79164b7ecd8486985d3860 39ffed143b28b1c832113c6331e5407b',
    ],
  ] as const) {
    expect(hex(nodeTpmCrypto.aesCfbEncrypt(bytes(key), iv, plain))).toBe(cipher.replaceAll(' ', ''));
    expect(hex(nodeTpmCrypto.aesCfbDecrypt(bytes(key), iv, bytes(cipher)))).toBe(hex(plain));
    // A part of a block: the iv's key stream is used as far as needed.
    expect(hex(nodeTpmCrypto.aesCfbEncrypt(bytes(key), iv, plain.subarray(0, 5)))).toBe(cipher.slice(0, 10));
  }
});

test('an ephemeral exchange gives both sides the same x, and no answer for a point off the curve', () => {
  for (const [curve, name] of [
    [TPM_ECC.NIST_P256, 'prime256v1'],
    [TPM_ECC.NIST_P384, 'secp384r1'],
  ] as const) {
    const size = coordinateSizeBytes(curve);
    const theirs = createECDH(name);
    const point = theirs.generateKeys();
    const peer = { x: point.subarray(1, 1 + size), y: point.subarray(1 + size) };
    const exchange = nodeTpmCrypto.ephemeralEcdh(curve, peer);
    if (exchange === undefined) throw new Error('no exchange');
    const own = Buffer.concat([Buffer.of(4), exchange.point.x, exchange.point.y]);
    expect(hex(exchange.sharedX)).toBe(theirs.computeSecret(own).toString('hex'));
    const off = { x: peer.x, y: Uint8Array.from(peer.y, (byte, i) => (i === 0 ? byte ^ 1 : byte)) };
    expect(nodeTpmCrypto.ephemeralEcdh(curve, off)).toBeUndefined();
    expect(nodeTpmCrypto.ephemeralEcdh(curve, { x: new Uint8Array(size + 1), y: peer.y })).toBeUndefined();
  }
});

test('what RSA-OAEP hides, the private key finds with the same hash and label', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = createPublicKey(publicKey.export({ format: 'pem', type: 'spki' })).export({ format: 'jwk' });
  const modulus = unbase64url(jwk.n ?? '') ?? new Uint8Array();
  const label = utf8('IDENTITY\0');
  const seed = nodeTpmCrypto.randomBytes(32);
  const hidden = nodeTpmCrypto.rsaOaepEncrypt({ modulus, exponent: 0 }, TPM_ALG.SHA256, label, seed);
  if (hidden === undefined) throw new Error('nothing was encrypted');
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  const found = privateDecrypt({ key: privateKey, padding, oaepHash: 'sha256', oaepLabel: label }, hidden);
  expect(hex(found)).toBe(hex(seed));
  const tooLong = new Uint8Array(200);
  expect(nodeTpmCrypto.rsaOaepEncrypt({ modulus, exponent: 0 }, TPM_ALG.SHA256, label, tooLong)).toBeUndefined();
});
