import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'mqtt-packet';
import { describe, expect, onTestFinished, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { startBroker } from '../../support/broker.ts';
import { startProxy } from '../../support/tcp-proxy.ts';
import { until } from '../../support/until.ts';
import { open, ready, scripted } from './connecting.ts';

describe('over a broker that speaks 3.1.1', () => {
  test('messages go out and come back, retained ones to who subscribes later', async () => {
    const broker = await startBroker();
    onTestFinished(() => broker.stop());
    const one = open({ url: broker.url, protocol: '3.1.1', client_id: 'one' });
    await ready(one);
    expect(await one.connection.publish('a/kept', utf8('kept'), { retain: true, contentType: 'text/plain' })).toBe(0);
    const two = open({ url: broker.url, protocol: '3.1.1', client_id: 'two' }, { subscribe: ['a/#'] });
    await until('the retained message', () => two.messages.length === 1);
    expect(await one.connection.publish('a/live', utf8('live'))).toBe(0);
    await until('the live message', () => two.messages.length === 2);
    expect(two.messages.map(({ topic, text, info }) => [topic, text, info.retain])).toEqual([
      ['a/kept', 'kept', true],
      ['a/live', 'live', false],
    ]);
  });

  test('it comes back to a broker that died, and the will speaks for it meanwhile', async () => {
    const broker = await startBroker();
    onTestFinished(() => broker.stop());
    const will = { topic: 'gw/status', payload: utf8('offline'), retain: true };
    const seen = open({ url: broker.url, protocol: '3.1.1' }, { will });
    await ready(seen);
    seen.connection.drop('because the test says so');
    await until('the will', () => broker.retained.has('gw/status'));
    await ready(seen, 2);
    await broker.kill();
    await until('the loss', () => seen.lost.length === 2);
    await expect(seen.connection.publish('a', utf8('x'))).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' });
    await broker.restart();
    await ready(seen, 3);
    expect(seen.lost[0]).toBe('because the test says so');
    expect(broker.messages).toBeLessThanOrEqual(2); // wills only: what was refused offline was never sent
  });

  test('a wrong password is refused by name, and stands in no log line', async () => {
    const broker = await startBroker({ users: { 'gw-0001': 'correct horse' } });
    onTestFinished(() => broker.stop());
    const dir = mkdtempSync(join(tmpdir(), 'latchkey-mqtt-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const password = join(dir, 'password');
    writeFileSync(password, 'battery staple\n', { mode: 0o600 });
    const settings = { url: broker.url, protocol: '3.1.1', username: 'gw-0001', password_file: password };
    const seen = open(settings);
    await until('refusals', () => seen.metrics.value('mqtt_connections_refused') > 2);
    expect(seen.connected).toEqual([]);
    expect(seen.log.filter((line) => line.includes('trying again'))).toHaveLength(1);
    expect(seen.log.join('\n')).toContain('BROKER_REFUSED');
    writeFileSync(password, 'correct horse\n');
    await ready(seen);
    expect(seen.log.join('\n')).not.toMatch(/battery|horse/);
  });

  test('an oversize message is swallowed and counted, and those after it arrive', async () => {
    const broker = await startBroker();
    onTestFinished(() => broker.stop());
    const settings = { url: broker.url, protocol: '3.1.1', packet_size_max: 4_096 };
    const seen = open(settings, { subscribe: ['a/#'] });
    await broker.publish('a/huge', new Uint8Array(1_000_000).fill(0x41), true);
    await ready(seen);
    await until('the count', () => seen.metrics.value('mqtt_messages_oversize') === 1);
    await broker.publish('a/small', utf8('small'));
    await until('the small one', () => seen.messages.length === 1);
    expect(seen.messages[0]?.text).toBe('small');
    expect(seen.lost).toEqual([]);
  });

  test('a broker without MQTT 5 is refused with words that help', async () => {
    const broker = await startBroker();
    onTestFinished(() => broker.stop());
    const seen = open({ url: broker.url, protocol: '5' });
    await until('a failure', () => seen.log.some((line) => line.includes('cannot connect')));
    expect(seen.log.join('\n')).toContain('Unacceptable protocol version');
    expect(seen.connected).toEqual([]);
  });
});

describe('over a broker that speaks MQTT 5', () => {
  test('publish answers with the PUBACK reason code, whatever it is', async () => {
    const broker = await scripted({ answer: ({ payload }) => payload[0] ?? 0 });
    const seen = open({ url: broker.url });
    await ready(seen);
    const codes = [0, 16, 128, 135, 144, 151, 153];
    const answers = await Promise.all(codes.map((code) => seen.connection.publish('t', Uint8Array.of(code))));
    expect(answers).toEqual(codes);
    expect(seen.lost).toEqual([]);
  });

  test('content type and user properties travel', async () => {
    const broker = await scripted();
    const seen = open({ url: broker.url });
    await ready(seen);
    await seen.connection.publish('t', utf8('x'), {
      contentType: 'text/plain',
      userProperties: { log: 'a', first: '7' },
    });
    expect(broker.received[0]?.properties).toMatchObject({
      contentType: 'text/plain',
      userProperties: { log: 'a', first: '7' },
    });
  });

  test('Receive Maximum is never exceeded, and order is kept', async () => {
    const broker = await scripted({ connack: { properties: { receiveMaximum: 3 } } });
    const seen = open({ url: broker.url });
    await ready(seen);
    expect(seen.connected[0]?.receiveMaximum).toBe(3);
    await Promise.all(Array.from({ length: 100 }, (_, i) => seen.connection.publish('t', Uint8Array.of(i))));
    expect(broker.received.map(({ payload }) => payload[0])).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(broker.outstandingMax).toBe(3);
  });

  test('more than 1,024 messages behind Receive Maximum are refused', async () => {
    const broker = await scripted({ answer: () => 'silent', connack: { properties: { receiveMaximum: 1 } } });
    const seen = open({ url: broker.url });
    await ready(seen);
    const calls = Array.from({ length: 1_026 }, () => seen.connection.publish('t', utf8('x')).catch((e) => e.code));
    expect(await calls[1_025]).toBe('BROKER_REFUSED');
    await until('the one that may go', () => broker.received.length > 0);
    seen.connection.drop('done');
    expect(new Set(await Promise.all(calls.slice(0, 1_025)))).toEqual(new Set(['BROKER_UNREACHABLE']));
    expect(broker.received).toHaveLength(1);
  });

  test('what the CONNACK rules out is answered without sending', async () => {
    const broker = await scripted({ connack: { properties: { maximumPacketSize: 1_000, retainAvailable: false } } });
    const seen = open({ url: broker.url });
    await ready(seen);
    expect(await seen.connection.publish('t', new Uint8Array(1_000))).toBe(149);
    expect(await seen.connection.publish('t', utf8('x'), { retain: true })).toBe(154);
    expect(await seen.connection.publish('t', new Uint8Array(900))).toBe(0);
    expect(broker.received).toHaveLength(1);
  });

  test('an acknowledgement that never comes drops the connection', async () => {
    const broker = await scripted({ answer: ({ payload }) => (payload[0] === 1 ? 'silent' : 0) });
    const seen = open({ url: broker.url, ack_timeout_ms: 100 });
    await ready(seen);
    await expect(seen.connection.publish('t', Uint8Array.of(1))).rejects.toMatchObject({ code: 'TIMED_OUT' });
    await ready(seen, 2);
    // The limit is as short for an answer that comes: on a machine that is held up it may take several tries.
    for (let tries = 1; ; tries += 1) {
      await until('connected', () => seen.connection.connected);
      const answer = await seen.connection.publish('t', Uint8Array.of(0)).catch((error) => error.code);
      if (answer === 0) break;
      expect(['TIMED_OUT', 'BROKER_UNREACHABLE']).toContain(answer);
      expect(tries).toBeLessThan(20);
    }
    expect(broker.received.filter(({ payload }) => payload[0] === 1)).toHaveLength(1);
  });

  test('what was on its way when the connection died is of unknown fate, and is not sent again', async () => {
    const broker = await scripted({ answer: () => 'silent' });
    const seen = open({ url: broker.url });
    await ready(seen);
    const fates = [1, 2, 3].map((n) => seen.connection.publish('t', Uint8Array.of(n)).catch((error) => error.code));
    await until('all three', () => broker.received.length === 3);
    broker.dropAll();
    expect(await Promise.all(fates)).toEqual(['BROKER_UNREACHABLE', 'BROKER_UNREACHABLE', 'BROKER_UNREACHABLE']);
    await ready(seen, 2);
    broker.answer(() => 0);
    await seen.connection.publish('t', Uint8Array.of(4));
    expect(broker.received).toHaveLength(4);
  });

  test('a signal ends the wait and leaves the connection alone', async () => {
    const broker = await scripted({ answer: ({ payload }) => (payload[0] === 1 ? 'silent' : 0) });
    const seen = open({ url: broker.url });
    await ready(seen);
    const controller = new AbortController();
    const waiting = seen.connection.publish('t', Uint8Array.of(1), { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    expect(await seen.connection.publish('t', Uint8Array.of(2))).toBe(0);
    expect(seen.lost).toEqual([]);
  });

  test('a refused subscription is an error of that call alone', async () => {
    const broker = await scripted({ grant: (filter) => (filter === 'no' ? 135 : 1) });
    const seen = open({ url: broker.url });
    await ready(seen);
    await expect(seen.connection.subscribe(['yes', 'no'])).rejects.toMatchObject({ code: 'BROKER_REFUSED' });
    await seen.connection.subscribe(['again']);
    broker.publish('again', utf8('hello'));
    await until('the message', () => seen.messages.length === 1);
    await seen.connection.unsubscribe(['again']);
    broker.publish('again', utf8('unheard'));
    await seen.connection.publish('t', utf8('x'));
    expect(seen.messages).toHaveLength(1);
  });

  test('an oversize packet from a broker that was told the limit is swallowed too', async () => {
    const broker = await scripted();
    const seen = open({ url: broker.url, packet_size_max: 4_096 }, { subscribe: ['a'] });
    await ready(seen);
    await until('the subscription', () => broker.count('subscribe') === 1);
    broker.publish('a', new Uint8Array(100_000));
    broker.publish('a', utf8('after'));
    await until('the next one', () => seen.messages.length === 1);
    expect(seen.metrics.value('mqtt_messages_oversize')).toBe(1);
    await until('its PUBACK', () => broker.count('puback') === 2);
  });

  test.each([
    ['a length of five bytes', Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x01)],
    [
      'a QoS 2 message',
      generate({ cmd: 'publish', qos: 2, dup: false, retain: false, topic: 't', payload: 'x', messageId: 1 }),
    ],
    ['a packet that does not parse', Uint8Array.of(0x30, 0x02, 0x00, 0x09)],
  ])('%s ends the connection, and the next one works', async (_name, bytes) => {
    const broker = await scripted();
    const seen = open({ url: broker.url });
    await ready(seen);
    broker.sendRaw(bytes);
    await ready(seen, 2);
    expect(await seen.connection.publish('t', utf8('x'))).toBe(0);
  });

  test('close says its last words, then DISCONNECT, and no will is left to speak', async () => {
    const broker = await scripted();
    const seen = open({ url: broker.url });
    await ready(seen);
    const lastWords = { topic: 'gw/status', payload: utf8('gone'), retain: true };
    await Promise.all([seen.connection.close(lastWords), seen.connection.close()]);
    await until('DISCONNECT', () => broker.count('disconnect') === 1);
    expect(broker.received.map(({ topic, retain }) => [topic, retain])).toEqual([['gw/status', true]]);
    await expect(seen.connection.publish('t', utf8('x'))).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' });
    expect(broker.connections).toBe(1);
  });

  test('close ends even when nobody answers, connected or not', async () => {
    const broker = await scripted({ answer: () => 'silent' });
    const seen = open({ url: broker.url, ack_timeout_ms: 100 });
    await ready(seen);
    await seen.connection.close({ topic: 't', payload: utf8('x'), retain: false });
    const nobody = createTcpServer().listen(0, '127.0.0.1');
    onTestFinished(() => void nobody.close());
    await until('an address', () => nobody.address() !== null);
    const { port } = nobody.address() as AddressInfo;
    const waiting = open({ url: `mqtt://127.0.0.1:${port}`, ack_timeout_ms: 100 });
    await waiting.connection.close();
    expect(waiting.connected).toEqual([]);
  });

  test('a line that goes silent with its sockets open is noticed and replaced', async () => {
    const broker = await scripted();
    const proxy = await startProxy(broker.port);
    onTestFinished(() => proxy.stop());
    const seen = open({ url: `mqtt://127.0.0.1:${proxy.port}`, keepalive_s: 1, ack_timeout_ms: 60_000 });
    await ready(seen);
    proxy.stall(true);
    await until('the loss', () => seen.lost.length > 0);
    expect(seen.lost[0]).toMatch(/keepalive/i);
    proxy.stall(false);
    await ready(seen, 2);
  });
});
