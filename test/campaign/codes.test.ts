/** SIGKILL at every step of a code that opens a door: it opens once at most. The short edition: process/kill-access. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { diceOf } from '../../simulators/dice.ts';
import { AccessRig, type Reached } from '../process/support/access-kills.ts';
import { KillTally } from './support/kill-tally.ts';
import { campaignSeed, recordResult } from './support/results.ts';

const DELAYED = 40;
const CALLS_MAX = 80;
const STEPS: readonly Reached[] = ['nothing', 'used', 'granted', 'framed'];
const seed = campaignSeed();
let rig: AccessRig;

beforeAll(async () => {
  rig = await AccessRig.make(CALLS_MAX + DELAYED + 2);
}, 600_000);
afterAll(() => rig.close());

test('at each call between the keys and the end of the opening, and at random moments', async () => {
  const startedMs = Date.now();
  const tally = new KillTally<Reached>();
  const calls = await rig.findCalls();
  expect(calls.length).toBeLessThanOrEqual(CALLS_MAX);
  for (const call of calls) tally.add(call, await rig.killAt(call));
  tally.add({ at: 'frame' }, await rig.killAt({ at: 'frame' }));
  const dice = diceOf(seed, 'codes');
  for (let i = 0; i < DELAYED; i += 1) {
    const moment = { at: 'delay', ms: dice.int(400) } as const;
    tally.add(moment, await rig.killAt(moment));
  }
  tally.expectWhole(calls, STEPS);
  await recordResult({ scenario: 'gateway killed at every step of a code', counts: tally.text(), seed, startedMs });
});
