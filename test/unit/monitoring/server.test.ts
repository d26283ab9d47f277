import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import type { Readiness } from '../../../src/platform/metrics/readiness.ts';
import { answerMonitoring, type MonitoringParts } from '../../../src/platform/metrics/server.ts';
import { parseListen } from '../../../src/platform/metrics/settings.ts';

const STALLED = { reason: 'receipts_stalled', detail: '7 entries wait', remedy: 'look at the consumer' };

function ask(
  path: string,
  readiness: () => Readiness | Promise<Readiness>,
  init: RequestInit = {},
  host = '127.0.0.1',
) {
  const parts: MonitoringParts = {
    settings: { listen: '127.0.0.1:0' },
    table: { scans: { kind: 'counter', help: 'Scans.' } },
    samples: () => [{ name: 'scans', labels: {}, value: 4 }],
    loopDelayMaxMs: () => 3,
    readiness,
    clock: new ManualScheduler(),
    logger: silentLogger,
  };
  return answerMonitoring(parts, new Request(`http://${host}:9464${path}`, init));
}

const ready = (): Readiness => ({ ready: true, reasons: [] });
const notReady = (): Readiness => ({ ready: false, reasons: [STALLED] });
const broken = (): Promise<Readiness> => Promise.reject(new Error('password=hunter2'));

test('ready is 200, and not ready is 503 with its reasons, also in the metrics', async () => {
  const yes = await ask('/readyz', ready);
  expect([yes.status, await yes.json()]).toEqual([200, { status: 'pass', reasons: [] }]);
  const no = await ask('/readyz', notReady);
  expect([no.status, await no.json()]).toEqual([503, { status: 'fail', reasons: [STALLED] }]);
  const text = await (await ask('/metrics', notReady)).text();
  expect(text).toContain('latchkey_ready 0\n');
  expect(text).toContain('latchkey_not_ready{reason="receipts_stalled"} 1\n');
  expect(text).toContain('latchkey_scans_total 4\n');
});

test('a readiness that cannot be found out is not ready, and its error is not shown', async () => {
  const answer = await ask('/readyz', broken);
  const text = await answer.text();
  expect(answer.status).toBe(503);
  expect(text).toContain('readiness_unknown');
  expect(text).not.toContain('hunter2');
});

test('a process that is not ready lives', async () => {
  const alive = await ask('/healthz', notReady);
  expect([alive.status, await alive.json()]).toEqual([200, { status: 'pass', event_loop_delay_max_ms: 3 }]);
});

test('other paths, methods and hosts are refused by name', async () => {
  expect((await ask('/', ready)).status).toBe(404);
  expect((await ask('/metrics', ready, { method: 'POST' })).status).toBe(405);
  expect((await ask('/metrics', ready, {}, 'attacker.example')).status).toBe(421);
  expect((await ask('/metrics', ready, {}, '[::1]')).status).toBe(200);
  expect((await ask('/metrics', ready, {}, 'localhost')).status).toBe(200);
});

test('only a loopback address and a port are listened on', () => {
  expect(parseListen('127.0.0.1:9464')).toEqual({ host: '127.0.0.1', port: 9_464 });
  expect(parseListen('[::1]:0')).toEqual({ host: '::1', port: 0 });
  for (const text of [
    '0.0.0.0:9464',
    '[::]:9464',
    '192.0.2.1:9464',
    'localhost:9464',
    '127.0.0.1',
    '127.0.0.1:65536',
  ]) {
    expect(parseListen(text), text).toBeUndefined();
  }
  expect(parseListen('127.0.0.999:9464')).toBeUndefined();
});
