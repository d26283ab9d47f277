/**
 * Labels to scan: identifiers with their check digits, and what a symbol of each kind carries.
 *
 * The arithmetic is written here a second time on purpose: a simulator that shared the recogniser's tables would hide
 * its mistakes. Sources: GS1 General Specifications section 7.9 (check digit), UPU S10, UPS 1Z rule as published.
 */
import { assert } from '../../src/base/assert.ts';

/** Group separator: FNC1 inside a GS1 message. */
export const GS = '\u001d';

export interface Label {
  /** AIM symbology identifier that a scanner puts before the data when it is told to. */
  readonly aim: string;
  /** Bytes as UTF-8, unless `bytes` says otherwise. */
  readonly text: string;
  readonly bytes?: Uint8Array;
}

export function code128(text: string): Label {
  return { aim: ']C0', text };
}

export function qr(text: string): Label {
  return { aim: ']Q1', text };
}

/** A GS1-128 symbol; a separator follows each element that the caller says has no fixed length. */
export function gs1128(...elements: readonly { ai: string; value: string; variable?: boolean }[]): Label {
  const text = elements.map(({ ai, value, variable }, i) => {
    const separated = variable === true && i < elements.length - 1;
    return `${ai}${value}${separated ? GS : ''}`;
  });
  return { aim: ']C1', text: text.join('') };
}

/** A shipping label: GS1-128 with AI 00. */
export function ssccLabel(sscc: string): Label {
  return gs1128({ ai: '00', value: sscc });
}

/** 18 digits: extension digit and company prefix (17 digits with the serial), check digit. */
export function sscc(serial: number, companyPrefix = '0950600'): string {
  const body = `0${companyPrefix}${digits(serial, 16 - companyPrefix.length)}`;
  return body + gs1CheckDigit(body);
}

/** 14 digits. */
export function gtin(item: number, companyPrefix = '0950600'): string {
  const body = `${companyPrefix}${digits(item, 13 - companyPrefix.length)}`;
  return body + gs1CheckDigit(body);
}

export function s10(serial: number, service = 'RB', country = 'GB'): string {
  const body = digits(serial, 8);
  return `${service}${body}${s10CheckDigit(body)}${country}`;
}

/** Weights 8 6 4 2 3 5 9 7; 10 becomes 0 and 11 becomes 5. */
export function s10CheckDigit(body: string): string {
  const weights = [8, 6, 4, 2, 3, 5, 9, 7];
  const sum = weights.reduce((total, weight, i) => total + weight * Number(body[i]), 0);
  const check = 11 - (sum % 11);
  return String(check === 10 ? 0 : check === 11 ? 5 : check);
}

/** `1Z`, six characters of the shipper, two of the service, seven digits, check digit. */
export function ups(serial: number, shipper = '999AA1', service = '01'): string {
  const body = `${shipper}${service}${digits(serial, 7)}`;
  return `1Z${body}${upsCheckDigit(body)}`;
}

/** Over the 15 characters after `1Z`: those at odd places, counted from 0, count twice. */
export function upsCheckDigit(body: string): string {
  let sum = 0;
  for (let i = 0; i < body.length; i += 1) sum += upsValue(body.charAt(i)) * (i % 2 === 1 ? 2 : 1);
  return String((10 - (sum % 10)) % 10);
}

function upsValue(character: string): number {
  return /\d/.test(character) ? Number(character) : (character.charCodeAt(0) - 3) % 10;
}

/** From the right, weights 3, 1, 3, ...: what brings the sum to a multiple of ten. */
export function gs1CheckDigit(body: string): string {
  let sum = 0;
  for (let i = 0; i < body.length; i += 1) sum += Number(body[body.length - 1 - i]) * (i % 2 === 0 ? 3 : 1);
  return String((10 - (sum % 10)) % 10);
}

function digits(value: number, count: number): string {
  const text = String(value).padStart(count, '0');
  assert(Number.isSafeInteger(value) && value >= 0 && text.length === count, `${value} has at most ${count} digits`);
  return text;
}
