/**
 * The one reader of times that were written by others (RFC 3339).
 *
 * `Date.parse` reads the 31st of February as the 3rd of March, and takes much that is no RFC 3339 at all; so nothing
 * else reads a time from outside. Days are those of the proleptic Gregorian calendar, and no minute has 61 seconds.
 */
import { assert } from './assert.ts';

const LEAP_DAY = '(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29';
const ANY_YEARS_DAY =
  '[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))';
const DAY_PATTERN = `(?:${LEAP_DAY}|${ANY_YEARS_DAY})`;
const CLOCK_PATTERN = '(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]';

/** The form in which times leave a box (`wallText`): UTC, milliseconds, 24 characters. */
export const WALL_TIME_PATTERN = `${DAY_PATTERN}T${CLOCK_PATTERN}\\.[0-9]{3}Z`;

const ANY_TIME = new RegExp(
  `^${DAY_PATTERN}T${CLOCK_PATTERN}(?:\\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$`,
);

/** Milliseconds since 1970 UTC; undefined for what is no time of RFC 3339, or a day that no calendar has. */
export function readTime(text: string): number | undefined {
  return ANY_TIME.test(text) ? Date.parse(text) : undefined;
}

export function isTime(text: string): boolean {
  return readTime(text) !== undefined;
}

/** Of a text that a schema took as a time already: one that cannot be read is an assertion. */
export function timeOf(text: string): number {
  const atMs = readTime(text);
  assert(atMs !== undefined, 'no time of RFC 3339');
  return atMs;
}
