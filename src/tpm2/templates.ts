/**
 * Public areas with which keys are made (CreatePrimary, Create).
 *
 * EK: TCG EK Credential Profile for TPM 2.0, section B.3 (L-1, L-2) and B.4 (H-1 to H-3). SRK: TCG TPM v2.0 Provisioning
 * Guidance, section 7.5.1. A primary key is a function of the hierarchy's seed and of these bytes, so they never change.
 */
import { present } from '../base/assert.ts';
import { unhex } from '../base/bytes.ts';
import { TPM_ALG, TPM_ECC, TPMA_OBJECT } from './algorithms.ts';
import type { EccPoint } from './crypto.ts';
import type { EccPublic, KeyedHashPublic, RsaPublic } from './public.ts';

const NO_POLICY = new Uint8Array(0);
const A = TPMA_OBJECT;

/** PolicySecret of the endorsement hierarchy, in SHA-256 and SHA-384 (EK profile, "PolicyA"). */
export const EK_POLICY_A_SHA256 = bytes('837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa');
export const EK_POLICY_A_SHA384 = bytes(
  '8bbf2266537c171cb56e403c4dc1d4b64f432611dc386e6f532050c3278c930e143e8bb1133824ccb431053871c6db53',
);
/** PolicyAuthorizeNV of the profile's policy index ("PolicyC"). */
export const EK_POLICY_C_SHA256 = bytes('3767e2edd43ff45a3a7e1eaefcef78643dca964632e7aad82c673a30d8633fde');
export const EK_POLICY_C_SHA384 = bytes(
  'd6032ce61f2fb3c240eb3cf6a33237ef2b6a16f4293c22b455e261cffd217ad5b4947c2d73e63005eed2dc2b3593d165',
);
/** PolicyOR of A and C ("PolicyB"). */
export const EK_POLICY_B_SHA256 = bytes('ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0');
export const EK_POLICY_B_SHA384 = bytes(
  'b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12',
);

/** Storage root key, ECC P-256. */
export const SRK_P256: EccPublic = {
  type: 'ecc',
  nameAlg: TPM_ALG.SHA256,
  attributes: A.fixedTPM | A.fixedParent | A.sensitiveDataOrigin | A.userWithAuth | A.noDA | A.restricted | A.decrypt,
  authPolicy: NO_POLICY,
  symmetric: { keyBits: 128 },
  scheme: undefined,
  curve: TPM_ECC.NIST_P256,
  unique: { x: new Uint8Array(32), y: new Uint8Array(32) },
};

const EK_ATTRIBUTES = A.fixedTPM | A.fixedParent | A.sensitiveDataOrigin | A.adminWithPolicy | A.restricted | A.decrypt;

/** Endorsement key, template L-2. */
export const EK_P256: EccPublic = { ...SRK_P256, attributes: EK_ATTRIBUTES, authPolicy: EK_POLICY_A_SHA256 };

/** Endorsement key, template H-3: its policy has two branches, and `unique` is empty. */
export const EK_P384: EccPublic = {
  type: 'ecc',
  nameAlg: TPM_ALG.SHA384,
  attributes: EK_ATTRIBUTES | A.userWithAuth,
  authPolicy: EK_POLICY_B_SHA384,
  symmetric: { keyBits: 256 },
  scheme: undefined,
  curve: TPM_ECC.NIST_P384,
  unique: { x: new Uint8Array(0), y: new Uint8Array(0) },
};

/** Endorsement key, template H-2. */
export const EK_P256_H2: EccPublic = {
  ...EK_P256,
  attributes: EK_ATTRIBUTES | A.userWithAuth,
  authPolicy: EK_POLICY_B_SHA256,
  unique: { x: new Uint8Array(0), y: new Uint8Array(0) },
};

/** Endorsement key, template L-1. */
export const EK_RSA2048: RsaPublic = {
  type: 'rsa',
  nameAlg: TPM_ALG.SHA256,
  attributes: EK_ATTRIBUTES,
  authPolicy: EK_POLICY_A_SHA256,
  symmetric: { keyBits: 128 },
  scheme: undefined,
  keyBits: 2048,
  exponent: 0,
  unique: new Uint8Array(256),
};

/** Endorsement key, template H-1. */
export const EK_RSA2048_H1: RsaPublic = {
  ...EK_RSA2048,
  attributes: EK_ATTRIBUTES | A.userWithAuth,
  authPolicy: EK_POLICY_B_SHA256,
  unique: new Uint8Array(0),
};

/** Every template of an endorsement key that is known here, the strongest first. */
export const EK_TEMPLATES: readonly (EccPublic | RsaPublic)[] = [
  EK_P384,
  EK_P256_H2,
  EK_P256,
  EK_RSA2048_H1,
  EK_RSA2048,
];

const SIGNER_ATTRIBUTES = A.fixedTPM | A.fixedParent | A.sensitiveDataOrigin | A.userWithAuth | A.noDA | A.sign;

/** Attestation key: it signs only what the TPM itself made. `unique` gives each purpose a primary key of its own. */
export function akTemplate(unique: EccPoint): EccPublic {
  return { ...signerTemplate(unique), attributes: SIGNER_ATTRIBUTES | A.restricted };
}

/** A key that signs any digest with ECDSA and SHA-256. */
export function signerTemplate(unique: EccPoint): EccPublic {
  return {
    type: 'ecc',
    nameAlg: TPM_ALG.SHA256,
    attributes: SIGNER_ATTRIBUTES,
    authPolicy: NO_POLICY,
    symmetric: undefined,
    scheme: { alg: TPM_ALG.ECDSA, hashAlg: TPM_ALG.SHA256 },
    curve: TPM_ECC.NIST_P256,
    unique,
  };
}

/**
 * Sealed data behind a policy. `userWithAuth` is clear: were it set, the object's empty password would open it
 * whatever the policy says.
 */
export function sealedTemplate(authPolicy: Uint8Array): KeyedHashPublic {
  return {
    type: 'keyedhash',
    nameAlg: TPM_ALG.SHA256,
    attributes: A.fixedTPM | A.fixedParent | A.adminWithPolicy | A.noDA,
    authPolicy,
    scheme: undefined,
    unique: new Uint8Array(0),
  };
}

function bytes(text: string): Uint8Array {
  return present(unhex(text), 'hex');
}
