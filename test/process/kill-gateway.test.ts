import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { diceOf } from '../../simulators/dice.ts';
import { gatewayOf, type KillPoint, type Phase, samplePoints } from './support/kill-points.ts';
import { killAtCalls, killAtRandom } from './support/kill-scenarios.ts';
import { makeMosquittoRig, type Rig } from './support/rig.ts';

const SEED = 20_261_122;
let rig: Rig;

beforeAll(async () => {
  rig = await makeMosquittoRig();
});
afterAll(() => rig.close());

describe('SIGKILL of the gateway', () => {
  test('at system calls of a start, a commit and a clean stop loses and doubles nothing that ever left', async () => {
    const dice = diceOf(SEED, 'calls');
    const report = await killAtCalls(rig, gatewayOf(rig), (points) => {
      const of = (wanted: Phase): readonly KillPoint[] => points.filter(({ phase }) => phase === wanted);
      const kinds = new Set(of('commit').map(({ kind }) => kind));
      for (const call of ['pwrite64 1-#.db-wal', 'fsync 1-#.db-wal', 'send socket']) {
        expect(kinds).toContain(`commit ${call}`);
      }
      const random = (): number => dice.next();
      return [
        ...samplePoints(of('start'), 1, random),
        ...samplePoints(of('commit'), 5, random),
        ...samplePoints(of('stop'), 1, random),
      ];
    });
    expect(report.killed).toBeGreaterThanOrEqual(5);
    expect(report.kindsMissed.filter((kind) => kind.startsWith('commit'))).toEqual([]);
  });

  test('at random moments under load loses and doubles nothing', async () => {
    const before = rig.oracle.entriesSeen;
    await killAtRandom(rig, gatewayOf(rig), 3, diceOf(SEED, 'random'));
    expect(rig.oracle.entriesSeen).toBeGreaterThan(before + 60);
  });
});
