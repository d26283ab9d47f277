import { afterAll, beforeAll, expect, test } from 'vitest';
import { diceOf } from '../../simulators/dice.ts';
import { OpeningRig } from './support/opening-kills.ts';

const SEED = 20_261_122;
let rig: OpeningRig;

beforeAll(async () => {
  rig = await OpeningRig.make();
});
afterAll(() => rig.close());

test('a daemon killed the moment its unlock frame left never sends it again, and says that it does not know', async () => {
  expect(await rig.killAt({ at: 'frame' })).toBe('framed');
});

test('killed while it opens, at a random moment: at most one frame, and only for a durable intent', async () => {
  const dice = diceOf(SEED, 'openings');
  const reached = [];
  for (let i = 0; i < 2; i += 1) reached.push(await rig.killAt({ at: 'delay', ms: dice.int(120) }));
  expect(reached).toHaveLength(2);
});
