import fc from 'fast-check';
import { expect, test } from 'vitest';
import { actArbitrary, play, Reached } from './histories.ts';

test('whatever happens to disk, keys, memory and power: no second root, nothing lost that was not destroyed, nothing used twice', async () => {
  const reached = new Reached();
  await fc.assert(
    fc.asyncProperty(fc.array(actArbitrary, { minLength: 3, maxLength: 12 }), async (acts) => {
      expect(await play(acts, reached)).toEqual([]);
    }),
    {
      seed: Number(process.env['HISTORIES_SEED'] ?? 20_261_122),
      numRuns: Number(process.env['HISTORIES'] ?? 32),
      endOnFailure: process.env['SHRINK'] === undefined,
    },
  );
  const wanted = [
    'open',
    'closed rotation',
    'breached rolled_back',
    'breached forked',
    'closed quarantined',
    'closed key_lost',
  ];
  expect([...reached.counts.keys()]).toEqual(
    expect.arrayContaining([...wanted, 'compared: breached', 'compared: agreed']),
  );
}, 600_000);
