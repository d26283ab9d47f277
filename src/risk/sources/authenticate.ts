/**
 * Whether a webhook is of the source that it names: over the raw bytes, before anything in them is read.
 *
 * Standard Webhooks 1.0.0 (v1 and v1a), an HMAC with named headers, or a bearer token. Signatures are compared in constant
 * time with every secret that is valid; the timestamp is believed only after the signature over it.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { concatBytes, unbase64, unhex, utf8 } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { SOURCE_REFUSALS, type SourceRefusal } from './reasons.ts';
import { readStandardSecret, readTextSecret } from './secret-file.ts';
import type { SourceAuth, SourceSettings } from './settings.ts';

/** Fetch's `Headers` is one: names in any case, the values of a header that stands there twice joined. */
export interface HeaderReader {
  get(name: string): string | null;
}

export interface Authentic {
  /** Of the signed headers; absent where the body says it. */
  readonly eventId?: string;
  /** When it was signed; absent where nothing says so. */
  readonly signedAtMs?: number;
}

export interface OpenedSource {
  readonly settings: SourceSettings;
  readonly check: (headers: HeaderReader, body: Uint8Array) => Result<Authentic, SourceRefusal>;
}

const SIGNATURES_MAX = 16;
const HEADER_LENGTH_MAX = 4_096;
/** From here on a number of digits means milliseconds: seconds reach twelve digits in the year 5138. */
const MILLISECOND_DIGITS = 12;

export function refusal(reason: SourceRefusal): ReturnType<typeof refuse<SourceRefusal>> {
  return refuse(reason, SOURCE_REFUSALS[reason][1]);
}

/** Reads the secrets. Rejects with CONFIG_UNREADABLE, KEY_PERMISSIONS or CONFIG_INVALID. */
export async function openSource(settings: SourceSettings, crypto: EvidenceCrypto): Promise<OpenedSource> {
  return { settings, check: await checkOf(settings.auth, crypto) };
}

async function checkOf(auth: SourceAuth, crypto: EvidenceCrypto): Promise<OpenedSource['check']> {
  switch (auth.type) {
    case 'standard': {
      const secrets = await Promise.all(auth.secret_files.map(readStandardSecret));
      return standard('v1', 32, (message, given) =>
        secrets.some((secret) => isEqual(crypto.hmacSha256(secret, message), given)),
      );
    }
    case 'standard_ed25519': {
      const keys = auth.public_keys.map((text) => unbase64(text.slice('whpk_'.length)) ?? new Uint8Array());
      return standard('v1a', 64, (message, given) => keys.some((key) => crypto.verifyEd25519(key, message, given)));
    }
    case 'hmac': {
      const secrets = await Promise.all(auth.secret_files.map(readTextSecret));
      return hmac(auth, secrets, crypto);
    }
    case 'bearer':
      return bearer(await Promise.all(auth.token_files.map(readTextSecret)));
  }
}

/** Standard Webhooks: `<id>.<timestamp>.<body>`, and `<version>,<base64>` as often as keys change. */
function standard(
  version: string,
  size: number,
  verify: (message: Uint8Array, given: Uint8Array) => boolean,
): OpenedSource['check'] {
  return (headers, body) => {
    const eventId = headerOf(headers, 'webhook-id');
    const timestamp = headerOf(headers, 'webhook-timestamp');
    const signatures = headerOf(headers, 'webhook-signature');
    if (eventId === undefined || timestamp === undefined || signatures === undefined)
      return refusal('no_authentication');
    // A dot would let one signed text be split in two ways.
    if (eventId.includes('.')) return refusal('bad_event_id');
    if (!/^[0-9]{1,11}$/.test(timestamp)) return refusal('bad_timestamp');
    const given = signatures.split(' ').flatMap((part) => {
      const [name, text = ''] = part.split(',', 2);
      const bytes = name === version ? unbase64(text) : undefined;
      return bytes?.length === size ? [bytes] : [];
    });
    const message = concatBytes(utf8(`${eventId}.${timestamp}.`), body);
    if (!given.slice(0, SIGNATURES_MAX).some((one) => verify(message, one))) return refusal('bad_signature');
    return accept({ eventId, signedAtMs: Number(timestamp) * 1_000 });
  };
}

function hmac(
  auth: Extract<SourceAuth, { type: 'hmac' }>,
  secrets: readonly Uint8Array[],
  crypto: EvidenceCrypto,
): OpenedSource['check'] {
  return (headers, body) => {
    const text = headerOf(headers, auth.signature_header);
    const timestamp = headerOf(headers, auth.timestamp_header);
    if (text === undefined || timestamp === undefined) return refusal('no_authentication');
    if (!/^[0-9]{1,14}$/.test(timestamp)) return refusal('bad_timestamp');
    const bare = text.startsWith(auth.prefix) ? text.slice(auth.prefix.length) : '';
    const given = auth.encoding === 'hex' ? unhex(bare) : unbase64(bare);
    const message = concatBytes(utf8(`${auth.before}${timestamp}${auth.separator}`), body);
    if (given === undefined || !secrets.some((secret) => isEqual(crypto.hmacSha256(secret, message), given)))
      return refusal('bad_signature');
    const signedAtMs = timestamp.length < MILLISECOND_DIGITS ? Number(timestamp) * 1_000 : Number(timestamp);
    // Which event it is stands in the body: under another name of an unsigned header it would count again.
    return accept({ signedAtMs });
  };
}

function bearer(tokens: readonly Uint8Array[]): OpenedSource['check'] {
  const digests = tokens.map(digestOf);
  return (headers) => {
    const token = /^Bearer ([\x21-\x7e]+)$/i.exec(headerOf(headers, 'authorization') ?? '')?.[1];
    if (token === undefined) return refusal('no_authentication');
    // Digests have one length, so that the comparison tells nothing about the token's.
    const given = digestOf(utf8(token));
    return digests.some((digest) => isEqual(digest, given)) ? accept({}) : refusal('bad_signature');
  };
}

/** Undefined also when it is empty or longer than any honest one. */
function headerOf(headers: HeaderReader, name: string): string | undefined {
  const value = headers.get(name)?.trim();
  return value === undefined || value === '' || value.length > HEADER_LENGTH_MAX ? undefined : value;
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function digestOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(createHash('sha256').update(bytes).digest());
}
