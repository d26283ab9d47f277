/**
 * URIs for what EPCIS names: GS1 Digital Link where a parcel has an SSCC in clear text, a name of our own otherwise. A
 * pseudonym is no EPC: its URI means the same parcel only to whoever has the same pseudonyms.
 */
import { base64url, unbase64url } from '../../base/bytes.ts';
import { isSscc } from '../event/check-digits.ts';
import type { Actor, ParcelRef } from '../event/event.ts';
import { HASH_BYTES } from '../log/tree.ts';

/** The prefix `latchkey` of extension members in an event. */
export const EPCIS_NAMESPACE = 'urn:x-latchkey:epcis:';

export function parcelUri({ ref, scheme }: ParcelRef): string {
  const digits = ref.replaceAll(' ', '');
  if (scheme === 'sscc' && isSscc(digits)) return `https://id.gs1.org/00/${digits}`;
  return `urn:x-latchkey:parcel:${scheme}:${encodeURIComponent(ref)}`;
}

/** `<operator domain>:<gateway id>` of an origin: where the locker is. */
export function lockerUri(origin: string): string {
  const [domain = '', gateway = ''] = origin.split('/');
  return `urn:x-latchkey:locker:${domain}:${gateway}`;
}

export function placeUri(origin: string, compartment: string | undefined): string {
  if (compartment === undefined) return lockerUri(origin);
  return `${lockerUri(origin).replace(':locker:', ':compartment:')}:${encodeURIComponent(compartment)}`;
}

export function deviceUri(origin: string, device: string): string {
  return `${lockerUri(origin).replace(':locker:', ':device:')}:${encodeURIComponent(device)}`;
}

export function actorUri({ kind, ref }: Actor): string {
  return `urn:x-latchkey:actor:${kind}:${encodeURIComponent(ref)}`;
}

/**
 * RFC 6920, of the bytes whose SHA-256 a leaf hash is (0x00 and the line). An entry that was carried over has the name of its
 * original: the same event twice is one event to whoever captures it.
 */
export function eventId(leafHash: Uint8Array, carried: string | undefined): string {
  const original = carried === undefined ? undefined : unbase64url(carried);
  return `ni:///sha-256;${base64url(original?.length === HASH_BYTES ? original : leafHash)}`;
}
