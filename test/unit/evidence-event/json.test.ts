import fc from 'fast-check';
import { expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import type { Json } from '../../../src/evidence/event/event.ts';
import { canonicalJson, parseCanonicalObject, parseSlowly } from '../../../src/evidence/event/json.ts';
import { isCanonicalObject } from '../../../src/evidence/event/json-scan.ts';

/**
 * cyberphone/json-canonicalization (Apache-2.0), testdata/input and testdata/output: the vectors of RFC 8785's author.
 * `values` without its null and its fractions, which evidence may not hold.
 */
const VECTORS: readonly (readonly [name: string, input: string, output: string])[] = [
  [
    'weird',
    '{"\\u20ac":"Euro Sign","\\r":"Carriage Return","1":"One","\\u0080":"Control\\u007f","\\ud83d\\ude02":"Smiley","\\u00f6":"Latin Small Letter O With Diaeresis","\\ufb33":"Hebrew Letter Dalet With Dagesh","</script>":"Browser Challenge"}',
    '{"\\r":"Carriage Return","1":"One","</script>":"Browser Challenge","\u0080":"Control\u007f","\u00f6":"Latin Small Letter O With Diaeresis","\u20ac":"Euro Sign","\ud83d\ude02":"Smiley","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
  ],
  [
    'structures',
    '{"1":{"f":{"f":"hi","F":5} ,"\\n":56.0},"10":{ },"":"empty","a":{ },"111":[ {} ],"A":{ }}',
    '{"":"empty","1":{"\\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{}],"A":{},"a":{}}',
  ],
  [
    'french',
    '{"peach":"This sorting order","p\u00e9ch\u00e9":"is wrong according to French","p\u00eache":"but canonicalization MUST","sin":"ingnore locale"}',
    '{"peach":"This sorting order","p\u00e9ch\u00e9":"is wrong according to French","p\u00eache":"but canonicalization MUST","sin":"ingnore locale"}',
  ],
  [
    'values',
    '{"escaping":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[true,false]}',
    '{"escaping":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/","literals":[true,false]}',
  ],
];

test.each(VECTORS)('the vector %s comes out as published', (_name, input, output) => {
  expect(canonicalJson(JSON.parse(input) as Json)).toBe(output);
});

test('what has no canonical form here is an assertion', () => {
  for (const value of [null, 0.5, -0, 2 ** 53, Number.NaN, '\ud800', '\udc00\ud800', undefined, { a: [null] }]) {
    expect(() => canonicalJson(value as unknown as Json), String(value)).toThrow('canonical JSON');
  }
  expect(() => canonicalJson(nested(33))).toThrow('nested deeper');
  expect(canonicalJson(nested(32))).toHaveLength(64);
  expect(canonicalJson({ b: '\ud83d\ude02\\ud', a: -(2 ** 53) + 1 })).toBe(
    '{"a":-9007199254740991,"b":"\ud83d\ude02\\\\ud"}',
  );
});

test.each([
  ['encoding', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])],
  ['encoding', utf8('\ufeff{}')],
  ['json', utf8('{"a":}')],
  ['json', utf8('{"a":1}\n{')],
  ['not_object', utf8('[1]')],
  ['not_object', utf8('7')],
  ['value', utf8('{"a":null}')],
  ['value', utf8('{"a":1.5}')],
  ['value', utf8('{"a":-0}')],
  ['value', utf8('{"a":9007199254740993}')],
  ['value', utf8('{"a":"\\ud800"}')],
  ['value', utf8(`{"a":${'['.repeat(40)}${']'.repeat(40)}}`)],
  ['member_name', utf8('{"A":1}')],
  ['member_name', utf8('{"__proto__":1}')],
  ['member_name', utf8('{"":1}')],
  ['not_canonical', utf8('{"b":1,"a":2}')],
  ['not_canonical', utf8('{"a":1,"a":1}')],
  ['not_canonical', utf8('{"a": 1}')],
  ['not_canonical', utf8('{"a":1}\n')],
  ['not_canonical', utf8('{"a":1e3}')],
  ['not_canonical', utf8('{"a":"\\u0041"}')],
  ['not_canonical', utf8('{"a":"\\/"}')],
  ['too_long', utf8(`{"a":"${'x'.repeat(200)}"}`)],
] as const)('%s is the reason to refuse case %#', (reason, bytes) => {
  expect(parseCanonicalObject(bytes, 200)).toMatchObject({ ok: false, reason });
});

const names = fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/);
const { object } = fc.letrec<{ value: Json; object: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.maxSafeInteger().map((n) => n + 0),
    fc.boolean(),
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary-ascii' }),
    fc.array(tie('value'), { maxLength: 4 }),
    tie('object'),
  ),
  object: fc.dictionary(names, tie('value'), { maxKeys: 6 }),
}));

test('whatever is written reads back equal, by the quick way and by the slow one', () => {
  let quick = 0;
  fc.assert(
    fc.property(object, (value) => {
      const text = canonicalJson(value);
      const bytes = utf8(text);
      if (isCanonicalObject(bytes)) quick += 1;
      const expected = { ok: true, value: JSON.parse(text) };
      expect(parseCanonicalObject(bytes, 1_000_000)).toEqual(expected);
      expect(parseSlowly(text)).toEqual(expected);
    }),
    { numRuns: 2_000 },
  );
  expect(quick).toBeGreaterThan(200);
});

test('the quick way accepts nothing that the slow way refuses', () => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '"b"',
    '"a":',
    '"b":1',
    '0',
    '-1',
    '-0',
    '01',
    '1',
    'true',
    'false',
    'null',
    ' ',
    '\\',
    '\\n',
    'é',
    '1.5',
    '1e3',
    '"x"',
  );
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 9 }), (parts) => {
      const text = `{"a":${parts.join('')}}`;
      if (!isCanonicalObject(utf8(text))) return;
      accepted += 1;
      expect(parseSlowly(text).ok).toBe(true);
    }),
    { numRuns: 30_000 },
  );
  expect(accepted).toBeGreaterThan(100);
});

function nested(depth: number): Json {
  let value: Json = [];
  for (let i = 1; i < depth; i += 1) value = [value];
  return value;
}
