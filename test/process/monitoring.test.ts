import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keptPort } from '../../simulators/kept-port.ts';
import { type BrokerMessage, startBroker, type TestBroker } from '../support/broker.ts';
import { makeRig, type Rig } from './support/rig.ts';

const LIMIT_MS = 60_000;
/** Fewer questions than a process answers in a minute. */
const LOOK_AGAIN_MS = 250;

interface Ready {
  readonly status: string;
  readonly reasons: readonly { readonly reason: string; readonly remedy: string }[];
}

let broker: TestBroker;
let rig: Rig;
const urls = { gateway: '', consumer: '' };

beforeAll(async () => {
  const [gateway, consumer] = [`127.0.0.1:${await keptPort()}`, `127.0.0.1:${await keptPort()}`];
  urls.gateway = `http://${gateway}`;
  urls.consumer = `http://${consumer}`;
  broker = await startBroker();
  rig = await makeRig({
    broker,
    protocol: '3.1.1',
    gateway: { metrics: { listen: gateway } },
    receive: { metrics: { listen: consumer } },
  });
}, LIMIT_MS);

afterAll(() => rig?.close());

async function ready(url: string): Promise<{ readonly code: number; readonly body: Ready }> {
  const answer = await fetch(`${url}/readyz`);
  return { code: answer.status, body: (await answer.json()) as Ready };
}

/** Waits until it is ready, or until that reason is given. */
async function untilSays(url: string, reason: string | undefined): Promise<void> {
  const endMs = performance.now() + LIMIT_MS;
  for (;;) {
    const { code, body } = await ready(url);
    const isSaid = reason === undefined ? code === 200 && body.status === 'pass' : gives(body, reason) && code === 503;
    if (isSaid) return;
    if (performance.now() > endMs) {
      throw new Error(`waited ${LIMIT_MS} ms in vain for ${reason ?? 'ready'}: ${JSON.stringify(body)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

function gives({ status, reasons }: Ready, reason: string): boolean {
  return status === 'fail' && reasons.some((one) => one.reason === reason && one.remedy !== '');
}

async function metric(url: string, name: string): Promise<number | undefined> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

describe('monitoring of a gateway and a consumer that run', () => {
  test('is ready where receipts move, and its counters are those of what happened', async () => {
    await untilSays(urls.gateway, undefined);
    await untilSays(urls.consumer, undefined);
    const { log } = await rig.receipted();
    expect(await metric(urls.gateway, 'latchkey_journal_entries_total')).toBeGreaterThanOrEqual(log.entries);
    expect(await metric(urls.consumer, 'latchkey_intake_entries_stored_total')).toBeGreaterThanOrEqual(log.entries);
    for (const url of [urls.gateway, urls.consumer]) {
      const text = await (await fetch(`${url}/metrics`)).text();
      expect(text).not.toContain('Not documented');
      expect(text).toMatch(/^latchkey_build_info\{node="v[0-9.]+",version="[^"]+"\} 1$/m);
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
    }
  });

  test(
    'connected while nothing moves is not ready, and ready again when it does',
    async () => {
      const forget = ({ topic }: BrokerMessage): 'forget' | 'deliver' =>
        topic.endsWith('/batch') ? 'forget' : 'deliver';
      broker.judge(forget);
      rig.feed.scan(3);
      await untilSays(urls.gateway, 'receipts_stalled');
      expect(await metric(urls.gateway, 'latchkey_mqtt_connected')).toBe(1);
      expect(await metric(urls.gateway, 'latchkey_ready')).toBe(0);
      expect((await fetch(`${urls.gateway}/healthz`)).status).toBe(200);
      broker.judge(() => 'deliver');
      await untilSays(urls.gateway, undefined);
    },
    LIMIT_MS,
  );

  test(
    'a broker that is away makes both not ready',
    async () => {
      await broker.stop();
      await untilSays(urls.gateway, 'broker_away');
      await untilSays(urls.consumer, 'broker_away');
    },
    LIMIT_MS,
  );
});
