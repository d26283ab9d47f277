/** Members that stand twice in one object, against a reader that keeps every member. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { repeatsMember } from '../../../src/base/repeated-member.ts';

test.for([
  ['{"a":1,"a":2}', true],
  ['{"a":1,"\\u0061":2}', true],
  ['{"":1,"":2}', true],
  ['[{"a":1},{"b":{"c":[],"c":0}}]', true],
  ['{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]}', false],
  ['{"a":"\\"a\\":1,","b":"{\\"b\\":"}', false],
  ['{"a\\\\":1,"a":2}', false],
  ['["a","a"]', false],
  ['"a:a"', false],
  ['12', false],
] as const)('%s: %s', ([text, repeats]) => {
  expect(JSON.stringify(JSON.parse(text))).toBeDefined();
  expect(repeatsMember(text)).toBe(repeats);
});

test('what JSON.stringify writes repeats nothing, and the same with a member once more does', () => {
  const json = fc.jsonValue({ maxDepth: 4 });
  fc.assert(
    fc.property(fc.dictionary(fc.string(), json, { minKeys: 1 }), fc.integer({ min: 0, max: 50 }), (value, pick) => {
      const text = JSON.stringify(value);
      expect(repeatsMember(text)).toBe(false);
      const names = Object.keys(value);
      const again = JSON.stringify(names[pick % names.length]);
      expect(repeatsMember(`${text.slice(0, -1)},${again}:0}`)).toBe(true);
    }),
  );
});

test('a text as deep as it is long is read to its end', () => {
  const deep = 200_000;
  expect(repeatsMember(`${'['.repeat(deep)}{"a":1,"a":1}${']'.repeat(deep)}`)).toBe(true);
});
