import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { diceOf } from '../../simulators/dice.ts';
import { readStrace } from '../support/strace.ts';
import { until } from '../support/until.ts';
import { consumerOf, type KillPoint, type Phase, samplePoints } from './support/kill-points.ts';
import { killAtCalls, killAtRandom } from './support/kill-scenarios.ts';
import { makeMosquittoRig, type Rig, signalTraced } from './support/rig.ts';
import { judgeSyncs } from './support/synced.ts';

const SEED = 20_261_123;
let rig: Rig;

beforeAll(async () => {
  rig = await makeMosquittoRig();
});
afterAll(() => rig.close());

function logFiles(): { readonly logDir: string; readonly files: ReadonlyMap<string, Buffer> } {
  const gatewayDir = join(rig.storeDir, 'logs', 'gw-rig');
  const logDir = join(gatewayDir, readdirSync(gatewayDir).find((name) => name.includes('@')) ?? '');
  const names = readdirSync(logDir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ndjson'));
  return { logDir, files: new Map(names.map((name) => [join(logDir, name), readFileSync(join(logDir, name))])) };
}

describe('the consumer', () => {
  test('lets no receipt out before entries and cosigned tree are synced', async () => {
    await rig.consumer.stop();
    const { logDir, files } = logFiles();
    const logFile = rig.dir.file('syncs');
    const trace = ['pwrite64', 'write', 'writev', 'fsync', 'fdatasync', 'ftruncate'];
    const child = await rig.startConsumer({ strace: { logFile, trace } });
    for (let group = 0; group < 5; group += 1) {
      rig.feed.scan(1 + group * 7);
      await until(`group ${group} is receipted`, () => rig.isSettled);
    }
    signalTraced(child, logFile, 'SIGTERM');
    await child.exit();
    const calls = readStrace(logFile);
    const report = judgeSyncs(calls, files, logDir);
    expect(report.faults).toEqual([]);
    expect(report.receipts).toBeGreaterThanOrEqual(5);
    // The judge sees what is not synced: the same trace, as of a consumer that syncs only one of its files.
    for (const [forgotten, fault] of [
      ['entries/', /entry \d+ is not synced/],
      ['cosigned', /tree of size \d+ is not/],
    ] as const) {
      const without = calls.filter(
        (call) => !(/^f(data)?sync$/.test(call.name) && call.args[0]?.path?.includes(forgotten)),
      );
      expect(judgeSyncs(without, files, logDir).faults[0]).toMatch(fault);
    }
    await rig.startConsumer();
    await rig.settleAndJudge();
  });
});

describe('SIGKILL of the consumer', () => {
  test('at system calls of a start, of storing, cosigning and a clean stop loses nothing that was receipted', async () => {
    const dice = diceOf(SEED, 'calls');
    const report = await killAtCalls(rig, consumerOf(rig), (points) => {
      const of = (wanted: Phase): readonly KillPoint[] => points.filter(({ phase }) => phase === wanted);
      const kinds = new Set(of('commit').map(({ kind }) => kind));
      for (const file of ['#.ndjson', 'cosigned.ndjson']) {
        expect(kinds).toContain(`commit pwrite64 ${file}`);
        expect(kinds).toContain(`commit fdatasync ${file}`);
      }
      const random = (): number => dice.next();
      return [
        ...samplePoints(of('start'), 1, random),
        ...samplePoints(of('commit'), 4, random),
        ...samplePoints(of('stop'), 1, random),
      ];
    });
    expect(report.killed).toBeGreaterThanOrEqual(4);
  });

  test('at random moments under load leaves no receipt uncovered', async () => {
    const before = rig.oracle.receipts;
    await killAtRandom(rig, consumerOf(rig), 3, diceOf(SEED, 'random'));
    expect(rig.oracle.receipts).toBeGreaterThan(before);
  });
});
