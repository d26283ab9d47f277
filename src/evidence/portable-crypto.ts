/**
 * The primitives without Node: runs in a browser, and beside node:crypto as a second opinion.
 */
import { hmac } from '@noble/hashes/hmac.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import type { EvidenceCrypto } from './crypto.ts';
import { PortableEd25519 } from './portable-ed25519.ts';
import { portableVerifyP256 } from './portable-p256.ts';

export interface PortableOptions {
  /**
   * SHA-512 of another hand. In JavaScript the hash of a whole batch takes four times as long as the curve; as a second
   * opinion on the curve's equation, this edition may borrow the hash.
   */
  readonly sha512?: (bytes: Uint8Array) => Uint8Array;
}

/** One instance remembers a few keys, so that whoever verifies much asks for it once. */
export function portableCrypto(options: PortableOptions = {}): EvidenceCrypto {
  const ed25519 = new PortableEd25519(options.sha512 ?? ((bytes) => sha512(bytes)));
  return {
    sha256: (bytes) => sha256(bytes),
    hmacSha256: (key, message) => hmac(sha256, key, message),
    verifyEd25519: (publicKey, message, signature) => ed25519.verify(publicKey, message, signature),
    verifyEcdsaP256: portableVerifyP256,
  };
}
