import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { diceOf } from '../../simulators/dice.ts';
import { gatewayOf, samplePoints } from './support/kill-points.ts';
import { killAtCalls, killAtRandom } from './support/kill-scenarios.ts';
import { makeMosquittoRig, type Rig } from './support/rig.ts';

const SEED = 20_261_122;
let rig: Rig;

beforeAll(async () => {
  rig = await makeMosquittoRig();
});
afterAll(() => rig.close());

describe('SIGKILL of the gateway', () => {
  test('at system calls of a commit loses and doubles nothing that ever left', async () => {
    const dice = diceOf(SEED, 'calls');
    const report = await killAtCalls(rig, gatewayOf(rig), (points) => {
      const commit = points.filter(({ phase }) => phase === 'commit');
      const kinds = new Set(commit.map(({ kind }) => kind));
      for (const call of ['pwrite64 1-#.db-wal', 'fsync 1-#.db-wal', 'send socket']) {
        expect(kinds).toContain(`commit ${call}`);
      }
      return samplePoints(commit, 5, () => dice.next());
    });
    expect(report.killed).toBeGreaterThanOrEqual(4);
    expect(report.kindsMissed.filter((kind) => kind.startsWith('commit'))).toEqual([]);
  });

  test('at system calls of a start and of a clean stop loses and doubles nothing', async () => {
    const dice = diceOf(SEED, 'ends');
    const report = await killAtCalls(rig, gatewayOf(rig), (points) => {
      const [start, stop] = [
        points.filter(({ phase }) => phase === 'start'),
        points.filter(({ phase }) => phase === 'stop'),
      ];
      return [...samplePoints(start, 2, () => dice.next()), ...samplePoints(stop, 2, () => dice.next())];
    });
    expect(report.killed).toBeGreaterThanOrEqual(3);
  });

  test('at random moments under load loses and doubles nothing', async () => {
    const before = rig.oracle.entriesSeen;
    await killAtRandom(rig, gatewayOf(rig), 10, diceOf(SEED, 'random'));
    expect(rig.oracle.entriesSeen).toBeGreaterThan(before + 100);
  });
});
