/**
 * The broker settings and rules that we ship, on mosquitto: who gets in, who may say and hear what. All topics come from
 * the module that spells them.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { fleetFilter, gatewayRoot, type TopicName } from '../../../src/evidence/wire/topics.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { startExampleBroker } from '../../support/example-broker.ts';
import type { Mosquitto } from '../../support/mosquitto.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { type IssuedCertificate, makeAuthority, type TestAuthority } from '../../support/test-authority.ts';
import { until } from '../../support/until.ts';
import { open, ready, type Seen } from './connecting.ts';

const REFUSED = 135;
const PASSWORDS = { receive: 'every gateway', 'gw-0001': 'correct horse', 'gw-0002': 'battery staple' };
const FROM_GATEWAY = ['batch', 'checkpoint/1-9f2c01aa', 'enrolment', 'status', 'reply'];
const TO_GATEWAY = ['receipt/1-9f2c01aa/480dfaa5', 'request', 'command'];
const HEARD_BY_CONSUMER = ['batch', 'checkpoint', 'enrolment', 'status', 'reply'] as const satisfies TopicName[];

let dir: TempDir;
let ours: TestAuthority;
let theirs: TestAuthority;
let server: IssuedCertificate;
let broker: Mosquitto;

beforeAll(async () => {
  dir = makeTempDir('broker-rules');
  [ours, theirs] = [makeAuthority(dir.path, 'ours'), makeAuthority(dir.path, 'theirs')];
  server = ours.issue('broker', { names: 'DNS:localhost,IP:127.0.0.1' });
  broker = await startExampleBroker({ dir: dir.path, example: 'mosquitto.conf', server, passwords: PASSWORDS });
});

afterAll(async () => {
  await broker.stop();
  dir.remove();
});

function topic(gateway: string, name: string): string {
  return `${gatewayRoot(nodeCrypto, 'latchkey', gateway)}/${name}`;
}

function login(user: string, more: Readonly<Record<string, unknown>> = {}, subscribe: string[] = []): Seen {
  const file = dir.file(`${user}.password`);
  if (!existsSync(file)) {
    writeFileSync(file, `${Object.entries(PASSWORDS).find(([name]) => name === user)?.[1] ?? 'wrong'}\n`, {
      mode: 0o600,
    });
  }
  const settings = {
    url: `mqtts://127.0.0.1:${broker.port}`,
    ca_file: ours.caPath,
    client_id: `${user}-${Math.random().toString(36).slice(2)}`,
    username: user,
    password_file: file,
    ...more,
  };
  return open(settings, { subscribe });
}

async function connected(...all: readonly Seen[]): Promise<void> {
  for (const seen of all) {
    await ready(seen);
    // The subscription that `open` made is older than this one, so it stands when this one does.
    await seen.connection.subscribe(['$SYS/none']);
  }
}

const heard = (seen: Seen): readonly string[] => seen.messages.map((message) => message.topic);

describe.each(['5', '3.1.1'])('with MQTT %s', (protocol) => {
  test('a gateway says everything it has to say, and the consumer hears it', async () => {
    const filters = HEARD_BY_CONSUMER.map((name) => fleetFilter('latchkey', '+', name));
    const consumer = login('receive', { protocol }, filters);
    const gateway = login('gw-0001', { protocol });
    await connected(consumer, gateway);
    for (const name of FROM_GATEWAY) {
      expect(await gateway.connection.publish(topic('gw-0001', name), utf8(protocol))).toBeLessThan(REFUSED);
    }
    await until('all of it', () => heard(consumer).length === FROM_GATEWAY.length);
    expect(heard(consumer)).toEqual(FROM_GATEWAY.map((name) => topic('gw-0001', name)));
  });

  test('a gateway hears what is said to it, and nothing that is said to another', async () => {
    const root = (id: string): string => gatewayRoot(nodeCrypto, 'latchkey', id);
    const filters = ['gw-0001', 'gw-0002'].map((id) => `${root(id)}/#`);
    const gateway = login('gw-0001', { protocol }, [...filters, 'latchkey/#', '#']);
    const consumer = login('receive', { protocol });
    await connected(gateway, consumer);
    for (const id of ['gw-0002', 'gw-0001']) {
      for (const name of TO_GATEWAY) await consumer.connection.publish(topic(id, name), utf8('x'));
    }
    const last = topic('gw-0001', TO_GATEWAY.at(-1) ?? '');
    await until('the last of it', () => heard(gateway).includes(last));
    expect([...new Set(heard(gateway))]).toEqual(TO_GATEWAY.map((name) => topic('gw-0001', name)));
  });

  test('a gateway that writes under another one, or where only the consumer may, is not heard', async () => {
    const consumer = login('receive', { protocol }, ['latchkey/v1/#']);
    const gateway = login('gw-0001', { protocol });
    await connected(consumer, gateway);
    const wrong = [
      ...FROM_GATEWAY.map((name) => topic('gw-0002', name)),
      ...TO_GATEWAY.map((name) => topic('gw-0001', name)),
      topic('gw-0001', 'batch/more'),
      'elsewhere',
    ];
    for (const name of wrong) {
      // MQTT 3.1.1 has no word for "refused": the broker thanks, and forgets.
      expect(await gateway.connection.publish(name, utf8('x'))).toBe(protocol === '5' ? REFUSED : 0);
    }
    await gateway.connection.publish(topic('gw-0001', 'batch'), utf8('last'));
    await until('the last', () => consumer.messages.some(({ text }) => text === 'last'));
    expect(consumer.messages.filter(({ info }) => !info.retain).map(({ text }) => text)).toEqual(['last']);
  });
});

test('a gateway reads its own retained checkpoint back: its memory outside the disk', async () => {
  const first = login('gw-0002');
  await connected(first);
  const name = topic('gw-0002', 'checkpoint/1-9f2c01aa');
  expect(await first.connection.publish(name, utf8('note'), { retain: true })).toBeLessThan(REFUSED);
  const second = login('gw-0002', {}, [topic('gw-0002', 'checkpoint/#')]);
  await until('the note', () => second.messages.length === 1);
  expect(second.messages[0]).toMatchObject({ topic: name, text: 'note', info: { retain: true } });
});

async function refused(seen: Seen, code: 'BROKER_REFUSED' | 'BROKER_UNREACHABLE', words: RegExp): Promise<void> {
  const metric = code === 'BROKER_REFUSED' ? 'mqtt_connections_refused' : 'mqtt_connections_failed';
  await until(`${metric}, twice`, () => seen.metrics.value(metric) >= 2, 30_000);
  expect(seen.connected).toEqual([]);
  const said = seen.log.join('\n');
  expect(said).toContain(code);
  expect(said).toMatch(words);
}

describe('who does not get in', () => {
  test('a gateway with a wrong password is refused, and its password stands in no log line', async () => {
    writeFileSync(dir.file('wrong.password'), 'open sesame\n', { mode: 0o600 });
    const seen = login('gw-0001', { password_file: dir.file('wrong.password') });
    await refused(seen, 'BROKER_REFUSED', /Not authorized/i);
    expect(seen.log.join('\n')).not.toContain('sesame');
  });

  test('a gateway that the broker does not know is refused', async () => {
    await refused(login('gw-0003'), 'BROKER_REFUSED', /Not authorized/i);
  });

  test('a broker that another CA vouches for gets no password', async () => {
    await refused(login('gw-0001', { ca_file: theirs.caPath }), 'BROKER_UNREACHABLE', /broker is not accepted: .*cert/);
  });

  test.each([
    ['expired', { names: 'DNS:localhost,IP:127.0.0.1', expired: true }, {}, /broker is not accepted: .*expired/],
    ['of another name', { names: 'DNS:broker.example' }, {}, /broker is not accepted: .*altnames/],
  ])('a broker whose certificate is %s gets no password', async (label, certificate, more, words) => {
    const folder = makeTempDir('broker-wrong');
    onTestFinished(() => folder.remove());
    const wrong = ours.issue(label.replaceAll(' ', '-'), certificate);
    const settings = { dir: folder.path, example: 'mosquitto.conf', server: wrong, passwords: PASSWORDS } as const;
    const other = await startExampleBroker(settings);
    onTestFinished(() => other.stop());
    await refused(login('gw-0001', { url: `mqtts://127.0.0.1:${other.port}`, ...more }), 'BROKER_UNREACHABLE', words);
    if (label === 'expired') return;
    await ready(login('gw-0001', { url: `mqtts://127.0.0.1:${other.port}`, server_name: 'broker.example' }));
  });
});

describe('client certificates', () => {
  let folder: TempDir;
  let strict: Mosquitto;
  beforeAll(async () => {
    folder = makeTempDir('broker-certificates');
    strict = await startExampleBroker({
      dir: folder.path,
      example: 'mosquitto-client-certificates.conf',
      server,
      clientCaPath: ours.caPath,
    });
  });
  afterAll(async () => {
    await strict.stop();
    folder.remove();
  });

  function present(issued: IssuedCertificate | undefined, subscribe: string[] = []): Seen {
    const files = issued === undefined ? {} : { cert_file: issued.certPath, key_file: issued.keyPath };
    const client = { client_id: `c-${Math.random().toString(36).slice(2)}` };
    return open({ url: `mqtts://127.0.0.1:${strict.port}`, ca_file: ours.caPath, ...client, ...files }, { subscribe });
  }

  test('the name in the certificate is the gateway, and the same rules hold', async () => {
    const consumer = present(ours.issue('receive'), ['latchkey/v1/#']);
    const gateway = present(ours.issue('gw-0001'));
    await connected(consumer, gateway);
    expect(await gateway.connection.publish(topic('gw-0002', 'batch'), utf8('forged'))).toBe(REFUSED);
    expect(await gateway.connection.publish(topic('gw-0001', 'batch'), utf8('own'))).toBe(0);
    await until('its own', () => consumer.messages.length > 0);
    expect(consumer.messages.map(({ text }) => text)).toEqual(['own']);
  });

  test('without a certificate a gateway is refused', async () => {
    await refused(present(undefined), 'BROKER_REFUSED', /certificate required/);
  });

  test('with a certificate of another CA a gateway is refused', async () => {
    await refused(present(theirs.issue('gw-0001')), 'BROKER_REFUSED', /ended TLS with .*unknown ca/);
  });

  test('with an expired certificate a gateway is refused', async () => {
    const issued = ours.issue('expired-client', { subject: 'gw-0001', expired: true });
    await refused(present(issued), 'BROKER_REFUSED', /certificate expired/);
  });
});
