/** SIGKILL at every step of a code that opens a door: it opens once at most. The short edition: process/kill-access. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { diceOf } from '../../simulators/dice.ts';
import { AccessRig, type Reached } from '../process/support/access-kills.ts';

const SEED = 20_261_122;
const DELAYED = 40;
const CALLS_MAX = 120;
/** Every n-th call only, for a short look; 1 is the campaign. */
const step = Number(process.env['CAMPAIGN_STEP'] ?? 1);
let rig: AccessRig;

beforeAll(async () => {
  rig = await AccessRig.make(Math.ceil((CALLS_MAX + DELAYED) / step) + 3);
}, 600_000);
afterAll(() => rig.close());

test('at each system call between the keys and the door, and at random moments', { timeout: 3_600_000 }, async () => {
  const reached = new Map<Reached, number>();
  const note = (what: Reached): void => void reached.set(what, (reached.get(what) ?? 0) + 1);
  const calls = await rig.findCalls();
  expect(calls.length).toBeGreaterThan(8);
  expect(calls.length).toBeLessThanOrEqual(CALLS_MAX);
  for (const moment of calls.filter((_, i) => i % step === 0)) note(await rig.killAt(moment));
  note(await rig.killAt({ at: 'frame' }));
  const dice = diceOf(SEED, 'codes');
  for (let i = 0; i < DELAYED / step; i += 1) note(await rig.killAt({ at: 'delay', ms: dice.int(400) }));
  expect(reached.get('framed') ?? 0).toBeGreaterThan(0);
  // Each step in between is cut for certain in unit/access; which of them a kill hits here is chance.
  if (step === 1) expect(reached.get('nothing') ?? 0).toBeGreaterThan(0);
  console.info(Object.fromEntries(reached));
});
