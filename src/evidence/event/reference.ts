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
  const tag = crypto.hmacSha256(key.key, utf8Quickly(`latchkey/ref/v1\n${kind}\n${scheme}\n${normalised}`));
  return `${key.id}.${base64url(tag.subarray(0, TAG_BYTES))}`;
}

/** Identifiers are short and ASCII nearly always: a third of the encoder's time. */
function utf8Quickly(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return utf8(text);
    bytes[i] = unit;
  }
  return bytes;
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
      return paddedGtin(value.replaceAll(' ', ''));
    case 'sscc':
    case 'impb':
      return value.replaceAll(' ', '');
    case 's10':
    case 'ups':
      return value.replaceAll(' ', '').toUpperCase();
    default:
      return value.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '');
  }
}
