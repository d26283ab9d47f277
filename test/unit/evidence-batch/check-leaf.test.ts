import { expect, test } from 'vitest';
import { utf8, utf8Text } from '../../../src/base/bytes.ts';
import type { Result } from '../../../src/base/result.ts';
import { checkLeaf, type GlancedLeaf, LeafChecker } from '../../../src/evidence/batch/check-leaf.ts';
import type { CustodyEvent, Json, JsonObject } from '../../../src/evidence/event/event.ts';
import { canonicalJson, isObject } from '../../../src/evidence/event/json.ts';
import { encodeLeaf, LEAF_BYTES_MAX } from '../../../src/evidence/event/leaf.ts';
import { LeafScanner } from '../../../src/evidence/event/leaf-scan.ts';
import { EVENT_TYPES, type EventType } from '../../../src/evidence/event/vocabulary.ts';
import { FUZZ_RUNS, FUZZ_TIMEOUT_MS, fuzz, mutate, Random } from '../../support/mutate.ts';
import { bodyOf, eventOf } from '../evidence-event/samples.ts';

const INDEX = 7;
const PLAIN_ONLY: readonly EventType[] = [
  // Settings, and names of logs and keys, are left to the plain way.
  'journal.opened',
  'predecessor.found',
  'key.rotated',
  'anchor.made',
  'settings.changed',
];
const events = EVENT_TYPES.map((type) => eventOf(bodyOf(type)));
const origin = events[0]?.log ?? '';
const carried = { log: origin, n: 3, boot: 1, up_ms: 5, leaf: `${'A'.repeat(42)}E` };
const leaves = [
  ...events,
  ...events.map((event): CustodyEvent => ({ ...event, carried })),
  ...events.map((event): CustodyEvent => ({ ...event, withheld: ['/data/text', '/device'] })),
  ...events.map((event) => minimal(event)),
  ...events.map((event) => ({ ...event, parcel: { ref: '4111 1111 1111 1111', scheme: 'unknown' } })),
].map(encodeLeaf);

test('every type but those with settings or names of logs is seen by the quick way', () => {
  const scanner = new LeafScanner(origin);
  for (const event of events) {
    const type = event.type as EventType;
    const at = scanner.timeOf(utf8Text(encodeLeaf(event)) ?? '', INDEX);
    expect(at, type).toBe(PLAIN_ONLY.includes(type) ? undefined : event.at);
  }
});

test('the quick way tells the event only where it says something about others', () => {
  const checker = new LeafChecker(origin);
  const [event] = events as [CustodyEvent];
  const first = { ...event, n: 0 };
  expect(checker.check(0, encodeLeaf(first))).toEqual({
    ok: true,
    value: { use: { use: 'accepted' }, at: event.at, event: first },
  });
  const other = { ...event, carried };
  expect(checker.check(INDEX, encodeLeaf(other))).toMatchObject({
    ok: true,
    value: { at: event.at, event: { carried } },
  });
  expect(checker.check(INDEX, encodeLeaf(event))).toEqual({
    ok: true,
    value: { use: { use: 'accepted' }, at: event.at },
  });
});

test('a line of another place, log, version or type is judged the plain way', () => {
  const event = eventOf(bodyOf('door.opened'));
  const checker = new LeafChecker(origin);
  const check = (more: object, index = INDEX) =>
    checker.check(index, utf8(canonicalJson({ ...event, ...more } as never)));
  expect(check({ n: 8 })).toMatchObject({ reason: 'leaf_place' });
  expect(check({}, 8)).toMatchObject({ reason: 'leaf_place' });
  expect(check({ log: origin.replace('gw-0001', 'gw-0002') })).toMatchObject({ reason: 'leaf_place' });
  expect(check({ v: 2 })).toMatchObject({ value: { use: { use: 'opaque', why: 'unknown_version' } } });
  expect(check({ type: 'robot.danced' })).toMatchObject({ value: { use: { use: 'opaque', why: 'unknown_type' } } });
  // Its data are those of another type.
  expect(check({ type: 'door.forced' })).toMatchObject({ value: { use: { use: 'withheld', why: 'vocabulary' } } });
  expect(checker.check(INDEX, new Uint8Array(LEAF_BYTES_MAX + 1))).toMatchObject({ reason: 'leaf' });
  // An origin that no event may name has no quick way.
  expect(new LeafScanner('Not an origin').timeOf(utf8Text(encodeLeaf(event)) ?? '', INDEX)).toBeUndefined();
});

