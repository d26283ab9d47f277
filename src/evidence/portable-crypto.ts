/**
 * The three primitives without Node: runs in a browser, and beside node:crypto as a second opinion.
 *
 * `verify` of @noble/ed25519 multiplies the equation by the cofactor even with `zip215: false`, so it takes signatures
 * with a small-order component in A or R that OpenSSL refuses. FORMAT.md section 10 asks for the cofactorless equation;
 * therefore it is written out here over the library's strict point decoding (RFC 8032 section 5.1.7).
 */
import { Point } from '@noble/ed25519';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { concatBytes } from '../base/bytes.ts';
import type { EvidenceCrypto } from './crypto.ts';

export function portableCrypto(): EvidenceCrypto {
  return {
    sha256: (bytes) => sha256(bytes),
    hmacSha256: (key, message) => hmac(sha256, key, message),
    verifyEd25519: verifyStrict,
  };
}

function verifyStrict(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  const a = strictPoint(publicKey);
  const encodedR = signature.subarray(0, 32);
  const r = strictPoint(encodedR);
  const { n: order } = Point.CURVE();
  const s = littleEndian(signature.subarray(32));
  if (a === undefined || r === undefined || s >= order) return false;
  const k = littleEndian(sha512(concatBytes(encodedR, publicKey, message))) % order;
  return r.add(a.multiply(k, false)).equals(Point.BASE.multiply(s, false));
}

/** The point of a canonical encoding, unless its order divides eight. */
function strictPoint(bytes: Uint8Array): Point | undefined {
  try {
    const point = Point.fromBytes(bytes, false);
    return point.isSmallOrder() ? undefined : point;
  } catch {
    return undefined;
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i -= 1) value = (value << 8n) | BigInt(bytes[i] ?? 0);
  return value;
}
