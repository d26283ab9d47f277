/**
 * The primitives on which a TPM's protocol stands, as a slot: Node rooms put node:crypto in (platform/tpm-crypto.ts).
 */
import type { EccCurve, HashAlg } from './algorithms.ts';

/** Affine coordinates, big-endian. What this code makes has the curve's full size; what a TPM sends may be shorter. */
export interface EccPoint {
  readonly x: Uint8Array;
  readonly y: Uint8Array;
}

export interface TpmCrypto {
  hash(alg: HashAlg, bytes: Uint8Array): Uint8Array;
  /** RFC 2104. An empty key is allowed: it is the session key of a session that is neither salted nor bound. */
  hmac(alg: HashAlg, key: Uint8Array, message: Uint8Array): Uint8Array;
  /** AES with 128-bit feedback (NIST SP 800-38A CFB128); a key of 16, 24 or 32 bytes, an iv of 16. */
  aesCfbEncrypt(key: Uint8Array, iv: Uint8Array, plain: Uint8Array): Uint8Array;
  aesCfbDecrypt(key: Uint8Array, iv: Uint8Array, cipher: Uint8Array): Uint8Array;
  /**
   * ECDH of a fresh key with `peer`: the fresh public point, and the shared x, padded to the curve's size.
   * Undefined when `peer` is no point of the curve.
   */
  ephemeralEcdh(
    curve: EccCurve,
    peer: EccPoint,
  ): { readonly point: EccPoint; readonly sharedX: Uint8Array } | undefined;
  /** RSAES-OAEP (RFC 8017) with `alg` as hash and in MGF1; undefined when the key or the message's size does not fit. */
  rsaOaepEncrypt(
    key: { readonly modulus: Uint8Array; readonly exponent: number },
    alg: HashAlg,
    label: Uint8Array,
    message: Uint8Array,
  ): Uint8Array | undefined;
  randomBytes(sizeBytes: number): Uint8Array;
}
