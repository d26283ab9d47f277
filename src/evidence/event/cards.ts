/**
 * Finds payment card numbers in text: a card prefix, a length which that prefix allows, and a valid Luhn sum.
 *
 * Looked at is every sequence of whole digit groups (separated by one space or hyphen) of 13 to 19 digits in all, and
 * of a group longer than 19 digits its first 13 to 19. Text with fewer than 13 digits costs one pass over its units.
 */
import { luhnHolds } from './check-digits.ts';

export const CARD_DIGITS_MIN = 13;
const DIGITS_MAX = 19;

/**
 * Issuer prefixes and their lengths: ISO/IEC 7812 issuer identification numbers as the card schemes publish them, in
 * the collection of Wikipedia, "Payment card number", table of issuing networks (2025). Lengths below 13 (some Maestro)
 * are outside of the scan. Ranges are inclusive and compared over as many digits as they print.
 */
const PREFIXES: readonly (readonly [from: string, to: string, lengthMin: number, lengthMax: number])[] = [
  ['1', '1', 15, 15], // UATP
  ['2200', '2205', 16, 19], // Mir, Borica
  ['2221', '2720', 16, 16], // Mastercard
  ['30', '30', 14, 19], // Diners Club
  ['31', '31', 19, 19], // China T-Union
  ['34', '34', 15, 15], // American Express
  ['36', '36', 14, 19], // Diners Club
  ['37', '37', 15, 15], // American Express
  ['38', '39', 14, 19], // Diners Club
  ['3528', '3589', 16, 19], // JCB, RuPay co-branded, LankaPay
  ['4', '4', 13, 13], // Visa
  ['4', '4', 16, 16],
  ['4', '4', 19, 19],
  ['50', '50', 13, 19], // Maestro, Verve, RuPay, Elo, Dankort
  ['51', '55', 16, 16], // Mastercard, Diners Club North America
  ['56', '59', 13, 19], // Maestro, Bankcard
  ['60', '60', 16, 19], // Discover 6011, RuPay, UkrCard
  ['62', '62', 16, 19], // UnionPay, Discover 622126 to 622925
  ['6304', '6304', 13, 19], // Maestro
  ['6331', '6334', 16, 19], // Switch, Solo
  ['636', '639', 16, 19], // InterPayment, InstaPayment
  ['64', '65', 16, 19], // Discover, RuPay, Troy, Verve
  ['67', '67', 13, 19], // Maestro
  ['81', '82', 16, 19], // UnionPay, RuPay
  ['8600', '8600', 16, 16], // UzCard
  ['9704', '9704', 16, 19], // Napas
  ['9792', '9792', 16, 16], // Troy
  ['9860', '9860', 16, 16], // Humo
];

/** True when the text holds what may be a payment card number. */
export function holdsCardNumber(text: string): boolean {
  let digits = 0;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x30 && unit <= 0x39) digits += 1;
  }
  return digits >= CARD_DIGITS_MIN && scan(text);
}

/** True for exactly one number of 13 to 19 digits, without separators. */
export function isCardNumber(digits: string): boolean {
  if (digits.length < CARD_DIGITS_MIN || digits.length > DIGITS_MAX || !luhnHolds(digits)) return false;
  return PREFIXES.some(
    ([from, to, lengthMin, lengthMax]) =>
      digits.length >= lengthMin &&
      digits.length <= lengthMax &&
      digits.slice(0, from.length) >= from &&
      digits.slice(0, to.length) <= to,
  );
}

/** Groups in a row, each one space or hyphen apart from the next. */
function scan(text: string): boolean {
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    if (!isDigitAt(text, at)) {
      at += 1;
      continue;
    }
    let end = at + 1;
    while (isDigitAt(text, end)) end += 1;
    row.push(text.slice(at, end));
    if (isSeparatorAt(text, end) && isDigitAt(text, end + 1)) {
      at = end + 1;
      continue;
    }
    if (rowHoldsCard(row)) return true;
    row = [];
    at = end;
  }
  return false;
}

function rowHoldsCard(row: readonly string[]): boolean {
  for (let first = 0; first < row.length; first += 1) {
    const group = row[first] ?? '';
    if (group.length > DIGITS_MAX) {
      for (let size = CARD_DIGITS_MIN; size <= DIGITS_MAX; size += 1)
        if (isCardNumber(group.slice(0, size))) return true;
      continue;
    }
    let digits = '';
    for (let next = first; next < row.length; next += 1) {
      digits += row[next];
      if (digits.length > DIGITS_MAX) break;
      if (isCardNumber(digits)) return true;
    }
  }
  return false;
}

function isDigitAt(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0x30 && unit <= 0x39;
}

function isSeparatorAt(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit === 0x20 || unit === 0x2d;
}
