/**
 * The attestation key (AK) of a gateway's TPM: a primary key of the endorsement hierarchy whose public area FORMAT.md
 * section 5 fixes but for its point. So its Name, and its Qualified Name in every attestation, follow from the
 * SubjectPublicKeyInfo alone, and a verifier needs to be told nothing more.
 *
 * In another hierarchy a TPM would obfuscate the reset counters (TPM 2.0 Library, Part 3, 18.1), so that is no AK here.
 */
import { concatBytes } from '../../base/bytes.ts';
import { handleName, writePublic } from '../../tpm2/public.ts';
import { akTemplate } from '../../tpm2/templates.ts';
import { type EvidenceCrypto, isP256Spki, P256_SPKI_PREFIX } from '../crypto.ts';

/** TPM_RH_ENDORSEMENT. The Name of a hierarchy is its handle. */
const ENDORSEMENT = 0x4000000b;
/** TPM_ALG_SHA256, before each Name. */
const NAME_ALG = Uint8Array.of(0x00, 0x0b);
const COORDINATE_BYTES = 32;

export interface AttestationKey {
  /** SubjectPublicKeyInfo, 91 bytes. */
  readonly spki: Uint8Array;
  /** SHA-256 Name of the public area: 34 bytes. */
  readonly name: Uint8Array;
  /** `qualifiedSigner` of everything that it signs: 34 bytes. */
  readonly qualifiedName: Uint8Array;
}

/** Undefined when `spki` is not the 91 bytes of an uncompressed P-256 point. */
export function attestationKey(crypto: EvidenceCrypto, spki: Uint8Array): AttestationKey | undefined {
  if (!isP256Spki(spki)) return undefined;
  const from = P256_SPKI_PREFIX.length;
  const x = spki.slice(from, from + COORDINATE_BYTES);
  const y = spki.slice(from + COORDINATE_BYTES);
  const name = concatBytes(NAME_ALG, crypto.sha256(writePublic(akTemplate({ x, y }))));
  return { spki, name, qualifiedName: qualifiedName(crypto, name) };
}

/** Of a primary key in the endorsement hierarchy: H(handle || Name), TPM 2.0 Library, Part 1, "Qualified Name". */
function qualifiedName(crypto: EvidenceCrypto, name: Uint8Array): Uint8Array {
  return concatBytes(NAME_ALG, crypto.sha256(concatBytes(handleName(ENDORSEMENT), name)));
}
