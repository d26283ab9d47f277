/**
 * A wall clock at 1970, five years ahead and back: order and delivery do not care, and the log says what happened.
 */
import { expect, test } from 'vitest';
import type { Child } from '../../simulators/demo/child-process.ts';
import type { CustodyEvent } from '../../src/evidence/event/event.ts';
import { startBroker } from '../support/broker.ts';
import { startLatchkey } from '../support/child.ts';
import { fakeTimeEnv, setFakeTime } from '../support/faketime.ts';
import { makeRig } from './support/rig.ts';

const FIVE_YEARS_S = 5 * 365 * 86_400;

test('clock jumps change neither order nor delivery, and each is recorded', async () => {
  const rig = await makeRig({ broker: await startBroker(), protocol: '3.1.1' });
  const clockFile = rig.dir.file('clock');
  let wrong: Child | undefined;
  try {
    await rig.settle();
    await rig.gateway.stop('SIGTERM');
    setFakeTime(clockFile, '@1970-01-01 00:00:05');
    const before = rig.feed.connections;
    const env = { ...fakeTimeEnv(clockFile), TZ: 'UTC' };
    wrong = startLatchkey(['run', '--config', rig.dir.file('gateway.yaml')], { env });
    const daemon = wrong;
    await daemon.line('the gateway runs');
    await expect.poll(() => rig.feed.connections, { timeout: 30_000 }).toBeGreaterThan(before);
    for (const offset of [`+${FIVE_YEARS_S}`, '+0', `-${FIVE_YEARS_S}`]) {
      await rig.settle();
      setFakeTime(clockFile, offset);
      await expect
        .poll(() => steps().length, { timeout: 60_000, message: `no step for ${offset}` })
        .toBeGreaterThan(stepsSeen);
      stepsSeen = steps().length;
    }
    await rig.settle();
    await daemon.stop('SIGTERM');
    rig.judge();
    const events = all();
    // Monotonic order within the start, whatever the wall clock says.
    const second = events.filter((event) => event.boot === 2);
    expect(second.every((event, i) => i === 0 || event.up_ms >= (second[i - 1]?.up_ms ?? 0))).toBe(true);
    const years = new Set(second.map((event) => event.at.slice(0, 4)));
    expect(years.has('1970')).toBe(true);
    expect(Number([...years].sort().at(-1))).toBeGreaterThan(2030);
    const byDays = steps().map((event) => Math.round(Number(event.data['by_ms']) / 86_400_000));
    expect(byDays[0]).toBeGreaterThan(20_000);
    expect(byDays.slice(1)).toEqual([-5 * 365, -5 * 365]);
  } finally {
    await wrong?.stop('SIGKILL').catch(() => undefined);
    await rig.close();
  }

  function all(): readonly CustodyEvent[] {
    return rig.stored().flatMap((log) => log.entries.map(({ line }) => JSON.parse(line) as CustodyEvent));
  }

  function steps(): readonly CustodyEvent[] {
    return all().filter((event) => event.type === 'clock.stepped');
  }
});

let stepsSeen = 0;
