import { beforeEach, expect, test } from 'vitest';
import { IDS_MAX, type Judged, REFUSED_IDS_MAX, SPARE_IDS, UsedIds } from '../../../src/edge/commands/used-ids.ts';

const KEYS = 4;
const SHARE = IDS_MAX / KEYS;
const REFUSED_SHARE = REFUSED_IDS_MAX / KEYS;
const END_MS = 3_600_000;
let used: UsedIds;

beforeEach(() => {
  used = new UsedIds(KEYS);
});

function judged(key: string, nth: number, untilUpMs = END_MS): Judged {
  return { id: `${key}-${nth}`, hash: `${nth}`, key, untilUpMs };
}

/** How many were remembered before there was no room. */
function fill(key: string, put: (one: Judged) => boolean): number {
  let count = 0;
  while (count <= IDS_MAX && put(judged(key, count))) count += 1;
  return count;
}

test('a key that fills its share takes no room from another', () => {
  expect(fill('lost', (one) => used.take(one, 0))).toBe(SHARE);
  expect(fill('desk', (one) => used.take(one, 0))).toBe(SHARE);
});

test('refusals of a key that fill their share take no room from another', () => {
  expect(fill('lost', (one) => used.refuse(one, 0))).toBe(REFUSED_SHARE);
  expect(used.take(judged('lost', IDS_MAX), 0)).toBe(true);
  expect(fill('desk', (one) => used.refuse(one, 0))).toBe(REFUSED_SHARE);
});

test('what must never be refused for want of room has some beyond the share', () => {
  fill('desk', (one) => used.take(one, 0));
  const spare = Array.from({ length: SPARE_IDS + 1 }, (_, i) => used.take(judged('desk', IDS_MAX + i), 0, true));
  expect(spare.filter(Boolean)).toHaveLength(SPARE_IDS);
});

test('a share that is full has room again once the time of what is in it is over, and only then', () => {
  fill('desk', (one) => used.take(one, 0));
  expect(used.take(judged('desk', IDS_MAX, 2 * END_MS), END_MS)).toBe(false);
  expect(used.take(judged('desk', IDS_MAX, 2 * END_MS), END_MS + 1)).toBe(true);
  expect(used.has('desk-0')).toBe(false);
  expect(fill('desk', (one) => used.take({ ...one, untilUpMs: 2 * END_MS }, END_MS + 1))).toBe(SHARE - 1);
});

test('replies of one key push out none of another', () => {
  used.take(judged('desk', 0), 0);
  used.answered('desk-0', new Uint8Array(1));
  fill('lost', (one) => {
    const had = used.take(one, 0);
    if (had) used.answered(one.id, new Uint8Array(1));
    return had;
  });
  expect(used.replyTo('desk-0', '0')).toEqual(new Uint8Array(1));
  expect(used.replyTo('desk-0', 'other bytes')).toBeUndefined();
  expect(used.replyTo('lost-0', '0')).toBeUndefined();
});