test('escapes and numbers are judged the plain way, which knows their one spelling', () => {
  const checker = new LeafChecker(origin);
  const line = (detail: string): Uint8Array => {
    const event = { ...minimal(eventOf(bodyOf('tamper.raised'))), data: { detail: 'DETAIL', input: 'lid_switch' } };
    return utf8((utf8Text(encodeLeaf(event)) ?? '').replace('"DETAIL"', detail));
  };
  const use = (detail: string): string => outcomeOf(checker.check(INDEX, line(detail)));
  expect(use('"plain"')).toBe('accepted');
  expect(use('"a \\"word\\""')).toBe('accepted');
  expect(use('"\\u0001"')).toBe('accepted');
  expect(use('"\\u0041"')).toBe('leaf');
  expect(use('"\\/"')).toBe('leaf');
  expect(use('"4111\\u00201111 1111 1111"')).toBe('leaf');
  expect(use('"4111 1111 1111 1111 \\n"')).toBe('withheld card_number');
  expect(use('"tab\there"')).toBe('leaf');
  expect(use('"plain" ')).toBe('leaf');
  expect(use('1')).toBe('withheld vocabulary');
  const numbers = (up: string): string =>
    outcomeOf(checker.check(INDEX, utf8((utf8Text(line('"x"')) ?? '').replace('"up_ms":123456', `"up_ms":${up}`))));
  for (const up of ['0', '1', '999999999999']) expect(numbers(up)).toBe('accepted');
  for (const up of ['00', '01', '1.0', '1e3', '1E3', '-0', '+1', '', '0x1', '1 ']) expect(numbers(up), up).toBe('leaf');
  for (const up of ['-1', '1000000000000', '9007199254740991']) expect(numbers(up), up).toBe('withheld vocabulary');
});

test('both ways say the same of lines with damaged bytes', { timeout: FUZZ_TIMEOUT_MS }, () => {
  const random = new Random(31);
  const both = new Both();
  fuzz(
    () => both.look(mutate(random, leaves[random.below(leaves.length)] ?? utf8(''), leaves)),
    Math.max(3 * FUZZ_RUNS, 60_000),
  );
  expect(both.quick).toBeGreaterThan(FUZZ_RUNS / 100);
  expect(both.outcomes()).toEqual(ALL_OUTCOMES);
});

test('both ways say the same of 20,000 sound lines with other members', { timeout: FUZZ_TIMEOUT_MS }, () => {
  const random = new Random(32);
  const both = new Both();
  for (let i = 0; i < 20_000; i += 1) {
    const event = events[random.below(events.length)] as unknown as JsonObject;
    let changed = edited(event, random);
    if (random.below(2) === 0) changed = edited(changed, random);
    both.look(utf8(canonicalJson(changed)));
  }
  expect(both.quick).toBeGreaterThan(1_000);
  expect(both.outcomes()).toEqual(ALL_OUTCOMES);
});

const ALL_OUTCOMES = [
  'accepted',
  'leaf',
  'leaf_place',
  'opaque unknown_type',
  'opaque unknown_version',
  'withheld card_number',
  'withheld vocabulary',
];

class Both {
  quick = 0;
  readonly #seen = new Set<string>();
  readonly #checker = new LeafChecker(origin);
  readonly #scanner = new LeafScanner(origin);

