import { existsSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { findTpmPrograms } from '../../../simulators/tpm/needs.ts';
import { askTpm, STARTUP_CLEAR } from '../../../simulators/tpm/packets.ts';
import { openSimulatedTpm, type SimulatedTpm, type SimulatedTpmSettings } from '../../../simulators/tpm/tpm.ts';
import { hex, unhex } from '../../../src/base/bytes.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { counter, defineCounter, increment, readClock, tpm2 } from '../../support/tpm-tools.ts';

/** TPM2_GetRandom of 8 bytes. */
const GET_RANDOM = unhex('80010000000c0000017b0008') ?? new Uint8Array(0);
const NOT_STARTED = '80010000000a00000100';

function folder() {
  const dir = makeTempDir('tpm');
  onTestFinished(() => dir.remove());
  return dir;
}

async function open(settings: Partial<SimulatedTpmSettings> = {}): Promise<SimulatedTpm> {
  return stopLater(await openSimulatedTpm({ dir: settings.dir ?? folder().file('one'), ...settings }));
}

function stopLater(tpm: SimulatedTpm): SimulatedTpm {
  onTestFinished(() => tpm.powerOff());
  return tpm;
}

async function ekName(tpm: SimulatedTpm): Promise<string> {
  const name = /^name: (\w+)$/m.exec(await tpm2(tpm, 'readpublic', '-c', '0x81010016'))?.[1];
  expect(name).toMatch(/^000c[0-9a-f]{96}$/);
  return name ?? '';
}

test('a TPM that was just made answers on its Unix socket, and a second opening finds the same one', async () => {
  const dir = folder().file('one');
  const tpm = await open({ dir });
  expect(hex(await askTpm(tpm.address, GET_RANDOM, 5_000))).toMatch(/^800100000014000000000008[0-9a-f]{16}$/);
  const name = await ekName(tpm);
  await tpm.stop();
  expect(tpm.running).toBe(false);
  expect(readdirSync(dir).sort()).toEqual(['ek', 'state', 'vendor']);
  expect(await ekName(await open({ dir }))).toBe(name);
});

test('it listens on a TCP port of this machine, and on the same one after a power cut', async () => {
  const tpm = await open({ listen: { kind: 'tcp' } });
  const { address } = tpm;
  expect(address).toMatchObject({ kind: 'tcp', host: '127.0.0.1' });
  await defineCounter(tpm);
  await tpm.powerCut();
  expect(await counter(tpm)).toBe(1);
  expect(tpm.address).toBe(address);
});

test('after a clean shutdown the clock is safe, after a power cut it is not; both keep the counter', async () => {
  const tpm = await open();
  await defineCounter(tpm);
  const { resets } = await readClock(tpm);
  await tpm.cleanShutdown();
  expect(tpm.running).toBe(false);
  await tpm.start();
  expect(await counter(tpm)).toBe(1);
  expect(await readClock(tpm)).toEqual({ resets: resets + 1, safe: true });

  await increment(tpm);
  const { pid } = tpm;
  await tpm.powerCut();
  expect(tpm.pid).not.toBe(pid);
  expect(await counter(tpm)).toBe(2);
  expect(await readClock(tpm)).toEqual({ resets: resets + 2, safe: false });
});

test('a power cut disconnects whoever is connected', async () => {
  const tpm = await open();
  const client = connect({ path: socketOf(tpm) });
  const gone = new Promise((resolve) => client.once('close', () => resolve('gone')));
  client.on('error', () => undefined);
  await new Promise((resolve) => client.once('connect', resolve));
  await tpm.powerCut();
  expect(await gone).toBe('gone');
});

test('a restored snapshot rolls the counter back, which a chip would not allow', async () => {
  const tpm = await open();
  await defineCounter(tpm);
  const old = tpm.snapshot();
  await increment(tpm);
  await increment(tpm);
  expect(await counter(tpm)).toBe(3);
  await tpm.restore(old);
  expect(await counter(tpm)).toBe(1);
});

test('a clone has the same EK, its own counter from then on, and runs beside the first', async () => {
  const tpm = await open();
  await defineCounter(tpm);
  const dir = folder();
  const twin = stopLater(await tpm.clone(dir.file('twin')));
  await increment(twin);
  expect(await ekName(twin)).toBe(await ekName(tpm));
  expect([await counter(tpm), await counter(twin)]).toEqual([1, 2]);
  expect(twin.ekCertificates).toMatchObject(tpm.ekCertificates.map(({ der }) => ({ der })));
  await expect(tpm.clone(dir.file('twin'))).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});

test('two TPMs have two EKs, also when one vendor made both', async () => {
  const vendorDir = folder().file('vendor');
  const [one, two] = [await open({ vendorDir }), await open({ vendorDir, name: 'gw-0002' })];
  expect(one.vendor).toEqual(two.vendor);
  expect(await ekName(one)).not.toBe(await ekName(two));
});

test('after a reset without TPM2_Startup it refuses everything until somebody sends one', async () => {
  const tpm = await open();
  const { resets } = await readClock(tpm);
  await tpm.reset({ startup: 'none' });
  expect(hex(await askTpm(tpm.address, GET_RANDOM, 5_000))).toBe(NOT_STARTED);
  expect(hex(await askTpm(tpm.address, STARTUP_CLEAR, 5_000))).toBe('80010000000a00000000');
  await tpm.reset({ startup: 'clear' });
  expect((await readClock(tpm)).resets).toBe(resets + 2);
});

test('a paused TPM answers nobody, and later as if nothing had been', async () => {
  const tpm = await open();
  tpm.pause();
  await expect(askTpm(tpm.address, GET_RANDOM, 300)).rejects.toMatchObject({ code: 'TIMED_OUT' });
  const late = askTpm(tpm.address, GET_RANDOM, 60_000);
  tpm.resume();
  expect((await late).length).toBe(20);
  tpm.pause();
  await tpm.stop();
  expect(tpm.running).toBe(false);
});

test('a clean shutdown says so, in bounded time, when another client holds the TPM', async () => {
  const tpm = await open();
  const client = connect({ path: socketOf(tpm) });
  onTestFinished(() => void client.destroy());
  client.write(GET_RANDOM);
  await new Promise((resolve) => client.once('data', resolve));
  await expect(tpm.cleanShutdown()).rejects.toMatchObject({ code: 'TIMED_OUT' });
  client.destroy();
  await tpm.cleanShutdown();
});

test('a state that is in use is refused, and so is a socket that is', async () => {
  const dir = folder();
  await open({ dir: dir.file('one') });
  await expect(openSimulatedTpm({ dir: dir.file('one') })).rejects.toMatchObject({ code: 'PORT_BUSY' });
  const elsewhere = { kind: 'unix', path: dir.file('other.sock') } as const;
  const second = openSimulatedTpm({ dir: dir.file('one'), listen: elsewhere });
  await expect(second).rejects.toMatchObject({ code: 'PORT_BUSY', message: expect.stringContaining('state') });
});

test('a TPM that was stopped leaves no socket', async () => {
  const tpm = await open();
  const path = socketOf(tpm);
  expect(existsSync(path)).toBe(true);
  await tpm.stop();
  expect([path, `${path}.ctrl`].filter((name) => existsSync(name))).toEqual([]);
});

test.each([
  ['a folder with a comma', { dir: '/tmp/a,b' }, /no comma/],
  ['a name with a blank', { name: 'my box' }, /expected 1 to 64/],
  [
    'a socket path that no address can hold',
    { listen: { kind: 'unix', path: `/tmp/${'s'.repeat(100)}` } },
    /102 bytes/,
  ],
] as const)('%s is refused before anything runs', async (_what, settings, message) => {
  const opened = openSimulatedTpm({ dir: folder().file('one'), ...settings });
  await expect(opened).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) });
});

test('without swtpm the error names what is missing and the Debian packages', () => {
  const message = expect.stringContaining('apt-get install swtpm swtpm-tools openssl util-linux');
  expect(() => findTpmPrograms('/nowhere')).toThrow(expect.objectContaining({ code: 'NEEDS_MISSING', message }));
  expect(findTpmPrograms().swtpm).toMatch(/^\/.*\/swtpm$/);
});

function socketOf(tpm: SimulatedTpm): string {
  if (tpm.address.kind !== 'unix') throw new Error('this TPM listens on no Unix socket');
  return tpm.address.path;
}
