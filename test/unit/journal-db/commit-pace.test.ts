import { expect, test } from 'vitest';
import { CommitPace } from '../../../src/edge/journal/commit-pace.ts';

const GROUP_MS = 20;

test('a group begins to be written before its time is over, by what its commit will take', () => {
  const pace = new CommitPace();
  expect(pace.waitMs(GROUP_MS)).toBe(18);
  pace.took(1.4);
  expect(pace.waitMs(GROUP_MS)).toBe(17);
  for (let i = 0; i < 20; i += 1) pace.took(3);
  expect(pace.waitMs(GROUP_MS)).toBe(15);
});

test('one slow commit is remembered for a while, and then forgotten', () => {
  const pace = new CommitPace();
  pace.took(6);
  pace.took(0);
  expect(pace.waitMs(GROUP_MS)).toBe(13);
  for (let i = 0; i < 100; i += 1) pace.took(0);
  expect(pace.waitMs(GROUP_MS)).toBe(18);
});

test('however slow the disk, half of the time is for others to join; and no time stays none', () => {
  const pace = new CommitPace();
  pace.took(5_000);
  expect(pace.waitMs(GROUP_MS)).toBe(10);
  expect(pace.waitMs(1)).toBe(1);
  expect(pace.waitMs(0)).toBe(0);
});
