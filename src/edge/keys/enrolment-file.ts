/**
 * What a box keeps of its enrolment, beside its keys, mode 0600 and without a secret in the clear.
 *
 * `enrolment.json`: the signed record as it came, and the service's key by which it was believed. `enrolling.json`: an
 * exchange under way, so that a crash or a person's decision in the middle of it costs no second token.
 */
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { base64, unbase64, utf8 } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { formatVkey, isSoundVkey, parseVkey, type Vkey } from '../../evidence/log/note.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { type EnrolmentRecord, recordHash, verifyEnrolmentRecord } from '../../evidence/wire/enrolment.ts';
import { type Envelope, formatEnvelope, parseEnvelopeText } from '../../evidence/wire/envelope.ts';
import { isMissing, syncDirectory, writeFileDurably } from '../../platform/durable-file.ts';
import type { SealedBlob } from './sealed-file.ts';

export const ENROLMENT_FILE = 'enrolment.json';
export const ENROLLING_FILE = 'enrolling.json';
const FILE_BYTES_MAX = 262_144;

export interface StoredEnrolment {
  /** Of the service. */
  readonly vkey: Vkey;
  readonly envelope: Envelope;
  readonly record: EnrolmentRecord;
  /** SHA-256 of the record's payload, base64url: as in `key.enrolled`. */
  readonly hash: string;
}

/** An exchange under way. */
export interface Enrolling {
  readonly url: string;
  readonly vkey: Vkey;
  /** Name of the log that is enrolled. */
  readonly log: string;
  /** Of the challenge. */
  readonly id: string;
  /** The authorisations that are still to be set, owner and lockout. */
  readonly authorisations?: SealedBlob;
}

const enrolmentSchema = z.strictObject({ v: z.literal(1), service: z.string().max(300), record: z.string() });
const bytes = z.string().transform((text, context) => {
  const found = unbase64(text);
  if (found !== undefined) return found;
  context.addIssue({ code: 'custom', message: 'expected base64' });
  return z.NEVER;
});
const enrollingSchema = z.strictObject({
  v: z.literal(1),
  url: z.string().max(2_048),
  service: z.string().max(300),
  log: z.string().max(120),
  id: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
  authorisations: z.strictObject({ private: bytes, public: bytes }).optional(),
});

/** Undefined when there is none. Throws KEY_LOCKED when it is there and cannot be believed. */
export function readEnrolment(crypto: EvidenceCrypto, path: string): StoredEnrolment | undefined {
  const file = readJson(path, enrolmentSchema);
  if (file === undefined) return undefined;
  const vkey = serviceVkey(crypto, file.service);
  const envelope = parseEnvelopeText(file.record);
  if (vkey === undefined || !envelope.ok) throw broken(path, 'a service key or a record that is none');
  const record = verifyEnrolmentRecord(crypto, envelope.value, vkey);
  if (!record.ok) throw broken(path, record.detail);
  return {
    vkey,
    envelope: envelope.value,
    record: record.value,
    hash: recordHash(crypto, envelope.value.payload),
  };
}

/** Durable when it resolves. */
export async function writeEnrolment(path: string, vkey: Vkey, record: Envelope): Promise<void> {
  await writeJson(path, { v: 1, service: formatVkey(vkey), record: formatEnvelope(record) });
}

export function readEnrolling(crypto: EvidenceCrypto, path: string): Enrolling | undefined {
  const file = readJson(path, enrollingSchema);
  if (file === undefined) return undefined;
  const vkey = serviceVkey(crypto, file.service);
  if (vkey === undefined) throw broken(path, 'a service key that is none');
  const { url, log, id, authorisations: blob } = file;
  const authorisations = blob && { privateBlob: blob.private, publicArea: blob.public };
  return { url, vkey, log, id, ...(authorisations && { authorisations }) };
}

export async function writeEnrolling(path: string, enrolling: Enrolling): Promise<void> {
  const { url, vkey, log, id, authorisations: blob } = enrolling;
  await writeJson(path, {
    v: 1,
    url,
    service: formatVkey(vkey),
    log,
    id,
    ...(blob && { authorisations: { private: base64(blob.privateBlob), public: base64(blob.publicArea) } }),
  });
}

export async function removeEnrolling(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path));
}

/** The key with which a service signs records: type 1, a name that is no log's. */
export function serviceVkey(crypto: EvidenceCrypto, text: string): Vkey | undefined {
  const vkey = parseVkey(text);
  if (!vkey.ok || vkey.value.type !== 1 || parseOrigin(vkey.value.name).ok) return undefined;
  return isSoundVkey(crypto, vkey.value) ? vkey.value : undefined;
}

async function writeJson(path: string, value: object): Promise<void> {
  await writeFileDurably(path, utf8(`${JSON.stringify(value, undefined, 2)}\n`));
}

function readJson<T>(path: string, schema: z.ZodType<T>): T | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new LatchkeyError('KEY_LOCKED', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  if (text.length > FILE_BYTES_MAX) throw broken(path, `${text.length} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw broken(path, 'no JSON');
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw broken(path, z.prettifyError(parsed.error));
  return parsed.data;
}

function broken(path: string, found: string): LatchkeyError {
  const advice = 'move the file away and enrol again';
  return new LatchkeyError('KEY_LOCKED', `${path}: expected what "latchkey enroll" wrote; found: ${found}; ${advice}`);
}
