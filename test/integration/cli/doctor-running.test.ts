/** From nothing to a running gateway: `latchkey init`, then `status --watch` and `doctor` beside it. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Child, runToEnd } from '../../../simulators/demo/child-process.ts';
import { siteSchema } from '../../../simulators/site/settings.ts';
import { type Site, startSite } from '../../../simulators/site.ts';
import { present } from '../../../src/base/assert.ts';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { parseCommandArgs } from '../../../src/cli/command.ts';
import { initCommand } from '../../../src/cli/commands/init.ts';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { examine } from '../../../src/cli/doctor/examine.ts';
import { DeviceNames, portOf } from '../../../src/cli/init/found-devices.ts';
import { settingsText } from '../../../src/cli/init/settings-text.ts';
import { watchStatus } from '../../../src/cli/watch-status.ts';
import { callControl } from '../../../src/edge/control/client.ts';
import { gatewaySettingsSchema } from '../../../src/edge/gateway/settings.ts';
import type { GatewayStatus } from '../../../src/edge/gateway/status.ts';
import { listPorts } from '../../../src/edge/ports/list-ports.ts';
import { linkSchema } from '../../../src/edge/ports/settings.ts';
import { startBroker, type TestBroker } from '../../support/broker.ts';
import { mainPath, runLatchkey, startLatchkey } from '../../support/child.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

const dir = makeTempDir('init');
const config = dir.file('etc', 'gateway.yaml');
const SITE = { name: 'first', lines: [{ name: 'gps', tcp: {}, position: {} }] };
let broker: TestBroker;
let site: Site | undefined;
let gateway: Child | undefined;

beforeAll(async () => {
  broker = await startBroker();
  site = await startSite({ site: siteSchema.parse(SITE) });
});

afterAll(async () => {
  await gateway?.stop('SIGKILL');
  await site?.close();
  await broker.stop();
  dir.remove();
});

/** In this process: a start of Node takes longer than what it does. */
async function init(argv: readonly string[]): Promise<number> {
  const spec = present(
    COMMANDS.find(({ name }) => name === 'init'),
    'the command init',
  );
  const { signal } = new AbortController();
  const io = { out: () => undefined, err: () => undefined, write: async () => undefined, signal };
  return initCommand(parseCommandArgs(spec, argv), io);
}

test('init finds the device on a line, makes the key of parcel names, and ends in a running gateway', async () => {
  const options = ['--yes', '--id', 'gw-first', '--domain', 'lockers.example', '--data-dir', dir.file('data')];
  const link = [
    '--broker',
    broker.url,
    '--protocol',
    '3.1.1',
    '--probe',
    `tcp://${site?.address('gps')}`,
    '--family',
    'nmea',
  ];
  gateway = startLatchkey(['init', '--config', config, ...options, ...link, '--run']);
  await gateway.line('the gateway runs');
  const settings = gatewaySettingsSchema.parse({ ...parse(readFileSync(config, 'utf8')) });
  const [port] = settings.ports;
  expect(port?.devices).toMatchObject([{ driver: 'nmea', name: 'receiver-1' }]);
  const keys = dir.file('etc', 'reference-keys');
  for (const name of readdirSync(keys)) expect(statSync(`${keys}/${name}`).mode & 0o777).toBe(0o600);
});

test('boards that a probe found become devices with compartments, and pass the check', () => {
  const names = new DeviceNames();
  const found = [
    { kind: 'board', family: 'xor_8a80', address: 1, channels: 24, baud: 9_600 },
    // More channels than such a board has: its usual number counts.
    { kind: 'board', family: 'xor_8a80', address: 2, channels: 25, baud: 9_600 },
  ] as const;
  const link = linkSchema.parse({ kind: 'serial', path: '/dev/serial/by-id/usb-A_1' });
  const port = portOf(link, { found, asked: 2, of: 2, noiseAt: [], cut: false }, names);
  const scanner = portOf(
    linkSchema.parse({ kind: 'serial', path: '/dev/ttyUSB1' }),
    { found: [{ kind: 'scanner', family: 'honeywell', baud: 115_200 }], asked: 1, of: 1, noiseAt: [], cut: false },
    names,
  );
  const usual = { username: '', passwordFile: '', caFile: '', receiver: '', references: 'clear', tpm: '', console: '' };
  const answers = {
    id: 'gw-1',
    domain: 'lockers.example',
    dataDir: '/data',
    broker: 'mqtt://127.0.0.1',
    protocol: '5',
    ...usual,
  };
  const text = settingsText(
    answers,
    '',
    [port, scanner].flatMap((each) => each ?? []),
  );
  const settings = gatewaySettingsSchema.parse(parse(text));
  expect(settings.ports.map(({ link: { baud }, devices }) => [baud, devices.map(({ driver }) => driver)])).toEqual([
    [9_600, ['xor_8a80', 'xor_8a80']],
    [115_200, ['text_scanner']],
  ]);
  expect(settings.custody.compartments.map(({ name }) => name)).toEqual(expect.arrayContaining(['A01', 'A24']));
});

