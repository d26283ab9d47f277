/**
 * The objects of the box's TPM that an enrolment names: attributes that make them what they are called, Names recomputed
 * from their public areas, and the AK's attest of how the sealed log key came to be.
 */
import { createPublicKey } from 'node:crypto';
import { concatBytes, equalBytes, hex, unhex } from '../../base/bytes.ts';
import { accept, type Result } from '../../base/result.ts';
import { type AttestationKey, attestationKey } from '../../evidence/anchor/attestation-key.ts';
import { purposeDigest } from '../../evidence/anchor/statement.ts';
import { type EvidenceCrypto, P256_SPKI_PREFIX } from '../../evidence/crypto.ts';
import type { Vkey } from '../../evidence/log/note.ts';
import { TPM_ALG, TPM_ECC, TPMA_NV, TPMA_OBJECT } from '../../tpm2/algorithms.ts';
import { type Attest, parseAttest } from '../../tpm2/attest.ts';
import { parseCreationData } from '../../tpm2/creation.ts';
import type { TpmCrypto } from '../../tpm2/crypto.ts';
import { parseNvPublic } from '../../tpm2/nv-public.ts';
import { type EccPublic, nameOf, parsePublic, type TpmPublic } from '../../tpm2/public.ts';
import { parseEcdsaSignature } from '../../tpm2/signature.ts';
import type { Attested, TpmRequest } from './messages.ts';
import { type EnrolRefusal, refused } from './reasons.ts';

export interface Cryptos {
  readonly evidence: EvidenceCrypto;
  readonly tpm: TpmCrypto;
}

export interface CheckedKey {
  /** SubjectPublicKeyInfo, 91 bytes. */
  readonly spki: Uint8Array;
  readonly name: Uint8Array;
}

export interface CheckedObjects {
  readonly ak: AttestationKey;
  readonly login: CheckedKey;
  readonly counterName: Uint8Array;
  readonly sealedName: Uint8Array;
  readonly srkName: Uint8Array;
}

const FIXED = TPMA_OBJECT.fixedTPM | TPMA_OBJECT.fixedParent;
const SIGNER = FIXED | TPMA_OBJECT.sensitiveDataOrigin | TPMA_OBJECT.sign;

export function checkObjects(cryptos: Cryptos, request: TpmRequest, log: Vkey): Result<CheckedObjects, EnrolRefusal> {
  const ak = keyOf(cryptos, request.ak_public, ['ak_public', 'ak_attributes'], {
    set: SIGNER | TPMA_OBJECT.restricted,
    clear: TPMA_OBJECT.decrypt | TPMA_OBJECT.stClear,
  });
  if (!ak.ok) return ak;
  // Verifiers know an AK by its point alone, and take the rest of its public area as FORMAT.md section 5 fixes it.
  const fixed = attestationKey(cryptos.evidence, ak.value.spki);
  if (fixed === undefined || !equalBytes(fixed.name, ak.value.name)) return refused('ak_attributes');
  const login = keyOf(cryptos, request.login_public, ['login_public', 'login_attributes'], {
    set: SIGNER,
    clear: TPMA_OBJECT.restricted | TPMA_OBJECT.decrypt | TPMA_OBJECT.stClear,
  });
  if (!login.ok) return login;
  const counter = counterOf(cryptos.tpm, request.counter_public);
  if (!counter.ok) return counter;
  const sealed = sealedOf(cryptos.tpm, request.sealed_public);
  if (!sealed.ok) return sealed;
  const objects: CheckedObjects = {
    ak: fixed,
    login: login.value,
    counterName: counter.value,
    sealedName: sealed.value,
    srkName: unhex(request.srk_name) ?? new Uint8Array(0),
  };
  const problem = creationProblem(cryptos, request, objects, log);
  return problem === undefined ? accept(objects) : refused(problem);
}

interface Bits {
  readonly set: number;
  readonly clear: number;
}

function fits(attributes: number, bits: Bits): boolean {
  return (attributes & bits.set) === bits.set && (attributes & bits.clear) === 0;
}

/** ECDSA P-256 with SHA-256, at a point of the curve. */
function keyOf(
  cryptos: Cryptos,
  bytes: Uint8Array,
  [malformed, unfit]: readonly [EnrolRefusal, EnrolRefusal],
  bits: Bits,
): Result<CheckedKey, EnrolRefusal> {
  const area = parsePublic(bytes);
  if (!area.ok) return refused(malformed);
  const key = area.value;
  const isP256 = key.type === 'ecc' && key.curve === TPM_ECC.NIST_P256 && key.nameAlg === TPM_ALG.SHA256;
  if (!isP256 || key.symmetric !== undefined || !fits(key.attributes, bits)) return refused(unfit);
  if (key.scheme?.alg !== TPM_ALG.ECDSA || key.scheme.hashAlg !== TPM_ALG.SHA256) return refused(unfit);
  const spki = spkiOf(key);
  return spki === undefined ? refused(unfit) : accept({ spki, name: nameOf(cryptos.tpm, key.nameAlg, bytes) });
}

