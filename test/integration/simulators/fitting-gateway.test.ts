/** What the settings that fit a simulated site must be: sound to the gateway, whatever hangs on its lines, and lasting. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { FAMILY_NAMES } from '../../../simulators/boards/families.ts';
import { type SiteSettings, siteSchema } from '../../../simulators/site/settings.ts';
import { builtInSite } from '../../../simulators/ui/built-in.ts';
import { fittingGateway } from '../../../simulators/ui/fitting-gateway.ts';
import { CommandArgs } from '../../../src/cli/command.ts';
import { simulateCommand } from '../../../src/cli/commands/simulate.ts';
import { writeGateway, writtenPorts } from '../../../src/cli/simulated-gateway.ts';
import { writeConsumer } from '../../../src/cli/simulated-programs.ts';
import { gatewaySettingsSchema } from '../../../src/edge/gateway/settings.ts';
import { isPassword, readPasswordHash } from '../../../src/platform/http/password.ts';
import { loadSettings, parseSettings } from '../../../src/platform/settings.ts';
import { receiveSettingsSchema } from '../../../src/risk/receive/settings.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const dir = makeTempDir('fitting');
afterAll(() => dir.remove());

const silent = {
  out: () => undefined,
  err: () => undefined,
  write: () => Promise.resolve(),
  signal: new AbortController().signal,
};

const CONFIG = join(import.meta.dirname, '../../../config');

function fitting(settings: SiteSettings) {
  const address = (name: string): string =>
    settings.lines.find((line) => line.name === name)?.tcp === undefined ? `/dev/${name}` : '127.0.0.1:4001';
  const parts = { settings, site: { address }, brokerUrl: 'mqtt://127.0.0.1:1883', dataDir: '/var/lib/simulated' };
  return gatewaySettingsSchema.parse(fittingGateway(parts));
}

test('the built-in site is a cabinet, a scanner and a keypad, and two of its doors open for the gateway alone', () => {
  const { ports, custody } = fitting(builtInSite());
  expect(ports.map(({ devices }) => devices[0]?.driver)).toEqual(['kerong_cu16', 'text_scanner', 'keypad']);
  expect(custody.compartments.map(({ name }) => name)).toEqual(['A01', 'A02', 'A03', 'A04', 'A05', 'A06']);
  expect(custody.compartments.filter(({ controlled }) => controlled).map(({ name }) => name)).toEqual(['A05', 'A06']);
});

test('the example of a site has a gateway that fits it, its instruments included', () => {
  const site = parseSettings(readFileSync(join(CONFIG, 'site.yaml'), 'utf8'), siteSchema);
  if (!site.ok) throw new Error(site.detail);
  const { ports } = fitting(site.value);
  const drivers = ports.map(({ devices }) => devices.map(({ driver }) => driver).join(' '));
  expect(drivers).toEqual(['xor_8a80 xor_8a80', 'kerong_cu16', 'text_scanner', 'ssi_scanner', 'mt_sics', 'nmea']);
});

/** As many as such boards have. */
const CHANNELS: Readonly<Record<(typeof FAMILY_NAMES)[number], number>> = {
  xor_8a80: 24,
  kerong_cu16: 16,
  kerong_cu48: 48,
  cu48_modbus: 48,
  modbus_io: 16,
  wkly: 12,
  winnsen: 16,
};

test.each(FAMILY_NAMES)('a board of family %s is asked by its driver, with the polarity that it has', (family) => {
  const channels = CHANNELS[family];
  for (const shutReads of [0, 1] as const) {
    const line = {
      name: 'bus',
      tcp: { port: 4_001 },
      family,
      boards: [{ name: 'b', address: 1, channels, shut_reads: shutReads }],
    };
    const { ports, custody } = fitting(siteSchema.parse({ lines: [line] }));
    expect(ports[0]).toMatchObject({ link: { kind: 'tcp', port: 4_001 }, devices: [{ driver: family, address: 1 }] });
    expect(custody.compartments).toHaveLength(channels);
    expect(custody.compartments[7]).toMatchObject({ name: 'b.8', channel: 8, polarity: `closed_is_${shutReads}` });
  }
});

