/**
 * Descriptions of members: one description gives the fast check, the slow account of what is wrong, the JSON Schema,
 * and the most bytes that the member can take.
 *
 * The fast check is all that a sound event costs: of a value that is there (`fits`), or of the text that was received,
 * before anything is built of it (`scan`). Only what does not fit is walked a second time (`clean`).
 */
import { unbase64url } from '../../base/bytes.ts';
import { CARD_DIGITS_MIN, holdsCardNumber } from './cards.ts';
import type { Json, JsonObject } from './event.ts';
import { isObject } from './json.ts';
import {
  endOfInteger,
  endOfString,
  hasFewerDigits,
  type Scan,
  type ScannedMember,
  scanItems,
  scanMembers,
  UNSEEN,
} from './text-scan.ts';

export type FindingReason =
  /** A free string holds what may be a payment card number. */
  | 'card_number'
  /** Not in the allow-list: an unknown member, another type, a broken grammar, or too long. */
  | 'vocabulary'
  /** A required member is not there. */
  | 'missing';

export interface Finding {
  readonly path: string;
  readonly reason: FindingReason;
}

export interface Field {
  /** True when the value is as described and holds no card number. */
  readonly fits: (value: Json | undefined) => boolean;
  /** Sees in text that a value stands there in RFC 8785 form and `fits`. May miss one, and never sees one too many. */
  readonly scan: Scan;
  /** The value without what does not fit, each listed in `findings`; undefined when nothing is left. */
  readonly clean: (value: Json, path: string, findings: Finding[]) => Json | undefined;
  readonly schema: JsonObject;
  /** Upper bound of the canonical form in bytes. */
  readonly bytesMax: number;
}

/** Integers have at most 12 digits: none can be a card number, and 10^12 ms are 31 years. */
export const INTEGER_MAX = 999_999_999_999;
export const ITEMS_MAX = 16;

