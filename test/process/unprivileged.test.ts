/**
 * The product as a user without any rights of root: what `latchkey doctor` says of what is kept from it, and a gateway that
 * runs all the same. As root another user is taken; otherwise this one, from whom things are kept by their modes.
 */
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { Child, type ChildOptions, runToEnd } from '../../simulators/demo/child-process.ts';
import { openPty, type Pty } from '../../simulators/line/pty.ts';
import type { Check } from '../../src/cli/doctor/check.ts';
import type { GatewayStatus } from '../../src/edge/gateway/status.ts';
import { mainPath } from '../support/child.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const isRoot = process.getuid?.() === 0;
/** `nobody`, who owns nothing. */
const OTHER = 65_534;
const options: ChildOptions = isRoot ? { user: { uid: OTHER, gid: OTHER } } : {};
const me = isRoot ? OTHER : process.getuid?.();

const dir = makeTempDir('unprivileged');
let main: string;
let pty: Pty;

beforeAll(async () => {
  chmodSync(dir.path, 0o755);
  main = await readableMain();
  pty = await openPty();
});
afterAll(async () => {
  await pty?.hangUp();
  dir.remove();
});

/** The build, or a copy of it where that lies in a folder that nobody else may enter. */
async function readableMain(): Promise<string> {
  const own = mainPath();
  const { code } = await runToEnd(process.execPath, [own, '--version'], options).catch(() => ({ code: 1 }));
  if (code === 0) return own;
  const root = join(import.meta.dirname, '../..');
  const app = dir.file('app');
  cpSync(dirname(own), join(app, 'dist/src/cli'), { recursive: true });
  cpSync(join(root, 'package.json'), join(app, 'package.json'));
  // What vite.cli.config.ts leaves outside, and what that needs.
  for (const name of NATIVE)
    cpSync(join(root, 'node_modules', name), join(app, 'node_modules', name), { recursive: true });
  await runToEnd('chmod', ['-R', 'a+rX', app]);
  return join(app, 'dist/src/cli', basename(own));
}

const NATIVE = [
  'better-sqlite3',
  'bindings',
  'file-uri-to-path',
  'serialport',
  '@serialport',
  'node-gyp-build',
  'debug',
  'ms',
];

/** Kept from everybody but root, or from its own owner. */
function keep(path: string): string {
  chmodSync(path, isRoot ? 0o600 : 0);
  return path;
}

function settingsOf(more: object): object {
  return {
    gateway: { id: 'gw-0001', operator_domain: 'lockers.example', data_dir: dir.file('data') },
    keys: 'software',
    mqtt: { url: 'mqtt://127.0.0.1:1' },
    references: { kind: 'clear' },
    ports: [
      {
        name: 'bank',
        link: { kind: 'serial', path: pty.path },
        devices: [{ driver: 'xor_8a80', name: 'board-1', address: 1, channels: 12 }],
      },
    ],
    journal: { reserve_mib: 1, free_min_mib: 0 },
    stop_wait_s: 0,
    ...more,
  };
}

function configOf(name: string, more: object): string {
  const path = dir.file(name);
  writeFileSync(path, stringify(settingsOf(more)), { mode: 0o644 });
  return path;
}

async function examined(config: string): Promise<Readonly<Record<string, Check>>> {
  const { code, out, err } = await runToEnd(process.execPath, [main, 'doctor', '--config', config, '--json'], options);
  expect(code, err).toBe(1);
  const { checks } = JSON.parse(out) as { readonly checks: readonly Check[] };
  return Object.fromEntries(checks.map((check) => [check.name, check]));
}

