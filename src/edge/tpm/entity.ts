/** Whatever a handle names, with its Name and how its use is authorised. */
import { handleName } from '../../tpm2/public.ts';
import type { Secret } from './secret.ts';
import type { TpmSession } from './session.ts';

export interface Entity {
  readonly handle: number;
  /**
   * The Name goes into the HMAC of every command on this handle, so a TPM that would use something else refuses. Take
   * it from what was enrolled, or from what the TPM proved; never merely from an answer about the same handle.
   */
  readonly name: Uint8Array;
  /** Its authorisation value; none means empty. It proves itself by HMAC and is never sent. */
  readonly auth?: Secret;
  /** A policy session that fulfils its policy, in place of the authorisation value. */
  readonly policy?: TpmSession;
}

/** A hierarchy, a PCR: its Name is its handle. */
export function permanent(handle: number, auth?: Secret): Entity {
  return { handle, name: handleName(handle), ...(auth === undefined ? {} : { auth }) };
}
