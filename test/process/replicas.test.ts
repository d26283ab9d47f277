/** Two receivers on one database: one of them stands still in the middle, and comes back. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { ReplicaRig } from './support/replica-rig.ts';

let rig: ReplicaRig;
beforeAll(async () => {
  rig = await ReplicaRig.make({ gateways: 8, entries: 90 });
});
afterAll(() => rig?.close());

test('a receiver that stood still under load and woke up again is fenced: nothing lost, nothing doubled', async () => {
  const frozen = await rig.start('replica-a');
  await rig.start('replica-b');
  await rig.balanced('replica-a', 'replica-b');
  rig.herd.drive(30);
  await rig.settled();
  rig.herd.drive(60);
  frozen.signal('SIGSTOP');
  await until('the other one holds everything', () => rig.held('replica-b') === 64, 120_000);
  await rig.settled();
  const fenced = frozen.line('left partitions to others', 120_000);
  frozen.signal('SIGCONT');
  rig.herd.drive(90);
  await fenced;
  await rig.settled();
  await rig.balanced('replica-a', 'replica-b');
  await rig.judge();
  expect(frozen.running).toBe(true);
});
