import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { utf8Text } from '../../../src/base/bytes.ts';
import { LeafMaker, type LeafParts } from '../../../src/edge/journal/leaf-maker.ts';
import type { EventBody, Json } from '../../../src/evidence/event/event.ts';
import { guardBody } from '../../../src/evidence/event/guard.ts';
import { parseLeaf } from '../../../src/evidence/event/leaf.ts';
import { EVENT_TYPES } from '../../../src/evidence/event/vocabulary.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { bodyOf } from '../evidence-event/samples.ts';

const ORIGIN = 'lockers.example/gw-0001/1-9f2c01aa';
const LEAF_HASH = 'A'.repeat(43);

/** RFC 8785 by its own words: names sorted, ECMAScript's spelling of strings and numbers. */
function jcs(value: Json): string {
  if (Array.isArray(value)) return `[${value.map((item: Json) => jcs(item)).join(',')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value) as [string, Json][];
  return `{${members
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${jcs(member)}`)
    .join(',')}}`;
}

function shuffled<T extends object>(value: T, turn: number): T {
  const entries = Object.entries(value);
  const at = turn % Math.max(1, entries.length);
  return Object.fromEntries([...entries.slice(at), ...entries.slice(0, at)].reverse()) as T;
}

const int = fc.nat(2 ** 40);
const awkward = fc.constantFrom('"', '\\', '\n', '\u0001', '\u007f', '\u2028', '/', 'é', '\u{1f600}', 'x');
const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.string({ unit: awkward, maxLength: 8 }));
const member = fc.oneof(text, int, fc.boolean(), fc.array(fc.oneof(text, int), { maxLength: 4 }));
const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,11}$/);
const data = fc.dictionary(name, fc.oneof(member, fc.dictionary(name, member, { maxKeys: 3 })), { maxKeys: 8 });
const sampled = fc.constantFrom(...EVENT_TYPES).map((type) => guardBody(bodyOf(type)).body);
const drafted: fc.Arbitrary<EventBody> = fc.record(
  {
    type: fc.constantFrom('code.scanned', 'door.opened'),
    data,
    device: text,
    compartment: text,
    parcel: fc.record({ ref: text, scheme: text }),
    actor: fc.record({ kind: fc.constant('courier' as const), ref: text }),
    seen: fc.record({ from_ms: int, to_ms: int, from_boot: int }, { requiredKeys: ['from_ms', 'to_ms'] }),
  },
  { requiredKeys: ['type', 'data'] },
);
const parts: fc.Arbitrary<LeafParts> = fc.record({
  body: fc
    .tuple(fc.oneof(sampled, drafted), fc.nat(9))
    .map(([body, turn]) => shuffled({ ...body, data: shuffled(body.data, turn) }, turn)),
  observed: fc.record({
    wallMs: fc.integer({ min: 0, max: 4e12 }),
    upMs: int,
    clock: fc.constantFrom(
      { src: 'none' } as const,
      { src: 'ntp', err_ms: 4 } as const,
      { err_ms: 7, src: 'ntp' } as const,
    ),
  }),
  carried: fc.option(
    fc.record({ n: int, log: fc.constant(ORIGIN), boot: int, up_ms: int, leaf: fc.constant(LEAF_HASH) }),
    {
      nil: undefined,
    },
  ),
  withheld: fc.oneof(fc.constant([]), fc.array(text, { maxLength: 3 })),
});

test('a leaf is the RFC 8785 form of its event, whatever the event and the order of its members', () => {
  const maker = new LeafMaker(ORIGIN, 3, nodeCrypto);
  let index = 0;
  let escaped = 0;
  fc.assert(
    fc.property(parts, ({ body, observed, carried, withheld }) => {
      const { leaf, hash } = maker.make(index, { body, observed, carried, withheld });
      const found = utf8Text(leaf) ?? '';
      if (found.includes('\\')) escaped += 1;
      const salt = /"salt":"([A-Za-z0-9_-]{21}[AQgw])"/.exec(found)?.[1] ?? '';
      const event = {
        ...{ v: 1, log: ORIGIN, n: index, salt, boot: 3, up_ms: observed.upMs, clock: { ...observed.clock } },
        at: new Date(observed.wallMs).toISOString(),
        ...(body as unknown as { readonly [name: string]: Json }),
        ...(carried !== undefined && { carried }),
        ...(withheld.length > 0 && { withheld }),
      };
      expect(found).toBe(jcs(event as unknown as Json));
      expect(parseLeaf(leaf)).toMatchObject({ ok: true, value: { event } });
      expect(Buffer.from(hash)).toEqual(createHash('sha256').update(Uint8Array.of(0)).update(leaf).digest());
      index += 1;
    }),
    { numRuns: 1_000 },
  );
  // Or the escapes above were not reached.
  expect(escaped).toBeGreaterThan(100);
});

test('a salt is used once: 2,000 of them differ, and every bit of them moves', () => {
  const maker = new LeafMaker(ORIGIN, 3, nodeCrypto);
  const observed = { wallMs: 0, upMs: 0, clock: { src: 'none' } as const };
  const body = guardBody(bodyOf('gateway.stopped')).body;
  const salts = Array.from({ length: 2_000 }, (_, i) => {
    const made = parseLeaf(maker.make(i, { body, observed, carried: undefined, withheld: [] }).leaf);
    return made.ok ? made.value.event.salt : '';
  });
  expect(new Set(salts).size).toBe(2_000);
  const bytes = salts.map((salt) => Buffer.from(salt, 'base64url'));
  for (let bit = 0; bit < 128; bit += 1) {
    const ones = bytes.filter((salt) => ((salt[bit >> 3] ?? 0) >> (bit & 7)) & 1).length;
    expect(ones, `bit ${bit}`).toBeGreaterThan(700);
    expect(ones, `bit ${bit}`).toBeLessThan(1_300);
  }
});

test('a lone surrogate and a number that is no integer are never written', () => {
  const maker = new LeafMaker(ORIGIN, 3, nodeCrypto);
  const observed = { wallMs: 0, upMs: 0, clock: { src: 'none' } as const };
  const make = (body: EventBody, upMs = 0) =>
    maker.make(0, { body, observed: { ...observed, upMs }, carried: undefined, withheld: [] });
  const lone = 'a\ud800';
  expect(() => make({ type: 'x.y', data: { text: lone } })).toThrow('lone surrogate');
  expect(() => make({ type: 'x.y', data: {}, device: lone })).toThrow('lone surrogate');
  expect(() => make({ type: 'x.y', data: {}, parcel: { ref: lone, scheme: 'ups' } })).toThrow('lone surrogate');
  expect(() => make({ type: 'x.y', data: { deep: [[1.5]] } })).toThrow('safe integer');
  expect(() => make({ type: 'x.y', data: {} }, 0.5)).toThrow('integers');
});
