import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect as createConnectionTo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { mqttSettingsSchema } from '../../../src/platform/mqtt/settings.ts';
import { until } from '../../support/until.ts';
import { open, ready, scripted } from './connecting.ts';

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
    onTestFinished(() => void server.close());
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
      onTestFinished(() => {
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
