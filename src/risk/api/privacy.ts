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

/** A walk with a stack of its own: a body may be as deep as it is long. */
export function forbiddenIn(body: unknown): Problem | undefined {
  const rest: (readonly [path: string, value: unknown])[] = [['', body]];
  for (;;) {
    const next = rest.pop();
    if (next === undefined) return undefined;
    const [path, value] = next;
    if (typeof value === 'string' || typeof value === 'number') {
      const found = forbiddenText(String(value), path);
      if (found !== undefined) return found;
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, member] of Object.entries(value)) {
        const found = forbiddenText(name, path);
        if (found !== undefined) return found;
        rest.push([`${path}/${name}`, member]);
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

function cardAt(at: string): Problem {
  const detail = `${placeOf(at)}: expected a reference, found what looks like a payment card number; send the provider's token for it`;
  return problem('card_number', detail);
}

function placeOf(at: string): string {
  return at === '' ? 'the body' : at.slice(0, 120);
}
