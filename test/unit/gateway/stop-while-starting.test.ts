/** A signal that comes while the gateway starts is heard at once, and leaves nothing half. */
import { afterEach, expect, test, vi } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { Line } from '../../../src/edge/drivers/line.ts';
import { runGateway } from '../../../src/edge/gateway/run.ts';
import { gatewaySettingsSchema } from '../../../src/edge/gateway/settings.ts';
import { inspectJournal } from '../../../src/edge/journal/inspect.ts';
import { LogDatabase } from '../../../src/edge/journal/log-database.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

const dir = makeTempDir('stop-while-starting');
afterEach(() => {
  vi.restoreAllMocks();
  dir.remove();
});

const settings = gatewaySettingsSchema.parse({
  gateway: { id: 'gw-0001', operator_domain: 'lockers.example', data_dir: dir.file('data') },
  keys: 'software',
  mqtt: { url: 'mqtt://127.0.0.1:1' },
  references: { kind: 'clear' },
});

/** A port whose first attempt never ends. */
class SlowLine implements Line {
  readonly name = 'slow';
  isStarted = false;
  isStopped = false;
  start(): void {
    this.isStarted = true;
  }
  firstAttempt(): Promise<void> {
    return new Promise(() => undefined);
  }
  async stop(): Promise<void> {
    this.isStopped = true;
  }
  status(): ReturnType<Line['status']> {
    return { port: 'slow', state: 'opening', reason: '', devices: [] } as unknown as ReturnType<Line['status']>;
  }
}

function run(stop: AbortController, line = new SlowLine()): Promise<void> {
  return runGateway({ settings, logger: silentLogger, version: '0.1.0', signal: stop.signal, makeLines: () => [line] });
}

const signalled = (): LatchkeyError => new LatchkeyError('TIMED_OUT', 'stopped by a signal');

function lastEntry(): { readonly type?: string; readonly data?: object } {
  const inspection = inspectJournal(settings.gateway.data_dir, nodeCrypto);
  try {
    const { database } = inspection.find();
    const [last] = [...database.leaves(database.size() - 1, database.size())];
    return JSON.parse(Buffer.from(last?.leaf ?? []).toString()) as { type: string; data: object };
  } finally {
    inspection.close();
  }
}

test('while a port is opened: the line is stopped, the log ends with gateway.stopped, the lock is free', async () => {
  const stop = new AbortController();
  const line = new SlowLine();
  const running = run(stop, line);
  await until('the start waits for its port', () => line.isStarted);
  stop.abort(signalled());
  await expect(running).resolves.toBeUndefined();
  expect(line.isStopped).toBe(true);
  expect(lastEntry()).toMatchObject({ type: 'gateway.stopped', data: { reason: 'signal' } });
});

test('while the first log waits for room on the disk: nothing is left running, and the next start goes on', async () => {
  const stop = new AbortController();
  const commit = vi.spyOn(LogDatabase.prototype, 'commit').mockImplementation(() => {
    throw new LatchkeyError('JOURNAL_FULL', 'as a full disk would');
  });
  const running = run(stop);
  await until('the start waits for the disk', () => commit.mock.calls.length > 0);
  stop.abort(signalled());
  await expect(running).resolves.toBeUndefined();
  commit.mockRestore();
  const next = new AbortController();
  const line = new SlowLine();
  const second = run(next, line);
  await until('the next start waits for its port', () => line.isStarted);
  next.abort(signalled());
  await second;
  expect(lastEntry()).toMatchObject({ type: 'gateway.stopped' });
});

test('before anything was done: no journal is made', async () => {
  const stop = new AbortController();
  stop.abort(signalled());
  await expect(run(stop)).resolves.toBeUndefined();
  expect(() => inspectJournal(settings.gateway.data_dir, nodeCrypto)).toThrow(/no journal/);
});

test('a start that fails by itself still says so', async () => {
  const stop = new AbortController();
  vi.spyOn(LogDatabase, 'create').mockImplementation(() => {
    throw new LatchkeyError('JOURNAL_IO', 'as a broken disk would');
  });
  await expect(run(stop)).rejects.toMatchObject({ code: 'JOURNAL_IO' });
});
