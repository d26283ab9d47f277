/** SIGKILL at every step of an opening: no door opens twice for one intent. The short edition: process/kill-opening. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { diceOf } from '../../simulators/dice.ts';
import { OpeningRig, type Reached } from '../process/support/opening-kills.ts';

const SEED = 20_261_122;
const DELAYED = 40;
let rig: OpeningRig;

beforeAll(async () => {
  rig = await OpeningRig.make();
});
afterAll(() => rig.close());

test('at each system call of an opening, and at random moments of it', { timeout: 3_600_000 }, async () => {
  const reached = new Map<Reached, number>();
  const note = (step: Reached): void => void reached.set(step, (reached.get(step) ?? 0) + 1);
  const calls = await rig.findCalls();
  expect(calls.length).toBeGreaterThan(4);
  for (const moment of calls) note(await rig.killAt(moment));
  note(await rig.killAt({ at: 'frame' }));
  const dice = diceOf(SEED, 'openings');
  for (let i = 0; i < DELAYED; i += 1) note(await rig.killAt({ at: 'delay', ms: dice.int(400) }));
  expect(reached.has('framed')).toBe(true);
  expect(reached.size, [...reached.keys()].join()).toBeGreaterThanOrEqual(3);
  console.info(Object.fromEntries(reached));
});
