/**
 * The small JSON messages of FORMAT.md section 7: status, request, enrolment. One spelling each (JCS).
 */
import { assert } from '../../base/assert.ts';
import { utf8, utf8Text } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { JsonObject } from '../event/event.ts';
import { canonicalJson, parseCanonicalObject } from '../event/json.ts';
import { ORIGIN_BYTES_MAX, parseOrigin } from '../log/origin.ts';
import { type Envelope, envelopeOf, formatEnvelope } from './envelope.ts';

const SMALL_MESSAGE_BYTES_MAX = 512;
export const ENROLMENT_BYTES_MAX = 65_536;
export const SUCCESSORS_MAX = 64;

export type MessageRefusal =
  /** Longer than the message may be. */
  | 'too_long'
  /** Not the canonical JSON of the message's members. */
  | 'message'
  | 'unknown_version';

/** A hint about the gateway's connection, unsigned. `offline` is the last will. */
export interface Status {
  /** Start number of the daemon in its open log. */
  readonly boot: number;
  readonly state: 'online' | 'offline' | 'stopping';
}

export function formatStatus(status: Status): Uint8Array {
  return utf8(canonicalJson({ boot: status.boot, state: status.state, v: 1 }));
}

export function parseStatus(bytes: Uint8Array): Result<Status, MessageRefusal> {
  const object = smallMessage(bytes);
  if (!object.ok) return object;
  const { boot, state } = object.value;
  if (Object.keys(object.value).length !== 3 || !isCount(boot) || !isState(state)) {
    return refuse('message', 'expected `boot`, `state` and `v`');
  }
  return accept({ boot, state });
}

/** A consumer asks for the entries from `first` on again. Unsigned: it may cost a rewind, never more. */
export interface ResendRequest {
  readonly origin: string;
  readonly first: number;
}

export function formatRequest(request: ResendRequest): Uint8Array {
  assert(parseOrigin(request.origin).ok && isCount(request.first), 'a request names a log and an index');
  return utf8(canonicalJson({ first: request.first, log: request.origin, v: 1 }));
}

export function parseRequest(bytes: Uint8Array): Result<ResendRequest, MessageRefusal> {
  const object = smallMessage(bytes);
  if (!object.ok) return object;
  const { log, first } = object.value;
  const isOrigin = typeof log === 'string' && log.length <= ORIGIN_BYTES_MAX && parseOrigin(log).ok;
  if (Object.keys(object.value).length !== 3 || !isCount(first) || !isOrigin) {
    return refuse('message', 'expected `first`, `log` and `v`');
  }
  return accept({ origin: log, first });
}

/**
 * The gateway's retained words about its keys. `record` is the signed enrolment record of a TPM; a gateway with
 * software keys has none, and the member is absent. Successor statements stand oldest first.
 */
export interface Enrolment {
  readonly record?: Envelope;
  readonly successors: readonly Envelope[];
}

/** One that exceeds 64 KiB or 64 successors is an assertion: the caller leaves out the oldest. */
export function formatEnrolment(enrolment: Enrolment): Uint8Array {
  const bytes = utf8(spellEnrolment(enrolment));
  assert(
    enrolment.successors.length <= SUCCESSORS_MAX && bytes.length <= ENROLMENT_BYTES_MAX,
    'an enrolment that fits',
  );
  return bytes;
}

export function parseEnrolment(bytes: Uint8Array): Result<Enrolment, MessageRefusal> {
  if (bytes.length > ENROLMENT_BYTES_MAX) return refuse('too_long', `expected at most ${ENROLMENT_BYTES_MAX} bytes`);
  const text = utf8Text(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text ?? '');
  } catch {
    return refuse('message', 'the enrolment is not JSON');
  }
  if (typeof value !== 'object' || value === null) return refuse('message', 'the enrolment is not a JSON object');
  const { v, record, successors } = value as Readonly<Record<string, unknown>>;
  if (typeof v === 'number' && v !== 1) return refuse('unknown_version', 'unknown version of the enrolment');
  if (!Array.isArray(successors) || successors.length > SUCCESSORS_MAX) {
    return refuse('message', `expected at most ${SUCCESSORS_MAX} successor statements`);
  }
  const statements = successors.map(envelopeOf).filter((envelope) => envelope !== undefined);
  const recordEnvelope = record === undefined ? undefined : envelopeOf(record);
  const enrolment = { ...(recordEnvelope !== undefined && { record: recordEnvelope }), successors: statements };
  if (spellEnrolment(enrolment) !== text) return refuse('message', 'not the one spelling of an enrolment');
  return accept(enrolment);
}

/** Member names in JCS order around envelopes in their own one spelling (`payloadType` is no name for an event). */
function spellEnrolment(enrolment: Enrolment): string {
  const record = enrolment.record === undefined ? '' : `"record":${formatEnvelope(enrolment.record)},`;
  return `{${record}"successors":[${enrolment.successors.map(formatEnvelope).join(',')}],"v":1}`;
}

function smallMessage(bytes: Uint8Array): Result<JsonObject, MessageRefusal> {
  const object = parseCanonicalObject(bytes, SMALL_MESSAGE_BYTES_MAX);
  if (!object.ok) return refuse(object.reason === 'too_long' ? 'too_long' : 'message', object.detail);
  const { v } = object.value;
  if (typeof v !== 'number') return refuse('message', 'expected a version `v`');
  return v === 1 ? object : refuse('unknown_version', 'unknown version of the message');
}

function isState(value: unknown): value is Status['state'] {
  return value === 'online' || value === 'offline' || value === 'stopping';
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
