/**
 * ECDSA P-256 verification without Node, by the rule of FORMAT.md section 5: one spelling of the key, a point of the
 * curve, r and s in [1, n - 1], high s accepted.
 */
import { p256 } from '@noble/curves/nist.js';
import { isP256Spki, P256_SIGNATURE_BYTES, P256_SPKI_PREFIX } from './crypto.ts';

export function portableVerifyP256(spki: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== P256_SIGNATURE_BYTES || !isP256Spki(spki)) return false;
  // The library wants the point with its leading 0x04.
  const point = spki.subarray(P256_SPKI_PREFIX.length - 1);
  try {
    return p256.verify(signature, message, point, { prehash: true, lowS: false, format: 'compact' });
  } catch {
    return false;
  }
}
