/** `latchkey simulate tpm` as a technician meets it: from the build, as a process. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { PassThrough } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { Child } from '../../../simulators/demo/child-process.ts';
import { askTpm, packetCode } from '../../../simulators/tpm/packets.ts';
import { runTpm } from '../../../simulators/tpm/play.ts';
import { unhex } from '../../../src/base/bytes.ts';
import { mainPath, runLatchkey, startLatchkey } from '../../support/child.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { counter, defineCounter, readClock } from '../../support/tpm-tools.ts';
import { until } from '../../support/until.ts';

const GET_RANDOM = unhex('80010000000c0000017b0008') ?? new Uint8Array(0);
const LIMIT_MS = 60_000;

interface Facts {
  readonly socket: string;
  readonly ek_certificate_p384: string;
  readonly vendor_root: string;
  readonly tpm2tools_tcti: string;
}

function folder() {
  const dir = makeTempDir('tpm-cli');
  onTestFinished(() => dir.remove());
  return dir;
}

async function facts(child: Child): Promise<Facts & { readonly tcti: string }> {
  onTestFinished(async () => void (await child.stop('SIGKILL')));
  const told: Facts = JSON.parse(await child.line('tpm.sock', LIMIT_MS));
  return { ...told, tcti: told.tpm2tools_tcti };
}

/** Processes with this path among their arguments: swtpm names its state and its sockets there. */
function processesNaming(path: string): readonly string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`path=${path}`);
    } catch {
      return false;
    }
  });
}

test('Ctrl-C on a terminal shuts the TPM down cleanly, and its folder keeps the TPM', async () => {
  const dir = folder();
  const args = ['simulate', 'tpm', '--dir', dir.file('one'), '--json'];
  // A group of its own, to which a terminal would send the signal: to swtpm too, if it were in it.
  const child = new Child('setsid', [process.execPath, mainPath(), ...args]);
  const first = await facts(child);
  expect(existsSync(first.ek_certificate_p384) && existsSync(first.vendor_root)).toBe(true);
  await defineCounter(first);
  const { resets } = await readClock(first);
  process.kill(-child.pid, 'SIGINT');
  expect(await child.exit(LIMIT_MS)).toEqual({ code: 0, signal: null });
  expect(processesNaming(first.socket)).toEqual([]);

  const again = startLatchkey(args);
  const second = await facts(again);
  expect(await counter(second)).toBe(1);
  expect(await readClock(second)).toEqual({ resets: resets + 1, safe: true });
  expect((await again.stop('SIGTERM', LIMIT_MS)).code).toBe(0);
});

test('when it is killed, swtpm is gone too', async () => {
  const child = startLatchkey(['simulate', 'tpm', '--dir', folder().file('one'), '--json']);
  const { socket } = await facts(child);
  expect(processesNaming(socket)).toHaveLength(1);
  await child.stop('SIGKILL');
  await until('swtpm is gone', () => processesNaming(socket).length === 0);
});

test('without a folder the TPM is a temporary one, and is told so', async () => {
  const path = folder().file('tpm.sock');
  const child = startLatchkey(['simulate', 'tpm', '--socket', path]);
  await child.line(`TPM (for "keys" in gateway.yaml): ${path}`, LIMIT_MS);
  await child.line('this TPM lives until you stop it', LIMIT_MS);
  const root = /^vendor root .*: (.*)$/.exec(await child.line('vendor root', LIMIT_MS))?.[1] ?? '';
  expect(root.startsWith(tmpdir()) && existsSync(root)).toBe(true);
  expect((await child.stop('SIGTERM', LIMIT_MS)).code).toBe(0);
  expect(existsSync(root)).toBe(false);
});

test('without swtpm it says which packages bring it', async () => {
  const { code, err } = await runLatchkey(['simulate', 'tpm'], { env: { PATH: '/nowhere' } });
  expect([code, err]).toEqual([69, expect.stringMatching(/apt-get install swtpm swtpm-tools.*\(NEEDS_MISSING\)/)]);
});

test('what a person types happens to the TPM, and a wrong word is answered', async () => {
  const dir = folder();
  const input = new PassThrough();
  const said: string[] = [];
  const io = { out: (line: string) => said.push(line), err: (line: string) => said.push(line), json: false, input };
  const stop = new AbortController();
  const played = runTpm({ dir: dir.file('one') }, io, stop.signal);
  const address = { kind: 'unix', path: dir.file('one', 'tpm.sock') } as const;
  const told = (what: string) => until(what, () => said.some((line) => line.includes(what)), LIMIT_MS);
  await told('type: power cut');
  input.write('pause\nresume\npower cut\nreset\nexplode\n');
  for (const word of ['pause', 'resume', 'power cut', 'reset']) await told(`${word}: done`);
  await told('"explode": type');
  expect(packetCode(await askTpm(address, GET_RANDOM, LIMIT_MS))).toBe(0x100);
  stop.abort();
  await played;
  expect(said.at(-1)).toBe('stopped without TPM2_Shutdown, as in a power cut: TPM2_Shutdown: the TPM answered 0x100');
});

test('when swtpm ends by itself, that is an error', async () => {
  const child = startLatchkey(['simulate', 'tpm', '--dir', folder().file('one'), '--json']);
  const { socket } = await facts(child);
  for (const pid of processesNaming(socket)) process.kill(Number(pid), 'SIGKILL');
  expect((await child.exit(LIMIT_MS)).code).toBe(69);
  expect(child.tail()).toContain('swtpm ended by itself');
});
