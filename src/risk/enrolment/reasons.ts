/**
 * Why an enrolment is refused: the one table. The name is stable, the status is HTTP's, the text says what was expected.
 * Texts are ours alone: nothing that a request says is repeated, so no token or secret can stand in a log line.
 */
import { type Refused, refuse } from '../../base/result.ts';

export const REFUSALS = {
  // The exchange
  body: [400, 'expected the JSON object of this step, with every member in its own form'],
  too_large: [413, 'the body is larger than this step allows'],
  too_many_requests: [429, 'too many requests from this address; try again later'],
  token_missing: [401, 'expected a one-time token: authorization: Bearer <token>'],
  token_wrong: [401, 'nobody gave out this token'],
  token_expired: [403, 'the token has expired; ask for a new one'],
  token_used: [409, 'the token was used before; ask for a new one'],
  token_gateway: [403, 'the token was given out for another gateway'],
  too_many_attempts: [429, 'the token was tried too often; ask for a new one'],
  busy: [503, 'too many enrolments are under way; try again later'],
  challenge_unknown: [404, 'no such challenge; begin again'],
  challenge_expired: [410, 'the challenge has expired; begin again'],
  challenge_used: [409, 'the challenge was answered before; begin again'],
  class_not_allowed: [403, 'this service does not enrol keys of this class'],
  escrow: [400, "expected the authorisations sealed to the service's escrow key, and only when there is one"],
  log: [422, 'the vkey is not that of a log of this gateway and of an operator domain that is served here'],
  log_known: [409, 'this log was enrolled before'],
  // The EK and its certificate
  certificate: [422, 'expected one X.509 version 3 certificate in DER'],
  certificate_algorithm: [422, 'a certificate is signed by an algorithm or a key that is not accepted'],
  certificate_validity: [422, 'a certificate is not valid at this time'],
  certificate_critical: [422, 'a certificate has a critical extension that is not understood'],
  certificate_purpose: [422, 'the certificate is not that of an endorsement key (2.23.133.8.1)'],
  certificate_authority: [422, 'the certificate of an endorsement key may not be that of an authority'],
  certificate_usage: [422, "the certificate's key usage does not fit an endorsement key"],
  certificate_name: [422, "the certificate does not name the TPM's manufacturer, model and version"],
  chain_unknown: [422, 'no certificate of an authority is known that issued this one'],
  chain_signature: [422, "an authority's signature does not verify"],
  chain_authority: [422, 'an issuer is no authority, or may not sign certificates'],
  chain_length: [422, 'an issuer does not allow so long a chain'],
  certificate_denied: [403, 'the certificate, or one that it stands on, is on the deny list'],
  certificate_revoked: [403, 'an issuer has revoked the certificate, or one that it stands on'],
  crl_missing: [
    503,
    'this service believes no certificate without a revocation list of its issuer, and has none that covers it',
  ],
  crl_stale: [503, 'the revocation list of an issuer is not current, and this service requires one that is'],
  firmware_denied: [403, 'this firmware of this manufacturer is on the deny list'],
  ek_public: [422, 'expected the public area of an endorsement key'],
  ek_template: [422, 'the endorsement key is of no known template'],
  ek_key: [422, 'the certificate certifies another key than the endorsement key'],
  // The objects
  ak_public: [422, 'expected the public area of an attestation key'],
  ak_attributes: [422, 'the attestation key is not a fixed, restricted signing key of P-256 with ECDSA and SHA-256'],
  login_public: [422, 'expected the public area of a login key'],
  login_attributes: [422, 'the login key is not a fixed, unrestricted signing key of P-256'],
  counter_public: [422, 'expected the public area of an NV index'],
  counter_attributes: [422, 'the NV index is not a counter that is written, not orderly and outside of lockout'],
  sealed_public: [422, 'expected the public area of a sealed object'],
  sealed_attributes: [422, 'the sealed object is not fixed, or opens without its policy'],
  creation_data: [422, 'expected the creation data of the sealed object'],
  creation_parent: [422, 'the sealed object was not created under the named storage root key'],
  creation_log: [422, 'the sealed object was not created for this log key'],
  creation_attest: [422, "expected the AK's attest of that creation"],
  creation_signature: [422, "the AK's signature of the creation does not verify"],
  // The answer
  secret: [403, 'the answer does not prove that this AK lives beside this endorsement key'],
  possession: [403, "the log key's signature over the statement does not verify"],
  quote_attest: [422, 'expected a quote of PCRs of the SHA-256 bank over the statement'],
  quote_signature: [422, "the AK's signature of the quote does not verify"],
  quote_hierarchy: [422, 'the AK is not a primary key of the endorsement hierarchy'],
  counter_attest: [422, 'expected an attest of the whole counter over the statement'],
  counter_signature: [422, "the AK's signature of the counter does not verify"],
  counter_name: [422, 'the attest is of another NV index'],
  counter_value: [422, "the counter's value is out of range"],
  attests_disagree: [422, 'quote and counter were attested in two starts of the TPM, or by two firmwares'],
  properties: [422, 'what the TPM says of itself disagrees with its attest or its certificate'],
  // Successors
  successor: [422, 'expected a successor statement of an enrolled log'],
  successor_signature: [403, 'the statement is signed neither by the old log key nor by the enrolled AK'],
  successor_unknown: [404, 'the statement names a log that is not enrolled here'],
  successor_revoked: [403, 'the old log is revoked'],
  history_full: [409, 'the history of this gateway is so long that only a person may add to it'],
} as const satisfies Record<string, readonly [number, string]>;

export type EnrolRefusal = keyof typeof REFUSALS;

export function refused(reason: EnrolRefusal): Refused<EnrolRefusal> {
  return refuse(reason, REFUSALS[reason][1]);
}

export function statusOf(reason: EnrolRefusal): number {
  return REFUSALS[reason][0];
}
