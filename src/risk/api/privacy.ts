/**
 * What a request may not carry, looked for before anything is checked, stored or logged: payment card numbers, and
 * addresses of people where a pseudonym is expected.
 *
 * References of parcels may be the carrier's own numbers, of which one in ten passes for a card: whatever a carrier's
 * check digit covers is none.
 */
import { holdsCardNumber } from '../../evidence/event/cards.ts';
import { scanHoldsCardNumber } from '../../evidence/event/recognise-code.ts';
import { type Problem, problem } from './problems.ts';

const PARCEL_REF = /^\/parcel_refs\/\d+$|^ref$/;
const MAIL = /[^\s@]@[^\s@]+\.[^\s@]/;

/** No endpoint takes deeper bodies or longer texts: to look through them would cost more than all else of a request. */
const DEPTH_MAX = 16;
const TEXT_LENGTH_MAX = 1_024;

/** A walk with a stack of its own: a body may be as deep as it is long. */
export function forbiddenIn(body: unknown): Problem | undefined {
  const rest: (readonly [path: string, value: unknown, depth: number])[] = [['', body, 0]];
  for (;;) {
    const next = rest.pop();
    if (next === undefined) return undefined;
    const [path, value, depth] = next;
    if (depth > DEPTH_MAX) return problem('invalid_body', `expected at most ${DEPTH_MAX} levels`);
    if (typeof value === 'string' && value.length > TEXT_LENGTH_MAX) return tooLong(path);
    if (typeof value === 'string' || typeof value === 'number') {
      const found = forbiddenText(String(value), path);
      if (found !== undefined) return found;
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, member] of Object.entries(value)) {
        const found = name.length > TEXT_LENGTH_MAX ? tooLong(path) : forbiddenText(name, path);
        if (found !== undefined) return found;
        rest.push([`${path}/${name}`, member, depth + 1]);
      }
    }
  }
}

/** `at` says where it stands, for the answer: a JSON Pointer, or the name of a parameter. */
export function forbiddenText(text: string, at: string): Problem | undefined {
  const holdsCard = PARCEL_REF.test(at) ? scanHoldsCardNumber(text) : holdsCardNumber(text);
  if (holdsCard) return cardAt(at);
  if (!MAIL.test(text)) return undefined;
  const detail = `${placeOf(at)}: expected a reference, found what looks like a mail address; send a pseudonym`;
  return problem('personal_data', detail);
}

function tooLong(at: string): Problem {
  return problem('invalid_body', `${placeOf(at)}: expected texts of at most ${TEXT_LENGTH_MAX} characters`);
}

function cardAt(at: string): Problem {
  const detail = `${placeOf(at)}: expected a reference, found what looks like a payment card number; send the provider's token for it`;
  return problem('card_number', detail);
}

function placeOf(at: string): string {
  return at === '' ? 'the body' : at.slice(0, 120);
}
