/**
 * Enrolment: what a service that looked at a gateway's TPM states about its keys (FORMAT.md section 7).
 *
 * The record holds everything that was found, with the EK certificate, which names one chip for life. The summary is what
 * a bundle may show to strangers: enough to judge anchors, and nothing that follows the chip elsewhere. Both are DSSE
 * envelopes with one signature of the enrolment service's key.
 */
import { assert } from '../../base/assert.ts';
import { base64url, hex, unbase64, utf8 } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { pae } from '../batch/pae.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import type { JsonObject } from '../event/event.ts';
import { hash32Field, nonce16Field, timeField } from '../event/event-fields.ts';
import { type Field, int, object, pattern, word } from '../event/field.ts';
import { canonicalJson, parseCanonicalObject } from '../event/json.ts';
import { formatVkey, isSoundVkey, parseVkey, type Vkey } from '../log/note.ts';
import { parseOrigin, tagOf } from '../log/origin.ts';
import type { Envelope } from './envelope.ts';

export const ENROLMENT_RECORD_TYPE = 'application/vnd.latchkey.enrolment.v1+json';
export const ENROLMENT_SUMMARY_TYPE = 'application/vnd.latchkey.enrolment-summary.v1+json';
/** Signed by the log key: possession of it, over the statement that the AK quotes. */
export const ENROL_STATEMENT_TYPE = 'application/vnd.latchkey.enrol.v1+json';

/** Base64 of one and a half makes an envelope that still fits into the retained message. */
export const RECORD_BYTES_MAX = 16_384;
const STATEMENT_BYTES_MAX = 4_096;

/** `hardware`: a chip or firmware TPM with a vendor's certificate. `emulated`: swtpm or a VM's, which can be cloned. */
export const TPM_CLASSES = ['hardware', 'emulated', 'software'] as const;
export type TpmClass = (typeof TPM_CLASSES)[number];

export type EnrolmentRefusal =
  /** Not an envelope of this type with one signature, or a payload that is not spelled as FORMAT.md says. */
  | 'record'
  /** An unknown version or member; under a valid signature it is to be kept and looked at. */
  | 'unknown_version'
  /** The log is not of the gateway that the record names, or its key is not sound. */
  | 'gateway'
  /** Not signed by the service's key. */
  | 'key'
  | 'signature';

/** Lowercase hex and base64 as they stand in the payload: no byte of a record is read in two ways. */
export interface TpmFacts {
  /** AK SubjectPublicKeyInfo (91 bytes), base64. */
  readonly ak: string;
  readonly ak_name: string;
  /** Name of the anchor counter, and its value when enrolled. */
  readonly counter: string;
  readonly counter_value: number;
  readonly ek_cert: string;
  /** Of the AK's attest, 16 hex digits. */
  readonly firmware: string;
  /** SubjectPublicKeyInfo of the key that signs broker logins. */
  readonly login: string;
  /** 8 hex digits (TCG vendor id registry), model and version as the EK certificate has them. */
  readonly manufacturer: string;
  readonly model: string;
  readonly version: string;
  /** What was measured: PCRs of the SHA-256 bank as a 3-byte map, and the digest over them. */
  readonly pcr_digest: string;
  readonly pcr_select: string;
  readonly reset_count: number;
  readonly restart_count: number;
  /** Name of the object in which the log key is sealed. */
  readonly sealed: string;
  readonly srk: string;
}

export interface EnrolmentRecord {
  readonly gateway: string;
  readonly log: Vkey;
  readonly class: TpmClass;
  /** The service's wall clock. */
  readonly issued: string;
  /** The exchange that led to it. */
  readonly challenge: string;
  /** SHA-256 of the payload of the record that this one follows, base64url. */
  readonly previous?: string;
  readonly tpm?: TpmFacts;
}

const TPM_FACTS_SHOWN = [
  'ak',
  'counter',
  'counter_value',
  'firmware',
  'manufacturer',
  'reset_count',
  'restart_count',
] as const;

export interface EnrolmentSummary {
  readonly gateway: string;
  readonly log: Vkey;
  readonly class: TpmClass;
  readonly issued: string;
  /** SHA-256 of the record's payload, base64url: the hash in `key.enrolled` and in trust policies. */
  readonly record: string;
  readonly tpm?: Pick<TpmFacts, (typeof TPM_FACTS_SHOWN)[number]>;
}

/** What AK and log key bind together: sections 5 (purpose `enrol`) and 7. Software keys have none of the TPM's members. */
export interface EnrolStatement {
  readonly gateway: string;
  readonly log: Vkey;
  /** Of the challenge: 32 bytes, base64url. */
  readonly nonce: string;
  readonly tpm?: {
    /** Names, in hex. */
    readonly ak: string;
    readonly counter: string;
    readonly login: string;
    readonly sealed: string;
    readonly srk: string;
  };
}

