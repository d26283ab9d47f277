/** The thread of the console as the daemon keeps it: bounded in memory, started again when it ends, and never waited for. */
import { rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { type ConsoleThread, consoleFindings, MEMORY, startConsole } from '../../../src/edge/gateway/console-thread.ts';
import { gatewaySettingsSchema } from '../../../src/edge/gateway/settings.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

const LONGEST_WAIT_MS = 60_000;
/** Serves, unless a file tells it to eat memory, to throw, or to say that it cannot; hangs at the stop when told so. */
const WORKER = `
import { existsSync, writeFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
const here = (name) => existsSync(workerData.socketPath + '.' + name);
if (here('busy')) {
  parentPort.postMessage({ says: 'failed', reason: 'port 8080 is taken' });
} else {
  parentPort.postMessage({ says: 'serving', url: 'http://127.0.0.1:8080' });
  const look = setInterval(() => {
    if (here('throw')) throw new Error('a defect of the page');
    if (!here('eat')) return;
    const kept = [];
    for (;;) kept.push(new Array(100000).fill(Math.random()));
  }, 5);
  parentPort.once('message', () => {
    if (here('hang')) for (;;);
    clearInterval(look);
    parentPort.close();
  });
}
`;

let dir: TempDir;
let scheduler: ManualScheduler;
let thread: ConsoleThread | undefined;

beforeEach(() => {
  dir = makeTempDir('console-thread');
  scheduler = new ManualScheduler(0);
  writeFileSync(dir.file('worker.mjs'), WORKER);
});
afterEach(async () => {
  await thread?.stop();
  dir.remove();
});

function start(): ConsoleThread {
  const settings = gatewaySettingsSchema.parse({
    gateway: { id: 'gw-1', operator_domain: 'lockers.example', data_dir: dir.file('data') },
    keys: 'software',
    mqtt: { url: 'mqtt://127.0.0.1:1', protocol: '3.1.1' },
    references: { kind: 'clear' },
    control: { socket: dir.file('socket') },
    console: { people: [{ name: 'v', role: 'viewer', password_file: '/p' }], web: { port: 8080 } },
  });
  thread = startConsole({ settings, scheduler, logger: silentLogger, entry: dir.file('worker.mjs') });
  if (thread === undefined) throw new Error('the settings have a page');
  return thread;
}

const tell = (word: string): void => writeFileSync(dir.file(`socket.${word}`), '');

test.each([
  ['eat', /memory limit/],
  ['throw', /a defect of the page/],
])('one that ends (%s) takes nobody along, is told of, and is started again after a while', async (word, reason) => {
  const now = start();
  await until('it serves', () => now.status().state === 'serving');
  expect(consoleFindings(now.status())).toEqual([]);
  tell(word);
  await until('it ended', () => now.status().state === 'away');
  expect(now.status()).toMatchObject({ reason: expect.stringMatching(reason), restarts: 0 });
  expect(consoleFindings(now.status())).toMatchObject([{ severity: 'notice', text: expect.stringMatching(reason) }]);
  rmSync(dir.file(`socket.${word}`));
  scheduler.advance(LONGEST_WAIT_MS);
  await until('it serves again', () => now.status().state === 'serving');
  expect(now.status().restarts).toBe(1);
  expect(consoleFindings(now.status())).toMatchObject([{ text: expect.stringMatching(/ended once and was started/) }]);
});

test('a port that is taken is tried again, and served once it is free', async () => {
  tell('busy');
  const now = start();
  await until('it ended', () => now.status().state === 'away');
  expect(consoleFindings(now.status())).toMatchObject([{ text: expect.stringContaining('port 8080 is taken') }]);
  await until('it was tried some times', () => {
    scheduler.advance(LONGEST_WAIT_MS);
    return now.status().restarts >= 3;
  });
  expect(now.status().state).toBe('away');
  rmSync(dir.file('socket.busy'));
  await until('it serves', () => {
    scheduler.advance(LONGEST_WAIT_MS);
    return now.status().state === 'serving';
  });
});

test('one that hangs is ended at the stop', async () => {
  const now = start();
  await until('it serves', () => now.status().state === 'serving');
  tell('hang');
  await now.stop();
  thread = undefined;
  expect(now.status().state).not.toBe('serving');
});

test('its bounds are a fraction of what a small box has', () => {
  expect(MEMORY.maxOldGenerationSizeMb + MEMORY.maxYoungGenerationSizeMb).toBeLessThan(128);
});
