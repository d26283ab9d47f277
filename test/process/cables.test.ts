import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { diceOf } from '../../simulators/dice.ts';
import { openPtyCable } from '../../simulators/line/pty-cable.ts';
import { startBroker } from '../support/broker.ts';
import { runLatchkey } from '../support/child.ts';
import { until } from '../support/until.ts';
import { usualMs } from '../support/usual.ts';
import {
  judgeReplugged,
  makeNoise,
  openLoudLine,
  replug,
  startWithPorts,
  storedEvents,
  textPort,
  USB_SCANNER,
} from './support/cables.ts';
import { makeRig, type Rig } from './support/rig.ts';

const SEED = 20_261_125;
const ROUNDS = 4;
/** An hour at 38,400 baud, ten bits a byte, on each of two lines: what either kept of it would show. */
const HOUR_BYTES = 3_600 * 3_840;
const GROWTH_MAX_MIB = 20;
/** So that what is not collected yet does not hide what grows. */
const SMALL_HEAP = { NODE_OPTIONS: '--max-old-space-size=64 --max-semi-space-size=2' };

let rig: Rig;
const cleanups: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  rig = await makeRig({ broker: await startBroker(), protocol: '3.1.1', env: SMALL_HEAP });
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await rig.close();
});

test(`a scanner that is pulled out ${ROUNDS} times is back within two seconds under a new name, each gap recorded`, async () => {
  const done = await replug(rig, ROUNDS);
  expect(done.backMs).toHaveLength(ROUNDS);
  expect(usualMs(done.backMs)).toBeLessThan(2_000);
  expect(judgeReplugged(storedEvents(rig), done)).toEqual([]);
  // The judge sees a gap that is not told.
  const untold = storedEvents(rig).filter(({ type }) => type !== 'device.lost');
  expect(judgeReplugged(untold, done)).not.toEqual([]);
  rig.judge();
});

test('an hour of noise without a terminator is counted and costs no memory, and the line still hears a scan', async () => {
  const [text, bus] = [await openLoudLine(), await openLoudLine()];
  cleanups.push(
    () => text.close(),
    () => bus.close(),
  );
  const link = (port: number): object => ({ kind: 'tcp', host: '127.0.0.1', port });
  const board = { driver: 'xor_8a80', name: 'board-9', address: 1, channels: 24 };
  await startWithPorts(rig, [
    textPort('loud-text', 'scanner-9', link(text.port)),
    // No board ever answers here: to close and open the port for that would throw away what is on its way.
    { name: 'loud-bus', link: link(bus.port), poll: { liveness_ms: 600_000 }, devices: [board] },
  ]);
  const dice = diceOf(SEED, 'noise');
  const noise = await makeNoise(rig, [text, bus], HOUR_BYTES, () => dice.next());
  expect(noise.sentBytes).toBeGreaterThanOrEqual(HOUR_BYTES);
  expect(noise.maxMib).toBeLessThan(noise.firstMib + GROWTH_MAX_MIB);
  expect(noise.entries).toBeLessThan(100);
  text.peer()?.write('\r\nAFTER-THE-NOISE\r\n');
  const heard = (): boolean => storedEvents(rig).some(({ data }) => data['text'] === 'AFTER-THE-NOISE');
  await until('the scan after the noise is stored', heard);
  await rig.settle();
  // What was not reported within its minute is reported at a clean stop, which waits for receipts only so long.
  await rig.gateway.stop();
  await rig.startGateway();
  await rig.settle();
  const noisy = storedEvents(rig).filter(({ type }) => type === 'line.noisy');
  const of = (port: string, member: string): number =>
    noisy.filter(({ data }) => data['port'] === port).reduce((sum, { data }) => sum + Number(data[member]), 0);
  for (const port of ['loud-text', 'loud-bus']) {
    expect(of(port, 'bytes')).toBeGreaterThanOrEqual(noise.sentBytes);
    expect(of(port, 'noise_bytes')).toBeGreaterThan(0.99 * noise.sentBytes);
    expect(of(port, 'noise_bytes')).toBeLessThanOrEqual(of(port, 'bytes'));
  }
  rig.judge();
});

describe('a second daemon', () => {
  test('on the same journal is refused by name, and the first goes on', async () => {
    const second = await runLatchkey(['run', '--config', rig.dir.file('gateway.yaml')]);
    expect(second.code).toBe(75);
    expect(second.err).toContain(`the journal in ${rig.gatewayData}`);
    expect(second.err).toContain(`process ${rig.gateway.pid}`);
    await rig.settleAndJudge();
  });

  test('on the same port is refused by name, and the first goes on hearing its scanner', async () => {
    const cable = await openPtyCable(join(rig.dir.path, 'by-id', 'scanner'), () => undefined);
    cleanups.push(() => cable.close());
    const usb = textPort('usb', USB_SCANNER, { kind: 'serial', path: cable.address });
    await startWithPorts(rig, [usb]);
    await rig.statusUntil('the port is open', ({ lines }) => lines.every(({ state }) => state === 'open'));
    const settings = parse(readFileSync(rig.dir.file('gateway.yaml'), 'utf8')) as { readonly gateway: object };
    const other = { ...settings.gateway, id: 'gw-other', data_dir: rig.dir.file('other') };
    writeFileSync(rig.dir.file('other.yaml'), stringify({ ...settings, gateway: other, ports: [usb] }));
    const second = await runLatchkey(['run', '--config', rig.dir.file('other.yaml')]);
    expect(second.code).toBe(75);
    expect(second.err).toContain(cable.address);
    expect(second.err).toContain('held by another process');
    cable.send(new TextEncoder().encode('STILL-HERE\r\n'));
    const heard = (): boolean => storedEvents(rig).some(({ data }) => data['text'] === 'STILL-HERE');
    await until('the scan is stored', heard);
    rig.judge();
  });
});
