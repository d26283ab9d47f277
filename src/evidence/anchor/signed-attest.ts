/**
 * An attestation with the AK's signature over its exact bytes: parsed first, because every field is checked, and the
 * signature last, because it costs the most.
 */
import { equalBytes } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { type Attest, type AttestBody, parseAttest } from '../../tpm2/attest.ts';
import { type EvidenceCrypto, P256_SIGNATURE_BYTES } from '../crypto.ts';
import type { AttestationKey } from './attestation-key.ts';
import { ANCHOR_REASONS } from './reasons.ts';

export interface SignedAttest {
  /** TPMS_ATTEST. */
  readonly attest: Uint8Array;
  /** r || s, 64 bytes. */
  readonly signature: Uint8Array;
}

/** Order of the group of P-256 (FIPS 186-5, SP 800-186 section 3.2.1.3), big-endian. */
const ORDER = [
  0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
  0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

export type ParseRefusal = 'magic' | 'type' | 'structure' | 'signer';

/** An attestation of one of these kinds by this key; its signature is not looked at. */
export function parseOwnAttest(
  bytes: Uint8Array,
  ak: AttestationKey,
  kinds: readonly AttestBody['kind'][],
): Result<Attest, ParseRefusal> {
  const parsed = parseAttest(bytes);
  if (!parsed.ok) return parsed;
  const { body, qualifiedSigner } = parsed.value;
  if (!kinds.includes(body.kind)) return refuse('type', `expected ${kinds.join(' or ')}, found ${body.kind}`);
  if (!equalBytes(qualifiedSigner, ak.qualifiedName)) return refuse('signer', ANCHOR_REASONS.signer);
  return parsed;
}

export function checkAttestSignature(
  crypto: EvidenceCrypto,
  { attest, signature }: SignedAttest,
  ak: AttestationKey,
): Result<true, 'range' | 'signature'> {
  const isSized = signature.length === P256_SIGNATURE_BYTES;
  if (!isSized || !inRange(signature.subarray(0, ORDER.length)) || !inRange(signature.subarray(ORDER.length))) {
    return refuse('range', ANCHOR_REASONS.range);
  }
  if (!crypto.verifyEcdsaP256(ak.spki, attest, signature)) return refuse('signature', ANCHOR_REASONS.signature);
  return accept(true);
}

/** In [1, n - 1]. */
function inRange(number: Uint8Array): boolean {
  if (number.every((byte) => byte === 0)) return false;
  for (const [i, limit] of ORDER.entries()) {
    const byte = number[i] ?? 0;
    if (byte !== limit) return byte < limit;
  }
  return false;
}
