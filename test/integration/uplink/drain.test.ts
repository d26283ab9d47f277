import { describe, expect, test } from 'vitest';
import { FakeOutbox, ORIGIN } from '../../support/fake-outbox.ts';
import { until } from '../../support/until.ts';
import { consumerOn, proxyTo, realBroker, receipted, startUplink } from './running.ts';

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
      60_000,
    );
    expect(consumer.taken.get(ORIGIN)).toBe(70_000);
    expect({ gaps: consumer.gaps, windowMax: windowMax <= 16 }).toEqual({ gaps: 0, windowMax: true });
    expect(broker.messages).toBeGreaterThan(before);
    expect(uplink.health()).toMatchObject({ healthy: true, waiting: 0, alarms: [], aheadBytes: 0 });
  });

  test('arrive once over a line that is cut 20 times while they drain', async () => {
    const broker = await realBroker();
    const proxy = await proxyTo(broker.port, { delayMs: 2 });
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
    await until('all receipts', () => receipted(outbox) === 70_000, 60_000);
    expect(consumer.taken.get(ORIGIN)).toBe(70_000);
    expect(proxy.connections).toBeGreaterThanOrEqual(20);
    expect(metrics.value('mqtt_connections_lost')).toBeGreaterThanOrEqual(20);
    expect(consumer.gaps).toBe(0);
    expect(uplink.health().waiting).toBe(0);
  });
});

test('a long line costs one round trip for a window, not for each batch', async () => {
  const broker = await realBroker();
  const proxy = await proxyTo(broker.port, { delayMs: 75 });
  const consumer = await consumerOn(broker.url);
  const outbox = new FakeOutbox();
  outbox.append(ORIGIN, 2_000, 2);
  const { metrics } = startUplink(`mqtt://127.0.0.1:${proxy.port}`, outbox, {
    uplink: { stall_ms: 30_000, stall_max_ms: 30_000 },
  });
  // One at a time these 1,000 batches would take 150 seconds.
  await until('all receipts', () => receipted(outbox) === 2_000, 60_000);
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
    await until('two rewinds', () => metrics.value('uplink_rewinds', { why: 'stalled' }) >= 2);
    expect(receipted(outbox)).toBe(0);
    // The first megabyte in good faith, then one batch a try.
    const tries = metrics.value('uplink_rewinds', { why: 'stalled' });
    expect(metrics.value('uplink_bytes_sent')).toBeLessThan(1_048_576 + (tries + 1) * 131_072);
    expect(uplink.health()).toMatchObject({ healthy: false, connected: true, stalled: true, waiting: 70_000 });
    expect(uplink.health().alarms).toEqual([`receipts_stalled ${ORIGIN}`]);

    const consumer = await consumerOn(broker.url);
    broker.judge(() => 'deliver');
    await until('all receipts', () => receipted(outbox) === 70_000, 60_000);
    expect(consumer.taken.get(ORIGIN)).toBe(70_000);
    expect(uplink.health()).toMatchObject({ healthy: true, stalled: false, alarms: [] });
  });

  test('a consumer that is away gets everything when it comes', async () => {
    const broker = await realBroker();
    const outbox = new FakeOutbox();
    outbox.append(ORIGIN, 20_000);
    const { metrics } = startUplink(broker.url, outbox);
    await until('a rewind', () => metrics.value('uplink_rewinds', { why: 'stalled' }) >= 1);
    const consumer = await consumerOn(broker.url, { asks: false });
    await until('all receipts', () => receipted(outbox) === 20_000, 60_000);
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
    const { metrics } = startUplink(broker.url, outbox, {
      uplink: { ahead_bytes: 262_144, stall_ms: 60_000, stall_max_ms: 60_000 },
    });
    await until('all receipts', () => receipted(outbox) === 20_000, 60_000);
    expect({ duplicates: consumer.duplicates, gaps: consumer.gaps }).toEqual({ duplicates: 0, gaps: 0 });
    expect(metrics.value('uplink_rewinds', { why: 'stalled' })).toBe(0);
  });
});
