/**
 * Pseudonyms of parcels and people: a keyed hash, so that whoever lacks the key cannot look a value up.
 */
import { assert } from '../../base/assert.ts';
import { base64url, utf8 } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import { paddedGtin } from './carriers.ts';

export interface ReferenceKey {
  /** `[a-z0-9][a-z0-9-]{0,11}`, for example `2026-11`. */
  readonly id: string;
  readonly key: Uint8Array;
}

export const REFERENCE_KEY_ID = /^[a-z0-9][a-z0-9-]{0,11}$/;
const PSEUDONYM = /^([a-z0-9][a-z0-9-]{0,11})\.[A-Za-z0-9_-]{21}[AQgw]$/;
const TAG_BYTES = 16;
const CONTEXT = 'latchkey/ref/v1\n';
const NEWLINE = 0x0a;

/**
 * `<key id>.<base64url of 16 bytes>` of HMAC-SHA-256(key, "latchkey/ref/v1\n" kind "\n" scheme "\n" normalised).
 *
 * `kind` is `parcel` or the actor's kind; `scheme` is `-` for actors. Neither may hold a newline, which would let two
 * inputs become one message; the value comes last and may.
 */
export function pseudonym(
  crypto: EvidenceCrypto,
  key: ReferenceKey,
  kind: string,
  scheme: string,
  normalised: string,
): string {
  assert(REFERENCE_KEY_ID.test(key.id), 'a reference key id is [a-z0-9][a-z0-9-]{0,11}');
  assert(!kind.includes('\n') && !scheme.includes('\n'), 'kind and scheme hold no newline');
  const tag = crypto.hmacSha256(key.key, messageOf(kind, scheme, normalised));
  return `${key.id}.${base64url(tag.subarray(0, TAG_BYTES))}`;
}

/** Written unit by unit: identifiers are short and ASCII nearly always, and so it takes a fifth of the encoder's time. */
function messageOf(kind: string, scheme: string, normalised: string): Uint8Array {
  const bytes = new Uint8Array(CONTEXT.length + kind.length + scheme.length + normalised.length + 2);
  let at = writeAscii(bytes, 0, CONTEXT);
  at = writeAscii(bytes, at, kind);
  bytes[at] = NEWLINE;
  at = writeAscii(bytes, at + 1, scheme);
  bytes[at] = NEWLINE;
  at = writeAscii(bytes, at + 1, normalised);
  return at === bytes.length ? bytes : utf8(`${CONTEXT}${kind}\n${scheme}\n${normalised}`);
}

/** The end of what was written; NaN once a unit was not ASCII. */
function writeAscii(bytes: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return Number.NaN;
    bytes[at + i] = unit;
  }
  return at + text.length;
}

/** The key id of a pseudonym, or undefined when the text is none. */
export function pseudonymKeyId(ref: string): string | undefined {
  return PSEUDONYM.exec(ref)?.[1];
}

/** Longest value that is normalised; longer ones name nothing. */
export const NORMALISED_LENGTH_MAX = 128;

/**
 * One spelling per value: blanks of printed labels taken out, letters in upper case, GTINs in 14 digits. `giai` keeps
 * its letters (they are case-sensitive), and of `unknown` only spaces, tabs and line ends at both ends are taken. Undefined when nothing or
 * too much is left.
 */
export function normalise(scheme: string, value: string): string | undefined {
  const normalised = spelling(scheme, value);
  return normalised.length > 0 && normalised.length <= NORMALISED_LENGTH_MAX ? normalised : undefined;
}

function spelling(scheme: string, value: string): string {
  switch (scheme) {
    case 'gtin':
      return paddedGtin(withoutSpaces(value));
    case 'sscc':
    case 'impb':
      return withoutSpaces(value);
    case 's10':
    case 'ups':
      return withoutSpaces(value).toUpperCase();
    default:
      return isBlankAt(value, 0) || isBlankAt(value, value.length - 1) ? trimmed(value) : value;
  }
}

function withoutSpaces(value: string): string {
  return value.includes(' ') ? value.replaceAll(' ', '') : value;
}

function trimmed(value: string): string {
  return value.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '');
}

function isBlankAt(value: string, at: number): boolean {
  const unit = value.charCodeAt(at);
  return unit === 0x20 || unit === 0x09 || unit === 0x0d || unit === 0x0a;
}
