/**
 * The three primitives on which all evidence stands, as a slot: the portable zone brings its own (`portable-crypto.ts`),
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
}
