/** A million mutations of valid frames through cutter, interpreter and describer of each family of lock boards. */
import { expect, test } from 'vitest';
import { runMutations } from '../contract/board-bench.ts';
import { BOARD_SUBJECTS } from '../contract/board-subjects.ts';
import { campaignSeed, recordResult } from './support/results.ts';

const MUTATIONS = 1_000_000;
const MiB = 1_048_576;
const GROWTH_MAX_MIB = 200;
const FAMILIES = [...new Set(BOARD_SUBJECTS.map(({ family }) => family.name))];

test.each(FAMILIES)('a million mutated frames of %s: no throw, no growth, every byte accounted for', async (family) => {
  const startedMs = Date.now();
  const seed = campaignSeed();
  const profiles = BOARD_SUBJECTS.filter((subject) => subject.family.name === family);
  const each = Math.ceil(MUTATIONS / profiles.length);
  const beforeBytes = process.memoryUsage.rss();
  for (const [index, subject] of profiles.entries()) {
    const reached = runMutations(subject, each, seed + index);
    expect([...reached].sort(), subject.title).toEqual(
      subject.checked ? ['checksum', 'frame', 'length', 'noise'] : ['frame', 'length', 'noise'],
    );
  }
  const grownMib = Math.max(0, Math.round((process.memoryUsage.rss() - beforeBytes) / MiB));
  expect(grownMib).toBeLessThan(GROWTH_MAX_MIB);
  const counts = `${each * profiles.length} mutated frames, ${profiles.length} profiles; resident grew by ${grownMib} MiB`;
  await recordResult({ scenario: `mutated frames of lock boards: ${family}`, counts, seed, startedMs });
});
