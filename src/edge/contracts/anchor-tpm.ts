/**
 * The TPM's part in an anchor. Each call rejects with TPM_UNAVAILABLE and the like while the TPM is slow or away: the
 * caller asks again later, with back-off; entries never wait for it.
 */
export interface CertifiedCounter {
  readonly value: number;
  /** TPMS_ATTEST of the NV_Certify, and r || s. */
  readonly attest: Uint8Array;
  readonly signature: Uint8Array;
}

export interface AnchorTpm {
  /** The AK's SubjectPublicKeyInfo, 91 bytes. */
  readonly akSpki: Uint8Array;
  readCounter(signal: AbortSignal): Promise<number>;
  /** NV_Increment, then as `certifyCounter`. After a rejection the counter may or may not have been incremented. */
  advanceCounter(extraData: Uint8Array, signal: AbortSignal): Promise<CertifiedCounter>;
  /** NV_Certify of the counter by the AK over `extraData` (32 bytes). */
  certifyCounter(extraData: Uint8Array, signal: AbortSignal): Promise<CertifiedCounter>;
}
