/** The product behind TLS, passwords and the broker's rules that we ship. */
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startExampleBroker } from '../support/example-broker.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';
import { makeAuthority } from '../support/test-authority.ts';
import { makeRig, type Rig } from './support/rig.ts';

const LIMIT_MS = 60_000;
const PASSWORDS = { receive: 'every gateway', 'gw-rig': 'correct horse', 'gw-other': 'battery staple' };

let dir: TempDir;
let rig: Rig;

function secretFile(user: keyof typeof PASSWORDS): string {
  const path = dir.file(`${user}.password`);
  writeFileSync(path, `${PASSWORDS[user]}\n`, { mode: 0o600 });
  return path;
}

beforeEach(async () => {
  dir = makeTempDir('broker-login');
  const authority = makeAuthority(dir.path, 'ours');
  const server = authority.issue('broker', { names: 'DNS:broker.example' });
  const broker = await startExampleBroker({
    dir: dir.path,
    example: 'mosquitto.conf',
    server,
    passwords: PASSWORDS,
  });
  const mqtt = (username: keyof typeof PASSWORDS) => ({
    url: `mqtts://127.0.0.1:${broker.port}`,
    server_name: 'broker.example',
    ca_file: authority.caPath,
    username,
    password_file: secretFile(username),
    reconnect: { first_ms: 20, max_ms: 200 },
  });
  rig = await makeRig({ broker, gateway: { mqtt: mqtt('gw-rig') }, receive: { mqtt: mqtt('receive') } });
});

afterEach(async () => {
  await rig.close();
  dir.remove();
});

test('entries reach the consumer and receipts come back, and after a restart of the gateway again', async () => {
  rig.feed.scan(3);
  const { log } = await rig.receipted(LIMIT_MS);
  await rig.gateway.stop('SIGTERM', LIMIT_MS);
  await rig.startGateway();
  rig.feed.scan(2);
  const after = await rig.receipted(LIMIT_MS);
  expect(after.log.receipted).toBeGreaterThan(log.receipted);
  expect(after.log.origin).toBe(log.origin);
  // The retained checkpoint was there to be compared: the restart was no rollback.
  expect(rig.stored()).toHaveLength(1);
});

test('a gateway with the login of another one is refused by the broker, says so, and loses nothing', async () => {
  await rig.gateway.stop('SIGTERM', LIMIT_MS);
  const before = { ...rig.gatewaySettings };
  const mqtt = { ...('mqtt' in before ? (before.mqtt as object) : {}), username: 'gw-other' };
  rig.gatewaySettings = { ...before, mqtt: { ...mqtt, password_file: secretFile('gw-other') } };
  rig.newGateway('gw-rig');
  await rig.startGateway();
  rig.feed.scan(1);
  const refused = await rig.statusUntil(
    'the broker refuses',
    ({ uplink }) => JSON.stringify(uplink).includes('_refused 135'),
    LIMIT_MS,
  );
  expect(refused.log.receipted).toBeLessThan(refused.log.entries);

  await rig.gateway.stop('SIGKILL', LIMIT_MS);
  rig.gatewaySettings = before;
  rig.newGateway('gw-rig');
  await rig.startGateway();
  const after = await rig.receipted(LIMIT_MS);
  expect(after.log.receipted).toBeGreaterThanOrEqual(refused.log.entries);
});

test('a password file that others may read stops the connection with its reason', async () => {
  await rig.gateway.stop('SIGTERM', LIMIT_MS);
  const loose = dir.file('loose.password');
  writeFileSync(loose, `${PASSWORDS['gw-rig']}\n`, { mode: 0o644 });
  const before = 'mqtt' in rig.gatewaySettings ? (rig.gatewaySettings.mqtt as object) : {};
  rig.gatewaySettings = { ...rig.gatewaySettings, mqtt: { ...before, password_file: loose } };
  rig.newGateway('gw-rig');
  const child = rig.spawnGateway();
  const line = await child.line('KEY_PERMISSIONS', LIMIT_MS);
  expect(line).toContain(loose);
  expect(line).toContain('mode 0644');
  expect([...child.lines('out'), ...child.lines('err')].join('\n')).not.toContain(PASSWORDS['gw-rig']);
});
