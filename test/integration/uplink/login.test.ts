/** Logins that expire: each connection gets its own, and they are exchanged in time. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { LoginKeeper, type MqttLogin, type MqttLoginSource } from '../../../src/platform/mqtt/login.ts';
import { startBroker, type TestBroker } from '../../support/broker.ts';
import { until } from '../../support/until.ts';
import { open, ready, type Seen } from './connecting.ts';

const WILL = { topic: 'gw/status', payload: utf8('offline'), retain: true };

/** A broker that takes the newest token alone, and a key that makes them. */
async function tokens(validForMs?: number) {
  const users: Record<string, string> = {};
  const broker = await startBroker({ users });
  onTestFinished(() => broker.stop());
  const made: string[] = [];
  const source: MqttLoginSource = async () => {
    const token = `token-${made.length}-${Math.random()}`;
    made.push(token);
    users['gw-0001'] = token;
    const login: MqttLogin = { username: 'gw-0001', password: utf8(token) };
    return validForMs === undefined ? login : { ...login, validForMs };
  };
  return { broker, made, source };
}

function start(broker: TestBroker, credentials: MqttLoginSource, settings: object = {}): Seen {
  return open({ url: broker.url, protocol: '3.1.1', ...settings }, { credentials, will: WILL });
}

describe('a connection whose password is made anew', () => {
  test('each connection gets a login of its own, and none of them stands in a log line', async () => {
    const { broker, made, source } = await tokens();
    const seen = start(broker, source);
    await ready(seen);
    seen.connection.drop('once more');
    await ready(seen, 2);
    expect(made).toHaveLength(2);
    expect(seen.log.join('\n')).not.toContain('token-');
  });

  test('before a login expires the connection is renewed, without a will and without a wait', async () => {
    const { broker, made, source } = await tokens(300);
    const seen = start(broker, source, { reconnect: { first_ms: 60_000, max_ms: 60_000 } });
    await ready(seen, 4);
    expect(seen.metrics.value('mqtt_logins_renewed')).toBeGreaterThanOrEqual(3);
    expect(seen.metrics.value('mqtt_connections_lost')).toBe(0);
    expect(new Set(seen.lost)).toEqual(new Set(['the login is renewed']));
    expect(made.length).toBeGreaterThanOrEqual(4);
    expect(broker.retained.has(WILL.topic)).toBe(false);
  });

  test('while no new login can be made the connection stays, and the next one that can is used', async () => {
    const { broker, source } = await tokens(400);
    let away = false;
    const seen = start(broker, (signal) => {
      if (away) throw new LatchkeyError('KEY_LOCKED', 'the TPM is away');
      return source(signal);
    });
    await ready(seen);
    away = true;
    await until('two failures', () => seen.metrics.value('mqtt_logins_failed') >= 2);
    expect(seen.lost).toEqual([]);
    expect(await seen.connection.publish('a', utf8('x'))).toBe(0);
    expect(seen.log.join('\n')).toContain('the TPM is away');
    away = false;
    await ready(seen, 2);
    expect(seen.lost).toEqual(['the login is renewed']);
  });

  test('without a login there is no connection, and the reason is told by its code', async () => {
    const { broker, source } = await tokens();
    let away = true;
    const seen = start(broker, (signal) => {
      if (away) throw new LatchkeyError('KEY_LOCKED', 'the TPM is away');
      return source(signal);
    });
    await until('failures', () => seen.metrics.value('mqtt_connections_failed') > 1);
    expect(seen.log.join('\n')).toContain('KEY_LOCKED');
    away = false;
    await ready(seen);
  });

  test('a source that is silent is given up and asked again', async () => {
    const { broker, source } = await tokens();
    let asked = 0;
    const given: AbortSignal[] = [];
    const credentials: MqttLoginSource = (signal) => {
      asked += 1;
      given.push(signal);
      return asked > 1 ? source(signal) : new Promise(() => undefined);
    };
    const seen = start(broker, credentials, { connect_timeout_ms: 200 });
    await ready(seen);
    expect(given[0]?.aborted).toBe(true);
    expect(seen.log.join('\n')).toContain('TIMED_OUT');
  });

  test('closing ends the wait for a login', async () => {
    const { broker } = await tokens();
    let signal: AbortSignal | undefined;
    const seen = start(broker, (given) => {
      signal = given;
      return new Promise(() => undefined);
    });
    await until('the source is asked', () => signal !== undefined);
    await seen.connection.close();
    expect(signal?.aborted).toBe(true);
    expect(seen.log.join('\n')).not.toContain('trying again');
  });

  test('a password file beside it is a mistake that is told', async () => {
    const { broker, source } = await tokens();
    const settings = { url: broker.url, username: 'gw-0001', password_file: '/etc/latchkey/password' };
    expect(() => open(settings, { credentials: source })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

describe('when a login is renewed', () => {
  async function renewedAt(random: number, validForMs: number): Promise<number> {
    const scheduler = new ManualScheduler();
    let atMs: number | undefined;
    const login: MqttLogin = { username: 'gw-0001', password: utf8('x'), validForMs };
    const keeper = new LoginKeeper({
      source: () => Promise.resolve(login),
      limitMs: 1_000,
      scheduler,
      random: () => random,
      renewed: () => {
        atMs = scheduler.monotonicMs();
      },
      failed: () => undefined,
    });
    keeper.watch({ login, madeAtMs: scheduler.monotonicMs() });
    for (let turns = 0; atMs === undefined && turns < 10_000; turns += 1) {
      scheduler.advance(validForMs / 100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    keeper.close();
    return atMs ?? Number.NaN;
  }

  test.each([
    [0, 3_600_000, 2_160_000],
    [0.999, 3_600_000, 2_880_000],
    [0.5, 300_000, 210_000],
  ])('with dice at %d a login of %d ms is renewed after %d ms', async (random, validForMs, expected) => {
    expect(Math.abs((await renewedAt(random, validForMs)) - expected)).toBeLessThanOrEqual(validForMs / 50);
  });

  test('a life that no timer can hold is bounded', async () => {
    expect(await renewedAt(0, 10_000_000_000)).toBeLessThanOrEqual(2_500_000_000);
  });
});
