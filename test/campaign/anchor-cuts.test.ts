/** Power of the daemon and its TPM cut a hundred times after each of the six steps of an anchor. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { diceOf } from '../../simulators/dice.ts';
import { CUT_POINTS, counterFaults, cutAt } from '../process/support/tpm-cuts.ts';
import { makeTpmRig, type TpmRig, verdictOf } from '../process/support/tpm-rig.ts';
import { campaignSeed, recordResult } from './support/results.ts';

/** One in so many cuts only, for a short look; 1 is the campaign. */
const step = Number(process.env['CAMPAIGN_STEP'] ?? 1);
const CUTS = Math.max(1, Math.floor(100 / step));
/** A commit and what follows it take some milliseconds. */
const DELAY_MS_MAX = 60;
let box: TpmRig;
let startedMs: number;

beforeEach(async () => {
  startedMs = Date.now();
  box = await makeTpmRig();
});
afterEach(() => box.close());

test.each(CUT_POINTS)('after step %s: no value is skipped or used twice, and no log is breached', async (point) => {
  const dice = diceOf(campaignSeed(), point);
  for (let cut = 0; cut < CUTS; cut += 1) await cutAt(box, point, Math.floor(dice.next() * DELAY_MS_MAX));
  await box.rig.settle();
  const { verdict, log, events } = await verdictOf(box, 'hardware');
  expect(verdict.outcome).toBe('verified');
  expect(log.anchors.continuity).toEqual([]);
  expect(counterFaults(events)).toEqual([]);
  box.rig.judge();
  const counts = `${CUTS} cuts, ${log.anchors.verified} anchors, ${events.length} entries`;
  await recordResult({ scenario: `daemon and TPM cut after step "${point}" of an anchor`, counts, startedMs });
});
