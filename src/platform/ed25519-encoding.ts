/**
 * The encodings that an Ed25519 verifier lets through, asked before OpenSSL is: OpenSSL reduces a public key's y
 * coordinate instead of refusing y >= p, and takes points of small order (RFC 8032 leaves both open). With these checks
 * and OpenSSL's own (S < L, and a byte comparison with the computed R, which is the cofactorless equation) exactly one
 * set of signatures is accepted, the same as in `evidence/portable-crypto.ts`.
 *
 * Source of the small-order points: Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs" (2020), table 1, which is
 * also libsodium's `ge25519_has_small_order`. Every point of order 1, 2, 4 or 8 has one of five y coordinates.
 */

import { present } from '../base/assert.ts';
import { unhex } from '../base/bytes.ts';

/** y of the points of small order, little-endian, sign bit clear: 0, 1, p - 1 and the two of order 8. */
const SMALL_ORDER_Y = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
].map((text) => present(unhex(text), 'y coordinate'));

/** The group order L = 2^252 + 27742317777372353535851937790883648493, little-endian. */
const GROUP_ORDER = present(unhex('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010'), 'group order');

/** The field prime p = 2^255 - 19, little-endian. */
const FIELD_PRIME = present(unhex('edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'), 'field prime');

/** Whether 32 + 64 bytes may be a public key and a signature: canonical A, R and S, neither point of small order. */
export function soundEncodings(publicKey: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  return soundPoint(publicKey, 0) && soundPoint(signature, 0) && below(signature, 32, GROUP_ORDER, 0xff);
}

function soundPoint(bytes: Uint8Array, at: number): boolean {
  if (!below(bytes, at, FIELD_PRIME, 0x7f)) return false;
  return !SMALL_ORDER_Y.some((y) => equalPoint(bytes, at, y));
}

/** Compares from the most significant byte down; `topMask` clears the sign bit of a point. */
function below(bytes: Uint8Array, at: number, bound: Uint8Array, topMask: number): boolean {
  for (let i = 31; i >= 0; i -= 1) {
    const byte = (bytes[at + i] ?? 0) & (i === 31 ? topMask : 0xff);
    const limit = bound[i] ?? 0;
    if (byte !== limit) return byte < limit;
  }
  return false;
}

function equalPoint(bytes: Uint8Array, at: number, y: Uint8Array): boolean {
  for (let i = 0; i < 31; i += 1) if (bytes[at + i] !== y[i]) return false;
  return ((bytes[at + 31] ?? 0) & 0x7f) === y[31];
}