test('the doctor names each thing that is kept from this user, and what gives it to the user of the daemon', async () => {
  mkdirSync(dir.file('data'));
  chmodSync(dir.file('data'), isRoot ? 0o755 : 0o500);
  writeFileSync(dir.file('tpmrm0'), '');
  writeFileSync(dir.file('tech.totp'), 'secret\n');
  // The simulated cable is a real character device.
  keep(pty.path);
  const people = [{ name: 'tech-7', role: 'technician', totp_file: keep(dir.file('tech.totp')) }];
  const keys = { tpm: { device: keep(dir.file('tpmrm0')) } };
  const checks = await examined(configOf('kept.yaml', { keys, console: { people } }));
  expect(checks['configuration']).toMatchObject({ ok: true });
  expect(checks['tpm']).toMatchObject({
    ok: false,
    found: `${dir.file('tpmrm0')} is there, but user ${me} may not read and write it`,
  });
  for (const words of ['KERNEL=="tpmrm[0-9]*", GROUP="tss", MODE="0660"', '"usermod -aG tss latchkey"'])
    expect(checks['tpm']?.remedy).toContain(words);
  expect(checks['port:bank']).toMatchObject({
    ok: false,
    found: `${pty.path} is there, but user ${me} may not read and write it`,
  });
  expect(checks['port:bank']?.remedy).toMatch(/usermod -aG [a-z0-9]+ latchkey/);
  expect(checks['key:tech-7']).toMatchObject({ ok: false, remedy: expect.stringContaining('chown') });
  expect(checks['key:tech-7']?.found).toContain(`user ${me} may not read it`);
  expect(checks['disk-folder']).toMatchObject({ ok: false, remedy: expect.stringContaining('chown -R') });
  expect(checks['disk-folder']?.found).toContain(`user ${me} may not write there`);
});

test('a simulated TPM that is kept from this user is told from one that is away', async () => {
  const path = dir.file('tpm.sock');
  const server = createServer().listen(path);
  await once(server, 'listening');
  keep(path);
  try {
    const { tpm } = await examined(configOf('socket.yaml', { keys: { tpm: { socket: path } } }));
    expect(tpm).toMatchObject({
      ok: false,
      found: `${path} is there, but user ${me} may not read and write it`,
      remedy: expect.stringContaining('start the simulated TPM as the user of the daemon'),
    });
  } finally {
    server.close();
  }
});

test('a configuration that is kept from this user is told from one that is not there', async () => {
  const checks = await examined(keep(configOf('secret.yaml', {})));
  expect(checks['configuration']).toMatchObject({ ok: false, found: expect.stringContaining('EACCES') });
  expect(checks['configuration']?.remedy).toContain(`user ${me} may not read it`);
  expect(checks['configuration']?.remedy).toContain('chgrp latchkey');
});

test('a gateway runs as a user without rights, opens its line, and leaves nothing that is anybody else’s to read', async () => {
  const data = dir.file('own');
  mkdirSync(data, { mode: 0o700 });
  if (isRoot) {
    chownSync(data, OTHER, OTHER);
    chownSync(pty.path, OTHER, OTHER);
  }
  chmodSync(pty.path, 0o600);
  const gateway = { id: 'gw-0001', operator_domain: 'lockers.example', data_dir: data };
  const config = configOf('own.yaml', { gateway });
  const daemon = new Child(process.execPath, [main, 'run', '--config', config], options);
  try {
    await daemon.line('the gateway runs');
    const asked = await runToEnd(process.execPath, [main, 'status', '--config', config, '--json'], options);
    const { lines, journal } = JSON.parse(asked.out) as GatewayStatus;
    expect(lines).toMatchObject([{ port: 'bank', state: 'open' }]);
    expect(journal.room).toBe('ok');
  } finally {
    await daemon.stop();
  }
  const found = readdirSync(data, { recursive: true, encoding: 'utf8' }).map((name) => ({
    name,
    stat: lstatSync(join(data, name)),
  }));
  expect(found.length).toBeGreaterThan(3);
  const strange = found.filter(({ stat: { uid, mode } }) => uid !== me || (mode & 0o077) !== 0);
  expect(strange.map(({ name }) => name)).toEqual([]);
});
