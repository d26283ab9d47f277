/**
 * Steps over JSON text that see at once whether a value is in RFC 8785 form, without building it.
 *
 * Each takes the index at which a value begins and answers the index behind it, or `UNSEEN`: "not seen by this way"
 * (escapes and long numbers are left out), which decides nothing. Whoever asks then reads again the plain way, which
 * names the reason. The text is what UTF-8 was decoded to, so it holds no lone surrogate.
 */
export const UNSEEN = -1;

/** One field's way to see its value; `UNSEEN` also when the value does not fit. */
export type Scan = (text: string, at: number) => number;

/** Fifteen digits are always a safe integer. */
const DIGITS_MAX = 15;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** A string without escapes. */
export function endOfString(text: string, start: number): number {
  if (text.charCodeAt(start) !== QUOTE) return UNSEEN;
  for (let at = start + 1; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) return at + 1;
    if (unit < 0x20 || unit === BACKSLASH) return UNSEEN;
  }
  return UNSEEN;
}

/** An integer from `min` to `max`. Behind it may stand what makes it another number: the caller looks for `,` or a bracket. */
export function endOfInteger(text: string, start: number, min: number, max: number): number {
  const isNegative = text.charCodeAt(start) === 0x2d;
  const first = isNegative ? start + 1 : start;
  let value = 0;
  let at = first;
  for (; at < text.length; at += 1) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) break;
    value = 10 * value + digit;
  }
  const size = at - first;
  if (size === 0 || size > DIGITS_MAX) return UNSEEN;
  if (text.charCodeAt(first) === 0x30 && (size > 1 || isNegative)) return UNSEEN;
  if (isNegative) value = -value;
  return value >= min && value <= max ? at : UNSEEN;
}

/**
 * Behind the bracket that closes the object which begins here. Says nothing of what is inside, and only finds the place
 * for someone who looks inside.
 */
export function endOfObject(text: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < text.length) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) {
      at = endOfString(text, at);
      if (at === UNSEEN) return UNSEEN;
      continue;
    }
    at += 1;
    if (unit === 0x7b) depth += 1;
    else if (unit === 0x7d) {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return UNSEEN;
}

/** True when fewer than `least` ASCII digits stand in [from, to). */
export function hasFewerDigits(text: string, from: number, to: number, least: number): boolean {
  let digits = 0;
  for (let at = from; at < to; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit >= 0x30 && unit <= 0x39) digits += 1;
  }
  return digits < least;
}

export interface ScannedMember {
  readonly name: string;
  readonly scan: Scan;
  readonly required: boolean;
}

/**
 * An object of these members and no others. Names ascend in RFC 8785 form, so one walk along the sorted names finds
 * each; they are plain enough (`[a-z][a-z0-9_]*`) that their order in UTF-16 units is the only one.
 */
export function scanMembers(unsorted: readonly ScannedMember[]): Scan {
  const members = [...unsorted]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((member) => ({ ...member, key: `"${member.name}":` }));
  return (text, start) => {
    if (text.charCodeAt(start) !== 0x7b) return UNSEEN;
    let at = start + 1;
    let next = 0;
    if (text.charCodeAt(at) !== 0x7d) {
      for (;;) {
        let member = members[next];
        while (member !== undefined && !member.required && !text.startsWith(member.key, at)) {
          next += 1;
          member = members[next];
        }
        if (member === undefined || (member.required && !text.startsWith(member.key, at))) return UNSEEN;
        next += 1;
        at = member.scan(text, at + member.key.length);
        if (at === UNSEEN) return UNSEEN;
        const unit = text.charCodeAt(at);
        if (unit === 0x7d) break;
        if (unit !== 0x2c) return UNSEEN;
        at += 1;
      }
    }
    for (; next < members.length; next += 1) if (members[next]?.required === true) return UNSEEN;
    return at + 1;
  };
}

/** An array of at most `max` such items. */
export function scanItems(item: Scan, max: number): Scan {
  return (text, start) => {
    if (text.charCodeAt(start) !== 0x5b) return UNSEEN;
    let at = start + 1;
    if (text.charCodeAt(at) === 0x5d) return at + 1;
    for (let count = 1; count <= max; count += 1) {
      at = item(text, at);
      if (at === UNSEEN) return UNSEEN;
      const unit = text.charCodeAt(at);
      at += 1;
      if (unit === 0x5d) return at;
      if (unit !== 0x2c) return UNSEEN;
    }
    return UNSEEN;
  };
}
