/** How talking to a TPM fails: it refuses with a code, its answer does not prove itself, or there is no answer. */
import { type ErrorCode, LatchkeyError } from '../../base/errors.ts';
import { type Remedy, type ResponseCode, responseCodeText } from '../../tpm2/response-code.ts';

/** Why an answer is not believed. Each is named in the client's README. */
export type TamperReason =
  | 'response_short'
  | 'response_long'
  | 'response_size'
  | 'response_tag'
  | 'response_failure_body'
  | 'response_parameter_size'
  | 'response_sessions'
  | 'response_attributes'
  | 'response_hmac'
  | 'response_encrypted_size'
  | 'response_fields'
  | 'response_handle'
  | 'response_name'
  | 'response_unasked'
  | 'pinned_name';

/**
 * The answer cannot have come unchanged from the TPM that was enrolled. Nothing of it is used, and the unit of work that
 * it belongs to is over.
 */
export class TpmTamperedError extends LatchkeyError {
  readonly reason: TamperReason;

  constructor(reason: TamperReason, message: string) {
    super('TPM_TAMPERED', `${message} [${reason}]`);
    this.reason = reason;
  }
}

const CODES: Readonly<Record<Remedy, ErrorCode>> = {
  retry: 'TPM_BUSY',
  resource: 'TPM_BUSY',
  lockout: 'TPM_LOCKOUT',
  startup: 'TPM_UNAVAILABLE',
  gone: 'TPM_MISSING',
  fix: 'TPM_REFUSED',
};

/** The TPM answered with a response code. The answer carries no HMAC: whoever sits on the bus can say no. */
export class TpmRefusedError extends LatchkeyError {
  readonly command: string;
  readonly rc: ResponseCode;

  constructor(command: string, rc: ResponseCode) {
    super(CODES[rc.remedy], `the TPM refused ${command}: ${responseCodeText(rc)}`);
    this.command = command;
    this.rc = rc;
  }
}
