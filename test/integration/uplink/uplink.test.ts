import { afterEach, describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import { uplinkSettingsSchema } from '../../../src/edge/uplink/settings.ts';
import { createUplink, type Uplink, uplinkWill } from '../../../src/edge/uplink/uplink.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import { parseStatus } from '../../../src/evidence/wire/messages.ts';
import { gatewayRoot } from '../../../src/evidence/wire/topics.ts';
import { createMqttConnection } from '../../../src/platform/mqtt/client.ts';
import { mqttSettingsSchema } from '../../../src/platform/mqtt/settings.ts';
import { startBroker, type TestBroker } from '../../support/broker.ts';
import { FakeOutbox, fakeNote, fakeReceipt, ORIGIN, SECOND_ORIGIN } from '../../support/fake-outbox.ts';
import { startConsumer } from '../../support/naive-consumer.ts';
import { type ScriptedBroker, startScriptedBroker } from '../../support/scripted-broker.ts';
import { startProxy } from '../../support/tcp-proxy.ts';
import { until } from '../../support/until.ts';

const crypto = portableCrypto();
const ROOT = gatewayRoot(crypto, 'latchkey', 'gw-0001');
const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const FAST = {
  memory_quiet_ms: 50,
  memory_lost_wait_ms: 300,
  stall_ms: 250,
  stall_max_ms: 1_000,
  retry: { first_ms: 20, max_ms: 100 },
  request_interval_ms: 50,
};

interface Running {
  readonly uplink: Uplink;
  readonly metrics: MemoryMetrics;
}

function startUplink(
  url: string,
  outbox: FakeOutbox,
  more: { readonly protocol?: '5' | '3.1.1'; readonly uplink?: Readonly<Record<string, unknown>> } = {},
): Running {
  const metrics = new MemoryMetrics();
  const shared = { scheduler: systemScheduler(), logger: silentLogger, metrics };
  const connection = createMqttConnection({
    settings: mqttSettingsSchema.parse({
      url,
      protocol: more.protocol ?? '3.1.1',
      reconnect: { first_ms: 5, max_ms: 20 },
      ack_timeout_ms: 2_000,
    }),
    clientId: 'gw-0001',
    will: uplinkWill(crypto, 'latchkey', 'gw-0001', 7),
    ...shared,
  });
  const settings = uplinkSettingsSchema.parse({ ...FAST, ...more.uplink });
  const uplink = createUplink({
    outbox,
    connection,
    gateway: 'gw-0001',
    prefix: 'latchkey',
    boot: 7,
    crypto,
    settings,
    ...shared,
  });
  uplink.start();
  cleanups.push(() => uplink.stop(0));
  return { uplink, metrics };
}

async function realBroker(): Promise<TestBroker> {
  const broker = await startBroker();
  cleanups.push(() => broker.stop());
  return broker;
}

async function consumerOn(url: string, options: Parameters<typeof startConsumer>[2] = {}) {
  const consumer = await startConsumer(url, ROOT, options);
  cleanups.push(() => consumer.stop());
  return consumer;
}

async function scripted(options: Parameters<typeof startScriptedBroker>[0] = {}): Promise<ScriptedBroker> {
  const broker = await startScriptedBroker(options);
  cleanups.push(() => broker.stop());
  return broker;
}

function receipted(outbox: FakeOutbox, origin = ORIGIN): number {
  return outbox.logs().find((log) => log.origin === origin)?.receiptedSize ?? -1;
}

describe('70,000 events', () => {
  test('that gathered while the broker was away all arrive once and in order, from a window that stays small', async () => {
    const broker = await realBroker();
    const outbox = new FakeOutbox();
    const { uplink, metrics } = startUplink(broker.url, outbox, { uplink: { window_batches: 16 } });
    await until('live', () => uplink.health().phase === 'live');
    await broker.kill();
    await until('offline', () => uplink.health().phase === 'offline');
    const before = broker.messages;
    for (let i = 0; i < 70; i += 1) outbox.append(ORIGIN, 1_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(metrics.value('uplink_batches_sent')).toBe(0);
    expect(uplink.health()).toMatchObject({ connected: false, waiting: 70_000, windowBatches: 0 });

    await broker.restart();
    const consumer = await consumerOn(broker.url);
    let windowMax = 0;
    await until(
      'all receipts',
      () => {
        windowMax = Math.max(windowMax, uplink.health().windowBatches);
        return receipted(outbox) === 70_000;
      },
      30_000,
    );
    expect(consumer.taken.get(ORIGIN)).toBe(70_000);
    expect({ gaps: consumer.gaps, windowMax: windowMax <= 16 }).toEqual({ gaps: 0, windowMax: true });
    expect(broker.messages).toBeGreaterThan(before);
    expect(uplink.health()).toMatchObject({ healthy: true, waiting: 0, alarms: [], aheadBytes: 0 });
  });

  test('arrive once over a line that is cut 20 times while they drain', async () => {
    const broker = await realBroker();
    const proxy = await startProxy(broker.port, { delayMs: 2 });
    cleanups.push(() => proxy.stop());
    const outbox = new FakeOutbox();
    outbox.append(ORIGIN, 70_000);
    const consumer = await consumerOn(broker.url);
    const { uplink, metrics } = startUplink(`mqtt://127.0.0.1:${proxy.port}`, outbox, {
      uplink: { ahead_bytes: 262_144, window_batches: 8 },
    });
    for (let cuts = 0; cuts < 20; cuts += 1) {
      const taken = consumer.taken.get(ORIGIN) ?? 0;
      await until('some progress', () => (consumer.taken.get(ORIGIN) ?? 0) > taken + 500);
      await until('batches on their way', () => uplink.health().windowBatches > 0);
      proxy.cut();
    }
    expect(receipted(outbox)).toBeLessThan(70_000); // or the cuts hit nothing
    await until('all receipts', () => receipted(outbox) === 70_000, 30_000);
    expect(consumer.taken.get(ORIGIN)).toBe(70_000);
    expect(proxy.connections).toBeGreaterThanOrEqual(20);
    expect(metrics.value('mqtt_connections_lost')).toBeGreaterThanOrEqual(20);
    expect(consumer.gaps).toBe(0);
    expect(uplink.health().waiting).toBe(0);
  });
});

test('a long line costs one round trip for a window, not for each batch', async () => {
  const broker = await realBroker();
  const proxy = await startProxy(broker.port, { delayMs: 75 });
  cleanups.push(() => proxy.stop());
  const consumer = await consumerOn(broker.url);
  const outbox = new FakeOutbox();
  outbox.append(ORIGIN, 2_000, 2);
  const { metrics } = startUplink(`mqtt://127.0.0.1:${proxy.port}`, outbox, {
    uplink: { stall_ms: 30_000, stall_max_ms: 30_000 },
  });
  // One at a time these 1,000 batches would take 150 seconds.
  await until('all receipts', () => receipted(outbox) === 2_000, 15_000);
  expect(metrics.value('uplink_batches_sent')).toBe(1_000);
  expect({ duplicates: consumer.duplicates, gaps: consumer.gaps }).toEqual({ duplicates: 0, gaps: 0 });
});

describe('a broker that acknowledges and forgets', () => {
  test('loses nothing: nothing is pruned, the run-ahead is bounded, and all arrives later', async () => {
    const broker = await realBroker();
    broker.judge((message) => (message.topic.endsWith('/batch') ? 'forget' : 'deliver'));
    const outbox = new FakeOutbox();
    outbox.append(ORIGIN, 70_000);
    const { uplink, metrics } = startUplink(broker.url, outbox);
    await until('two rewinds', () => metrics.value('uplink_rewinds', { why: 'stalled' }) >= 2, 5_000);
    expect(receipted(outbox)).toBe(0);
    // The first megabyte in good faith, then one batch a try.
    expect(metrics.value('uplink_bytes_sent')).toBeLessThan(1_048_576 + 10 * 131_072);
    expect(uplink.health()).toMatchObject({ healthy: false, connected: true, stalled: true, waiting: 70_000 });
    expect(uplink.health().alarms).toEqual([`receipts_stalled ${ORIGIN}`]);

    const consumer = await consumerOn(broker.url);
    broker.judge(() => 'deliver');
    await until('all receipts', () => receipted(outbox) === 70_000, 30_000);
    expect(consumer.taken.get(ORIGIN)).toBe(70_000);
    expect(uplink.health()).toMatchObject({ healthy: true, stalled: false, alarms: [] });
  });

  test('a consumer that is away gets everything when it comes', async () => {
    const broker = await realBroker();
    const outbox = new FakeOutbox();
    outbox.append(ORIGIN, 20_000);
    const { metrics } = startUplink(broker.url, outbox);
    await until('a rewind', () => metrics.value('uplink_rewinds', { why: 'stalled' }) >= 1, 5_000);
    const consumer = await consumerOn(broker.url, { asks: false });
    await until('all receipts', () => receipted(outbox) === 20_000, 20_000);
    expect(consumer.taken.get(ORIGIN)).toBe(20_000);
  });

  test('a consumer that missed the beginning asks for it', async () => {
    const broker = await realBroker();
    const outbox = new FakeOutbox();
    outbox.append(ORIGIN, 3_000);
    const { metrics, uplink } = startUplink(broker.url, outbox, { uplink: { stall_ms: 30_000, stall_max_ms: 30_000 } });
    await until('all sent', () => metrics.value('uplink_batches_answered', { answer: 'taken' }) === 12);
    const consumer = await consumerOn(broker.url);
    outbox.append(ORIGIN, 10);
    await until('all receipts', () => receipted(outbox) === 3_010);
    expect(metrics.value('uplink_rewinds', { why: 'requested' })).toBe(1);
    expect(consumer.gaps).toBeGreaterThan(0);
    expect(uplink.health().waiting).toBe(0);
  });

  test('receipts that come slowly cost time, not entries', async () => {
    const broker = await realBroker();
    const outbox = new FakeOutbox();
    outbox.append(ORIGIN, 20_000);
    const consumer = await consumerOn(broker.url, { receiptMs: 120 });
    const { metrics } = startUplink(broker.url, outbox, { uplink: { ahead_bytes: 262_144, stall_ms: 10_000 } });
    await until('all receipts', () => receipted(outbox) === 20_000, 20_000);
    expect({ duplicates: consumer.duplicates, gaps: consumer.gaps }).toEqual({ duplicates: 0, gaps: 0 });
    expect(metrics.value('uplink_rewinds', { why: 'stalled' })).toBe(0);
  });
});

describe('what the broker answers', () => {
  test.each([
    [16, 'nobody_listens'],
    [135, 'batch_refused 135'],
    [151, 'batch_refused 151'],
  ])('%i to a batch is no delivery: it goes back, waits longer each time, and says %s', async (code, alarm) => {
    const broker = await scripted({ answer: ({ topic }) => (topic.endsWith('/batch') ? code : 0) });
    const outbox = new FakeOutbox();
    outbox.append(ORIGIN, 5_000);
    const { uplink, metrics } = startUplink(broker.url, outbox, { protocol: '5' });
    const why = code === 16 ? 'undelivered' : 'refused';
    await until('three rewinds', () => metrics.value('uplink_rewinds', { why }) >= 3);
    expect(uplink.health().alarms).toEqual([`${alarm} ${ORIGIN}`]);
    expect(uplink.health().healthy).toBe(false);
    expect(receipted(outbox)).toBe(0);
    // All 20 in good faith, then 128 KiB a try, which are nine batches here.
    const tries = metrics.value('uplink_rewinds', { why });
    expect(broker.received.filter(({ topic }) => topic.endsWith('/batch')).length).toBeLessThanOrEqual(20 + 9 * tries);
    const consumer = await consumerOn(broker.url, { protocol: '5' });
    broker.answer(() => 0);
    await until('all receipts', () => receipted(outbox) === 5_000);
    expect(consumer.taken.get(ORIGIN)).toBe(5_000);
    expect(uplink.health().alarms).toEqual([]);
  });

  test("no batch leaves before this connection's broker acknowledged a checkpoint that covers it", async () => {
    const broker = await scripted();
    const outbox = new FakeOutbox();
    outbox.append(ORIGIN, 1_000);
    startUplink(broker.url, outbox, { protocol: '5' });
    await until('batches', () => broker.received.filter(({ topic }) => topic.endsWith('/batch')).length >= 4);
    outbox.append(ORIGIN, 1_000);
    await until('more', () => broker.received.filter(({ topic }) => topic.endsWith('/batch')).length >= 8);
    broker.dropAll();
    await until('again', () => broker.received.filter(({ connection }) => connection === 2).length >= 10);
    const covered = new Map<number, number>();
    let batches = 0;
    for (const { topic, payload, connection } of broker.received) {
      const text = Buffer.from(payload).toString();
      if (topic.includes('/checkpoint/')) covered.set(connection, Number(text.split('\n')[1]));
      if (topic.endsWith('/batch')) {
        const { first, count } = JSON.parse(text.slice(0, text.indexOf('\n')));
        expect(first + count).toBeLessThanOrEqual(covered.get(connection) ?? -1);
        batches += 1;
      }
    }
    expect(batches).toBeGreaterThanOrEqual(12);
    expect(broker.received[0]?.topic).toBe(`${ROOT}/status`);
  });

  test('a refused checkpoint holds the batches back, and says so', async () => {
    const broker = await scripted({ answer: ({ topic }) => (topic.includes('/checkpoint/') ? 135 : 0) });
    const outbox = new FakeOutbox();
    outbox.append(ORIGIN, 1_000);
    const { uplink } = startUplink(broker.url, outbox, { protocol: '5' });
    await until('retries', () => broker.received.filter(({ topic }) => topic.includes('/checkpoint/')).length >= 3);
    expect(broker.received.some(({ topic }) => topic.endsWith('/batch'))).toBe(false);
    expect(uplink.health().alarms).toEqual([`checkpoint_refused 135 ${ORIGIN}`]);
    broker.answer(() => 0);
    await until('batches', () => broker.received.some(({ topic }) => topic.endsWith('/batch')));
    expect(uplink.health().alarms).toEqual([]);
  });

  test('16 to what is retained is a yes: it is kept for who comes later', async () => {
    const broker = await scripted({ answer: ({ retain }) => (retain ? 16 : 0) });
    const outbox = new FakeOutbox();
    outbox.enrolmentPayload = utf8('{"successors":[],"v":1}');
    outbox.append(ORIGIN, 10);
    const { uplink } = startUplink(broker.url, outbox, { protocol: '5' });
    await until('the batch', () => broker.received.some(({ topic }) => topic.endsWith('/batch')));
    expect(uplink.health().alarms).toEqual([]);
    const names = broker.received.map(({ topic }) => topic.slice(ROOT.length + 1));
    expect(names).toEqual(['status', 'enrolment', 'checkpoint/1-9f2c01aa', 'batch']);
    expect(outbox.marks.get(ORIGIN)).toBe(10);
  });
});

test('a broker that refuses the subscriptions is named, dropped and asked again', async () => {
  let allowed = false;
  const broker = await scripted({ grant: () => (allowed ? 1 : 135) });
  const outbox = new FakeOutbox();
  outbox.append(ORIGIN, 10);
  const { uplink } = startUplink(broker.url, outbox, { protocol: '5' });
  await until('another try', () => broker.count('subscribe') >= 3);
  expect(uplink.health()).toMatchObject({ healthy: false, alarms: ['subscription_refused'] });
  expect(broker.received).toEqual([]);
  allowed = true;
  await until('the batch', () => broker.received.some(({ topic }) => topic.endsWith('/batch')));
  expect(uplink.health().alarms).toEqual([]);
});

describe('the memory outside the disk', () => {
  test('is read whole before anything is published', async () => {
    const broker = await realBroker();
    await broker.publish(`${ROOT}/checkpoint/1-9f2c01aa`, fakeNote(ORIGIN, 5), true);
    await broker.publish(`${ROOT}/checkpoint/2-0badcafe`, fakeNote(SECOND_ORIGIN, 9), true);
    await broker.publish(`${ROOT}/enrolment`, utf8('{"successors":[],"v":1}'), true);
    await broker.publish(`${ROOT}/receipt/1-9f2c01aa/c0ffee00`, fakeReceipt(ORIGIN, 5), true);
    await broker.publish(`${ROOT}/status`, utf8('{}'), true);
    const outbox = new FakeOutbox();
    outbox.append(ORIGIN, 10, 5);
    let messagesBefore = -1;
    outbox.onCompare = () => {
      messagesBefore = broker.messages;
    };
    const { uplink } = startUplink(broker.url, outbox);
    await until('the comparison', () => outbox.compared.length === 1);
    expect(messagesBefore).toBe(0);
    expect(outbox.compared[0]?.map(({ name }) => name).sort()).toEqual([
      'checkpoint/1-9f2c01aa',
      'checkpoint/2-0badcafe',
      'enrolment',
      'receipt/1-9f2c01aa/c0ffee00',
    ]);
    await until('the receipt', () => receipted(outbox) === 5);
    await until('live', () => uplink.health().phase === 'live');
    await broker.kill();
    await broker.restart();
    await until('live again', () => uplink.health().phase === 'live');
    expect(outbox.compared).toHaveLength(1);
  });

  test('when the broker lost it, receipts are awaited before anything is published, for a bounded time', async () => {
    const broker = await realBroker();
    const outbox = new FakeOutbox();
    outbox.append(ORIGIN, 10);
    outbox.verdict = { kind: 'memory_lost', origins: [ORIGIN] };
    const { uplink } = startUplink(broker.url, outbox, { uplink: { memory_lost_wait_ms: 400 } });
    await until('the wait', () => uplink.health().phase === 'awaiting_receipts');
    expect(uplink.health().alarms).toEqual(['memory_lost']);
    expect(broker.messages).toBe(0);
    await until('the end of it', () => uplink.health().phase === 'live');
    await until('the checkpoint', () => broker.retained.has(`${ROOT}/checkpoint/1-9f2c01aa`));
  });

  test('a believed receipt ends that wait early', async () => {
    const broker = await realBroker();
    const outbox = new FakeOutbox();
    outbox.append(ORIGIN, 10, 5);
    outbox.verdict = { kind: 'memory_lost', origins: [ORIGIN] };
    const { uplink } = startUplink(broker.url, outbox, { uplink: { memory_lost_wait_ms: 60_000 } });
    await until('the wait', () => uplink.health().phase === 'awaiting_receipts');
    await broker.publish(`${ROOT}/receipt/1-9f2c01aa/c0ffee00`, fakeReceipt(ORIGIN, 5), true);
    await until('live', () => uplink.health().phase === 'live');
    expect(receipted(outbox)).toBe(5);
  });

  test('of a breached log nothing more is sent, and the new log goes out', async () => {
    const broker = await realBroker();
    const consumer = await consumerOn(broker.url, { receipts: false });
    const outbox = new FakeOutbox();
    outbox.append(ORIGIN, 300);
    const { uplink } = startUplink(broker.url, outbox);
    await until('the first log', () => (consumer.taken.get(ORIGIN) ?? 0) === 300);
    // A receipt beyond the disk: the journal drops the log and opens another.
    outbox.open(SECOND_ORIGIN);
    await broker.publish(`${ROOT}/receipt/1-9f2c01aa/c0ffee00`, fakeReceipt(ORIGIN, 999), true);
    outbox.append(SECOND_ORIGIN, 50);
    consumer.receipting(true);
    await until('the second log', () => receipted(outbox, SECOND_ORIGIN) === 50);
    const reads = outbox.batchesRead.length;
    await broker.kill();
    await broker.restart();
    await until('live again', () => uplink.health().phase === 'live');
    expect(outbox.batchesRead.slice(reads).filter(({ log }) => log === ORIGIN)).toEqual([]);
  });
});

test('closed logs go first and the open one goes on beside a log that nobody receipts', async () => {
  const broker = await realBroker();
  const consumer = await consumerOn(broker.url);
  const outbox = new FakeOutbox();
  outbox.append(ORIGIN, 2_000);
  outbox.open(SECOND_ORIGIN);
  outbox.append(SECOND_ORIGIN, 1_000);
  const { uplink } = startUplink(broker.url, outbox, { uplink: { stall_ms: 10_000 } });
  await until('both logs', () => receipted(outbox, SECOND_ORIGIN) === 1_000 && receipted(outbox) === 2_000);
  const order = outbox.batchesRead.map(({ log }) => log);
  expect(order.indexOf(SECOND_ORIGIN)).toBeGreaterThanOrEqual(4);
  expect(consumer.duplicates).toBe(0);
  expect(uplink.health().waiting).toBe(0);
});

test('what strangers write is counted and changes nothing', async () => {
  const broker = await realBroker();
  const outbox = new FakeOutbox();
  outbox.append(ORIGIN, 10);
  const { uplink, metrics } = startUplink(broker.url, outbox);
  await until('the batch', () => metrics.value('uplink_batches_sent') === 1);
  for (let i = 0; i < 200; i += 1) {
    await broker.publish(`${ROOT}/receipt/1-9f2c01aa/c0ffee00`, utf8(`false ${i}`));
  }
  await broker.publish(`${ROOT}/receipt/1-9f2c01aa/c0ffee00`, new Uint8Array(20_000));
  await broker.publish(`${ROOT}/receipt/deep/er/and/deeper`, utf8('x'));
  await broker.publish(`${ROOT}/request`, utf8('{"first":0,"log":"'));
  await broker.publish(`${ROOT}/request`, utf8(`{"first":0,"log":"${SECOND_ORIGIN}","v":1}`));
  for (let i = 0; i < 20; i += 1) await broker.publish(`${ROOT}/request`, utf8(`{"first":0,"log":"${ORIGIN}","v":1}`));
  await until('the counts', () => metrics.value('uplink_requests_ignored', { why: 'throttled' }) >= 10);
  await until('the receipts', () => metrics.value('uplink_receipts', { answer: 'refused' }) === 200);
  expect(metrics.value('uplink_messages_ignored', { reason: 'bounds' })).toBe(1);
  expect(metrics.value('uplink_messages_ignored', { reason: 'topic' })).toBe(1);
  expect(metrics.value('uplink_messages_ignored', { reason: 'request' })).toBe(1);
  expect(metrics.value('uplink_requests_ignored', { why: 'unknown_log' })).toBe(1);
  expect(receipted(outbox)).toBe(0);
  expect(uplink.health()).toMatchObject({ connected: true, waiting: 10 });
});

describe('a clean stop', () => {
  test('waits for the receipt of the last entry, then says offline', async () => {
    const broker = await realBroker();
    const consumer = await consumerOn(broker.url, { receipts: false });
    const outbox = new FakeOutbox();
    outbox.append(ORIGIN, 500);
    const { uplink } = startUplink(broker.url, outbox);
    await until('the entries', () => consumer.taken.get(ORIGIN) === 500);
    outbox.append(ORIGIN, 1);
    const stopped = uplink.stop(5_000);
    await until('stopping', () => {
      const status = parseStatus(broker.retained.get(`${ROOT}/status`) ?? new Uint8Array());
      return status.ok && status.value.state === 'stopping';
    });
    consumer.receipting(true);
    expect(await stopped).toEqual({ receipted: true, waiting: 0 });
    await until('offline', () => {
      const status = parseStatus(broker.retained.get(`${ROOT}/status`) ?? new Uint8Array());
      return status.ok && status.value.state === 'offline' && status.value.boot === 7;
    });
    expect(consumer.taken.get(ORIGIN)).toBe(501);
  });

  test('is bounded when nobody answers', async () => {
    const broker = await realBroker();
    const outbox = new FakeOutbox();
    outbox.append(ORIGIN, 500);
    const { uplink } = startUplink(broker.url, outbox);
    await until('live', () => uplink.health().phase === 'live');
    expect(await uplink.stop(100)).toEqual({ receipted: false, waiting: 500 });
  });

  test('ends at once at a signal, also while there is no broker', async () => {
    const outbox = new FakeOutbox();
    outbox.append(ORIGIN, 5);
    const { uplink } = startUplink('mqtt://127.0.0.1:1', outbox);
    const controller = new AbortController();
    const stopped = uplink.stop(60_000, controller.signal);
    controller.abort();
    expect(await stopped).toEqual({ receipted: false, waiting: 5 });
  });
});
