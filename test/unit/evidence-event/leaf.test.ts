import { expect, test } from 'vitest';
import { concatBytes, equalBytes, utf8, utf8Text } from '../../../src/base/bytes.ts';
import type { CustodyEvent } from '../../../src/evidence/event/event.ts';
import { judgeLeaf } from '../../../src/evidence/event/guard.ts';
import { encodeLeaf, LEAF_BYTES_MAX, parseLeaf } from '../../../src/evidence/event/leaf.ts';
import { EVENT_TYPES } from '../../../src/evidence/event/vocabulary.ts';
import { FUZZ_RUNS } from '../../support/mutate.ts';
import { bodyOf, eventOf } from './samples.ts';

test('a leaf is one canonical line, and reads back', () => {
  const event = eventOf(bodyOf('door.opened'));
  const bytes = encodeLeaf(event);
  expect(utf8Text(bytes)).toMatch(/^\{"actor":\{"kind":"courier",.*"type":"door\.opened","up_ms":123456,"v":1\}$/);
  expect(parseLeaf(bytes)).toEqual({ ok: true, value: { kind: 'known', event } });
  expect(encodeLeaf(event)).not.toBe(bytes);
});

test('a leaf that is too long is never written', () => {
  const event = { ...eventOf(bodyOf('gateway.stopped')), data: { detail: '\u00e9'.repeat(2_000) } };
  expect(() => encodeLeaf(event)).toThrow(`longer than ${LEAF_BYTES_MAX}`);
});

test('the envelope is needed whole, and each member in its JSON type', () => {
  const sound = eventOf(bodyOf('gateway.stopped')) as unknown as Record<string, unknown>;
  for (const name of ['v', 'log', 'n', 'salt', 'type', 'at', 'clock', 'boot', 'up_ms', 'data']) {
    const { [name]: _gone, ...rest } = sound;
    expect(parse(rest), name).toMatchObject({ ok: false, reason: 'schema' });
    expect(parse({ ...sound, [name]: name === 'data' ? 'x' : [] }), name).toMatchObject({
      ok: false,
      reason: 'schema',
    });
  }
  for (const name of ['device', 'compartment', 'parcel', 'actor', 'seen', 'carried', 'withheld']) {
    expect(parse({ ...sound, [name]: 7 }), name).toMatchObject({ ok: false, reason: 'schema' });
  }
  for (const v of [0, -1, '1', true]) expect(parse({ ...sound, v })).toMatchObject({ ok: false, reason: 'schema' });
  expect(parse({ ...sound, v: 2 })).toMatchObject({ ok: true, value: { kind: 'unknown_version' } });
  expect(parse({ ...sound, type: 'drone.landed' })).toMatchObject({ ok: true, value: { kind: 'unknown_type' } });
});

test('mutations of sound leaves never throw, and reach every reason and every use', () => {
  const leaves = EVENT_TYPES.map((type) => encodeLeaf(eventOf(bodyOf(type))));
  const reached = new Map<string, number>();
  let respelled = 0;
  let state = 1;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let i = 0; i < FUZZ_RUNS; i += 1) {
    const leaf = leaves[random(leaves.length)] as Uint8Array;
    const bytes = mutate(leaf, leaves[random(leaves.length)] as Uint8Array, random);
    const parsed = parseLeaf(bytes);
    const judged = parsed.ok ? judgeLeaf(parsed.value) : undefined;
    const outcome = parsed.ok ? `${judged?.use}${judged?.use === 'accepted' ? '' : ` ${judged?.why}`}` : parsed.reason;
    reached.set(outcome, (reached.get(outcome) ?? 0) + 1);
    // What is accepted is what the same event would be written as: no second spelling of anything.
    if (parsed.ok && !equalBytes(encodeLeaf(parsed.value.event), bytes)) respelled += 1;
  }
  expect(respelled).toBe(0);
  expect([...reached.keys()].sort()).toEqual(
    [
      'accepted',
      'encoding',
      'json',
      'member_name',
      'not_canonical',
      'not_object',
      'opaque unknown_type',
      'opaque unknown_version',
      'schema',
      'too_long',
      'value',
      'withheld card_number',
      'withheld vocabulary',
    ].sort(),
  );
});

/** Flips, cuts, repeats, splices, and replacements of whole tokens, which reach behind the JSON. */
function mutate(leaf: Uint8Array, other: Uint8Array, random: (below: number) => number): Uint8Array {
  const at = random(leaf.length);
  switch (random(8)) {
    case 0: {
      const flipped = leaf.slice();
      flipped[at] = (flipped[at] ?? 0) ^ (1 << random(8));
      return flipped;
    }
    case 1:
      return leaf.slice(0, at);
    case 2:
      return concatBytes(leaf.slice(0, at), leaf.slice(Math.max(0, at - random(40))));
    case 3:
      return concatBytes(leaf.slice(0, at), other.slice(random(other.length)));
    case 4:
      return concatBytes(
        leaf,
        other,
        ...(random(2) === 0 ? [leaf, other, leaf, other, leaf, other, leaf, other, leaf, other] : []),
      );
    default:
      return replaced(leaf, random);
  }
}

const TOKENS: readonly (readonly [RegExp, string])[] = [
  [/"v":1/, '"v":2'],
  [/"v":1/, '"v":null'],
  [/"n":7/, '"n":-0'],
  [/"n":7/, '"n":7.5'],
  [/"boot":2/, '"boot":"2"'],
  [/"type":"[a-z]+/, '"type":"drone'],
  [/"type":/, '"Type":'],
  [/"device":"[^"]*"/, '"device":"4111111111111111"'],
  [/"data":\{/, '"data":{"a":1,'],
  [/"data":\{/, '"data":{"a":1,"a":1,'],
  [/,"device":"[^"]*"/, ''],
  [/,"parcel":\{[^}]*\}/, ''],
  [/^.*$/, '[]'],
  [/^.*$/, '{}'],
];

function replaced(leaf: Uint8Array, random: (below: number) => number): Uint8Array {
  const [pattern, replacement] = TOKENS[random(TOKENS.length)] as readonly [RegExp, string];
  return utf8((utf8Text(leaf) ?? '').replace(pattern, replacement));
}

function parse(event: unknown) {
  return parseLeaf(encodeLeaf(event as CustodyEvent));
}
