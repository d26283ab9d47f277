/**
 * The quick way to see that bytes are canonical JSON: one pass over them, nothing is built.
 *
 * False means only "not seen by this way" (escapes and long numbers are left out): `json.ts` then reads again slowly
 * and names the reason. What this accepts, the slow way accepts; a property test holds them together.
 */
export const DEPTH_MAX = 32;

/** Fifteen digits are always a safe integer; a sixteenth is left to the slow way. */
const DIGITS_MAX = 15;
const FAILED = -1;

/** True when the bytes, once known to be UTF-8, are one object in RFC 8785 form with names `[a-z][a-z0-9_]*`. */
export function isCanonicalObject(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7b && afterObject(bytes, 0, 1) === bytes.length;
}

function afterValue(bytes: Uint8Array, at: number, depth: number): number {
  const byte = bytes[at] ?? 0;
  if (byte === 0x22) return afterString(bytes, at);
  if (byte === 0x2d || isDigit(byte)) return afterInteger(bytes, at);
  if (byte === 0x7b) return depth < DEPTH_MAX ? afterObject(bytes, at, depth + 1) : FAILED;
  if (byte === 0x5b) return depth < DEPTH_MAX ? afterArray(bytes, at, depth + 1) : FAILED;
  if (byte === 0x74) return hasRest(bytes, at, 'true') ? at + 4 : FAILED;
  if (byte === 0x66) return hasRest(bytes, at, 'false') ? at + 5 : FAILED;
  return FAILED;
}

function afterObject(bytes: Uint8Array, start: number, depth: number): number {
  let at = start + 1;
  if (bytes[at] === 0x7d) return at + 1;
  let before = at;
  let beforeEnd = at;
  for (;;) {
    const name = at + 1;
    const nameEnd = bytes[at] === 0x22 ? afterName(bytes, name) : FAILED;
    if (nameEnd === FAILED || !isBefore(bytes, before, beforeEnd, name, nameEnd)) return FAILED;
    before = name;
    beforeEnd = nameEnd;
    at = afterValue(bytes, nameEnd + 2, depth);
    if (at === FAILED) return FAILED;
    const next = bytes[at];
    at += 1;
    if (next === 0x7d) return at;
    if (next !== 0x2c) return FAILED;
  }
}

function afterArray(bytes: Uint8Array, start: number, depth: number): number {
  let at = start + 1;
  if (bytes[at] === 0x5d) return at + 1;
  for (;;) {
    at = afterValue(bytes, at, depth);
    if (at === FAILED) return FAILED;
    const next = bytes[at];
    at += 1;
    if (next === 0x5d) return at;
    if (next !== 0x2c) return FAILED;
  }
}

/** Index of the quote that ends a member name, when a colon follows it. */
function afterName(bytes: Uint8Array, start: number): number {
  let at = start;
  for (;;) {
    const byte = bytes[at] ?? 0;
    const isLetter = byte >= 0x61 && byte <= 0x7a;
    if (!isLetter && (at === start || !(isDigit(byte) || byte === 0x5f))) break;
    at += 1;
  }
  return at > start && bytes[at] === 0x22 && bytes[at + 1] === 0x3a ? at : FAILED;
}

/** Names are ASCII: their order in bytes is their order in UTF-16 units. Equal names are not before each other. */
function isBefore(bytes: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): boolean {
  const size = Math.min(aEnd - a, bEnd - b);
  for (let i = 0; i < size; i += 1) {
    const left = bytes[a + i] ?? 0;
    const right = bytes[b + i] ?? 0;
    if (left !== right) return left < right;
  }
  return aEnd - a < bEnd - b;
}

function afterString(bytes: Uint8Array, start: number): number {
  for (let at = start + 1; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === 0x22) return at + 1;
    if (byte < 0x20 || byte === 0x5c) return FAILED;
  }
  return FAILED;
}

function afterInteger(bytes: Uint8Array, start: number): number {
  const isNegative = bytes[start] === 0x2d;
  const first = isNegative ? start + 1 : start;
  let at = first;
  while (isDigit(bytes[at] ?? 0)) at += 1;
  const size = at - first;
  if (size === 0 || size > DIGITS_MAX) return FAILED;
  return bytes[first] === 0x30 && (size > 1 || isNegative) ? FAILED : at;
}

function hasRest(bytes: Uint8Array, at: number, word: string): boolean {
  for (let i = 0; i < word.length; i += 1) if (bytes[at + i] !== word.charCodeAt(i)) return false;
  return true;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
