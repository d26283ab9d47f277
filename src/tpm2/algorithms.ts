/**
 * Numbers of the TCG registry: algorithms, curves, handles, structure tags, commands, object attributes
 * (TPM 2.0 Library, Part 2; TCG Algorithm Registry). Names as TCG writes them.
 */

/** TPM_ALG_ID, Part 2 table 9. */
export const TPM_ALG = {
  RSA: 0x0001,
  SHA1: 0x0004,
  HMAC: 0x0005,
  AES: 0x0006,
  KEYEDHASH: 0x0008,
  XOR: 0x000a,
  SHA256: 0x000b,
  SHA384: 0x000c,
  SHA512: 0x000d,
  NULL: 0x0010,
  RSASSA: 0x0014,
  RSAES: 0x0015,
  RSAPSS: 0x0016,
  OAEP: 0x0017,
  ECDSA: 0x0018,
  ECDH: 0x0019,
  KDF1_SP800_56A: 0x0020,
  KDF2: 0x0021,
  KDF1_SP800_108: 0x0022,
  ECC: 0x0023,
  SYMCIPHER: 0x0025,
  CFB: 0x0043,
} as const;

/** TPM_ECC_CURVE, Part 2 table 10. */
export const TPM_ECC = { NIST_P256: 0x0003, NIST_P384: 0x0004 } as const;
export type EccCurve = (typeof TPM_ECC)[keyof typeof TPM_ECC];

export const HASH_ALGS = [TPM_ALG.SHA1, TPM_ALG.SHA256, TPM_ALG.SHA384, TPM_ALG.SHA512] as const;
export type HashAlg = (typeof HASH_ALGS)[number];

const HASH_SIZE_BYTES: Readonly<Record<HashAlg, number>> = {
  [TPM_ALG.SHA1]: 20,
  [TPM_ALG.SHA256]: 32,
  [TPM_ALG.SHA384]: 48,
  [TPM_ALG.SHA512]: 64,
};

export function isHashAlg(alg: number): alg is HashAlg {
  return HASH_ALGS.some((known) => known === alg);
}

export function hashSizeBytes(alg: HashAlg): number {
  return HASH_SIZE_BYTES[alg];
}

export function isEccCurve(curve: number): curve is EccCurve {
  return curve === TPM_ECC.NIST_P256 || curve === TPM_ECC.NIST_P384;
}

/** Bytes of one coordinate. */
export function coordinateSizeBytes(curve: EccCurve): number {
  return curve === TPM_ECC.NIST_P256 ? 32 : 48;
}

/** TPM_ST, Part 2 table 19. */
export const TPM_ST = {
  NO_SESSIONS: 0x8001,
  SESSIONS: 0x8002,
  ATTEST_NV: 0x8014,
  ATTEST_CERTIFY: 0x8017,
  ATTEST_QUOTE: 0x8018,
  ATTEST_TIME: 0x8019,
  ATTEST_CREATION: 0x801a,
  CREATION: 0x8021,
  VERIFIED: 0x8022,
  HASHCHECK: 0x8024,
} as const;

/** TPM_RH, Part 2 table 28. */
export const TPM_RH = {
  OWNER: 0x4000_0001,
  NULL: 0x4000_0007,
  /** The password session. */
  PW: 0x4000_0009,
  LOCKOUT: 0x4000_000a,
  ENDORSEMENT: 0x4000_000b,
  PLATFORM: 0x4000_000c,
} as const;

/** The highest byte of a handle says what it names (TPM_HT, Part 2 table 27). */
export const TPM_HT = {
  PCR: 0x00,
  NV_INDEX: 0x01,
  HMAC_SESSION: 0x02,
  POLICY_SESSION: 0x03,
  PERMANENT: 0x40,
  TRANSIENT: 0x80,
  PERSISTENT: 0x81,
} as const;

export function handleType(handle: number): number {
  return Math.floor(handle / 0x100_0000);
}

/** TPM_CC, Part 2 table 12: the commands that this client knows. */
export const TPM_CC = {
  EvictControl: 0x120,
  NV_UndefineSpace: 0x122,
  Clear: 0x126,
  ClearControl: 0x127,
  ClockSet: 0x128,
  HierarchyChangeAuth: 0x129,
  NV_DefineSpace: 0x12a,
  CreatePrimary: 0x131,
  NV_Increment: 0x134,
  DictionaryAttackLockReset: 0x139,
  PCR_Reset: 0x13d,
  Startup: 0x144,
  Shutdown: 0x145,
  ActivateCredential: 0x147,
  Certify: 0x148,
  CertifyCreation: 0x14a,
  GetTime: 0x14c,
  NV_Read: 0x14e,
  PolicySecret: 0x151,
  Create: 0x153,
  Load: 0x157,
  Quote: 0x158,
  Sign: 0x15d,
  Unseal: 0x15e,
  FlushContext: 0x165,
  LoadExternal: 0x167,
  NV_ReadPublic: 0x169,
  PolicyAuthorize: 0x16a,
  PolicyAuthValue: 0x16b,
  PolicyCommandCode: 0x16c,
  PolicyOR: 0x171,
  ReadPublic: 0x173,
  StartAuthSession: 0x176,
  VerifySignature: 0x177,
  GetCapability: 0x17a,
  GetRandom: 0x17b,
  PCR_Read: 0x17e,
  PolicyPCR: 0x17f,
  ReadClock: 0x181,
  PCR_Extend: 0x182,
  NV_Certify: 0x184,
  PolicyGetDigest: 0x189,
} as const;
export type CommandName = keyof typeof TPM_CC;

/** TPMA_OBJECT, Part 2 table 31. */
export const TPMA_OBJECT = {
  fixedTPM: 1 << 1,
  stClear: 1 << 2,
  fixedParent: 1 << 4,
  sensitiveDataOrigin: 1 << 5,
  userWithAuth: 1 << 6,
  adminWithPolicy: 1 << 7,
  noDA: 1 << 10,
  encryptedDuplication: 1 << 11,
  restricted: 1 << 16,
  decrypt: 1 << 17,
  sign: 1 << 18,
} as const;

/** TPMA_NV, Part 2 table 204; bits 4 to 7 are the type: 1 is a counter. */
export const TPMA_NV = {
  PPWRITE: 1 << 0,
  OWNERWRITE: 1 << 1,
  AUTHWRITE: 1 << 2,
  POLICYWRITE: 1 << 3,
  COUNTER: 1 << 4,
  WRITELOCKED: 1 << 11,
  WRITEALL: 1 << 12,
  PPREAD: 1 << 16,
  OWNERREAD: 1 << 17,
  AUTHREAD: 1 << 18,
  POLICYREAD: 1 << 19,
  NO_DA: 1 << 25,
  ORDERLY: 1 << 26,
  READLOCKED: 1 << 28,
  WRITTEN: 1 << 29,
} as const;
