/**
 * Tells a scanned credential from a parcel's label, before anything is made of the scan: what begins as a credential is
 * never journaled, and names no parcel.
 */
import { SecretText } from '../../base/secret-text.ts';
import type { ScanReading } from '../contracts/reading.ts';
import type { AccessSettings } from './settings.ts';

export type Recognised =
  | { readonly kind: 'code'; readonly code: SecretText }
  /** It holds the beginning of a credential, and is not one whole credential: nothing of it may be shown. */
  | { readonly kind: 'damaged' }
  | { readonly kind: 'other' };

/** So many characters stand in the middle of a parcel's label by chance hardly ever. */
const SURE_PREFIX_LENGTH = 3;
const CODE_CHARACTERS = /^[A-Za-z0-9_-]+$/;

export function recogniseScan(
  { code, quarantined }: Pick<ScanReading, 'code' | 'quarantined'>,
  formats: AccessSettings['scanned'],
): Recognised {
  const text = code.text ?? new TextDecoder('latin1').decode(code.raw);
  const format = formats.find(({ prefix }) => text.startsWith(prefix));
  if (format !== undefined && quarantined === undefined) {
    const rest = text.slice(format.prefix.length);
    const isWhole = rest.length >= format.length_min && rest.length <= format.length_max && CODE_CHARACTERS.test(rest);
    return isWhole ? { kind: 'code', code: new SecretText(rest) } : { kind: 'damaged' };
  }
  // Two scans run together, or one that lost its beginning, may hold a credential anywhere. That they are two is not always
  // seen: a lost line end makes one sound text of them. A prefix too short to be told from a label's own text is no sign.
  const isSign = ({ prefix }: AccessSettings['scanned'][number]): boolean =>
    (quarantined !== undefined || prefix.length >= SURE_PREFIX_LENGTH) && text.includes(prefix);
  const holdsOne = formats.some(isSign);
  return format !== undefined || holdsOne ? { kind: 'damaged' } : { kind: 'other' };
}
