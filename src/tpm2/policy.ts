/**
 * Policy digests computed in software (TPM 2.0 Library, Part 3, section 23): what a policy session holds after each
 * command, so that an object's authPolicy can be made and checked without a TPM.
 */
import { concatBytes } from '../base/bytes.ts';
import { type HashAlg, hashSizeBytes, TPM_CC } from './algorithms.ts';
import type { TpmCrypto } from './crypto.ts';
import { type PcrSelection, writePcrSelections } from './pcr.ts';
import { TpmWriter } from './wire.ts';

/** Where every policy starts. */
export function emptyPolicy(alg: HashAlg): Uint8Array {
  return new Uint8Array(hashSizeBytes(alg));
}

/** The digest that PolicyPCR and Quote put in place of PCR values: in the order of the selection, bank by bank. */
export function pcrDigest(crypto: TpmCrypto, alg: HashAlg, values: readonly Uint8Array[]): Uint8Array {
  return crypto.hash(alg, concatBytes(...values));
}

export function policyPcr(
  crypto: TpmCrypto,
  alg: HashAlg,
  old: Uint8Array,
  selections: readonly PcrSelection[],
  digestOfValues: Uint8Array,
): Uint8Array {
  const list = writePcrSelections(new TpmWriter().raw(old).u32(TPM_CC.PolicyPCR), selections);
  return crypto.hash(alg, list.raw(digestOfValues).bytes());
}

/** `name` is that of the object whose authorisation is asked for; a hierarchy's is its handle. */
export function policySecret(
  crypto: TpmCrypto,
  alg: HashAlg,
  old: Uint8Array,
  name: Uint8Array,
  policyRef: Uint8Array = new Uint8Array(0),
): Uint8Array {
  return policyUpdate(crypto, alg, old, TPM_CC.PolicySecret, name, policyRef);
}

/** Two to eight branches; what the session held before does not count. */
export function policyOr(crypto: TpmCrypto, alg: HashAlg, branches: readonly Uint8Array[]): Uint8Array {
  const start = new TpmWriter().raw(emptyPolicy(alg)).u32(TPM_CC.PolicyOR).bytes();
  return crypto.hash(alg, concatBytes(start, ...branches));
}

/** Any policy that the key with this Name has signed; what the session held before does not count. */
export function policyAuthorize(
  crypto: TpmCrypto,
  alg: HashAlg,
  keyName: Uint8Array,
  policyRef: Uint8Array = new Uint8Array(0),
): Uint8Array {
  return policyUpdate(crypto, alg, emptyPolicy(alg), TPM_CC.PolicyAuthorize, keyName, policyRef);
}

/** What the authority of PolicyAuthorize signs. */
export function authorizedDigest(
  crypto: TpmCrypto,
  alg: HashAlg,
  approvedPolicy: Uint8Array,
  policyRef: Uint8Array = new Uint8Array(0),
): Uint8Array {
  return crypto.hash(alg, concatBytes(approvedPolicy, policyRef));
}

export function policyCommandCode(crypto: TpmCrypto, alg: HashAlg, old: Uint8Array, commandCode: number): Uint8Array {
  return crypto.hash(alg, new TpmWriter().raw(old).u32(TPM_CC.PolicyCommandCode).u32(commandCode).bytes());
}

export function policyAuthValue(crypto: TpmCrypto, alg: HashAlg, old: Uint8Array): Uint8Array {
  return crypto.hash(alg, new TpmWriter().raw(old).u32(TPM_CC.PolicyAuthValue).bytes());
}

/** PolicyUpdate, Part 3 section 23.2.3. */
function policyUpdate(
  crypto: TpmCrypto,
  alg: HashAlg,
  old: Uint8Array,
  commandCode: number,
  name: Uint8Array,
  policyRef: Uint8Array,
): Uint8Array {
  const first = crypto.hash(alg, new TpmWriter().raw(old).u32(commandCode).raw(name).bytes());
  return crypto.hash(alg, concatBytes(first, policyRef));
}
