/** Every system call of a run, and hundreds of random moments: SIGKILL of gateway and consumer. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { diceOf } from '../../simulators/dice.ts';
import { consumerOf, gatewayOf, samplePoints } from '../process/support/kill-points.ts';
import { type KillReport, killAtCalls, killAtFirstStart, killAtRandom } from '../process/support/kill-scenarios.ts';
import { makeMosquittoRig, type Rig } from '../process/support/rig.ts';
import { campaignKills, campaignSeed, recordResult } from './support/results.ts';

const seed = campaignSeed();
/** Every n-th call only, for a short look; 1 is the campaign. */
const step = Number(process.env['CAMPAIGN_STEP'] ?? 1);
let rig: Rig;
let startedMs: number;

beforeEach(async () => {
  startedMs = Date.now();
  rig = await makeMosquittoRig();
});
afterEach(() => rig.close());

const every = <T>(points: readonly T[]): readonly T[] => points.filter((_, i) => i % step === 0);

function countsOf(report: KillReport): string {
  const left = `${rig.oracle.entriesSeen} entries, ${rig.oracle.receipts} receipts`;
  const which = step === 1 ? '' : `one in ${step} calls: `;
  return `${which}${report.killed} killed, ${report.missed} not reached, ${report.kinds} kinds of calls; ${left}`;
}

/** A call whose number shifts from run to run may be missed; a kind of call may not. */
function expectComplete(report: KillReport): void {
  expect(report.missed).toBeLessThanOrEqual(Math.ceil(report.killed / 5));
  if (step === 1) expect(report.kindsMissed).toEqual([]);
}

test('SIGKILL of the gateway at every call of a start, two commits and a stop', async () => {
  const report = await killAtCalls(rig, gatewayOf(rig), every);
  expectComplete(report);
  await recordResult({ scenario: 'gateway killed at every call', counts: countsOf(report), startedMs });
});

test('SIGKILL of the consumer at every call of a start, two groups stored and cosigned, and a stop', async () => {
  const report = await killAtCalls(rig, consumerOf(rig), every);
  expectComplete(report);
  await recordResult({ scenario: 'consumer killed at every call', counts: countsOf(report), startedMs });
});

test('SIGKILL of the gateway at every call of its first start on an empty disk', async () => {
  const report = await killAtFirstStart(rig, every);
  expectComplete(report);
  await recordResult({
    scenario: 'gateway killed at every call of its first start',
    counts: countsOf(report),
    startedMs,
  });
});

test('SIGKILL of the gateway in large commits, while the write-ahead log is taken over', async () => {
  const dice = diceOf(seed, 'large');
  const count = Math.max(4, Math.floor(40 / step));
  const report = await killAtCalls(
    rig,
    gatewayOf(rig),
    (points) => {
      const commit = points.filter(({ phase }) => phase === 'commit');
      expect(new Set(commit.map(({ kind }) => kind))).toContain('commit pwrite64 1-#.db');
      return samplePoints(commit, count, () => dice.next());
    },
    [4_000, 4_000, 4_000],
  );
  await recordResult({ scenario: 'gateway killed in large commits', counts: countsOf(report), seed, startedMs });
});

test('SIGKILL of the gateway at random moments under load', async () => {
  await killAtRandom(rig, gatewayOf(rig), campaignKills(), diceOf(seed, 'gateway'));
  const counts = `${campaignKills()} kills; ${rig.oracle.entriesSeen} entries, each once, in one log`;
  await recordResult({ scenario: 'gateway killed at random', counts, seed, startedMs });
});

test('SIGKILL of the consumer at random moments under load', async () => {
  await killAtRandom(rig, consumerOf(rig), campaignKills(), diceOf(seed, 'consumer'));
  const { entriesSeen, receipts } = rig.oracle;
  const counts = `${campaignKills()} kills; ${receipts} receipts, each covered; ${entriesSeen} entries`;
  await recordResult({ scenario: 'consumer killed at random', counts, seed, startedMs });
});
