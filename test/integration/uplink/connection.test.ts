import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect as createConnectionTo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { generate } from 'mqtt-packet';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { utf8, utf8Text } from '../../../src/base/bytes.ts';
import type { LogFields, Logger } from '../../../src/base/logger.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import { createMqttConnection } from '../../../src/platform/mqtt/client.ts';
import type { MqttConnectedInfo, MqttConnection, MqttMessageInfo } from '../../../src/platform/mqtt/connection.ts';
import { type MqttWill, mqttSettingsSchema } from '../../../src/platform/mqtt/settings.ts';
import { startBroker } from '../../support/broker.ts';
import { type ScriptedOptions, startScriptedBroker } from '../../support/scripted-broker.ts';
import { startProxy } from '../../support/tcp-proxy.ts';
import { until } from '../../support/until.ts';

const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Seen {
  readonly connection: MqttConnection;
  readonly metrics: MemoryMetrics;
  readonly connected: MqttConnectedInfo[];
  readonly lost: string[];
  readonly messages: { topic: string; text: string; info: MqttMessageInfo }[];
  readonly log: string[];
}

function open(settings: Readonly<Record<string, unknown>>, more: { will?: MqttWill; subscribe?: string[] } = {}): Seen {
  const metrics = new MemoryMetrics();
  const log: string[] = [];
  const line = (fields: LogFields, message: string): void => void log.push(`${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { debug: line, info: line, warn: line, error: line, child: () => logger };
  const connection = createMqttConnection({
    settings: mqttSettingsSchema.parse({ reconnect: { first_ms: 5, max_ms: 20 }, ack_timeout_ms: 5_000, ...settings }),
    clientId: 'gw-0001',
    ...(more.will === undefined ? {} : { will: more.will }),
    scheduler: systemScheduler(),
    logger,
    metrics,
  });
  const seen: Seen = { connection, metrics, connected: [], lost: [], messages: [], log };
  connection.start({
    connected: (info) => {
      seen.connected.push(info);
      if (more.subscribe !== undefined) void connection.subscribe(more.subscribe).catch(() => undefined);
    },
    lost: (reason) => void seen.lost.push(reason),
    message: (topic, payload, info) => void seen.messages.push({ topic, text: utf8Text(payload) ?? '?', info }),
  });
  cleanups.push(() => connection.close());
  return seen;
}

async function scripted(options: ScriptedOptions = {}) {
  const broker = await startScriptedBroker(options);
  cleanups.push(() => broker.stop());
  return broker;
}

async function ready(seen: Seen, count = 1): Promise<void> {
  await until(`connection ${count}`, () => seen.connected.length >= count && seen.connection.connected);
}

describe('over a broker that speaks 3.1.1', () => {
  test('messages go out and come back, retained ones to who subscribes later', async () => {
    const broker = await startBroker();
    cleanups.push(() => broker.stop());
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
    cleanups.push(() => broker.stop());
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
    cleanups.push(() => broker.stop());
    const dir = mkdtempSync(join(tmpdir(), 'latchkey-mqtt-'));
    cleanups.push(() => rmSync(dir, { recursive: true }));
    const password = join(dir, 'password');
    writeFileSync(password, 'battery staple\n');
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
    cleanups.push(() => broker.stop());
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
    cleanups.push(() => broker.stop());
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
    expect(await seen.connection.publish('t', Uint8Array.of(0))).toBe(0);
    expect(broker.received).toHaveLength(2);
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
    cleanups.push(() => nobody.close());
    await until('an address', () => nobody.address() !== null);
    const { port } = nobody.address() as AddressInfo;
    const waiting = open({ url: `mqtt://127.0.0.1:${port}`, ack_timeout_ms: 100 });
    await waiting.connection.close();
    expect(waiting.connected).toEqual([]);
  });

  test('a line that goes silent with its sockets open is noticed and replaced', async () => {
    const broker = await scripted();
    const proxy = await startProxy(broker.port);
    cleanups.push(() => proxy.stop());
    const seen = open({ url: `mqtt://127.0.0.1:${proxy.port}`, keepalive_s: 1, ack_timeout_ms: 60_000 });
    await ready(seen);
    proxy.stall(true);
    await until('the loss', () => seen.lost.length === 1, 5_000);
    expect(seen.lost[0]).toMatch(/keepalive/i);
    proxy.stall(false);
    await ready(seen, 2);
  });
});

describe('TLS', () => {
  let dir = '';
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'latchkey-tls-'));
    for (const [name, subject] of [
      ['good', 'DNS:localhost,IP:127.0.0.1'],
      ['other', 'DNS:elsewhere.example'],
    ]) {
      const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test -addext subjectAltName=${subject}`;
      execFileSync(
        'openssl',
        [...args.split(' '), '-keyout', join(dir, `${name}.key`), '-out', join(dir, `${name}.crt`)],
        {
          stdio: 'ignore',
        },
      );
    }
    return () => rmSync(dir, { recursive: true });
  });

  async function tlsFront(name: string): Promise<string> {
    const broker = await scripted();
    const key = readFileSync(join(dir, `${name}.key`));
    const cert = readFileSync(join(dir, `${name}.crt`));
    const server = createTlsServer({ key, cert }, (near) => {
      const far = createConnectionTo(broker.port);
      near.pipe(far).pipe(near);
      near.on('error', () => far.destroy());
      far.on('error', () => near.destroy());
    });
    server.on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1');
    await until('the TLS server', () => server.address() !== null);
    cleanups.push(() => server.close());
    return `mqtts://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test('a broker whose certificate the CA file vouches for is accepted', async () => {
    const seen = open({ url: await tlsFront('good'), ca_file: join(dir, 'good.crt') });
    await ready(seen);
    expect(await seen.connection.publish('t', utf8('x'))).toBe(0);
  });

  test.each([
    ['nobody vouches for', 'good', undefined],
    ['another name is in', 'other', 'other.crt'],
  ])(
    'a broker with a certificate that %s is refused, even if the environment says otherwise',
    async (_why, name, ca) => {
      const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
      cleanups.push(() => {
        if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
        else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
      });
      const seen = open({ url: await tlsFront(name), ...(ca === undefined ? {} : { ca_file: join(dir, ca) }) });
      await until('refusals', () => seen.metrics.value('mqtt_connections_failed') > 1);
      expect(seen.connected).toEqual([]);
      expect(seen.log.join('\n')).toMatch(/certificate|altnames|self-signed/i);
    },
  );

  test('plain text to another machine is announced loudly', () => {
    const seen = open({ url: 'mqtt://192.0.2.1' });
    expect(seen.log.join('\n')).toContain('PLAIN TEXT');
    expect(seen.metrics.value('mqtt_plain_text')).toBe(1);
  });
});

test('the settings refuse what would weaken them', () => {
  const base = { url: 'mqtts://broker.example' };
  expect(mqttSettingsSchema.safeParse(base).success).toBe(true);
  for (const wrong of [
    { ...base, reject_unauthorized: false },
    { url: 'mqtts://user:secret@broker.example' },
    { url: 'http://broker.example' },
    { url: 'mqtt://broker.example:99999' },
    { ...base, cert_file: '/a' },
    { ...base, password_file: '/a' },
    { url: 'mqtt://broker.example', ca_file: '/a' },
    { ...base, password: 'secret' },
  ]) {
    expect(mqttSettingsSchema.safeParse(wrong).success, JSON.stringify(wrong)).toBe(false);
  }
});
