/** A million mutations of valid frames through cutter, interpreter and describer of every family of lock boards. */
import { expect, test } from 'vitest';
import { runMutations } from '../contract/board-bench.ts';
import { BOARD_SUBJECTS } from '../contract/board-subjects.ts';
import { campaignSeed, recordResult } from './support/results.ts';

const MUTATIONS = 1_000_000;

test(`${MUTATIONS} mutated frames of lock boards: no throw, no growth, every byte accounted for`, async () => {
  const startedMs = Date.now();
  const seed = campaignSeed();
  const each = Math.ceil(MUTATIONS / BOARD_SUBJECTS.length);
  const before = process.memoryUsage().rss;
  for (const [index, subject] of BOARD_SUBJECTS.entries()) {
    const reached = runMutations(subject, each, seed + index);
    expect([...reached].sort(), subject.title).toEqual(
      subject.checked ? ['checksum', 'frame', 'length', 'noise'] : ['frame', 'length', 'noise'],
    );
  }
  const grownMib = Math.max(0, Math.round((process.memoryUsage().rss - before) / 2 ** 20));
  expect(grownMib).toBeLessThan(200);
  const counts = `${each * BOARD_SUBJECTS.length} mutated frames, ${BOARD_SUBJECTS.length} profiles of 7 families; resident grew by ${grownMib} MiB`;
  await recordResult({ scenario: 'mutated frames of lock boards', counts, seed, startedMs });
});
