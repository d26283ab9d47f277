/**
 * The bodies of the enrolment exchange: request, challenge, answer, outcome. JSON with every member known; bytes in
 * canonical base64, hashes and Names in lowercase hex. FORMAT.md section 7 states them for whoever writes a box.
 */
import { z } from 'zod';
import { unbase64, unbase64url, utf8Text } from '../../base/bytes.ts';
import { accept, type Result } from '../../base/result.ts';
import { parseVkey, type Vkey } from '../../evidence/log/note.ts';
import type { Envelope } from '../../evidence/wire/envelope.ts';
import { SEALED_BOX_BYTES_MIN } from '../../platform/sealed-box.ts';
import { CERTIFICATE_BYTES_MAX } from './certificate.ts';
import { type EnrolRefusal, refused } from './reasons.ts';

export const BODY_BYTES_MAX = 32_768;
const ATTEST_BYTES_MAX = 1_024;
const PUBLIC_BYTES_MAX = 1_024;
export const NONCE_BYTES = 32;
export const CHALLENGE_ID_BYTES = 16;
const ESCROW_BYTES_MAX = 2_048;

function bytesOf(sizeMax: number, sizeMin = 1): z.ZodType<Uint8Array, string> {
  return z
    .string()
    .max(Math.ceil(sizeMax / 3) * 4)
    .transform((text, context) => {
      const bytes = unbase64(text);
      if (bytes !== undefined && bytes.length >= sizeMin && bytes.length <= sizeMax) return bytes;
      context.addIssue({ code: 'custom', message: 'canonical base64', input: undefined });
      return z.NEVER;
    });
}

const vkeyText = z
  .string()
  .max(180)
  .transform((text, context): Vkey => {
    const vkey = parseVkey(text);
    if (vkey.ok && vkey.value.type === 1) return vkey.value;
    context.addIssue({ code: 'custom', message: "a log's vkey", input: undefined });
    return z.NEVER;
  });

const gateway = z.string().regex(/^[a-z0-9-]{1,64}$/);
const digits = (size: number) => z.string().regex(new RegExp(`^[0-9a-f]{${size}}$`));

const tpmRequest = z.strictObject({
  ek_cert: bytesOf(CERTIFICATE_BYTES_MAX),
  ek_public: bytesOf(PUBLIC_BYTES_MAX),
  ak_public: bytesOf(PUBLIC_BYTES_MAX),
  login_public: bytesOf(PUBLIC_BYTES_MAX),
  srk_name: z.string().regex(/^(?:000b[0-9a-f]{64}|000c[0-9a-f]{96})$/),
  counter_public: bytesOf(PUBLIC_BYTES_MAX),
  sealed_public: bytesOf(PUBLIC_BYTES_MAX),
  creation_data: bytesOf(ATTEST_BYTES_MAX),
  creation_attest: bytesOf(ATTEST_BYTES_MAX),
  creation_signature: bytesOf(ATTEST_BYTES_MAX),
  properties: z.strictObject({
    manufacturer: digits(8),
    firmware: digits(16),
    vendor: z.string().regex(/^[ -~]{0,64}$/),
  }),
});

const requestSchema = z.discriminatedUnion('keys', [
  z.strictObject({ v: z.literal(1), gateway, log: vkeyText, keys: z.literal('software') }),
  z.strictObject({ v: z.literal(1), gateway, log: vkeyText, keys: z.literal('tpm'), tpm: tpmRequest }),
]);

const attested = z.strictObject({ attest: bytesOf(ATTEST_BYTES_MAX), signature: bytesOf(ATTEST_BYTES_MAX) });

const answerSchema = z.strictObject({
  v: z.literal(1),
  /** Ed25519 by the log key over the DSSE PAE of the statement. */
  possession: bytesOf(64, 64),
  tpm: z
    .strictObject({
      /** HMAC-SHA-256 with the credential's secret as key, over the statement. */
      proof: bytesOf(32, 32),
      quote: attested,
      counter: attested,
    })
    .optional(),
  /** Owner and lockout authorisation, sealed to the service's escrow key. */
  escrow: bytesOf(ESCROW_BYTES_MAX, SEALED_BOX_BYTES_MIN).optional(),
});

export type EnrolRequest = z.output<typeof requestSchema>;
export type TpmRequest = z.output<typeof tpmRequest>;
export type EnrolAnswer = z.output<typeof answerSchema>;
export type Attested = z.output<typeof attested>;

export interface Challenge {
  readonly v: 1;
  /** 16 bytes, base64url: the path of the second step. */
  readonly id: string;
  /** 32 bytes, base64url. */
  readonly nonce: string;
  /** The answer must come before. */
  readonly expires: string;
  /** TPM2B contents, base64; absent for software keys. */
  readonly credential?: { readonly id_object: string; readonly encrypted_secret: string };
  /** SubjectPublicKeyInfo (X25519), base64: to which the authorisations of owner and lockout are sealed. */
  readonly escrow_key?: string;
}

export interface Outcome {
  readonly v: 1;
  readonly state: 'enrolled' | 'pending' | 'refused';
  readonly record?: Envelope;
  readonly summary?: Envelope;
}

export function parseRequest(body: Uint8Array): Result<EnrolRequest, EnrolRefusal> {
  return parsed(body, requestSchema);
}

export function parseAnswer(body: Uint8Array): Result<EnrolAnswer, EnrolRefusal> {
  return parsed(body, answerSchema);
}

/** What a sealed box of authorisations says that it is. */
export function escrowContext(gateway: string): string {
  return `escrow\n${gateway}`;
}

export function isChallengeId(text: string): boolean {
  return unbase64url(text)?.length === CHALLENGE_ID_BYTES;
}

function parsed<T>(body: Uint8Array, schema: z.ZodType<T>): Result<T, EnrolRefusal> {
  if (body.length > BODY_BYTES_MAX) return refused('too_large');
  try {
    const value = schema.safeParse(JSON.parse(utf8Text(body) ?? ''));
    return value.success ? accept(value.data) : refused('body');
  } catch {
    // Not JSON, or not UTF-8.
    return refused('body');
  }
}
