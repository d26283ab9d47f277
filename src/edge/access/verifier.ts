/**
 * From a code to what may be stored of it: 32 bytes that are slow to make, and need a secret of this box.
 *
 * Codes are short, so whoever holds their hashes can try them all. Two things are in the way: scrypt (RFC 7914), at a
 * tenth of a second or more for each try, and the pepper, without which no try is possible at all. The pepper is the salt
 * of all of them, so that a code is looked up after one scrypt instead of one for each credential; the price is that
 * whoever has both, store and pepper, tries each code once for all credentials (SECURITY.md says what that means).
 */
import { scrypt, timingSafeEqual } from 'node:crypto';
import { utf8 } from '../../base/bytes.ts';
import type { SecretText } from '../../base/secret-text.ts';

const VERIFIER_BYTES = 32;
/** The first bytes find a credential; the rest is compared in constant time. */
const INDEX_BYTES = 8;

export interface VerifierCost {
  /** CPU and memory cost: a power of two. */
  readonly cost: number;
  readonly blockSize: number;
}

/** 32 MiB and, on a small box, some 0.3 s. Part of the stored form: another cost needs another version of the store. */
export const VERIFIER_COST: VerifierCost = { cost: 32_768, blockSize: 8 };

export interface CodeVerifier {
  /** On another thread. */
  of(code: SecretText): Promise<CodeDigest>;
}

export interface CodeDigest {
  readonly index: Uint8Array;
  readonly proof: Uint8Array;
}

export function codeVerifier(pepper: Uint8Array, { cost, blockSize }: VerifierCost = VERIFIER_COST): CodeVerifier {
  const options = { N: cost, r: blockSize, p: 1, maxmem: 256 * cost * blockSize };
  const of = (code: SecretText): Promise<CodeDigest> =>
    new Promise((resolve, reject) => {
      scrypt(utf8(code.reveal()), pepper, VERIFIER_BYTES, options, (error, bytes) => {
        if (error !== null) return reject(error);
        const digest = Uint8Array.from(bytes);
        resolve({ index: digest.slice(0, INDEX_BYTES), proof: digest.slice(INDEX_BYTES) });
      });
    });
  return { of };
}

export function sameProof(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
