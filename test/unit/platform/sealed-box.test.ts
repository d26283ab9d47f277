import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { openSealed, seal, sealedBoxKey } from '../../../src/platform/sealed-box.ts';

const { publicKey, privateKey } = generateKeyPairSync('x25519');
const spki = Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }));
const recipient = sealedBoxKey(spki);
if (recipient === undefined) throw new Error('no key');
const secret = utf8('owner and lockout');

test('what is sealed comes out again, for the right key and context alone', () => {
  const box = seal(recipient, 'escrow\ngw-0001', secret);
  expect(openSealed(privateKey, 'escrow\ngw-0001', box)).toEqual(secret);
  expect(openSealed(privateKey, 'escrow\ngw-0002', box)).toBeUndefined();
  expect(openSealed(generateKeyPairSync('x25519').privateKey, 'escrow\ngw-0001', box)).toBeUndefined();
  expect(Buffer.from(box).includes(Buffer.from(secret))).toBe(false);
  expect(seal(recipient, 'escrow\ngw-0001', secret)).not.toEqual(box);
});

test('no byte of a box can change', () => {
  const box = seal(recipient, 'x', secret);
  for (let at = 0; at < box.length; at += 1) {
    const changed = Uint8Array.from(box, (byte, i) => (i === at ? byte ^ 1 : byte));
    expect(openSealed(privateKey, 'x', changed)).toBeUndefined();
  }
  for (const size of [0, 31, 48, box.length - 1])
    expect(openSealed(privateKey, 'x', box.slice(0, size))).toBeUndefined();
});

test('what is no X25519 key is none', () => {
  const other = generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' });
  expect(sealedBoxKey(Uint8Array.from(other))).toBeUndefined();
  expect(sealedBoxKey(Uint8Array.of(1, 2, 3))).toBeUndefined();
});

/** The same once more by other calls: HKDF as two HMACs (RFC 5869 section 2), the public key as a JWK. */
test('a box is what its description says', async () => {
  const { createDecipheriv, createHmac, createPublicKey, diffieHellman } = await import('node:crypto');
  const box = Buffer.from(seal(recipient, 'ctx', secret));
  const jwk = { kty: 'OKP', crv: 'X25519', x: box.subarray(0, 32).toString('base64url') };
  const own = createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const shared = diffieHellman({ privateKey: own, publicKey: createPublicKey({ key: jwk, format: 'jwk' }) });
  const prk = createHmac('sha256', Buffer.concat([box.subarray(0, 32), spki.subarray(-32)]))
    .update(shared)
    .digest();
  const key = createHmac('sha256', prk).update('latchkey/sealed-box/v1\nctx').update(Buffer.of(1)).digest();
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.alloc(12)).setAuthTag(box.subarray(-16));
  expect(Buffer.concat([decipher.update(box.subarray(32, -16)), decipher.final()])).toEqual(Buffer.from(secret));
});
