/** Keys to entries: what ends one, what takes it back, and what never leaves the driver. */
import { inspect } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { SecretText } from '../../../src/base/secret-text.ts';
import { type Entry, NOTHING_TYPED, typed } from '../../../src/edge/drivers/keypad/entry.ts';
import { keypadSettings } from '../../../src/edge/drivers/keypad/settings.ts';

const KEYS = keypadSettings.parse({ driver: 'keypad', name: 'pad', length_max: 8 });

function entriesOf(...chunks: readonly string[]): readonly string[] {
  let state: Entry = NOTHING_TYPED;
  const entries: string[] = [];
  for (const chunk of chunks) {
    const step = typed(state, utf8(chunk), KEYS);
    state = step.state;
    entries.push(...step.entries);
  }
  return entries;
}

test.each([
  ['one byte a key', ['1', '2', '3', '4', '#'], ['1234']],
  ['a whole line', ['1234\r\n'], ['1234']],
  ['two entries in one chunk', ['12#34#'], ['12', '34']],
  ['an entry that was taken back', ['1234*56#'], ['56']],
  ['a key that was taken back', ['123\b4#'], ['124']],
  ['an end without keys', ['##\r\n'], []],
  ['one key too many: it is no code, however it ends', ['123456789#12#'], ['12']],
  ['too long, taken back, typed again', ['123456789*123#'], ['123']],
  ['bytes that are no keys', ['1\u00002~#'], ['12']],
] as const)('%s', (_what, chunks, expected) => {
  expect(entriesOf(...chunks)).toEqual(expected);
});

test('how the line cuts the keys changes nothing', () => {
  const text = '1234#56*78#\b9#123456789#4\r\n';
  const whole = entriesOf(text);
  expect(whole).toEqual(['1234', '78', '9', '4']);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 30 }), (sizes) => {
      const pieces: string[] = [];
      let at = 0;
      for (const size of sizes) {
        pieces.push(text.slice(at, at + size));
        at += size;
      }
      expect(entriesOf(...pieces, text.slice(at))).toEqual(whole);
    }),
  );
});

test('an entry never grows beyond its bound, whatever comes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const step = typed(NOTHING_TYPED, bytes, KEYS);
      for (const each of [step.state.typed, ...step.entries]) expect(each.length).toBeLessThanOrEqual(KEYS.length_max);
    }),
  );
});

test('an entry shows itself in no print, no JSON and no message', () => {
  const entry = new SecretText('48151623');
  const shown = [
    inspect(entry, { depth: 9, showHidden: true }),
    JSON.stringify({ entry }),
    `${entry}`,
    String([entry]),
  ];
  for (const text of shown) expect(text).not.toContain('4815');
  expect(entry.reveal()).toBe('48151623');
});
