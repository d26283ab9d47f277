/** What a key of the TPM signs (TPM 2.0 Library, Part 3, sections 18 and 20), and TPM2_VerifySignature. */
import { TPM_ALG } from '../../../tpm2/algorithms.ts';
import { type PcrSelection, writePcrSelections } from '../../../tpm2/pcr.ts';
import { NULL_HASHCHECK, readTicket, type Ticket, writeTicket } from '../../../tpm2/ticket.ts';
import { TpmWriter } from '../../../tpm2/wire.ts';
import type { Entity } from '../entity.ts';
import type { TpmCall } from '../protected-call.ts';
import type { Tpm } from '../unit.ts';

export interface Attestation {
  /** TPMS_ATTEST: the signature is over exactly these bytes. */
  readonly attest: Uint8Array;
  /** TPMT_SIGNATURE. */
  readonly signature: Uint8Array;
}

/** Signs a digest that an unrestricted key takes without a ticket: TPMT_SIGNATURE. */
export async function Sign(tpm: Tpm, key: Entity, digest: Uint8Array): Promise<Uint8Array> {
  const parameters = writeTicket(new TpmWriter().sized(digest).u16(TPM_ALG.NULL), NULL_HASHCHECK).bytes();
  return (await tpm.call({ command: 'Sign', handles: [key], parameters })).parameters;
}

/** The TPM checks a signature and notes for itself that it did; refused (SIGNATURE) when it does not fit. */
export async function VerifySignature(
  tpm: Tpm,
  key: Entity,
  digest: Uint8Array,
  signature: Uint8Array,
): Promise<Ticket> {
  const parameters = new TpmWriter().sized(digest).raw(signature).bytes();
  const answer = await tpm.call({ command: 'VerifySignature', handles: [key], parameters });
  return tpm.read('VerifySignature', answer.parameters, readTicket);
}

/** State of PCRs. */
export function Quote(
  tpm: Tpm,
  ak: Entity,
  qualifyingData: Uint8Array,
  pcrs: readonly PcrSelection[],
): Promise<Attestation> {
  const writer = new TpmWriter().sized(qualifyingData).u16(TPM_ALG.NULL);
  return attested(tpm, { command: 'Quote', handles: [ak], parameters: writePcrSelections(writer, pcrs).bytes() });
}

/** A loaded object's Name. `object` needs its ADMIN role: for one with adminWithPolicy, a policy session. */
export function Certify(tpm: Tpm, object: Entity, ak: Entity, qualifyingData: Uint8Array): Promise<Attestation> {
  return attested(tpm, { command: 'Certify', handles: [object, ak], parameters: signedWith(qualifyingData) });
}

/** That this TPM made an object, with this creation data; the object needs no authorisation. */
export function CertifyCreation(
  tpm: Tpm,
  ak: Entity,
  object: Entity,
  qualifyingData: Uint8Array,
  creation: { readonly hash: Uint8Array; readonly ticket: Ticket },
): Promise<Attestation> {
  const writer = new TpmWriter().sized(qualifyingData).sized(creation.hash).u16(TPM_ALG.NULL);
  const parameters = writeTicket(writer, creation.ticket).bytes();
  return attested(tpm, { command: 'CertifyCreation', handles: [ak, object], parameters });
}

/** Clock and time. `endorsement` is the endorsement hierarchy. */
export function GetTime(tpm: Tpm, endorsement: Entity, ak: Entity, qualifyingData: Uint8Array): Promise<Attestation> {
  return attested(tpm, { command: 'GetTime', handles: [endorsement, ak], parameters: signedWith(qualifyingData) });
}

/** Content of an NV index, `authorisation` being who may read it: the index itself, or the owner. */
export function NV_Certify(
  tpm: Tpm,
  ak: Entity,
  authorisation: Entity,
  index: Entity,
  qualifyingData: Uint8Array,
  range: { readonly sizeBytes: number; readonly offsetBytes?: number },
): Promise<Attestation> {
  const writer = new TpmWriter().sized(qualifyingData).u16(TPM_ALG.NULL);
  const parameters = writer
    .u16(range.sizeBytes)
    .u16(range.offsetBytes ?? 0)
    .bytes();
  return attested(tpm, { command: 'NV_Certify', handles: [ak, authorisation, index], parameters });
}

/** The key's own scheme. */
function signedWith(qualifyingData: Uint8Array): Uint8Array {
  return new TpmWriter().sized(qualifyingData).u16(TPM_ALG.NULL).bytes();
}

async function attested(tpm: Tpm, call: TpmCall): Promise<Attestation> {
  const answer = await tpm.call(call);
  return tpm.read(call.command, answer.parameters, (reader) => ({ attest: reader.sized(), signature: reader.rest() }));
}
