/** What the page of a simulated site says of what was done and of what happened. */
import { expect, test } from 'vitest';
import { FAULT_WORDS, FaultCounts, LINE_FAULTS, mishaps, SITE_FAULTS } from '../../../simulators/faults/kinds.ts';
import { askedOf } from '../../../simulators/ui/actions.ts';

test('what was done stands in the words that could be typed', () => {
  const words = (body: object): unknown => {
    const asked = askedOf(body);
    return asked.ok ? asked.value.words : asked.detail;
  };
  expect(words({ do: 'power', name: 'cabinet', on: false })).toBe('power cabinet off');
  expect(words({ do: 'power', name: 'cabinet', on: true })).toBe('power cabinet on');
  expect(words({ do: 'open', name: 'A01' })).toBe('open A01');
});

test('a byte that ends frames and stands in a sound reply is no fault that happened', () => {
  const counts = new FaultCounts();
  counts.add('end_in_data', 11_734);
  expect(mishaps(counts.snapshot())).toEqual({});
  counts.add('noise', 2);
  expect(mishaps(counts.snapshot())).toEqual({ noise: 2 });
});

test('each fault has words of its own, which are not those of the program', () => {
  const kinds = [...LINE_FAULTS, ...SITE_FAULTS];
  expect(Object.keys(FAULT_WORDS).sort()).toEqual([...kinds].sort());
  expect(new Set(Object.values(FAULT_WORDS)).size).toBe(kinds.length);
  for (const words of Object.values(FAULT_WORDS)) expect(words).toMatch(/^[a-z]+(?:,? [a-z]+)+$/);
});