test('what is there is not overwritten, and a missing answer is named', async () => {
  const before = readFileSync(config, 'utf8');
  const other = dir.file('other.yaml');
  const usual = ['--yes', '--broker', broker.url];
  await expect(init(['--config', config, '--domain', 'other.example', ...usual])).rejects.toMatchObject({
    code: 'OUTPUT_UNWRITABLE',
    message: expect.stringContaining('not overwritten without --force'),
  });
  await expect(init(['--config', other, ...usual])).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining('--domain is needed'),
  });
  const piped = await runLatchkey(['init', '--config', other]);
  expect([piped.code, piped.err]).toEqual([64, expect.stringContaining('asks at a terminal')]);
  expect(readFileSync(config, 'utf8')).toBe(before);
  expect(readdirSync(dir.path)).not.toContain('other.yaml');
});

test('a console is written with its person, whose files stand in what still needs a hand', async () => {
  const path = dir.file('desk', 'gateway.yaml');
  const where = ['--config', path, '--domain', 'lockers.example', '--data-dir', dir.file('desk', 'data')];
  const what = ['--broker', broker.url, '--references', 'clear', '--console', 'chief-7'];
  const { code, err } = await runLatchkey(['init', '--yes', ...where, ...what]);
  expect(code).toBe(0);
  expect(err).toContain(`"latchkey console password ${dir.file('desk', 'chief-7.password')}" makes one`);
  expect(err).toContain(`"latchkey console secret ${dir.file('desk', 'chief-7.totp')}" makes one`);
  const settings = gatewaySettingsSchema.parse(parse(readFileSync(path, 'utf8')));
  expect(settings.console).toMatchObject({
    people: [{ name: 'chief-7', role: 'administrator' }],
    web: { port: 8_480 },
  });
  const words = ['--yes', '--force', ...where, '--broker', broker.url, '--console', 'no name'];
  expect((await runLatchkey(['init', ...words])).err).toContain('option --console: expected a name');
});

test('at a terminal it asks, asks again after a wrong answer, and prints the command that runs the gateway', async () => {
  const path = dir.file('asked.yaml');
  const command = `${process.execPath} ${mainPath()} init --config ${path} --id gw-asked --username '' --receiver '' --tpm '' --console ''`;
  // A terminal of its own; what is typed ahead waits there.
  const typed = ['not a domain', 'lockers.example', dir.file('asked-data'), broker.url, 'clear'];
  const declined = (await listPorts()).map(() => 'n');
  const input = [...typed, ...declined, '', 'n'].map((line) => `${line}\n`).join('');
  const { out } = await runToEnd('sh', ['-c', `(printf '%s' "$INPUT"; cat) | script -qec "$COMMAND" /dev/null`], {
    env: { INPUT: input, COMMAND: command },
  });
  expect(out).toContain('expected a lowercase domain name');
  expect(out).toContain(`run --config ${path}`);
  expect(parse(readFileSync(path, 'utf8'))).toMatchObject({
    gateway: { id: 'gw-asked', operator_domain: 'lockers.example' },
    references: { kind: 'clear' },
  });
});

test('doctor beside the running gateway takes its word for ports and broker, and disturbs neither', async () => {
  const call = { verb: 'status', args: {}, socketPath: dir.file('data', 'control.sock'), silenceMaxMs: 30_000 };
  let connected = false;
  for (let tries = 0; !connected && tries < 600; tries += 1) {
    connected = ((await callControl(call)) as GatewayStatus).uplink.connected;
    if (!connected) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(connected).toBe(true);
  const { checks } = await examine({ configPath: config, signal: new AbortController().signal });
  const found = (name: string) => checks.find((check) => check.name.startsWith(name));
  expect(found('port:')).toMatchObject({ ok: true, found: expect.stringContaining('open in the running gateway') });
  expect(found('broker-login')).toMatchObject({ ok: true, found: expect.stringContaining('its login is accepted') });
  expect(found('key-log')).toMatchObject({ ok: true });
  expect(found('receipts')).toMatchObject({ ok: false, remedy: expect.stringContaining('--show-key') });
});

test('status --watch goes on over a restart of the gateway, and ends with 0 when it is interrupted', async () => {
  const watch = startLatchkey(['status', '--watch', '--config', config]);
  const seen = (text: string): number => watch.lines().filter((line) => line.includes(text)).length;
  await until('the gateway is seen', () => seen('gw-first: ') > 0);
  await gateway?.stop('SIGKILL');
  await until('it is missed', () => seen('no gateway answers') > 0);
  const before = seen('gw-first: ');
  gateway = startLatchkey(['run', '--config', config]);
  await until('it is seen again', () => seen('gw-first: ') > before);
  expect(await watch.stop('SIGINT')).toEqual({ code: 0, signal: null });
});

test('on a terminal each look is written over the one before, and never more than fits', async () => {
  const stop = new AbortController();
  const screens: string[] = [];
  const lines = Array.from({ length: 50 }, (_, i) => `line ${i}`);
  const code = await watchStatus({
    ask: async () => {
      if (screens.length === 1) throw new LatchkeyError('SOCKET_REFUSED', 'nobody');
      return {} as never;
    },
    describe: () => lines,
    json: false,
    screen: { rows: () => 10 },
    io: {
      signal: stop.signal,
      out: () => undefined,
      write: async (bytes) => {
        screens.push(Buffer.from(bytes).toString());
        if (screens.length === 2) stop.abort();
      },
    },
  });
  expect(code).toBe(0);
  for (const screen of screens) expect(screen.startsWith('\x1b[H')).toBe(true);
  expect(screens[0]?.split('\n')).toHaveLength(10);
  expect(screens[0]).toContain('more lines');
  expect(screens[1]).toContain('no gateway answers');
});
