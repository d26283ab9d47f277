/**
 * Check digits of the identifiers that parcels carry. Each function answers for one normalised value.
 *
 * Sources: GS1 General Specifications section 7.9.1 (mod 10, weights 3 and 1 from the right); UPU S10-12 (weights
 * 8 6 4 2 3 5 9 7, mod 11); UPS 1Z and USPS IMpb as in jkeen/tracking_number_data (MIT), couriers/ups.json and usps.json.
 */
import type { Scheme } from './scan-code.ts';

/** True when every unit is an ASCII digit, and there is one. */
export function isDigits(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x30 || unit > 0x39) return false;
  }
  return text.length > 0;
}

/** GS1 mod 10 over digits whose last one is the check digit. */
export function gs1CheckHolds(digits: string): boolean {
  let sum = 0;
  for (let i = digits.length - 2, weight = 3; i >= 0; i -= 1, weight = 4 - weight) {
    sum += (digits.charCodeAt(i) - 0x30) * weight;
  }
  return (10 - (sum % 10)) % 10 === digits.charCodeAt(digits.length - 1) - 0x30;
}

/** ISO/IEC 7812-1 annex B: mod 10, every second digit from the right doubled. */
export function luhnHolds(digits: string): boolean {
  let sum = 0;
  for (let i = digits.length - 1, double = false; i >= 0; i -= 1, double = !double) {
    const digit = digits.charCodeAt(i) - 0x30;
    sum += double ? (digit > 4 ? 2 * digit - 9 : 2 * digit) : digit;
  }
  return sum % 10 === 0;
}

/** The country is not looked up: new ones come, and the check digit does not cover it. */
const S10_SHAPE = /^[A-Z]{2}[0-9]{9}[A-Z]{2}$/;
const S10_WEIGHTS = [8, 6, 4, 2, 3, 5, 9, 7] as const;

export function isS10(value: string): boolean {
  if (!S10_SHAPE.test(value)) return false;
  let sum = 0;
  for (let i = 0; i < 8; i += 1) sum += (value.charCodeAt(i + 2) - 0x30) * (S10_WEIGHTS[i] ?? 0);
  const check = 11 - (sum % 11);
  const digit = check === 10 ? 0 : check === 11 ? 5 : check;
  return value.charCodeAt(10) - 0x30 === digit;
}

const UPS_SHAPE = /^1Z[A-Z0-9]{15}[0-9]$/;

export function isUps(value: string): boolean {
  if (!UPS_SHAPE.test(value)) return false;
  let sum = 0;
  for (let i = 0; i < 15; i += 1) {
    const unit = value.charCodeAt(i + 2);
    const digit = unit <= 0x39 ? unit - 0x30 : (unit - 3) % 10;
    sum += i % 2 === 1 ? 2 * digit : digit;
  }
  return (10 - (sum % 10)) % 10 === value.charCodeAt(17) - 0x30;
}

/** USPS IMpb without its ZIP prefix: service 91 to 95, 20, 22 or 26 digits. */
const IMPB_SHAPE = /^9[1-5](?:[0-9]{18}|[0-9]{20}|[0-9]{24})$/;

export function isImpb(value: string): boolean {
  return IMPB_SHAPE.test(value) && gs1CheckHolds(value);
}

export function isSscc(value: string): boolean {
  return value.length === 18 && isDigits(value) && gs1CheckHolds(value);
}

/** GTIN-8, GTIN-12, GTIN-13 or GTIN-14, as printed or padded to 14 digits. */
export function isGtin(value: string): boolean {
  const length = value.length;
  return (length === 8 || (length >= 12 && length <= 14)) && isDigits(value) && gs1CheckHolds(value);
}

/** True when the scheme has a check digit and it holds over `value`. */
export function checkDigitHolds(scheme: string, value: string): boolean {
  switch (scheme as Scheme) {
    case 'sscc':
      return isSscc(value);
    case 'gtin':
      return isGtin(value);
    case 's10':
      return isS10(value);
    case 'ups':
      return isUps(value);
    case 'impb':
      return isImpb(value);
    default:
      return false;
  }
}
