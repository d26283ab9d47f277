/** Fifty times unplugged, and an hour of noise at full speed on two lines. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { diceOf } from '../../simulators/dice.ts';
import {
  judgeReplugged,
  makeNoise,
  openLoudLine,
  replug,
  startWithPorts,
  storedEvents,
  textPort,
} from '../process/support/cables.ts';
import { makeRig, type Rig } from '../process/support/rig.ts';
import { startBroker } from '../support/broker.ts';
import { until } from '../support/until.ts';
import { campaignSeed, recordResult } from './support/results.ts';

const ROUNDS = 50;
/** An hour at 115,200 baud, ten bits a byte. */
const HOUR_BYTES = 3_600 * 11_520;
const GROWTH_MAX_MIB = 30;
const SMALL_HEAP = { NODE_OPTIONS: '--max-old-space-size=64 --max-semi-space-size=2' };

let rig: Rig;
let startedMs: number;
beforeEach(async () => {
  startedMs = Date.now();
  rig = await makeRig({ broker: await startBroker(), protocol: '3.1.1', env: SMALL_HEAP });
});
afterEach(() => rig.close());

test(`a scanner is pulled out and comes back under a new name ${ROUNDS} times`, async () => {
  const done = await replug(rig, ROUNDS);
  const slowest = Math.max(...done.backMs);
  expect(slowest).toBeLessThan(2_000);
  expect(judgeReplugged(storedEvents(rig), done)).toEqual([]);
  rig.judge();
  const counts = `${ROUNDS} times, back after at most ${Math.round(slowest)} ms, each gap recorded`;
  await recordResult({ scenario: 'pseudo-terminal unplugged and replugged', counts, startedMs });
});

test('an hour of noise at 115,200 baud on a scanner and a lock board', async () => {
  const seed = campaignSeed();
  const dice = diceOf(seed, 'noise');
  const [text, bus] = [await openLoudLine(), await openLoudLine()];
  const link = (port: number): object => ({ kind: 'tcp', host: '127.0.0.1', port });
  const board = { driver: 'xor_8a80', name: 'board-9', address: 1, channels: 24 };
  try {
    await startWithPorts(rig, [
      textPort('loud-text', 'scanner-9', link(text.port)),
      { name: 'loud-bus', link: link(bus.port), devices: [board] },
    ]);
    const noise = await makeNoise(rig, [text, bus], HOUR_BYTES, () => dice.next());
    expect(noise.maxMib).toBeLessThan(noise.firstMib + GROWTH_MAX_MIB);
    text.peer()?.write('\r\nAFTER-THE-NOISE\r\n');
    const heard = (): boolean => storedEvents(rig).some(({ data }) => data['text'] === 'AFTER-THE-NOISE');
    await until('the scan after the noise is stored', heard, 60_000);
    await rig.settleAndJudge();
    const mib = `${Math.round(noise.firstMib)} MiB at first, at most ${Math.round(noise.maxMib)}`;
    const counts = `${noise.sentBytes} bytes into each line, ${noise.entries} entries of it; resident ${mib}`;
    await recordResult({ scenario: 'an hour of line noise', counts, seed, startedMs });
  } finally {
    await text.close();
    await bus.close();
  }
});