const gatewayField = pattern('[a-z0-9-]{1,64}', 64);
const vkeyField = pattern('[!-*,-~]{1,120}\\+[0-9a-f]{8}\\+[A-Za-z0-9+/]{44}', 180);
/** An object's Name: algorithm and digest; SHA-256, or SHA-384 for objects of the manufacturer. */
const nameField = pattern('000b[0-9a-f]{64}|000c[0-9a-f]{96}', 100);
const akNameField = pattern('000b[0-9a-f]{64}', 68);
const spkiField = pattern('[A-Za-z0-9+/]{122}==', 124);
const u32Field = int(0, 0xffff_ffff);
const shownText = pattern('[ -~]{1,64}', 64);

const SHOWN_FIELDS = {
  ak: spkiField,
  counter: akNameField,
  counter_value: int(),
  firmware: pattern('[0-9a-f]{16}', 16),
  manufacturer: pattern('[0-9a-f]{8}', 8),
  reset_count: u32Field,
  restart_count: u32Field,
};
const tpmField = object({
  ...SHOWN_FIELDS,
  ak_name: akNameField,
  ek_cert: pattern('(?:[A-Za-z0-9+/]{4}){50,3000}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?', 11_000),
  login: spkiField,
  model: shownText,
  pcr_digest: pattern('[0-9a-f]{64}', 64),
  pcr_select: pattern('[0-9a-f]{6}', 6),
  sealed: akNameField,
  srk: nameField,
  version: shownText,
});
const HEAD_FIELDS = { gateway: gatewayField, issued: timeField, log: vkeyField, v: int(1, 1) };
const recordField = object(
  { ...HEAD_FIELDS, challenge: nonce16Field, class: word(...TPM_CLASSES) },
  { previous: hash32Field, tpm: tpmField },
);
const summaryField = object(
  { ...HEAD_FIELDS, class: word(...TPM_CLASSES), record: hash32Field },
  { tpm: object(SHOWN_FIELDS) },
);
const statementField = object(
  { gateway: gatewayField, log: vkeyField, nonce: hash32Field, v: int(1, 1) },
  {
    tpm: object({
      ak: akNameField,
      counter: akNameField,
      login: akNameField,
      sealed: akNameField,
      srk: nameField,
    }),
  },
);

/** JSON Schemas of the payloads. */
export const ENROLMENT_SCHEMAS: Readonly<Record<string, JsonObject>> = {
  enrolment_record: recordField.schema,
  enrolment_summary: summaryField.schema,
  enrol_statement: statementField.schema,
};

export function recordPayload(record: EnrolmentRecord): Uint8Array {
  return payloadOf({ v: 1, ...record, log: formatVkey(record.log) } as unknown as JsonObject, parseRecordPayload);
}

/** SHA-256 of a record's payload, base64url. */
export function recordHash(crypto: EvidenceCrypto, payload: Uint8Array): string {
  return base64url(crypto.sha256(payload));
}

export function summaryOf(crypto: EvidenceCrypto, record: EnrolmentRecord): EnrolmentSummary {
  const { tpm, gateway, log, issued } = record;
  return {
    gateway,
    log,
    class: record.class,
    issued,
    record: recordHash(crypto, recordPayload(record)),
    ...(tpm !== undefined && { tpm: shownOf(tpm) }),
  };
}

function shownOf(tpm: TpmFacts): NonNullable<EnrolmentSummary['tpm']> {
  const { ak, counter, counter_value, firmware, manufacturer, reset_count, restart_count } = tpm;
  return { ak, counter, counter_value, firmware, manufacturer, reset_count, restart_count };
}

export function summaryPayload(summary: EnrolmentSummary): Uint8Array {
  return payloadOf({ v: 1, ...summary, log: formatVkey(summary.log) } as unknown as JsonObject, parseSummaryPayload);
}

/** The bytes that the AK's `extraData` hashes and that the log key signs under `ENROL_STATEMENT_TYPE`. */
export function enrolStatementPayload(statement: EnrolStatement): Uint8Array {
  return payloadOf({ v: 1, ...statement, log: formatVkey(statement.log) } as unknown as JsonObject, (payload) =>
    fieldsOf(payload, statementField, STATEMENT_BYTES_MAX),
  );
}

/** The record, when the service's key `vkey` signed it. The signature is checked before the payload is believed. */
export function verifyEnrolmentRecord(
  crypto: EvidenceCrypto,
  envelope: Envelope,
  vkey: Vkey,
): Result<EnrolmentRecord, EnrolmentRefusal> {
  const signed = signedPayload(crypto, envelope, ENROLMENT_RECORD_TYPE, vkey);
  if (!signed.ok) return signed;
  const record = parseRecordPayload(signed.value);
  return record.ok ? ofOneGateway(crypto, record.value) : record;
}

export function verifyEnrolmentSummary(
  crypto: EvidenceCrypto,
  envelope: Envelope,
  vkey: Vkey,
): Result<EnrolmentSummary, EnrolmentRefusal> {
  const signed = signedPayload(crypto, envelope, ENROLMENT_SUMMARY_TYPE, vkey);
  if (!signed.ok) return signed;
  const summary = parseSummaryPayload(signed.value);
  return summary.ok ? ofOneGateway(crypto, summary.value) : summary;
}

