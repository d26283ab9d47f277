import { connectAsync } from 'mqtt';
import { afterEach, describe, expect, test } from 'vitest';
import { Child, runToEnd } from '../../../simulators/demo/child-process.ts';
import { fakeTimeEnv, setFakeTime } from '../../support/faketime.ts';
import { startMosquitto } from '../../support/mosquitto.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function node(code: string, env: Readonly<Record<string, string>> = {}): Child {
  const child = new Child(process.execPath, ['-e', code], { env });
  cleanups.push(() => child.stop('SIGKILL'));
  return child;
}

describe('a child process', () => {
  test('gives the first line that matches, also one that is past', async () => {
    const child = node(
      `console.log('one'); console.error('two'); process.stdin.on('data', (d) => console.log('got ' + d))`,
    );
    expect(await child.line('two')).toBe('two');
    expect(await child.line(/^o/)).toBe('one');
    const later = child.line((line) => line.startsWith('got'));
    child.write('three\n');
    expect(await later).toBe('got three');
  });

  test('that ends, or is silent, is told with its last lines', async () => {
    const ending = node(`console.log('farewell'); process.exitCode = 3`);
    await expect(ending.line('never')).rejects.toThrow(/ended \(3\) without line never\n {2}\| farewell/);
    const silent = node(`console.log('alone'); setInterval(() => {}, 1000)`);
    await silent.line('alone');
    await expect(silent.line('never', 20)).rejects.toThrow(/no line never in 20 ms\n {2}\| alone/);
  });

  test('that ignores the signal is killed, and that is a failure', async () => {
    const stubborn = node(`process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000)`);
    await stubborn.line('up');
    await expect(stubborn.stop('SIGTERM', 50)).rejects.toThrow(/no end in 50 ms/);
    expect(stubborn.running).toBe(false);
    const polite = node(`process.on('SIGTERM', () => process.exit(0)); console.log('up'); setInterval(() => {}, 1000)`);
    await polite.line('up');
    expect(await polite.stop()).toEqual({ code: 0, signal: null });
  });

  test('that cannot start says so', async () => {
    await expect(runToEnd('/nonexistent/program', [])).rejects.toThrow(/ENOENT/);
  });
});

describe('a wrong clock', () => {
  test('is seen by a child as it is set and changed, while its monotonic clock is real', async () => {
    const dir = makeTempDir('clock');
    cleanups.push(dir.remove);
    const file = dir.file('clock');
    setFakeTime(file, '@1970-01-02 00:00:00');
    const child = node(
      `const t0 = performance.now();
       process.stdin.on('data', () => console.log(JSON.stringify({ year: new Date().getUTCFullYear(), upMs: performance.now() - t0 })));
       console.log('up')`,
      fakeTimeEnv(file),
    );
    const ask = async (count: number): Promise<{ year: number; upMs: number }> => {
      child.write('?\n');
      await until('an answer', () => child.lines().length === count + 1);
      return JSON.parse(child.lines().at(-1) ?? '{}');
    };
    await child.line('up');
    const before = await ask(1);
    expect(before.year).toBe(1970);
    setFakeTime(file, '+1826d');
    const after = await ask(2);
    expect(after.year).toBe(new Date(Date.now() + 1826 * 86_400_000).getUTCFullYear());
    expect(after.upMs - before.upMs).toBeLessThan(60_000);
    expect(after.upMs).toBeGreaterThanOrEqual(before.upMs);
  });
});

describe('mosquitto', () => {
  test('keeps retained messages over a clean restart when told to, and comes back on its port', async () => {
    const broker = await startMosquitto({ persistence: true });
    cleanups.push(() => broker.stop());
    const client = await connectAsync(broker.url, { reconnectPeriod: 0, protocolVersion: 5 });
    await client.publishAsync('kept', 'word', { qos: 1, retain: true });
    await client.endAsync(true);
    await broker.kill();
    await expect(connectAsync(broker.url, { reconnectPeriod: 0, connectTimeout: 500 })).rejects.toThrow();
    await broker.restart();
    const again = await connectAsync(broker.url, { reconnectPeriod: 0 });
    cleanups.push(() => again.endAsync(true));
    const word = new Promise((resolve) => again.on('message', (_topic, payload) => resolve(payload.toString())));
    await again.subscribeAsync('kept');
    expect(await word).toBe('word');
  });
});
