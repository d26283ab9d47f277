/** Keys to entries: what ends one, what takes it back, and what never leaves the driver. */
import { inspect } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { SecretText } from '../../../src/base/secret-text.ts';
import { type Entry, NOTHING_TYPED, typed } from '../../../src/edge/drivers/keypad/entry.ts';
import { keypadSettings } from '../../../src/edge/drivers/keypad/settings.ts';
import { testLine } from './support.ts';

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

function pad() {
  const device = { driver: 'keypad', name: 'pad', idle_s: 15, granted: 'G', refused: 'R' } as const;
  const made = testLine({ devices: [device] });
  made.port.become('open');
  made.scheduler.advance(50);
  const entries = (): readonly string[] =>
    made.readings.flatMap((reading) => (reading.kind === 'keypad' ? [reading.entry.reveal()] : []));
  return { ...made, entries };
}

test('whoever stops typing has gone: his keys are not the beginning of the next entry', () => {
  const { entries, port, scheduler } = pad();
  port.hear(utf8('12'));
  scheduler.advance(15_001);
  port.hear(utf8('34#'));
  expect(entries()).toEqual(['34']);
});

test('keys from before a lost port, and those that waited in a buffer, are no part of an entry', () => {
  const { entries, port, scheduler } = pad();
  port.hear(utf8('12'));
  port.become('lost');
  port.become('open');
  port.hear(utf8('99'));
  scheduler.advance(50);
  port.hear(utf8('34#'));
  expect(entries()).toEqual(['34']);
});

test('its lamp is told how it ended, and another device’s is not', () => {
  const { line, port } = pad();
  line.signal?.('pad', 'granted');
  line.signal?.('desk', 'granted');
  line.signal?.('pad', 'refused');
  expect(port.written.map((bytes) => Buffer.from(bytes).toString())).toEqual(['G', 'R']);
});

test('status and counts of its line tell that keys came, and not which', () => {
  const { line, metrics, port } = pad();
  port.hear(utf8('48151623#'));
  expect(line.status().devices).toMatchObject([{ name: 'pad', driver: 'keypad', state: 'found' }]);
  expect(JSON.stringify([line.status(), metrics.snapshot()])).not.toContain('4815');
});
