/** `latchkey doctor` at a broker with TLS, and at a TPM: what is refused, why, and what mends it. */
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Check } from '../../../src/cli/doctor/check.ts';
import { checkBroker } from '../../../src/cli/doctor/check-broker.ts';
import { checkTpm } from '../../../src/cli/doctor/check-tpm.ts';
import { type GatewaySettings, gatewaySettingsSchema } from '../../../src/edge/gateway/settings.ts';
import { mqttSettingsSchema } from '../../../src/platform/mqtt/settings.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { type TestAuthority, TestCa } from '../../support/test-ca.ts';
import { tpm2 } from '../../support/tpm-tools.ts';
import { until } from '../../support/until.ts';
import { makeTpm } from '../tpm/support/bench.ts';

const dir = makeTempDir('doctor-refused');
afterAll(() => dir.remove());
const { signal } = new AbortController();

describe('a broker with TLS', () => {
  const ca = new TestCa(dir);
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ format: 'pem', type: 'pkcs8' });
  let own: TestAuthority;
  let stranger: TestAuthority;
  beforeAll(() => {
    own = ca.authority('own');
    stranger = ca.authority('stranger');
  });

  /** Takes whoever trusts it, and says nothing: what a port looks like that speaks TLS and no MQTT. */
  async function brokerOf(names: string, days: number): Promise<string> {
    const extensions = [`subjectAltName=${names}`, 'basicConstraints=critical,CA:FALSE'];
    const der = ca.certificate({ subject: '/CN=broker', issuer: own, publicKey, extensions, days });
    const server = createServer({ key, cert: new X509Certificate(der).toString() }, (socket) => socket.end());
    server.on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1');
    await until('the TLS server', () => server.address() !== null);
    onTestFinished(() => void server.close());
    return `mqtts://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async function looked(url: string, caFile: string): Promise<Readonly<Record<string, Check>>> {
    const mqtt = mqttSettingsSchema.parse({ url, ca_file: caFile });
    const checks = await checkBroker({ mqtt, gateway: 'gw-1', tpmLogin: false, connected: undefined }, signal);
    return Object.fromEntries(checks.map((check) => [check.name, check]));
  }

  const RIGHT = 'IP:127.0.0.1';

  test.for([
    ['of another authority', RIGHT, 30, () => stranger, /issuer certificate|self-signed|verify the first/i],
    ['that has expired', RIGHT, -1, () => own, /expired/i],
    ['with another name', 'DNS:elsewhere.example', 30, () => own, /altnames|does not match/i],
  ] as const)(
    '%s is a finding that names the three things to look at, and no login is tried',
    async ([, names, days, trusted, why]) => {
      const checks = await looked(await brokerOf(names, days), trusted().certFile);
      const found = checks['broker-certificate'];
      expect([found?.ok, found?.found]).toEqual([false, expect.stringMatching(why)]);
      for (const word of ['mqtt.ca_file', 'mqtt.server_name', 'clock']) expect(found?.remedy).toContain(word);
      expect(Object.keys(checks)).not.toContain('broker-login');
    },
  );

  test('of the right authority is accepted, with its end; one that ends soon is said to', async () => {
    const [long, short] = [await brokerOf(RIGHT, 400), await brokerOf(RIGHT, 3)];
    const sound = await looked(long, own.certFile);
    expect(sound['broker-certificate']).toMatchObject({
      ok: true,
      found: expect.stringMatching(/accepted for 127\.0\.0\.1: by own, until/),
      remedy: '',
    });
    // It is there, and is no broker.
    expect(sound['broker-login']).toMatchObject({ ok: false, remedy: expect.stringContaining('speaks MQTT') });
    expect((await looked(short, own.certFile))['broker-certificate']?.remedy).toMatch(/it ends in [23] days/);
  });
});

describe('a TPM', () => {
  function settingsOf(tpm: object): GatewaySettings {
    return gatewaySettingsSchema.parse({
      gateway: { id: 'gw-1', operator_domain: 'lockers.example', data_dir: dir.file('data') },
      keys: { tpm },
      mqtt: { url: 'mqtt://127.0.0.1:1' },
      references: { kind: 'clear' },
    });
  }

  async function asked(tpm: object): Promise<Check> {
    const whole = settingsOf(tpm);
    return checkTpm({ keys: whole.keys, whole, status: undefined }, signal);
  }

  test.for([
    ['whose device is not there', () => ({ device: dir.file('tpmrm0') })],
    ['whose socket nobody serves', () => ({ socket: dir.file('tpm.sock') })],
  ] as const)('%s is a finding with its path and what mends it', async ([, tpm]) => {
    const check = await asked(tpm());
    const [path = 'none'] = Object.values(tpm());
    expect(check).toMatchObject({ name: 'tpm', ok: false, found: expect.stringContaining(path) });
    expect(check.remedy).toContain('that this user may use it');
  });

  test('whose device is no TPM is refused', async () => {
    writeFileSync(dir.file('no-tpm'), '', { mode: 0o400 });
    expect(await asked({ device: dir.file('no-tpm') })).toMatchObject({ ok: false });
  });

  test('that answers is sound and said to be emulated; one that is locked out is not', async () => {
    const tpm = await makeTpm();
    const { address } = tpm;
    if (address.kind !== 'unix') throw new Error('a socket');
    expect(await asked({ socket: address.path })).toMatchObject({
      ok: true,
      found: expect.stringContaining('emulated by its looks, not enrolled yet'),
    });
    // One wrong authorisation is one too many now.
    await tpm2(tpm, 'dictionarylockout', '-s', '-n', '1', '-t', '600', '-l', '600');
    await tpm2(tpm, 'nvdefine', '0x1500010', '-C', 'o', '-s', '8', '-a', 'authread|authwrite', '-p', 'right');
    await expect(tpm2(tpm, 'nvread', '0x1500010', '-C', '0x1500010', '-P', 'wrong')).rejects.toThrow();
    const locked = await asked({ socket: address.path });
    expect([locked.ok, locked.found]).toEqual([false, expect.stringContaining('LOCKED OUT')]);
    expect(locked.remedy).toContain('lockout authorisation');
  });
});
