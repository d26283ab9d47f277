import { createHash, createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import type { EvidenceCrypto } from '../../../src/evidence/crypto.ts';
import { normalise, pseudonym, pseudonymKeyId } from '../../../src/evidence/event/reference.ts';

const crypto: EvidenceCrypto = {
  sha256: (bytes) => createHash('sha256').update(bytes).digest(),
  hmacSha256: (key, message) => createHmac('sha256', key).update(message).digest(),
  verifyEd25519: () => false,
  verifyEcdsaP256: () => false,
};
const key = { id: '2026-11', key: utf8('k'.repeat(32)) };

test('a pseudonym is the one that OpenSSL makes', () => {
  // printf 'latchkey/ref/v1\nparcel\nsscc\n340123450000000017' | openssl dgst -sha256 -mac HMAC -macopt key:kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk -binary | head -c 16 | basenc --base64url
  expect(pseudonym(crypto, key, 'parcel', 'sscc', '340123450000000017')).toBe('2026-11.6fnyWEUcIpWmuDt_lFaQYA');
});

test('kind, scheme, value and key each change it', () => {
  const all = [
    pseudonym(crypto, key, 'parcel', 'sscc', '1'),
    pseudonym(crypto, key, 'parcel', 'gtin', '1'),
    pseudonym(crypto, key, 'courier', '-', '1'),
    pseudonym(crypto, key, 'parcel', 'sscc', '2'),
    pseudonym(crypto, { id: '2026-12', key: utf8('other') }, 'parcel', 'sscc', '1'),
  ];
  expect(new Set(all).size).toBe(all.length);
  expect(all.map(pseudonymKeyId)).toEqual(['2026-11', '2026-11', '2026-11', '2026-11', '2026-12']);
  expect(pseudonymKeyId('340123450000000017')).toBeUndefined();
});

test('a newline cannot make two inputs one message, and a key id has its grammar', () => {
  expect(() => pseudonym(crypto, key, 'parcel\nsscc', 'x', '1')).toThrow('newline');
  expect(() => pseudonym(crypto, { ...key, id: 'November' }, 'parcel', 'sscc', '1')).toThrow('key id');
});

test.each([
  ['sscc', ' 3401 2345 0000 0000 17', '340123450000000017'],
  ['gtin', '9506000134352', '09506000134352'],
  ['s10', 'rb 123 456 785 gb', 'RB123456785GB'],
  ['ups', '1z5r89390357567127', '1Z5R89390357567127'],
  ['giai', '4012345lck01', '4012345lck01'],
  ['unknown', ' Shelf 7\r\n', 'Shelf 7'],
])('%s has one spelling', (scheme, value, normalised) => {
  expect(normalise(scheme, value)).toBe(normalised);
});

test('nothing and too much name nothing', () => {
  expect(normalise('unknown', '  ')).toBeUndefined();
  expect(normalise('unknown', 'x'.repeat(129))).toBeUndefined();
});
