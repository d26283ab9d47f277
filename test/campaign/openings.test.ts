/** SIGKILL at every step of an opening: no door opens twice for one intent. The short edition: process/kill-opening. */
import { afterAll, beforeAll, test } from 'vitest';
import { diceOf } from '../../simulators/dice.ts';
import { OpeningRig, type Reached } from '../process/support/opening-kills.ts';
import { KillTally } from './support/kill-tally.ts';
import { campaignSeed, recordResult } from './support/results.ts';

const DELAYED = 40;
const STEPS: readonly Reached[] = ['nothing', 'received', 'intended', 'framed', 'ended', 'executed'];
const seed = campaignSeed();
let rig: OpeningRig;

beforeAll(async () => {
  rig = await OpeningRig.make();
});
afterAll(() => rig.close());

test('at each call of an opening that writes, syncs or tells, and at random moments of it', async () => {
  const startedMs = Date.now();
  const tally = new KillTally<Reached>();
  const calls = await rig.findCalls();
  for (const call of calls) tally.add(call, await rig.killAt(call));
  tally.add({ at: 'frame' }, await rig.killAt({ at: 'frame' }));
  const dice = diceOf(seed, 'openings');
  for (let i = 0; i < DELAYED; i += 1) {
    const moment = { at: 'delay', ms: dice.int(400) } as const;
    tally.add(moment, await rig.killAt(moment));
  }
  tally.expectWhole(calls, STEPS);
  await recordResult({ scenario: 'gateway killed at every step of an opening', counts: tally.text(), seed, startedMs });
});
