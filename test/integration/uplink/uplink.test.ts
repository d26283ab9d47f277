import { describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { parseStatus } from '../../../src/evidence/wire/messages.ts';
import { FakeOutbox, fakeNote, fakeReceipt, ORIGIN, SECOND_ORIGIN } from '../../support/fake-outbox.ts';
import { until } from '../../support/until.ts';
import { consumerOn, ROOT, realBroker, receipted, scripted, startUplink } from './running.ts';

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
    // Long enough that a pause of the machine is not the end of what the broker sends.
    const { uplink } = startUplink(broker.url, outbox, { uplink: { memory_quiet_ms: 3_000 } });
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
    const { uplink } = startUplink(broker.url, outbox, { uplink: { memory_lost_wait_ms: 4_000 } });
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
    const { uplink } = startUplink(broker.url, outbox, { uplink: { memory_lost_wait_ms: 600_000 } });
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
  const { uplink } = startUplink(broker.url, outbox, { uplink: { stall_ms: 60_000, stall_max_ms: 60_000 } });
  await until('both logs', () => receipted(outbox, SECOND_ORIGIN) === 1_000 && receipted(outbox) === 2_000);
  const order = outbox.batchesRead.map(({ log }) => log);
  expect(order.indexOf(SECOND_ORIGIN)).toBeGreaterThanOrEqual(4);
  expect(consumer.duplicates).toBe(0);
  expect(uplink.health().waiting).toBe(0);
});

test('a closed log of which nothing can be sent is passed over, with its entries counted and said', async () => {
  const broker = await realBroker();
  await consumerOn(broker.url);
  const outbox = new FakeOutbox();
  outbox.append(ORIGIN, 300);
  outbox.noteless.add(ORIGIN);
  outbox.open(SECOND_ORIGIN);
  outbox.append(SECOND_ORIGIN, 1_000);
  const { uplink, metrics } = startUplink(broker.url, outbox);
  await until('the other log', () => receipted(outbox, SECOND_ORIGIN) === 1_000);
  await until('nothing waits', () => uplink.health().waiting === 0);
  const said = [`entries_unsendable 300 ${ORIGIN}`];
  expect(uplink.health()).toMatchObject({ unsendable: 300, stalled: false, alarms: said, healthy: false });
  expect(metrics.value('uplink_unsendable_entries')).toBe(300);
  expect(outbox.batchesRead.filter(({ log }) => log === ORIGIN)).toEqual([]);
  // Whoever can vouch for it again lets it out.
  outbox.noteless.clear();
  outbox.append(SECOND_ORIGIN, 1);
  await until('all receipts', () => receipted(outbox) === 300 && receipted(outbox, SECOND_ORIGIN) === 1_001);
  expect(uplink.health()).toMatchObject({ unsendable: 0, waiting: 0, alarms: [] });
});

test('what strangers write is counted and changes nothing', async () => {
  const broker = await realBroker();
  const outbox = new FakeOutbox();
  outbox.append(ORIGIN, 10);
  // One request in good faith; the others come long before their time.
  const { uplink, metrics } = startUplink(broker.url, outbox, { uplink: { request_interval_ms: 60_000 } });
  await until('the batch', () => metrics.value('uplink_batches_sent') > 0);
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
    const stopped = uplink.stop(60_000);
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
