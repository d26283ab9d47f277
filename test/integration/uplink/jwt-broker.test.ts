/** The gateway's login at a broker that checks tokens by itself: another process, another implementation of JWT. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Child } from '../../../simulators/demo/child-process.ts';
import { utf8 } from '../../../src/base/bytes.ts';
import { tpmLogin } from '../../../src/edge/gateway/tpm-login.ts';
import type { MqttLoginSource } from '../../../src/platform/mqtt/login.ts';
import { until } from '../../support/until.ts';
import { open, ready, type Seen } from './connecting.ts';

const LIMIT_MS = 60_000;
const AUDIENCE = 'broker.example';
const own = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const foreign = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
let broker: Child;
let url: string;

beforeAll(async () => {
  const keys = { 'gw-0001': own.publicKey.export({ format: 'jwk' }) };
  const script = join(import.meta.dirname, '../../support/jwt-broker.mjs');
  broker = new Child(process.execPath, [script, JSON.stringify({ keys, audience: AUDIENCE })]);
  const line = await broker.line('port ', LIMIT_MS);
  url = `mqtt://127.0.0.1:${line.split(' ')[1]}`;
});
afterAll(() => broker.stop('SIGTERM', LIMIT_MS));

interface Wish {
  readonly key?: KeyObject;
  readonly audience?: string;
  readonly gateway?: string;
  readonly lifetimeS?: number;
  /** Added to the clock of the box. */
  readonly aheadMs?: number;
}

function login({
  key = own.privateKey,
  audience = AUDIENCE,
  gateway = 'gw-0001',
  lifetimeS = 3_600,
  aheadMs = 0,
}: Wish) {
  return tpmLogin({
    gateway,
    settings: { lifetime_s: lifetimeS, audience },
    // The TPM's login key signs so: r || s of RFC 7518 section 3.4.
    signLogin: async (bytes) => new Uint8Array(sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' })),
    clock: { wallMs: () => Date.now() + aheadMs },
    lastSeenMs: undefined,
  });
}

function connect(credentials: MqttLoginSource): Seen {
  return open({ url, protocol: '3.1.1' }, { credentials });
}

const told = (): string => broker.lines('out').join('\n');

test('a token of the gateway is accepted, and messages pass', async () => {
  const seen = connect(login({}));
  await ready(seen);
  expect(await seen.connection.publish('latchkey/v1/0e/gw-0001/status', utf8('x'))).toBe(0);
  expect(told()).toContain('accepted gw-0001');
});

test('is exchanged before it expires: the broker throws nobody out', async () => {
  const before = told().split('accepted gw-0001').length;
  // Renewed after 0.6 of its life, the least that a fleet takes: two seconds and more before the broker would act.
  const seen = open({ url, protocol: '3.1.1' }, { credentials: login({ lifetimeS: 8 }), random: () => 0 });
  await ready(seen, 2);
  expect(seen.lost).toEqual(['the login is renewed']);
  expect(seen.metrics.value('mqtt_connections_lost')).toBe(0);
  await until('both were accepted', () => told().split('accepted gw-0001').length >= before + 2);
  expect(told()).not.toContain('expired');
});

test.each([
  ['expired', { aheadMs: -7_200_000 }, 'ERR_JWT_EXPIRED'],
  ['of a foreign key', { key: foreign.privateKey }, 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED'],
  ['for another audience', { audience: 'other.example' }, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
  ['of a gateway that is not enrolled', { gateway: 'gw-0002' }, 'no key of gw-0002'],
] as const)('one that is %s is refused, and the connection says so', async (_what, wish, reason) => {
  const seen = connect(login(wish));
  await until('it was refused', () => told().includes(reason));
  await until('it is told', () => seen.metrics.value('mqtt_connections_refused') > 0);
  expect(seen.connected).toEqual([]);
});

test('another one in the name of the gateway is refused, too', async () => {
  const source = login({ gateway: 'gw-0002' });
  const before = told().split('ERR_JWT_CLAIM_VALIDATION_FAILED').length;
  const seen = connect(async (signal) => ({ ...(await source(signal)), username: 'gw-0001' }));
  await until('it was refused', () => told().split('ERR_JWT_CLAIM_VALIDATION_FAILED').length > before);
  expect(seen.connected).toEqual([]);
});