/** The record, not believed. */
export function parseEnrolmentRecord(envelope: Envelope): Result<EnrolmentRecord, EnrolmentRefusal> {
  if (envelope.payloadType !== ENROLMENT_RECORD_TYPE) {
    return refuse('record', `expected an envelope of ${ENROLMENT_RECORD_TYPE}`);
  }
  return parseRecordPayload(envelope.payload);
}

export function enrolmentEnvelope(type: string, payload: Uint8Array, vkey: Vkey, signature: Uint8Array): Envelope {
  return { payloadType: type, payload, signatures: [{ keyid: hex(vkey.keyId), sig: signature }] };
}

function signedPayload(
  crypto: EvidenceCrypto,
  envelope: Envelope,
  type: string,
  vkey: Vkey,
): Result<Uint8Array, EnrolmentRefusal> {
  const [signature, ...more] = envelope.signatures;
  if (envelope.payloadType !== type || signature === undefined || more.length > 0) {
    return refuse('record', `expected an envelope of ${type} with one signature`);
  }
  if (signature.keyid !== hex(vkey.keyId) || vkey.type !== 1 || !isSoundVkey(crypto, vkey)) {
    return refuse('key', "not signed by the enrolment service's key");
  }
  if (!crypto.verifyEd25519(vkey.publicKey, pae(type, envelope.payload), signature.sig)) {
    return refuse('signature', 'the signature of the enrolment does not verify');
  }
  return accept(envelope.payload);
}

function parseRecordPayload(payload: Uint8Array): Result<EnrolmentRecord, EnrolmentRefusal> {
  const fields = fieldsOf(payload, recordField, RECORD_BYTES_MAX);
  if (!fields.ok) return fields;
  const { v: _v, ...record } = fields.value;
  return withTpm(record as unknown as EnrolmentRecord);
}

function parseSummaryPayload(payload: Uint8Array): Result<EnrolmentSummary, EnrolmentRefusal> {
  const fields = fieldsOf(payload, summaryField, RECORD_BYTES_MAX);
  if (!fields.ok) return fields;
  const { v: _v, ...summary } = fields.value;
  return withTpm(summary as unknown as EnrolmentSummary);
}

/** A TPM's members stand exactly where the class says that there is a TPM, and its base64 is canonical. */
function withTpm<T extends EnrolmentRecord | EnrolmentSummary>(value: T): Result<T, EnrolmentRefusal> {
  if ((value.class === 'software') !== (value.tpm === undefined)) {
    return refuse('record', 'expected `tpm` exactly when the class is not `software`');
  }
  for (const text of Object.entries(value.tpm ?? {})) {
    const isBytes = ['ak', 'login', 'ek_cert'].includes(text[0]);
    if (isBytes && unbase64(String(text[1])) === undefined) {
      return refuse('record', `tpm.${text[0]} is not canonical base64`);
    }
  }
  return accept(value);
}

type Fields = JsonObject & { readonly log: Vkey };

/** Members as described, with the vkey read. */
function fieldsOf(payload: Uint8Array, field: Field, bytesMax: number): Result<Fields, EnrolmentRefusal> {
  const object = parseCanonicalObject(payload, bytesMax);
  if (!object.ok) return refuse('record', object.detail);
  const { v, log } = object.value;
  if (typeof v === 'number' && v !== 1) return refuse('unknown_version', 'unknown version of the enrolment');
  if (!field.fits(object.value)) return isExtended(object.value, field) ? unknownMember() : notDescribed();
  const vkey = parseVkey(String(log));
  if (!vkey.ok || vkey.value.type !== 1) return refuse('record', '`log` is not the vkey of a log');
  return accept({ ...object.value, log: vkey.value } as unknown as Fields);
}

/** Whether only members that this version does not know keep the payload from being one. */
function isExtended(value: JsonObject, field: Field): boolean {
  const known = field.schema['properties'] as JsonObject;
  const rest = Object.fromEntries(Object.entries(value).filter(([name]) => Object.hasOwn(known, name)));
  return field.fits(rest);
}

function unknownMember(): Result<never, EnrolmentRefusal> {
  return refuse('unknown_version', 'a member that this version does not know');
}

function notDescribed(): Result<never, EnrolmentRefusal> {
  return refuse('record', 'the members are not those of FORMAT.md section 7');
}

function ofOneGateway<T extends EnrolmentRecord | EnrolmentSummary>(
  crypto: EvidenceCrypto,
  value: T,
): Result<T, EnrolmentRefusal> {
  const origin = parseOrigin(value.log.name);
  const isOwn =
    origin.ok && origin.value.gateway === value.gateway && origin.value.tag === tagOf(crypto, value.log.publicKey);
  if (!isOwn || !isSoundVkey(crypto, value.log)) {
    return refuse('gateway', 'the log is not one of the named gateway, or its key is not sound');
  }
  return accept(value);
}

function payloadOf(object: JsonObject, parse: (payload: Uint8Array) => Result<unknown>): Uint8Array {
  const payload = utf8(canonicalJson(object));
  const again = parse(payload);
  assert(again.ok, `no enrolment: ${again.ok ? '' : again.detail}`);
  return payload;
}
