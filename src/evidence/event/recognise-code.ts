/**
 * Says what a scanned code can be: candidates, arithmetic certainty first.
 *
 * A check digit proves arithmetic, not meaning: one digit string in ten is a valid GTIN. Whoever decides on a parcel
 * sees the certainty beside each candidate.
 */
import { utf8Text } from '../../base/bytes.ts';
import { holdsCardNumber } from './cards.ts';
import { paddedGtin, recogniseWhole } from './carriers.ts';
import { isGtin, isImpb, isSscc } from './check-digits.ts';
import { isGs1Carrier, parseElements } from './gs1.ts';
import type { Gs1Element, Identifier, ScanCode } from './scan-code.ts';

interface Reading {
  readonly identifiers: readonly Identifier[];
  readonly elements?: readonly Gs1Element[];
  /** Parts of the text that no check digit covers. */
  readonly rest: readonly string[];
}

/**
 * `raw` is the scan without prefix, suffix and AIM identifier; `aim` that identifier with its bracket. Bytes that are
 * not UTF-8 give neither text nor identifiers.
 */
export function recogniseCode(raw: Uint8Array, aim?: string): ScanCode {
  const text = utf8Text(raw);
  if (text === undefined) return aim === undefined ? { raw, identifiers: [] } : { raw, aim, identifiers: [] };
  const { identifiers, elements } = read(text, aim);
  // Spelled out: V8 gives each object that is spread into a larger one a hidden class of its own, and all who read it pay.
  if (aim === undefined)
    return elements === undefined ? { raw, text, identifiers } : { raw, text, identifiers, elements };
  return elements === undefined ? { raw, aim, text, identifiers } : { raw, aim, text, identifiers, elements };
}

/**
 * True when a scan's text may hold a payment card number outside of what a valid SSCC, GTIN, S10, UPS or IMpb check
 * digit covers (those hit Luhn by chance in one case of ten).
 */
export function scanHoldsCardNumber(text: string, aim?: string): boolean {
  // Values of an element string run together, so a number inside is no group of its own until they are cut.
  if (!isGs1Carrier(aim) && !holdsCardNumber(text)) return false;
  return read(text, aim).rest.some(holdsCardNumber);
}

/** `scanHoldsCardNumber` of a code that is recognised already. */
export function codeHoldsCardNumber(code: ScanCode): boolean {
  const { text, elements, identifiers } = code;
  if (text === undefined) return false;
  const best = identifiers[0];
  if (best?.certainty === 'check_digit' && (best.value === text || elements?.length === 1)) return false;
  if (elements === undefined) return scanHoldsCardNumber(text, code.aim);
  return readElements(text, elements).rest.some(holdsCardNumber);
}

function read(text: string, aim: string | undefined): Reading {
  if (isGs1Carrier(aim)) {
    const elements = parseElements(text);
    if (elements !== undefined) return readElements(text, elements);
  }
  const found = recogniseWhole(text);
  const best = found[0];
  return { identifiers: found.map((each) => each.identifier), rest: best === undefined ? [text] : best.rest };
}

/**
 * What a check digit covers is cut out of the text, and the remaining values are looked at once more each: `411` and
 * thirteen digits may be a location or a card number, and a card number behind `400` is no digit group of its own.
 */
function readElements(text: string, elements: readonly Gs1Element[]): Reading {
  const sure: Identifier[] = [];
  const likely: Identifier[] = [];
  const values: string[] = [];
  let pieces: readonly string[] = [text];
  for (const { ai, value } of elements) {
    const identifier = identify(ai, value);
    if (identifier?.certainty === 'check_digit') {
      sure.push(identifier);
      pieces = pieces.flatMap((piece) => piece.split(ai + value));
    } else {
      if (identifier !== undefined) likely.push(identifier);
      values.push(value);
    }
  }
  return { identifiers: [...sure, ...likely], elements, rest: [...pieces, ...values] };
}

function identify(ai: string, value: string): Identifier | undefined {
  if (ai === '00') return { scheme: 'sscc', value, certainty: isSscc(value) ? 'check_digit' : 'pattern' };
  if (ai === '01')
    return { scheme: 'gtin', value: paddedGtin(value), certainty: isGtin(value) ? 'check_digit' : 'pattern' };
  if (ai === '8004') return { scheme: 'giai', value, certainty: 'pattern' };
  // On USPS labels the IMpb is an element string: its first two digits are the AI.
  if (ai >= '91' && ai <= '95' && ai.length === 2 && isImpb(ai + value)) {
    return { scheme: 'impb', value: ai + value, certainty: 'check_digit' };
  }
  return undefined;
}
