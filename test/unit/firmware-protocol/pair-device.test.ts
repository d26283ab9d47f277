/** `latchkey pair` through a running gateway: which line does it, what is refused, one at a time. */
import { expect, test } from 'vitest';
import { PairQueue } from '../../../src/edge/drivers/latchkey/pair-queue.ts';
import type { Line, PairAsk, PairedDevice } from '../../../src/edge/drivers/line.ts';
import { pairDeviceOf } from '../../../src/edge/gateway/pair-device.ts';

const PAIRED: PairedDevice = { identity: '0102030405060708', key: 1, boot: 1 };
const { signal } = new AbortController();
const ask: PairAsk = { say: () => undefined, signal };

function lineOf(name: string, pair?: Line['pair']): Line {
  const device = { name, driver: 'latchkey', state: 'found', reason: 'authenticated' } as const;
  return {
    start: () => undefined,
    firstAttempt: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    status: () => ({ port: 'wire', state: 'open', reason: '', devices: [device] }),
    ...(pair !== undefined && { pair }),
  };
}

function through(lines: readonly Line[], args: Readonly<Record<string, unknown>>, steps: unknown[] = []) {
  const out = { progress: async (value: unknown) => void steps.push(value) };
  return pairDeviceOf(lines, args, out, signal);
}

test('the line of the device pairs it, with the code as it was typed, and its steps are told', async () => {
  const asked: unknown[] = [];
  const steps: unknown[] = [];
  const line = lineOf('bank', async (device, { code, say }) => {
    asked.push(device, code);
    say('found');
    return PAIRED;
  });
  expect(await through([lineOf('scanner'), line], { device: 'bank', code: 'ABC' }, steps)).toEqual(PAIRED);
  expect(asked).toEqual(['bank', 'ABC']);
  expect(steps).toEqual([{ step: 'found' }]);
});

test.each([
  [{ device: 'other' }, 'the running gateway has no device "other"'],
  [{ device: 'scanner' }, 'the running gateway has no device "scanner"'],
  [{}, 'expected the name of a device'],
  [{ device: 'bank', code: 7 }, 'expected the text of a label'],
  [{ device: 'bank', code: 'A'.repeat(257) }, 'expected the text of a label'],
])('%j is refused', async (args, why) => {
  const line = lineOf('bank', () => Promise.resolve(PAIRED));
  await expect(through([lineOf('scanner'), line], args)).rejects.toThrow(why);
});

test('one device of a line at a time, and the next one after it, whatever became of it', async () => {
  const queue = new PairQueue();
  const first = queue.add({ device: 'a', ask });
  expect(queue.isWaiting).toBe(true);
  await expect(queue.add({ device: 'b', ask })).rejects.toMatchObject({ code: 'PORT_BUSY' });
  expect(queue.isRunning).toBe(false);
  const failing = queue.run(async () => {
    // Doors of the line are refused meanwhile, instead of being opened late.
    expect(queue.isRunning).toBe(true);
    await expect(queue.add({ device: 'b', ask })).rejects.toMatchObject({ code: 'PORT_BUSY' });
    throw new Error('cut');
  });
  await expect(first).rejects.toThrow('cut');
  await failing;
  expect(queue.isRunning).toBe(false);
  const second = queue.add({ device: 'b', ask });
  await queue.run(async ({ device }) => ({ ...PAIRED, identity: device }));
  expect((await second).identity).toBe('b');
  const third = queue.add({ device: 'c', ask });
  queue.drop('the port is away');
  await expect(third).rejects.toMatchObject({ code: 'PORT_UNAVAILABLE', message: expect.stringContaining('away') });
  expect(queue.isWaiting).toBe(false);
});
