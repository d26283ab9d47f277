/**
 * Logs that are believed because an enrolment service of the policy signed a record about them (FORMAT.md section 10): key,
 * AK, counter and class of the TPM come from the record, or from its summary. What the policy says of a log itself wins.
 */
import { equalBytes, unbase64, unbase64url, utf8Text } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import { parseOrigin } from '../log/origin.ts';
import {
  ENROLMENT_RECORD_TYPE,
  ENROLMENT_SUMMARY_TYPE,
  type EnrolmentRecord,
  type EnrolmentSummary,
  recordHash,
  verifyEnrolmentRecord,
  verifyEnrolmentSummary,
} from '../wire/enrolment.ts';
import { type Envelope, parseEnvelopeText } from '../wire/envelope.ts';
import { parseEnrolment } from '../wire/messages.ts';
import { SUCCESSOR_TYPE } from '../wire/successor.ts';
import type { PolicyLog, PolicyService, TrustPolicy } from './policy.ts';

export const ENROLMENT_FILE_BYTES_MAX = 8_388_608;
const ENVELOPES_MAX = 10_000;

/** Where what is believed of a log comes from: the policy itself, a service's record, or the log before it. */
export type TrustSource = 'policy' | 'record' | 'successor';

/** A log of the policy, or of a record; for that of a record, whose it is. */
export interface SourcedLog extends PolicyLog {
  readonly keyFrom: TrustSource;
  /** Of AK, counter and class; absent when there are none. */
  readonly tpmFrom?: TrustSource;
  /** The service's name and the record's hash (base64url), when a record says anything of this log that counts. */
  readonly record?: { readonly service: string; readonly hash: string };
}

export interface Enrolled {
  /** By origin. */
  readonly logs: ReadonlyMap<string, SourcedLog>;
  /** Records that carry the key id of a service of the policy and do not count: a false signature, another version. */
  readonly refused: readonly string[];
}

/** What a gateway retains as `enrolment`, or envelopes of records, summaries and successor statements, one a line. */
export function parseEnrolmentFile(bytes: Uint8Array): Result<readonly Envelope[], 'enrolment'> {
  const expected =
    'expected a retained `enrolment` message, or envelopes of records and successor statements, one a line';
  if (bytes.length > ENROLMENT_FILE_BYTES_MAX) return refuse('enrolment', `${expected}; found ${bytes.length} bytes`);
  const retained = parseEnrolment(bytes);
  if (retained.ok) {
    const { record, successors } = retained.value;
    return accept([...(record === undefined ? [] : [record]), ...successors]);
  }
  const lines = (utf8Text(bytes) ?? '').split('\n').filter((line) => line !== '');
  if (lines.length === 0 || lines.length > ENVELOPES_MAX) return refuse('enrolment', expected);
  const envelopes: Envelope[] = [];
  for (const [i, line] of lines.entries()) {
    const envelope = parseEnvelopeText(line);
    if (!envelope.ok) return refuse('enrolment', `${expected}; line ${i + 1}: ${envelope.detail}`);
    if (!isRecord(envelope.value) && envelope.value.payloadType !== SUCCESSOR_TYPE) {
      return refuse('enrolment', `${expected}; line ${i + 1} is of type ${envelope.value.payloadType}`);
    }
    envelopes.push(envelope.value);
  }
  return accept(envelopes);
}

export function isRecord({ payloadType }: Envelope): boolean {
  return payloadType === ENROLMENT_RECORD_TYPE || payloadType === ENROLMENT_SUMMARY_TYPE;
}

/** The policy's logs, and those of records that a service of the policy signed. Other envelopes are left aside. */
export function enrolledLogs(crypto: EvidenceCrypto, policy: TrustPolicy, envelopes: readonly Envelope[]): Enrolled {
  const logs = new Map<string, SourcedLog>();
  for (const [origin, log] of policy.logs) logs.set(origin, ownRow(log));
  const issued = new Map<string, string>();
  const refused: string[] = [];
  for (const envelope of envelopes.filter(isRecord)) {
    const found = bySomeService(crypto, policy.services ?? [], envelope);
    if (found === undefined) continue;
    if ('why' in found) {
      refused.push(found.why);
      continue;
    }
    const { summary } = found;
    const origin = summary.log.name;
    const own = policy.logs.get(origin);
    // The policy's own word about a log is not added to, nor is its key exchanged: a name has few digits of it.
    const isOther = own !== undefined && !equalBytes(own.vkey.publicKey, summary.log.publicKey);
    if (isOther || (own !== undefined && saysOfTpm(own))) continue;
    // Of two records about one log the later counts.
    if ((issued.get(origin) ?? '') > summary.issued) continue;
    issued.set(origin, summary.issued);
    logs.set(origin, withRecord(own && ownRow(own), found));
  }
  return { logs, refused };
}

function ownRow(log: PolicyLog): SourcedLog {
  return { ...log, keyFrom: 'policy', ...(saysOfTpm(log) && { tpmFrom: 'policy' as const }) };
}

/** The row has something by hand: then all of it is. */
function saysOfTpm({ enrolment, ak, counter, tpmClass }: PolicyLog): boolean {
  return [enrolment, ak, counter, tpmClass].some((each) => each !== undefined);
}

interface Signed {
  readonly service: PolicyService;
  readonly summary: EnrolmentSummary;
}

/** Undefined: signed by nobody whom the policy names, or about an operator's logs for which the service has no word. */
function bySomeService(
  crypto: EvidenceCrypto,
  services: readonly PolicyService[],
  envelope: Envelope,
): Signed | { readonly why: string } | undefined {
  let why: string | undefined;
  for (const service of services) {
    const verified = verifiedSummary(crypto, envelope, service);
    if (verified.ok) return isWithin(service, verified.value) ? { service, summary: verified.value } : undefined;
    if (verified.reason !== 'key') why = `${service.vkey.name}: ${verified.detail}`;
  }
  return why === undefined ? undefined : { why };
}

function verifiedSummary(crypto: EvidenceCrypto, envelope: Envelope, { vkey }: PolicyService) {
  if (envelope.payloadType === ENROLMENT_SUMMARY_TYPE) return verifyEnrolmentSummary(crypto, envelope, vkey);
  const record = verifyEnrolmentRecord(crypto, envelope, vkey);
  return record.ok ? accept(shortOf(record.value, recordHash(crypto, envelope.payload))) : record;
}

function shortOf({ gateway, log, class: tpmClass, issued, tpm }: EnrolmentRecord, record: string): EnrolmentSummary {
  return { gateway, log, class: tpmClass, issued, record, ...(tpm !== undefined && { tpm }) };
}

function isWithin({ domains }: PolicyService, { log }: EnrolmentSummary): boolean {
  const origin = parseOrigin(log.name);
  return origin.ok && domains.includes(origin.value.domain);
}

function withRecord(own: SourcedLog | undefined, { service, summary }: Signed): SourcedLog {
  const { log: vkey, class: recordClass, record: hash, tpm } = summary;
  const base = own ?? { vkey, keyFrom: 'record' as const };
  const record = { service: service.vkey.name, hash };
  const ak = unbase64(tpm?.ak ?? '');
  const enrolment = unbase64url(hash);
  // A record of software keys proves possession of a key, and nothing of where it lies.
  if (recordClass === 'software' || tpm === undefined || ak === undefined) return { ...base, record };
  return {
    ...base,
    ...(enrolment !== undefined && { enrolment }),
    ak,
    counter: tpm.counter,
    tpmClass: recordClass,
    tpmFrom: 'record',
    record,
  };
}
