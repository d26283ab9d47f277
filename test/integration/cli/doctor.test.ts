/** `latchkey doctor`: what it finds on a box that is not right, and that looking changes nothing. */
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { keptPort } from '../../../simulators/kept-port.ts';
import { openPty } from '../../../simulators/line/pty.ts';
import type { Check } from '../../../src/cli/doctor/check.ts';
import { checkClock } from '../../../src/cli/doctor/check-clock.ts';
import { examine } from '../../../src/cli/doctor/examine.ts';
import type { ClockSenses } from '../../../src/edge/clock/clock-probe.ts';
import { serialOpener } from '../../../src/edge/ports/serial-opener.ts';
import { linkSchema } from '../../../src/edge/ports/settings.ts';
import { startBroker } from '../../support/broker.ts';
import { runLatchkey } from '../../support/child.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const dir = makeTempDir('doctor');
afterAll(() => dir.remove());

const VKEY = 'receipts.refunds.example+480dfaa5+BE43Mb+ky8EphbZUdRzGsIw4Q5yDc7EMlewavz54rmP9';
/** `chronyc -c tracking` of a machine that is synchronised. */
const TRACKING = 'A29FC801,192.0.2.1,3,1700000000.0,0.000012,0.0,0.0,0.0,0.0,0.0,0.010,0.001,64.0,Normal';
const synchronised: ClockSenses = {
  run: async () => TRACKING,
  read: async () => undefined,
  touchedMs: async () => undefined,
  wallMs: () => Date.UTC(2026, 5, 1),
};
const signal = new AbortController().signal;

function configOf(name: string, members: object): string {
  const path = dir.file(`${name}.yaml`);
  const usual = {
    gateway: { id: 'gw-1', operator_domain: 'lockers.example', data_dir: dir.file(`${name}-data`) },
    keys: 'software',
    mqtt: { url: 'mqtt://127.0.0.1:1' },
    references: { kind: 'clear' },
    receivers: [{ vkey: VKEY, role: 'store' }],
  };
  writeFileSync(path, stringify({ ...usual, ...members }));
  return path;
}

function serialPort(name: string, path: string): object {
  return {
    name,
    link: { kind: 'serial', path },
    devices: [{ name: `${name}-board`, driver: 'xor_8a80', address: 1, channels: 12 }],
  };
}

async function looked(configPath: string): Promise<ReadonlyMap<string, Check>> {
  const { checks } = await examine({ configPath, signal, senses: synchronised });
  return new Map(checks.map((check) => [check.name, check]));
}

describe('a box with four faults', () => {
  test('gives exactly these four findings, each with what mends it, and changes nothing', async () => {
    const keysDir = dir.file('reference-keys');
    mkdirSync(keysDir);
    writeFileSync(`${keysDir}/2026-01.key`, 'ab'.repeat(32));
    chmodSync(`${keysDir}/2026-01.key`, 0o644);
    const config = configOf('faults', {
      mqtt: { url: `mqtt://127.0.0.1:${await keptPort()}` },
      references: { kind: 'pseudonym', keys_dir: keysDir },
      // More than any disk has: what is left for the journal is nothing.
      journal: { free_min_mib: 1_048_576 },
      ports: [serialPort('bank', dir.file('no-such-tty'))],
    });
    const before = readdirSync(dir.path).sort();
    const checks = [...(await looked(config)).values()];
    const bad = checks.filter(({ ok }) => !ok);
    expect(bad.map(({ name }) => name).sort()).toEqual(['broker-reach', 'disk-room', 'key-references', 'port:bank']);
    const remedies = Object.fromEntries(bad.map(({ name, remedy }) => [name, remedy]));
    expect(remedies['broker-reach']).toContain('that the broker runs');
    expect(remedies['disk-room']).toContain('journal.free_min_mib');
    expect(remedies['key-references']).toContain('0600');
    expect(remedies['port:bank']).toContain('plug the adapter in');
    expect(bad.find(({ name }) => name === 'key-references')?.found).toContain('found 0644');
    const sync = checks.find(({ name }) => name === 'disk-sync');
    expect(sync?.found).toMatch(/an fsync of 4 KiB takes [\d.]+ ms.*a power cut costs the last \d+ ms at most/);
    expect(readdirSync(dir.path).sort()).toEqual(before);
  });

  test('finds them also around a file that has problems of its own', async () => {
    const config = configOf('problems', { colour: 'red', ports: [serialPort('bank', dir.file('no-such-tty'))] });
    const checks = await looked(config);
    expect(checks.get('configuration')?.found).toMatch(/1 problem:\ncolour: expected no such setting/);
    for (const name of ['port:bank', 'broker-reach']) expect([name, checks.get(name)?.ok]).toEqual([name, false]);
  });
});

