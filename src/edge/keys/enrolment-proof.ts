/**
 * What a box says and proves of itself in an enrolment: its TPM's objects, the secret that only this TPM can open, quote
 * and counter over the statement, and possession of the log key (FORMAT.md section 7).
 */
import { createHmac } from 'node:crypto';
import { base64, equalBytes, hex } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { purposeDigest } from '../../evidence/anchor/statement.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { formatVkey, type Vkey } from '../../evidence/log/note.ts';
import {
  ENROL_STATEMENT_TYPE,
  type EnrolmentRecord,
  type EnrolStatement,
  enrolStatementPayload,
} from '../../evidence/wire/enrolment.ts';
import { TPM_ALG } from '../../tpm2/algorithms.ts';
import { nameOf, writePublic } from '../../tpm2/public.ts';
import { formatEcdsaSignature } from '../../tpm2/signature.ts';
import type { Signer } from '../contracts/signer.ts';
import { activate, type Endorsement, findEndorsement, readProperties, type TpmProperties } from './endorsement.ts';
import type { ServiceChallenge } from './enrolment-service.ts';
import type { SealedKey } from './sealed-file.ts';
import type { TpmBox } from './tpm-box.ts';
import type { TpmKeyStore } from './tpm-key-store.ts';

export interface EnrollingTpm {
  readonly box: TpmBox;
  readonly store: TpmKeyStore;
}

/** The log that is enrolled, with the key that proves it. */
export interface EnrollingLog {
  readonly gateway: string;
  readonly vkey: Vkey;
  readonly signer: Signer;
}

/** What one exchange needs of the TPM more than once. */
export interface TpmEvidence {
  readonly endorsement: Endorsement;
  readonly properties: TpmProperties;
  readonly sealed: SealedKey;
  readonly names: NonNullable<EnrolStatement['tpm']>;
}

export async function gatherEvidence(tpm: EnrollingTpm, origin: string, signal: AbortSignal): Promise<TpmEvidence> {
  const { box, store } = tpm;
  const sealed = store.sealed(origin);
  const endorsement = await box.run((unit) => findEndorsement(unit), signal);
  const properties = await box.run((unit) => readProperties(unit), signal);
  const { ak, counter, login, srk } = box.identity;
  const sealedName = await box.run(async ({ crypto }) => nameOf(crypto, TPM_ALG.SHA256, sealed.publicArea), signal);
  const names = {
    ak: hex(ak.name),
    counter: hex(counter.name),
    login: hex(login.name),
    sealed: hex(sealedName),
    srk: hex(srk.name),
  };
  return { endorsement, properties, sealed, names };
}

/** The body of the first step. */
export async function requestBody(
  { gateway, vkey }: EnrollingLog,
  tpm: { readonly parts: EnrollingTpm; readonly evidence: TpmEvidence } | undefined,
): Promise<object> {
  const head = { v: 1, gateway, log: formatVkey(vkey) };
  if (tpm === undefined) return { ...head, keys: 'software' };
  const { parts, evidence } = tpm;
  const { identity } = parts.box;
  const creation = await parts.store.certifyCreation(vkey.name);
  return {
    ...head,
    keys: 'tpm',
    tpm: {
      ek_cert: base64(evidence.endorsement.certificate),
      ek_public: base64(writePublic(evidence.endorsement.area)),
      ak_public: base64(writePublic(identity.ak.area)),
      login_public: base64(writePublic(identity.login.area)),
      sealed_public: base64(evidence.sealed.publicArea),
      srk_name: evidence.names.srk,
      counter_public: base64(identity.counter.publicArea),
      creation_data: base64(evidence.sealed.creationData),
      creation_attest: base64(creation.attest),
      creation_signature: base64(creation.signature),
      properties: evidence.properties,
    },
  };
}

