/**
 * Identifiers recognised from the whole text of a scan, outside of element strings.
 *
 * Shapes: GS1 numbers as printed, with or without `(00)`; GS1 Digital Link 1.2 section 4; UPU S10; UPS 1Z; USPS IMpb
 * with its `420` ZIP prefix (jkeen/tracking_number_data, MIT).
 */
import { checkDigitHolds, isDigits, isGtin, isImpb, isS10, isSscc, isUps } from './check-digits.ts';
import type { Identifier, Scheme } from './scan-code.ts';

export interface Found {
  readonly identifier: Identifier;
  /** What is left of the text beside the identifier: not covered by its check digit. */
  readonly rest: readonly string[];
}

const LENGTH_MAX = 48;
const LINK_LENGTH_MAX = 512;
const IMPB_WITH_ZIP = /^420(?:[0-9]{5}|[0-9]{9})(9[1-5](?:[0-9]{18}|[0-9]{20}|[0-9]{24}))$/;
const DIGITAL_LINK =
  /^(https?:\/\/[A-Za-z0-9.:-]+(?:\/[A-Za-z0-9_-]+)*\/)(00\/|01\/|8004\/)([!-.0-9:;<=>@A-Z_a-z]{1,30})((?:[/?#].*)?)$/;

/** All that the text can be as a whole. Those with a check digit come first. */
export function recogniseWhole(text: string): readonly Found[] {
  if (text.length > LINK_LENGTH_MAX) return [];
  const link = text.startsWith('http') ? digitalLink(text) : undefined;
  if (link !== undefined) return [link];
  if (text.length > LENGTH_MAX) return [];
  const compact = text.replaceAll(' ', '');
  const digits = stripAi00(compact);
  if (isDigits(digits)) return recogniseDigits(digits);
  const upper = compact.toUpperCase();
  if (isUps(upper)) return [found('ups', upper)];
  if (isS10(upper)) return [found('s10', upper)];
  return [];
}

/** GTINs are compared in 14 digits, so that one article has one spelling. */
export function paddedGtin(digits: string): string {
  return digits.padStart(14, '0');
}

function recogniseDigits(digits: string): readonly Found[] {
  if (digits.length === 20 && digits.startsWith('00') && isSscc(digits.slice(2)))
    return [found('sscc', digits.slice(2))];
  if (isSscc(digits)) return [found('sscc', digits)];
  if (isGtin(digits)) return [found('gtin', paddedGtin(digits))];
  if (isImpb(digits)) return [found('impb', digits)];
  const withZip = IMPB_WITH_ZIP.exec(digits)?.[1];
  if (withZip !== undefined && isImpb(withZip)) {
    return [{ ...found('impb', withZip), rest: [digits.slice(0, -withZip.length)] }];
  }
  return [];
}

function digitalLink(text: string): Found | undefined {
  const match = DIGITAL_LINK.exec(text);
  if (match === null) return undefined;
  const [, before = '', key = '', value = '', after = ''] = match;
  const scheme: Scheme = key === '00/' ? 'sscc' : key === '01/' ? 'gtin' : 'giai';
  if (scheme === 'giai') return { identifier: { scheme, value, certainty: 'pattern' }, rest: [text] };
  if (!checkDigitHolds(scheme, value)) return undefined;
  const normalised = scheme === 'gtin' ? paddedGtin(value) : value;
  return { identifier: { scheme, value: normalised, certainty: 'check_digit' }, rest: [before, after] };
}

/** Labels print `(00)` before an SSCC, and keyboards copy it. */
function stripAi00(text: string): string {
  return text.startsWith('(00)') ? text.slice(4) : text;
}

function found(scheme: Scheme, value: string): Found {
  return { identifier: { scheme, value, certainty: 'check_digit' }, rest: [] };
}