test('without settings it runs, names what is missing, and ends with 1', async () => {
  const missing = dir.file('missing.yaml');
  const { code, out } = await runLatchkey(['doctor', '--config', missing, '--json']);
  expect(code).toBe(1);
  const { checks } = JSON.parse(out) as { checks: Check[] };
  for (const check of checks) expect(Object.keys(check)).toEqual(['name', 'ok', 'found', 'remedy']);
  const bad = checks.filter(({ ok }) => !ok);
  const names = bad.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['configuration', 'ports', 'tpm', 'disk', 'broker', 'receipts']));
  expect(bad[0]?.remedy).toContain(`latchkey init --config ${missing}`);
  // Which would refuse to start now.
  expect(checks.find(({ name }) => name === 'gateway')?.remedy).toMatch(/^settings that are sound first/);
  for (const { name, remedy } of bad) expect([name, remedy]).not.toEqual([name, '']);
  expect(existsSync(missing)).toBe(false);
});

describe('a port', () => {
  test('that another process holds is told from one that is free', async () => {
    const pty = await openPty();
    const config = configOf('held', { ports: [serialPort('bank', pty.path)] });
    const settings = linkSchema.parse({ kind: 'serial', path: pty.path });
    if (settings.kind !== 'serial') throw new Error('a serial link');
    const link = await serialOpener(settings, 9_600).open({ bytes: () => undefined, lost: () => undefined }, signal);
    try {
      const held = (await looked(config)).get('port:bank');
      expect([held?.ok, held?.found]).toEqual([false, expect.stringContaining(`process ${process.pid}`)]);
      await link.close();
      expect((await looked(config)).get('port:bank')).toMatchObject({
        ok: true,
        found: expect.stringContaining('free'),
      });
    } finally {
      await link.close();
      await pty.hangUp();
    }
  });

  test('that is no device is said to be none', async () => {
    writeFileSync(dir.file('a-file'), '');
    const checks = await looked(configOf('file', { ports: [serialPort('bank', dir.file('a-file'))] }));
    expect(checks.get('port:bank')).toMatchObject({ ok: false, found: expect.stringContaining('is no device') });
  });
});

test('a login is tried under another name, publishes nothing, and a wrong password is a finding', async () => {
  const broker = await startBroker({ users: { 'gw-1': 'right' } });
  try {
    const password = (name: string, text: string): string => {
      writeFileSync(dir.file(name), `${text}\n`, { mode: 0o600 });
      return dir.file(name);
    };
    const mqtt = { url: broker.url, protocol: '3.1.1', username: 'gw-1' };
    const right = configOf('right', { mqtt: { ...mqtt, password_file: password('right', 'right') } });
    const wrong = configOf('wrong', { mqtt: { ...mqtt, password_file: password('wrong', 'wrong') } });
    expect((await looked(right)).get('broker-login')).toMatchObject({
      ok: true,
      found: expect.stringContaining('gw-1-doctor'),
    });
    const refused = (await looked(wrong)).get('broker-login');
    expect([refused?.ok, refused?.remedy]).toEqual([false, expect.stringContaining('the password file')]);
    const newer = (await looked(configOf('newer', { mqtt: { ...mqtt, protocol: '5' } }))).get('broker-login');
    expect([newer?.ok, newer?.remedy]).toEqual([false, expect.stringContaining("write mqtt.protocol: '3.1.1'")]);
    expect(broker.messages).toBe(0);
    chmodSync(dir.file('right'), 0o640);
    expect((await looked(right)).get('broker-credentials')).toMatchObject({
      ok: false,
      found: expect.stringContaining('0600'),
    });
  } finally {
    await broker.stop();
  }
});

describe('the clock', () => {
  test.for([
    ['of 1970', { wallMs: () => 0 }, 'cannot be'],
    ['that nobody sets', { run: async (): Promise<undefined> => undefined }, 'nothing that chrony'],
    [
      'of the hardware alone',
      { run: async (): Promise<undefined> => undefined, read: async () => '1\n' },
      'the hardware clock alone',
    ],
  ] as const)('%s is a finding', async ([, senses, why]) => {
    const check = await checkClock({ ...synchronised, ...senses });
    expect([check.ok, check.found]).toEqual([false, expect.stringContaining(why)]);
    expect(check.remedy).toContain('chrony');
  });

  test('that is synchronised is sound, with its error', async () => {
    expect(await checkClock(synchronised)).toMatchObject({
      ok: true,
      found: expect.stringContaining('by ntp, within 7 ms'),
    });
  });
});
