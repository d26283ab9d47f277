/**
 * The primitives on which all evidence stands, as a slot: the portable zone brings its own (`portable-crypto.ts`),
 * Node rooms put node:crypto in (platform/node-crypto.ts), which is several times faster.
 */
export interface EvidenceCrypto {
  /** SHA-256 (FIPS 180-4): 32 bytes. */
  sha256(bytes: Uint8Array): Uint8Array;
  /** HMAC-SHA-256 (RFC 2104): 32 bytes. */
  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array;
  /**
   * Ed25519 (RFC 8032) under the one acceptance rule of FORMAT.md section 1: canonical encodings, no small-order
   * points, cofactorless equation. False for whatever is not to the last byte such a signature; never throws.
   */
  verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /**
   * ECDSA over P-256 with SHA-256 (FIPS 186-5) under the one acceptance rule of FORMAT.md section 5: `spki` is a
   * SubjectPublicKeyInfo of 91 bytes (named curve, uncompressed, a point of the curve), `signature` is r || s, both in
   * [1, n - 1]. A high s is accepted, since TPMs give them. False for whatever is not such a signature; never throws.
   */
  verifyEcdsaP256(spki: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

/** Bytes of r || s. */
export const P256_SIGNATURE_BYTES = 64;
export const P256_SPKI_BYTES = 91;

/** RFC 5480: id-ecPublicKey, secp256r1, and the 0x04 of an uncompressed point, before its two coordinates. */
export const P256_SPKI_PREFIX: readonly number[] = [
  0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
  0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/** The one spelling of a P-256 key that is read here. Whether its point is on the curve is asked by verifying. */
export function isP256Spki(spki: Uint8Array): boolean {
  return spki.length === P256_SPKI_BYTES && P256_SPKI_PREFIX.every((byte, i) => spki[i] === byte);
}
