/** C and TypeScript say the same of the same bytes. A million frames in the campaign, some thousands here. */
import { expect, test } from 'vitest';
import { compareSides } from '../../support/wire-differential.ts';
import { soundLines } from '../../support/wire-mutations.ts';
import { verdictOf } from '../../support/wire-verdict.ts';

test('every example is sound', () => {
  const verdicts = soundLines().map(verdictOf);
  expect(
    verdicts.filter(
      (verdict) => !/^(?:open|sealed) (?:gateway|device) (?:7|255)(?: \d+)? [0-9a-f]{2} ok;$/.test(verdict),
    ),
  ).toEqual([]);
  expect(verdicts.length).toBeGreaterThan(30);
});

test('both sides give the same verdict on mutated frames, and no sanitizer speaks', async () => {
  const { lines, differences, words, exitCode } = await compareSides(6_000, 7);
  expect(differences).toEqual([]);
  expect(lines).toBeGreaterThanOrEqual(6_000);
  expect(exitCode).toBe(0);
  // Every verdict was reached, or the comparison would be of little.
  const all = [
    'ok',
    'long',
    'cobs',
    'short',
    'crc',
    'version',
    'reserved',
    'address',
    'tag',
    'type',
    'length',
    'value',
  ];
  expect(all.filter((word) => !words.has(word))).toEqual([]);
});
