/**
 * Canonical JSON (RFC 8785, JCS), restricted to what evidence may hold: no null, integers within +-(2^53 - 1), no -0,
 * no lone surrogates.
 *
 * Under that restriction JCS is short: names sorted by UTF-16 code units, ECMAScript's string escapes, and integers as
 * they are. It is written by hand because every event passes here.
 */
import { assert } from '../../base/assert.ts';
import { utf8Text } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { Json, JsonObject } from './event.ts';
import { DEPTH_MAX, isCanonicalObject } from './json-scan.ts';

export type JsonRefusal =
  /** Not UTF-8, or it begins with a BOM. */
  | 'encoding'
  /** Not JSON (RFC 8259). */
  | 'json'
  /** JSON, but not spelled as JCS spells it: order, blanks, escapes, number form, a name twice. */
  | 'not_canonical'
  /** A null, a fraction, -0, an unsafe integer, a lone surrogate, or nested deeper than 32. */
  | 'value'
  /** A member name that is not `[a-z][a-z0-9_]*`. */
  | 'member_name'
  | 'too_long'
  | 'not_object';

const BOM = 0xfeff;

interface Problem {
  reason: 'value' | 'member_name' | undefined;
  detail: string;
}

/** The one spelling of `value`. What the restriction excludes is an assertion: nothing in this program makes it. */
export function canonicalJson(value: Json): string {
  const text = writeSorted(value, 0);
  return text === undefined ? canonicalSlowly(value) : text;
}

/** Without the quick way, for members in any order. */
function canonicalSlowly(value: Json): string {
  const problem: Problem = { reason: undefined, detail: '' };
  const text = write(value, 0, false, problem);
  assert(problem.reason === undefined, `canonical JSON: ${problem.detail}`);
  return text;
}

/** The one spelling of a string, quotes included. A lone surrogate is an assertion. */
export function canonicalString(text: string): string {
  return quotedPlain(text) ?? canonicalSlowly(text);
}

/** Reads one object that is spelled canonically and whose member names, at every depth, are `[a-z][a-z0-9_]*`. */
export function parseCanonicalObject(bytes: Uint8Array, maxBytes: number): Result<JsonObject, JsonRefusal> {
  if (bytes.length > maxBytes)
    return refuse('too_long', `at most ${maxBytes} bytes are allowed, found ${bytes.length}`);
  const text = utf8Text(bytes);
  if (text === undefined) return refuse('encoding', 'the bytes are not UTF-8');
  if (text.charCodeAt(0) === BOM) return refuse('encoding', 'the text begins with a byte order mark');
  return isCanonicalObject(bytes) ? accept(JSON.parse(text) as JsonObject) : parseSlowly(text);
}

/** Without the quick way: reads any JSON and says why it is not what is wanted. */
export function parseSlowly(text: string): Result<JsonObject, JsonRefusal> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse('json', 'the text is not JSON');
  }
  if (!isObject(value)) return refuse('not_object', 'expected one JSON object');
  const problem: Problem = { reason: undefined, detail: '' };
  const canonical = write(value, 0, true, problem);
  if (problem.reason !== undefined) return refuse(problem.reason, problem.detail);
  if (canonical !== text) return refuse('not_canonical', 'the text differs from its RFC 8785 form');
  return accept(value);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `[a-z][a-z0-9_]*`. */
export function isMemberName(name: string): boolean {
  const first = name.charCodeAt(0);
  if (!(first >= 0x61 && first <= 0x7a)) return false;
  for (let i = 1; i < name.length; i += 1) {
    const unit = name.charCodeAt(i);
    if (!((unit >= 0x61 && unit <= 0x7a) || (unit >= 0x30 && unit <= 0x39) || unit === 0x5f)) return false;
  }
  return true;
}

function write(value: unknown, depth: number, names: boolean, problem: Problem): string {
  switch (typeof value) {
    case 'string':
      return quoted(value, problem);
    case 'number':
      if (!Number.isSafeInteger(value) || Object.is(value, -0)) return unfit(problem, 'a number is not a safe integer');
      return `${value}`;
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return unfit(problem, 'null is not allowed');
      if (depth >= DEPTH_MAX) return unfit(problem, `nested deeper than ${DEPTH_MAX}`);
      if (Array.isArray(value)) return array(value, depth, names, problem);
      return object(value as JsonObject, depth, names, problem);
    default:
      return unfit(problem, `a value of type ${typeof value} is not JSON`);
  }
}

function array(items: readonly unknown[], depth: number, names: boolean, problem: Problem): string {
  let text = '[';
  for (let i = 0; i < items.length; i += 1) {
    if (i > 0) text += ',';
    text += write(items[i], depth + 1, names, problem);
  }
  return `${text}]`;
}

function object(members: JsonObject, depth: number, names: boolean, problem: Problem): string {
  const keys = sortedNames(members);
  let text = '{';
  for (let i = 0; i < keys.length; i += 1) {
    const key = keys[i] as string;
    if (i > 0) text += ',';
    if (isMemberName(key)) text += `"${key}":`;
    else if (names) return badName(problem);
    else text += `${quoted(key, problem)}:`;
    text += write(members[key], depth + 1, names, problem);
  }
  return `${text}}`;
}

function sortedNames(members: JsonObject): readonly string[] {
  // Comparing strings in ECMAScript compares UTF-16 code units, as RFC 8785 section 3.2.3 wants.
  return Object.keys(members).sort();
}

/**
 * The text in one pass, or undefined where the slow way is needed: names out of order, or something unfit. Most objects
 * come from code that writes its members in order. At the size of an event, two thirds of the time of `JSON.stringify`.
 */
function writeSorted(value: unknown, depth: number): string | undefined {
  if (typeof value === 'string') return quotedPlain(value);
  if (typeof value === 'number') return Number.isSafeInteger(value) && !Object.is(value, -0) ? `${value}` : undefined;
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value !== 'object' || value === null || depth >= DEPTH_MAX) return undefined;
  let text = '';
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i += 1) {
      const item = writeSorted(value[i], depth + 1);
      if (item === undefined) return undefined;
      text += i === 0 ? item : `,${item}`;
    }
    return `[${text}]`;
  }
  let before = '';
  for (const name in value) {
    const member =
      name <= before || !isMemberName(name) ? undefined : writeSorted((value as JsonObject)[name], depth + 1);
    if (member === undefined) return undefined;
    text += before === '' ? `"${name}":${member}` : `,"${name}":${member}`;
    before = name;
  }
  return `{${text}}`;
}

/** Undefined when something in it may need an escape. */
function quotedPlain(text: string): string | undefined {
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || unit === 0x22 || unit === 0x5c || (unit >= 0xd800 && unit <= 0xdfff)) return undefined;
  }
  return `"${text}"`;
}

function quoted(text: string, problem: Problem): string {
  return (
    quotedPlain(text) ??
    (hasLoneSurrogate(text) ? unfit(problem, 'a string holds a lone surrogate') : JSON.stringify(text))
  );
}

function hasLoneSurrogate(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const next = text.charCodeAt(i + 1);
    if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return true;
    i += 1;
  }
  return false;
}

function unfit(problem: Problem, detail: string): string {
  if (problem.reason === undefined) {
    problem.reason = 'value';
    problem.detail = detail;
  }
  return '';
}

function badName(problem: Problem): string {
  if (problem.reason === undefined) {
    problem.reason = 'member_name';
    // The name itself is not repeated: it may hold what the privacy guard would drop.
    problem.detail = 'a member name is not [a-z][a-z0-9_]*';
  }
  return '';
}