function spkiOf(key: EccPublic): Uint8Array | undefined {
  const { x, y } = key.unique;
  if (x.length > 32 || y.length > 32) return undefined;
  const point = new Uint8Array(64);
  point.set(x, 32 - x.length);
  point.set(y, 64 - y.length);
  const spki = concatBytes(Uint8Array.from(P256_SPKI_PREFIX), point);
  try {
    createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    return spki;
  } catch {
    // OpenSSL refuses what is no point of the curve.
    return undefined;
  }
}

/** TPM_NT, bits 4 to 7, is 1; not orderly: an orderly counter starts again after a Clear, under the same Name. */
function counterOf(crypto: TpmCrypto, bytes: Uint8Array): Result<Uint8Array, EnrolRefusal> {
  const area = parseNvPublic(bytes);
  if (!area.ok) return refused('counter_public');
  const { nameAlg, attributes, dataSizeBytes } = area.value;
  const isCounter = ((attributes >>> 4) & 15) === 1 && dataSizeBytes === 8 && nameAlg === TPM_ALG.SHA256;
  const CLEAR_STCLEAR = 1 << 27;
  const bits = { set: TPMA_NV.WRITTEN | TPMA_NV.NO_DA, clear: TPMA_NV.ORDERLY | CLEAR_STCLEAR };
  if (!isCounter || !fits(attributes, bits)) return refused('counter_attributes');
  return accept(nameOf(crypto, nameAlg, bytes));
}

/** With `userWithAuth` the empty password would open it, whatever the policy says. */
function sealedOf(crypto: TpmCrypto, bytes: Uint8Array): Result<Uint8Array, EnrolRefusal> {
  const area = parsePublic(bytes);
  if (!area.ok) return refused('sealed_public');
  const object: TpmPublic = area.value;
  if (object.type !== 'keyedhash' || object.scheme !== undefined) return refused('sealed_attributes');
  const bits = { set: FIXED, clear: TPMA_OBJECT.userWithAuth | TPMA_OBJECT.sign | TPMA_OBJECT.decrypt };
  const isOpen = object.authPolicy.length === 0 || !fits(object.attributes, bits);
  if (isOpen || object.nameAlg !== TPM_ALG.SHA256) return refused('sealed_attributes');
  return accept(nameOf(crypto, object.nameAlg, bytes));
}

function creationProblem(
  cryptos: Cryptos,
  request: TpmRequest,
  objects: CheckedObjects,
  log: Vkey,
): EnrolRefusal | undefined {
  const data = parseCreationData(request.creation_data);
  if (!data.ok) return 'creation_data';
  if (!equalBytes(data.value.parentName, objects.srkName)) return 'creation_parent';
  const binding = purposeDigest(cryptos.evidence, 'log-key', log.publicKey);
  if (!equalBytes(data.value.outsideInfo, binding)) return 'creation_log';
  const attest = { attest: request.creation_attest, signature: request.creation_signature };
  const signed = signedAttest(cryptos.evidence, attest, objects.ak.spki);
  if (signed === 'attest') return 'creation_attest';
  if (signed === 'signature') return 'creation_signature';
  const { body, extraData, qualifiedSigner } = signed;
  const isThis =
    body.kind === 'creation' &&
    equalBytes(body.objectName, objects.sealedName) &&
    equalBytes(body.creationHash, cryptos.evidence.sha256(request.creation_data)) &&
    equalBytes(extraData, binding) &&
    equalBytes(qualifiedSigner, objects.ak.qualifiedName);
  return isThis ? undefined : 'creation_attest';
}

/** An attest to its last byte, when the AK signed it. The signature is checked before the structure is believed. */
export function signedAttest(
  crypto: EvidenceCrypto,
  attested: Attested,
  akSpki: Uint8Array,
): Attest | 'attest' | 'signature' {
  const signature = parseEcdsaSignature(attested.signature);
  if (!signature.ok || !crypto.verifyEcdsaP256(akSpki, attested.attest, signature.value)) return 'signature';
  const attest = parseAttest(attested.attest);
  return attest.ok ? attest.value : 'attest';
}

export function namesOf(objects: CheckedObjects) {
  return {
    ak: hex(objects.ak.name),
    counter: hex(objects.counterName),
    login: hex(objects.login.name),
    sealed: hex(objects.sealedName),
    srk: hex(objects.srkName),
  };
}
