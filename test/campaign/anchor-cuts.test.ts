/** Power cut a hundred times after each of the six steps of an anchor: of the daemon, of its TPM, of both. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { diceOf } from '../../simulators/dice.ts';
import { CUT_POINTS, CUT_VICTIMS, CutChain, counterFaults } from '../process/support/tpm-cuts.ts';
import { makeTpmRig, type TpmRig, verdictOf } from '../process/support/tpm-rig.ts';
import { campaignSeed, recordResult } from './support/results.ts';

/** One in so many cuts only, for a short look; 1 is the campaign. */
const step = Number(process.env['CAMPAIGN_STEP'] ?? 1);
const CUTS = Math.max(1, Math.floor(100 / step));
/** A commit and what follows it take some milliseconds. */
const DELAY_MS_MAX = 60;
const CASES = CUT_VICTIMS.flatMap((victim) => CUT_POINTS.map((point) => [victim, point] as const));
const NAMES = { daemon: 'daemon', tpm: 'TPM', both: 'daemon and TPM' } as const;
let box: TpmRig;
let startedMs: number;

beforeEach(async () => {
  startedMs = Date.now();
  box = await makeTpmRig();
});
afterEach(() => box.close());

test.each(CASES)(
  '%s cut after step %s: no value is skipped or used twice, and no log is breached',
  async (victim, point) => {
    const seed = campaignSeed();
    const dice = diceOf(seed, `${victim} ${point}`);
    const chain = new CutChain(box);
    for (let cut = 0; cut < CUTS; cut += 1) await chain.cut(victim, point, Math.floor(dice.next() * DELAY_MS_MAX));
    await chain.end();
    await box.rig.settle();
    const { verdict, log, events } = await verdictOf(box, 'hardware');
    expect(verdict.outcome).toBe('verified');
    expect(log.anchors.refused).toEqual([]);
    // A TPM that was reset under a running daemon is reported, and accuses nobody.
    const expected = victim === 'tpm' ? ['reset_unobserved'] : [];
    expect(log.anchors.continuity.filter(({ name }) => !expected.includes(name))).toEqual([]);
    expect(counterFaults(events)).toEqual([]);
    box.rig.judge();
    const starts = events.filter(({ type }) => type === 'gateway.started').length;
    if (victim !== 'tpm') expect(starts).toBeGreaterThan(CUTS);
    const counts = `${CUTS} cuts, ${log.anchors.verified} anchors, ${starts} starts, ${events.length} entries`;
    await recordResult({
      scenario: `${NAMES[victim]} cut after step "${point}" of an anchor`,
      counts,
      seed,
      startedMs,
    });
  },
);