  look(bytes: Uint8Array): void {
    const plain = checkLeaf(origin, INDEX, bytes);
    const given = this.#checker.check(INDEX, bytes);
    const at = this.#scanner.timeOf(utf8Text(bytes) ?? '', INDEX);
    if (at !== undefined) this.quick += 1;
    const isAccepted = plain.ok && plain.value.use.use === 'accepted';
    // Not `expect` for each: many of them take a minute.
    const event = plain.ok ? plain.value.event : undefined;
    const same =
      (at === undefined || (isAccepted && at === event?.at && bytes.length <= LEAF_BYTES_MAX)) &&
      (plain.ok && given.ok
        ? JSON.stringify(given.value.use) === JSON.stringify(plain.value.use) &&
          (isAccepted
            ? given.value.at === event?.at
            : given.value.event === event || sameJson(given.value.event, event)) &&
          (event?.carried === undefined || sameJson(given.value.event, event))
        : sameJson(given, plain));
    if (!same) expect({ given, at, text: utf8Text(bytes) }).toEqual({ given: plain });
    this.#seen.add(outcomeOf(plain));
  }

  outcomes(): readonly string[] {
    return [...this.#seen].sort();
  }
}

function outcomeOf(checked: Result<GlancedLeaf>): string {
  if (!checked.ok) return checked.reason;
  const { use } = checked.value;
  return use.use === 'accepted' ? 'accepted' : `${use.use} ${use.why}`;
}

function sameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Only what is required. */
function minimal(event: CustodyEvent): CustodyEvent {
  const { device: _d, compartment: _c, parcel: _p, actor: _a, seen: _s, ...rest } = event;
  return rest;
}

const VALUES: readonly Json[] = [
  -1,
  0,
  1,
  2,
  99,
  9_999,
  10_000,
  999_999_999_999,
  1_000_000_000_000,
  4_111_111_111_111_111,
  Number.MAX_SAFE_INTEGER,
  true,
  false,
  '',
  'x',
  'a_word',
  'robot.danced',
  'door.opened',
  'B1-L04',
  '4111111111111111',
  '4111 1111 1111 1111',
  '340123450000000017',
  'caf\u00e9',
  'a "quoted" \\ one',
  'tab\there',
  '\ud83d\ude02',
  'x'.repeat(65),
  'x'.repeat(300),
  '2026-02-31T25:00:00.000Z',
  'lockers.example/4111111111111111/1-9f2c01aa',
  [],
  ['x'],
  Array.from({ length: 17 }, () => 'x'),
  Array.from({ length: 16 }, () => 1),
  {},
  { from_ms: 1, to_ms: 2 },
  { ref: '4111111111111111', scheme: 'sscc' },
  { ref: '340123450000000017', scheme: 'sscc' },
  { x: { y: ['4111111111111111'] } },
];

/** One member somewhere in it is replaced, dropped or added, or an item is repeated. */
function edited(value: JsonObject, random: Random): JsonObject {
  const names = Object.keys(value);
  const name = names[random.below(names.length)] ?? 'x';
  const member = value[name];
  const { [name]: _dropped, ...rest } = value;
  if (isObject(member) && random.below(4) > 0) return { ...rest, [name]: edited(member, random) };
  if (Array.isArray(member) && random.below(2) === 0) return { ...rest, [name]: editedItems(member, random) };
  switch (random.below(5)) {
    case 0:
      return rest;
    case 1:
      return { ...value, [ADDED[random.below(ADDED.length)] ?? 'x']: VALUES[random.below(VALUES.length)] ?? 0 };
    case 2:
      return typeof member === 'number' ? { ...value, [name]: member + random.below(3) - 1 } : rest;
    default:
      return { ...value, [name]: VALUES[random.below(VALUES.length)] ?? 0 };
  }
}

/** Names that some object of the vocabulary has, and some that none has. */
const ADDED = [
  'a',
  'count',
  'text',
  'withheld',
  'carried',
  'zzz',
  'X',
  'cut',
  'device',
  '__proto',
  'boot',
  'held_more',
];

function editedItems(items: readonly Json[], random: Random): readonly Json[] {
  const at = random.below(items.length);
  const item = items[at];
  if (isObject(item) && random.below(2) === 0) return items.with(at, edited(item, random));
  if (random.below(2) === 0) return [...items, VALUES[random.below(VALUES.length)] ?? 0];
  return [...items, ...items];
}
