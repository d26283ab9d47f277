/** A P-256 key of a TPM as SubjectPublicKeyInfo (RFC 5480), as verifiers take it. */
import { P256_SPKI_PREFIX } from '../../evidence/crypto.ts';
import type { PinnedKey } from './tpm-identity.ts';

const POINT_BYTES = 32;

/** 91 bytes. A TPM may leave out leading zeros of a coordinate. */
export function spkiOf({ area }: PinnedKey): Uint8Array {
  const spki = new Uint8Array(P256_SPKI_PREFIX.length + 2 * POINT_BYTES);
  spki.set(P256_SPKI_PREFIX);
  const { x, y } = area.unique;
  spki.set(x.subarray(-POINT_BYTES), P256_SPKI_PREFIX.length + POINT_BYTES - Math.min(x.length, POINT_BYTES));
  spki.set(y.subarray(-POINT_BYTES), spki.length - Math.min(y.length, POINT_BYTES));
  return spki;
}
