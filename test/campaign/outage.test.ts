/** Long backlogs through the real processes: more events, more cuts, more kills during the drain. */
import { afterEach, expect, test } from 'vitest';
import { diceOf } from '../../simulators/dice.ts';
import { drain, missingScans, recordScans, watchMemory } from '../process/support/backlog.ts';
import { scanNumbers } from '../process/support/oracle.ts';
import { makeRig, type Rig } from '../process/support/rig.ts';
import { type Mosquitto, startMosquitto } from '../support/mosquitto.ts';
import { campaignSeed, recordResult } from './support/results.ts';

const EVENTS = 300_000;
const CUTS = 100;
const BACKLOG = 40_000;
const KILLS = 40;
const MEMORY_MAX_MIB = 180;
const GROWTH_MAX_MIB = 30;
const SMALL_HEAP = { NODE_OPTIONS: '--max-old-space-size=64 --max-semi-space-size=4' };

let rig: Rig<Mosquitto>;
afterEach(() => rig.close());

function expectAllStored(): void {
  rig.judge();
  const scans = rig.stored().flatMap(({ entries }) => scanNumbers(entries.map(({ line }) => line)));
  expect(missingScans(rig, scans)).toEqual([]);
}

test(`${EVENTS} events wait for the broker and drain through ${CUTS} cuts`, async () => {
  const startedMs = Date.now();
  rig = await makeRig({ broker: await startMosquitto(), env: SMALL_HEAP });
  await rig.broker.kill();
  const memory = watchMemory(rig.gateway.pid);
  await recordScans(rig, EVENTS / 3);
  const third = memory.takeMax();
  await recordScans(rig, (2 * EVENTS) / 3);
  const full = memory.takeMax();
  await rig.broker.restart();
  await drain(rig, CUTS, () => rig.tap.proxy.cut());
  const drained = memory.takeMax();
  memory.stop();
  expectAllStored();
  expect(full).toBeLessThan(third + GROWTH_MAX_MIB);
  expect(Math.max(full, drained)).toBeLessThan(MEMORY_MAX_MIB);
  const mib = [third, full, drained].map((value) => Math.round(value)).join(', ');
  const counts = `${EVENTS} events, ${CUTS} cuts; resident MiB at a third, all recorded, drained: ${mib}`;
  await recordResult({ scenario: 'broker away, link cut during the drain', counts, startedMs });
});

test(`a backlog drains through ${KILLS} kills of gateway, consumer and broker`, async () => {
  const startedMs = Date.now();
  const seed = campaignSeed();
  const dice = diceOf(seed, 'drain');
  rig = await makeRig({ broker: await startMosquitto() });
  await rig.broker.kill();
  await recordScans(rig, BACKLOG);
  await rig.broker.restart();
  const kills = [
    async () => {
      await rig.gateway.stop('SIGKILL');
      await rig.startGateway();
    },
    async () => {
      await rig.consumer.stop('SIGKILL');
      await rig.startConsumer();
    },
    async () => {
      await rig.broker.kill('SIGKILL');
      await rig.broker.restart();
    },
  ];
  const done = [0, 0, 0];
  await drain(rig, KILLS, async () => {
    const which = dice.int(kills.length);
    done[which] = (done[which] ?? 0) + 1;
    await kills[which]?.();
  });
  expectAllStored();
  const counts = `${BACKLOG} events; killed during the drain: gateway ${done[0]}, consumer ${done[1]}, broker ${done[2]} times`;
  await recordResult({ scenario: 'kills during the drain', counts, seed, startedMs });
});
