/**
 * Identifiers from outside that are written down: what in them may be a card number, a person's words, an address, a
 * telephone number or a one-time code. Such a text is refused and never changed, since a part of it would name something
 * else. A single word can be a name and an identifier alike: that nobody can see.
 */
import { holdsCardNumber } from './cards.ts';
import { scanHoldsCardNumber } from './recognise-code.ts';

export type PersonalTrace = 'card_number' | 'free_text' | 'address' | 'code';

/** What to do about each, for whoever sent it. Never repeats the text. */
export const TRACE_ADVICE: Readonly<Record<PersonalTrace, string>> = {
  card_number: 'it holds what may be a payment card number',
  free_text:
    'an identifier is 1 to 120 printable ASCII characters without spaces: words of people stay with the sender',
  address: 'it holds an e-mail address or a telephone number',
  code: '4 to 8 digits alone may be a one-time code: give it a prefix that says what it is',
};

export const IDENTIFIER_MAX = 120;
const IDENTIFIER = /^[\x21-\x7e]+$/;
/** One-time codes that people type, whole or in groups (access.code_length_min is at least 4). */
const CODE = /^(?:[0-9]{4,8}|[0-9]{2,5}(?:-[0-9]{2,5}){1,2})$/;
/** With its country, at most 15 digits (ITU-T E.164): a longer row is none, such as an SSCC, of which many begin with 00. */
const TELEPHONE = /^(?:\+|00)(?!(?:[^0-9]*[0-9]){16})[0-9().-]{7,20}$/;
const TELEPHONE_IN_WORDS = /(?:\+|\b00)(?![0-9]{16})[0-9][0-9 ().-]{6,20}/;

/** In words of people: the same traces, but for words. A name among them nobody can see. */
export function traceInWords(text: string): Exclude<PersonalTrace, 'free_text'> | undefined {
  if (holdsCardNumber(text)) return 'card_number';
  if (text.includes('@') || TELEPHONE_IN_WORDS.test(text)) return 'address';
  return /(?<![\w.:-])[0-9]{4,8}(?![\w:-]|\.[0-9])/.test(text) ? 'code' : undefined;
}

/**
 * Undefined when nothing speaks against it. The reference of a parcel may be the carrier's own number: what a carrier's
 * check digit covers is no card.
 */
export function personalTrace(text: string, what: 'identifier' | 'parcel' = 'identifier'): PersonalTrace | undefined {
  if (what === 'parcel' ? scanHoldsCardNumber(text) : holdsCardNumber(text)) return 'card_number';
  if (!IDENTIFIER.test(text) || text.length > IDENTIFIER_MAX) return 'free_text';
  if (text.includes('@') || TELEPHONE.test(text)) return 'address';
  return CODE.test(text) ? 'code' : undefined;
}