/** The body of the second step, without the escrow. */
export async function answerBody(
  crypto: EvidenceCrypto,
  { gateway, vkey, signer }: EnrollingLog,
  challenge: ServiceChallenge,
  tpm: { readonly parts: EnrollingTpm; readonly evidence: TpmEvidence } | undefined,
  signal: AbortSignal,
): Promise<object> {
  const { nonce } = challenge;
  const named = tpm === undefined ? {} : { tpm: tpm.evidence.names };
  const statement = enrolStatementPayload({ gateway, log: vkey, nonce, ...named });
  const possession = base64(await signer.signEnvelope(ENROL_STATEMENT_TYPE, statement));
  if (tpm === undefined) return { v: 1, possession };
  return { v: 1, possession, tpm: await tpmProof(crypto, statement, challenge, tpm.parts, tpm.evidence, signal) };
}

async function tpmProof(
  crypto: EvidenceCrypto,
  statement: Uint8Array,
  { credential }: ServiceChallenge,
  { box }: EnrollingTpm,
  { endorsement }: TpmEvidence,
  signal: AbortSignal,
): Promise<object> {
  if (credential === undefined) {
    throw new LatchkeyError('ENROLMENT_REFUSED', 'expected a challenge for this TPM; the service sent one without');
  }
  const secret = await box
    .run((unit) => activate(unit, box.akEntity, endorsement, credential), signal)
    .catch((error: unknown) => {
      const isMeantForOthers = error instanceof LatchkeyError && error.code === 'TPM_REFUSED';
      if (!isMeantForOthers) throw error;
      const message = `expected a challenge that this TPM can open; found one for another box, or an altered one: ${error.message}`;
      throw new LatchkeyError('ENROLMENT_REFUSED', message, { cause: error });
    });
  try {
    const proof = Uint8Array.from(createHmac('sha256', secret.reveal()).update(statement).digest());
    const extraData = purposeDigest(crypto, 'enrol', statement);
    const quote = await box.quote(extraData, signal);
    const counter = await box.certifyCounter(extraData, signal);
    const attested = ({ attest, signature }: { readonly attest: Uint8Array; readonly signature: Uint8Array }) => ({
      attest: base64(attest),
      signature: base64(formatEcdsaSignature(signature)),
    });
    return { proof: base64(proof), quote: attested(quote), counter: attested(counter) };
  } finally {
    secret.wipe();
  }
}

export type RecordRefusal = 'other_gateway' | 'other_log' | 'other_exchange' | 'other_class' | 'other_tpm';

/** Whether a verified record says what this box knows of itself, and answers this very exchange. */
export function checkRecord(
  record: EnrolmentRecord,
  own: {
    readonly gateway: string;
    readonly log: string;
    readonly id: string;
    readonly box: TpmBox | undefined;
    /** Name of the sealed log key, in hex. */
    readonly sealed: string | undefined;
  },
): Result<EnrolmentRecord, RecordRefusal> {
  const { tpm } = record;
  const { box } = own;
  if (record.gateway !== own.gateway) return refuse('other_gateway', `the record is of gateway ${record.gateway}`);
  if (record.log.name !== own.log) return refuse('other_log', `the record is of log ${record.log.name}`);
  if (record.challenge !== own.id) return refuse('other_exchange', 'the record answers another exchange than this one');
  if ((tpm === undefined) !== (box === undefined)) return refuse('other_class', `the record says ${record.class}`);
  if (tpm === undefined || box === undefined) return accept(record);
  const { identity } = box;
  const same =
    tpm.ak === base64(box.akSpki) &&
    tpm.ak_name === hex(identity.ak.name) &&
    tpm.counter === hex(identity.counter.name) &&
    tpm.login === base64(box.loginSpki) &&
    tpm.srk === hex(identity.srk.name) &&
    tpm.sealed === own.sealed;
  return same ? accept(record) : refuse('other_tpm', 'the record names other objects than those of this TPM');
}

/** Whether both are the very same key. */
export function isSameVkey(a: Vkey, b: Vkey): boolean {
  return a.name === b.name && equalBytes(a.publicKey, b.publicKey) && a.type === b.type;
}
