/** The trace of a whole life of the daemon, cut at a hundred points and more of each of three lives. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { diceOf } from '../../simulators/dice.ts';
import { judgeCovered } from '../process/support/covered.ts';
import { chooseCuts, missingAfter, replay, startAfter, traceLoad } from '../process/support/power-cut.ts';
import { makeRig, type Rig } from '../process/support/rig.ts';
import { startBroker, type TestBroker } from '../support/broker.ts';
import { campaignSeed, recordResult } from './support/results.ts';

const CUTS = 120;
/** Every tenth disk is started from. */
const START_EVERY = 10;

const LIVES = [
  { life: 'that begins a log', lost: true, journal: {} },
  { life: 'of a log that goes on', lost: false, journal: {} },
  { life: 'with bodies removed as soon as they are receipted', lost: false, journal: { keep_days: 0 } },
] as const;

let rig: Rig<TestBroker>;
afterEach(() => rig.close());

test.for(LIVES)(`power cut at ${CUTS} points of a life: $life`, async ({ life, lost, journal }) => {
  const startedMs = Date.now();
  const seed = campaignSeed();
  const dice = diceOf(seed, life);
  const random = (): number => dice.next();
  const settings = { group_commit_ms: 0, reserve_mib: 1, free_min_mib: 0, ...journal };
  rig = await makeRig({ broker: await startBroker(), protocol: '3.1.1', gateway: { journal: settings } });
  await rig.settle();
  await rig.gateway.stop();
  if (lost) rmSync(join(rig.gatewayData, 'journal'), { recursive: true });
  const run = await traceLoad(rig, { bursts: [300, 5_000, 20, 5_000], singles: 400 });
  const covered = judgeCovered(run.calls, run.messages, rig.gatewayData)();
  expect(covered.faults).toEqual([]);
  let starts = 0;
  await replay(rig, run, chooseCuts(run, CUTS, random), random, async (cut, nth) => {
    expect(missingAfter(cut)).toEqual([]);
    if (nth % START_EVERY !== 0) return;
    starts += 1;
    expect(await startAfter(rig, run, cut)).toEqual([]);
  });
  const counts = `${CUTS} cuts, half of them with some unsynced pages kept; ${starts} real starts; ${covered.batches} batches of ${covered.entries} entries, none ahead of its fsync`;
  await recordResult({ scenario: `power cut in a life ${life}`, counts, seed, startedMs });
});