test('a site that is started again keeps ports, devices and authenticator, and gives a new password', async () => {
  const path = dir.file('gateway.yaml');
  const site = { address: (name: string): string => `/dev/${name}` };
  const write = async (broker: number) => {
    const parts = { settings: builtInSite(), site, brokerUrl: `mqtt://127.0.0.1:${broker}` };
    const written = await writeGateway(parts, path, writtenPorts(path));
    return { ...written, settings: loadSettings(path, gatewaySettingsSchema) };
  };
  expect(writtenPorts(path)).toEqual({});
  const first = await write(18_001);
  const secret = readFileSync(dir.file('six-doors-console.totp'), 'utf8');
  const { port } = first.settings.console?.web ?? {};
  expect(writtenPorts(path)).toEqual({ broker: 18_001, console: port });
  const second = await write(18_001);
  expect(second.settings).toEqual(first.settings);
  expect(readFileSync(dir.file('six-doors-console.totp'), 'utf8')).toBe(secret);
  expect(second.console()).toMatchObject({ url: `http://127.0.0.1:${port}/`, code: expect.stringMatching(/^\d{6}$/) });
  const hash = readPasswordHash(dir.file('six-doors-console.password'));
  if (!hash.ok) throw new Error(hash.detail);
  expect([isPassword(first.password, hash.value), isPassword(second.password, hash.value)]).toEqual([false, true]);
  expect(statSync(dir.file('six-doors-console.password')).mode & 0o077).toBe(0);
});

test('a consumer that belongs to the site keeps every entry, and the gateway takes it for a store by its key', async () => {
  const path = dir.file('with-consumer.yaml');
  const settings = { ...builtInSite(), name: 'stored' };
  const brokerUrl = 'mqtt://127.0.0.1:18002';
  const first = await writeConsumer(settings, brokerUrl, path);
  const receive = loadSettings(first.configPath, receiveSettingsSchema);
  expect(receive).toMatchObject({ store: 'files', witness: { role: 'store' }, mqtt: { url: brokerUrl } });
  expect(receive.data_dir).toBe(dir.file('stored-consumer'));
  const parts = { settings, site: { address: (name: string) => `/dev/${name}` }, brokerUrl, receiver: first.vkey };
  await writeGateway(parts, path, {});
  const { receivers } = loadSettings(path, gatewaySettingsSchema);
  expect(receivers).toEqual([{ vkey: first.vkey, role: 'store' }]);
  expect((await writeConsumer(settings, brokerUrl, path)).vkey).toBe(first.vkey);
});

test('settings of a consumer that somebody else wrote are never written over', async () => {
  const path = dir.file('guest-receive.yaml');
  writeFileSync(path, 'data_dir: /var/lib/receive\n');
  const written = writeConsumer({ ...builtInSite(), name: 'guest' }, 'mqtt://127.0.0.1:1', dir.file('gateway.yaml'));
  await expect(written).rejects.toThrow(/not written by "latchkey simulate"/);
  expect(readFileSync(path, 'utf8')).toBe('data_dir: /var/lib/receive\n');
});

test.each([
  [{ 'write-config': 'x.yaml' }, /--write-config goes with --ui/],
  [{ 'ui-broker': true }, /--ui-broker goes with --ui/],
  [{ 'with-gateway': true }, /--with-gateway goes with --ui/],
  [{ ui: true, 'with-gateway': true }, /--with-gateway needs --write-config FILE/],
  [{ ui: true, 'ui-port': '70000' }, /at most 65535/],
  [{}, /--site is needed, or --ui/],
])('options %o are refused before anything is served', async (options, expected) => {
  await expect(simulateCommand(new CommandArgs([], options), silent)).rejects.toThrow(expected);
});

test('settings that somebody else wrote are never written over', async () => {
  const path = dir.file('own.yaml');
  writeFileSync(path, 'gateway: {}\n');
  const options = { ui: true, 'write-config': path };
  await expect(simulateCommand(new CommandArgs([], options), silent)).rejects.toThrow(
    /not written by "latchkey simulate"/,
  );
  expect(readFileSync(path, 'utf8')).toBe('gateway: {}\n');
});