export function int(min = 0, max = INTEGER_MAX): Field {
  return scalar({
    grammar: (value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max,
    scan: (text, at) => endOfInteger(text, at, min, max),
    schema: { type: 'integer', minimum: min, maximum: max },
    bytesMax: 16,
  });
}

export function bool(): Field {
  return scalar({
    grammar: (value) => typeof value === 'boolean',
    scan: (text, at) => (text.startsWith('true', at) ? at + 4 : text.startsWith('false', at) ? at + 5 : UNSEEN),
    schema: { type: 'boolean' },
    bytesMax: 5,
  });
}

/** One of a closed list of words. */
export function word(...words: readonly string[]): Field {
  const known: ReadonlySet<Json | undefined> = new Set(words);
  const bytesMax = 2 + Math.max(...words.map((each) => each.length));
  return scalar({ grammar: (value) => known.has(value), schema: { enum: [...words] }, bytesMax });
}

/** Free text of at most `max` UTF-16 units: scanned for card numbers. */
export function text(max: number): Field {
  return scalar({
    grammar: (value) => typeof value === 'string' && value.length <= max,
    holdsCard: (value) => holdsCardNumber(value),
    schema: { type: 'string', maxLength: max },
    // A control character takes six bytes, a unit outside of ASCII at most three.
    bytesMax: 2 + 6 * max,
  });
}

/** Text that `scannedTogether` scans. */
export function bareText(max: number): Field {
  return scalar({
    grammar: (value) => typeof value === 'string' && value.length <= max,
    schema: { type: 'string', maxLength: max },
    bytesMax: 2 + 6 * max,
  });
}

/** A string of a fixed grammar that no card number fits, or that is exempt for having one. ASCII, at most `max` units. */
export function pattern(source: string, max: number): Field {
  const expression = new RegExp(`^(?:${source})$`);
  return scalar({
    grammar: (value) => typeof value === 'string' && value.length <= max && expression.test(value),
    schema: { type: 'string', maxLength: max, pattern: `^(?:${source})$` },
    bytesMax: 2 + max,
  });
}

/** base64url without padding of exactly `size` bytes that carry no text: a hash, a nonce, a signature. */
export function binary(size: number): Field {
  const units = Math.ceil((size * 4) / 3);
  const last = size % 3 === 1 ? '[AQgw]' : size % 3 === 2 ? '[AEIMQUYcgkosw048]' : '[A-Za-z0-9_-]';
  return pattern(`[A-Za-z0-9_-]{${units - 1}}${last}`, units);
}

/** base64url without padding of at most `sizeMax` bytes from outside: scanned as the text that they may be. */
export function rawBytes(sizeMax: number): Field {
  const units = Math.ceil((sizeMax * 4) / 3);
  return scalar({
    grammar: (value) => typeof value === 'string' && value.length <= units && unbase64url(value) !== undefined,
    holdsCard: (value) => holdsCardNumber(value) || holdsCardNumber(latin1(unbase64url(value))),
    schema: { type: 'string', maxLength: units, pattern: '^[A-Za-z0-9_-]*$', contentEncoding: 'base64url' },
    bytesMax: 2 + units,
  });
}

/** At most 16 items; what is more is told by a count beside the array. */
export function array(of: Field, max = ITEMS_MAX): Field {
  return {
    fits: (value) => {
      if (!Array.isArray(value) || value.length > max) return false;
      for (let i = 0; i < value.length; i += 1) if (!of.fits(value[i] as Json)) return false;
      return true;
    },
    clean: (value, path, findings) => {
      if (!Array.isArray(value) || value.length > max) return drop(path, 'vocabulary', findings);
      return value.flatMap((item: Json, i) => {
        const kept = of.fits(item) ? item : of.clean(item, `${path}/${i}`, findings);
        return kept === undefined ? [] : [kept];
      });
    },
    scan: scanItems(of.scan, max),
    schema: { type: 'array', maxItems: max, items: of.schema },
    bytesMax: 2 + max * (of.bytesMax + 1),
  };
}

export type Members = Readonly<Record<string, Field>>;

/** An object with an allow-list of members. */
export function object(required: Members, optional: Members = {}): Field {
  const members = new Map<string, { readonly field: Field; readonly required: boolean }>();
  for (const [name, field] of Object.entries(required)) members.set(name, { field, required: true });
  for (const [name, field] of Object.entries(optional)) members.set(name, { field, required: false });
  const requiredCount = Object.keys(required).length;
  const scanned: ScannedMember[] = [];
  for (const [name, { field, required }] of members) scanned.push({ name, scan: field.scan, required });
  let bytesMax = 2;
  for (const [name, { field }] of members) bytesMax += name.length + 4 + field.bytesMax;
  return {
    fits: (value) => {
      if (!isObject(value)) return false;
      let found = 0;
      for (const name in value) {
        const member = members.get(name);
        if (member === undefined || !member.field.fits(value[name])) return false;
        if (member.required) found += 1;
      }
      return found === requiredCount;
    },
    clean: (value, path, findings) => {
      if (!isObject(value)) return drop(path, 'vocabulary', findings);
      const kept: Record<string, Json> = {};
      for (const [name, member] of Object.entries(value)) {
        const known = members.get(name);
        if (known === undefined) {
          findings.push({ path: unknownPath(path, name), reason: holdsCard(member) ? 'card_number' : 'vocabulary' });
          continue;
        }
        const rest = known.field.fits(member) ? member : known.field.clean(member, `${path}/${name}`, findings);
        if (rest !== undefined) kept[name] = rest;
      }
      for (const name of Object.keys(required)) {
        if (!Object.hasOwn(value, name)) findings.push({ path: `${path}/${name}`, reason: 'missing' });
      }
      return kept;
    },
    scan: scanMembers(scanned),
    schema: objectSchema(required, optional),
    bytesMax,
  };
}

/** Settings and the like: at most `max` names of `[a-z][a-z_]{0,39}`, each a boolean, an integer or a short text. */
export function map(max: number, textMax: number): Field {
  const name = /^[a-z][a-z_]{0,39}$/;
  const number = int(-INTEGER_MAX);
  const string = text(textMax);
  const fitsOne = (value: Json | undefined) => typeof value === 'boolean' || number.fits(value) || string.fits(value);
  return {
    fits: (value) =>
      isObject(value) &&
      Object.keys(value).length <= max &&
      Object.entries(value).every(([key, each]) => name.test(key) && fitsOne(each)),
    clean: (value, path, findings) => {
      if (!isObject(value) || Object.keys(value).length > max) return drop(path, 'vocabulary', findings);
      const kept = Object.entries(value).filter(([key, each]) => {
        const fits = name.test(key) && fitsOne(each);
        if (!fits)
          findings.push({ path: unknownPath(path, key), reason: holdsCard(each) ? 'card_number' : 'vocabulary' });
        return fits;
      });
      return Object.fromEntries(kept);
    },
    // Settings are rare.
    scan: () => UNSEEN,
    schema: {
      type: 'object',
      maxProperties: max,
      propertyNames: { pattern: name.source },
      additionalProperties: { anyOf: [{ type: 'boolean' }, number.schema, string.schema] },
    },
    bytesMax: 2 + max * (44 + string.bytesMax),
  };
}

/**
 * An object whose member `name` (a `bareText`) is scanned together with its neighbours, because they say whether a
 * check digit exempts it. `holdsCardOf` finds numbers of at least 13 digits that stand in that member.
 */
export function scannedTogether(field: Field, name: string, holdsCardOf: (value: JsonObject) => boolean): Field {
  const key = `"${name}":`;
  return {
    ...field,
    fits: (value) => field.fits(value) && !holdsCardOf(value as JsonObject),
    scan: (text, at) => {
      const end = field.scan(text, at);
      if (end === UNSEEN) return UNSEEN;
      // A string without escapes holds no quote, so this is the member's name or nothing.
      const member = text.indexOf(key, at);
      if (member === -1 || member >= end || hasFewerDigits(text, member, end, CARD_DIGITS_MIN)) return end;
      return holdsCardOf(JSON.parse(text.slice(at, end)) as JsonObject) ? UNSEEN : end;
    },
    clean: (value, path, findings) => {
      const kept = field.clean(value, path, findings);
      if (!isObject(kept) || typeof kept[name] !== 'string' || !holdsCardOf(kept)) return kept;
      findings.push({ path: `${path}/${name}`, reason: 'card_number' });
      const { [name]: _dropped, ...rest } = kept;
      return rest;
    },
  };
}

interface Scalar {
  readonly grammar: (value: Json | undefined) => boolean;
  readonly holdsCard?: (value: string) => boolean;
  /** Of what is no string. */
  readonly scan?: Scan;
  readonly schema: JsonObject;
  readonly bytesMax: number;
}

function scalar({ grammar, holdsCard: holds, scan, schema, bytesMax }: Scalar): Field {
  const fits = holds === undefined ? grammar : (value: Json | undefined) => grammar(value) && !holds(value as string);
  return {
    fits,
    scan: scan ?? scanString(fits),
    clean: (value, path, findings) => drop(path, holdsCard(value) ? 'card_number' : 'vocabulary', findings),
    schema,
    bytesMax,
  };
}

/** A string without escapes is its own value. */
function scanString(fits: (value: string) => boolean): Scan {
  return (text, at) => {
    const end = endOfString(text, at);
    return end !== UNSEEN && fits(text.slice(at + 1, end - 1)) ? end : UNSEEN;
  };
}

/** A hash in hex holds 13 digits in a row in one case of ten: only strings that are nothing else are taken as one. */
const HEX_HASH = /^(?=[0-9]*[a-f])(?:[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128})$/;

/** True when a string, integer or member name anywhere in `value` may be a card number; for what nobody described. */
export function holdsCard(value: Json | undefined): boolean {
  if (typeof value === 'string') return holdsCardNumber(value) && !HEX_HASH.test(value);
  if (typeof value === 'number') return holdsCardNumber(String(value));
  if (Array.isArray(value)) return value.some((item: Json) => holdsCard(item));
  if (isObject(value))
    return Object.entries(value).some(([name, member]) => holdsCardNumber(name) || holdsCard(member));
  return false;
}

function drop(path: string, reason: FindingReason, findings: Finding[]): undefined {
  findings.push({ path, reason });
  return undefined;
}

const NAME_SAFE = /^[a-z][a-z_]{0,39}$/;

/** A name that nobody described may itself hold what was dropped: then its parent's path is listed. */
function unknownPath(path: string, name: string): string {
  return NAME_SAFE.test(name) ? `${path}/${name}` : path;
}

function latin1(bytes: Uint8Array | undefined): string {
  let out = '';
  for (const byte of bytes ?? []) out += String.fromCharCode(byte);
  return out;
}

function objectSchema(required: Members, optional: Members): JsonObject {
  const properties: Record<string, Json> = {};
  for (const [name, field] of Object.entries({ ...required, ...optional })) properties[name] = field.schema;
  return { type: 'object', required: Object.keys(required), properties, additionalProperties: false };
}
