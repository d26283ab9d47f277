/** People at the box and a desk far away, as processes: codes over standard input, exit codes, and what the journal says. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Secret, TOTP } from 'otpauth';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { Child } from '../../simulators/demo/child-process.ts';
import { callControl } from '../../src/edge/control/client.ts';
import type { GatewayStatus } from '../../src/edge/gateway/status.ts';
import type { CustodyEvent } from '../../src/evidence/event/event.ts';
import { runLatchkey, startLatchkey } from '../support/child.ts';
import { DOORS, GATEWAY, OpeningBench } from '../support/opening-bench.ts';
import { until } from '../support/until.ts';
import { sabotage } from './support/sabotage.ts';

/** One pixel: a public test image. */
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
/** Each acts once with a good code: what a code may do does not depend on how long the step before took. */
const PEOPLE = { opener: 'technician', stopper: 'technician', late: 'technician', eager: 'technician' } as const;
const CHIEF = 'chief';
const START_LIMIT_MS = 60_000;
const LOOK_AGAIN_MS = 20;

let bench: OpeningBench;
let daemon: Child;
const typed: string[] = [];

beforeAll(async () => {
  bench = await OpeningBench.make();
  const people = Object.entries({ ...PEOPLE, [CHIEF]: 'administrator' }).map(([name, role]) => {
    return { name, role, totp_file: bench.dir.file(`${name}.secret`) };
  });
  for (const { name, totp_file } of people) {
    expect((await runLatchkey(['console', 'secret', '--name', name, totp_file])).code).toBe(0);
  }
  const signer = { name: 'desk.lockers.example', key_file: bench.dir.file('command.key') };
  const mqtt = { url: bench.broker.url, protocol: '3.1.1' };
  const sending = { signer, mqtt, policy: bench.dir.file('policy.json') };
  writeFileSync(bench.dir.file('command.yaml'), stringify(sending));
  const key = await runLatchkey(['command', 'key', '--config', bench.dir.file('command.yaml')]);
  const vkey = /\S+\+[0-9a-f]{8}\+\S+/.exec(key.out)?.[0];
  const commands = { keys: [{ vkey, verbs: ['open'] }] };
  mkdirSync(bench.dir.file('drop'));
  const eye = { kind: 'file_drop', name: 'eye', directory: bench.dir.file('drop'), look_ms: 100 };
  const settings = { ...bench.settings(), console: { people }, commands, photos: { sources: [eye] } };
  writeFileSync(bench.dir.file('gateway.yaml'), stringify(settings));
  await start();
  const vkeyOfLog = (await status())?.log.vkey;
  writeFileSync(bench.dir.file('policy.json'), JSON.stringify({ v: 1, logs: [{ vkey: vkeyOfLog }] }));
});
afterAll(async () => {
  await daemon?.stop('SIGKILL').catch(() => undefined);
  await bench?.close();
});

async function start(): Promise<void> {
  daemon = startLatchkey(['run', '--config', bench.dir.file('gateway.yaml')]);
  const endMs = performance.now() + START_LIMIT_MS;
  while (!(await isReady())) {
    if (!daemon.running || performance.now() > endMs) throw new Error(`the daemon is not ready:${daemon.tail()}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

async function ask(verb: string, args: object, onItem: (line: unknown) => void = () => undefined): Promise<unknown> {
  const socketPath = bench.dir.file('data', 'control.sock');
  return callControl({ verb, args: { ...args }, socketPath, silenceMaxMs: 20_000, onItem });
}

async function status(): Promise<GatewayStatus | undefined> {
  return (await ask('status', {}).catch(() => undefined)) as GatewayStatus | undefined;
}

async function isReady(): Promise<boolean> {
  const now = await status();
  const shut = now?.custody.compartments.filter(({ door }) => door === 'shut') ?? [];
  return now?.uplink.phase === 'live' && shut.length >= DOORS.length;
}

function codeOf(name: string): string {
  const secret = Secret.fromBase32(readFileSync(bench.dir.file(`${name}.secret`), 'utf8').trim());
  return new TOTP({ secret }).generate();
}

/** As a person does it: the code is a line of standard input. */
async function act(name: string, code: string, ...words: readonly string[]): Promise<[number | null, unknown]> {
  typed.push(code);
  const child = startLatchkey([...words, '--as', name, '--json', '--config', bench.dir.file('gateway.yaml')]);
  child.write(`${code}\n`);
  const { code: exit } = await child.exited;
  return [exit, JSON.parse(child.lines().at(-1) ?? 'null')];
}

test('one code opens one door, stop-pick holds for everybody, and only an administrator lifts it', async () => {
  const code = codeOf('opener');
  expect(await act('opener', code, 'open', 'A1')).toMatchObject([0, { result: 'opened' }]);
  expect(await act('opener', code, 'open', 'A2')).toMatchObject([77, { reason: 'unknown_person_or_code' }]);
  expect(await act('nobody', code, 'open', 'A2')).toMatchObject([77, { reason: 'unknown_person_or_code' }]);
  expect(await act('stopper', codeOf('stopper'), 'stop-pick')).toMatchObject([0, { result: 'stopped' }]);
  expect(await act('late', codeOf('late'), 'open', 'A2')).toMatchObject([77, { reason: 'stopped' }]);
  expect(await act('eager', codeOf('eager'), 'resume')).toMatchObject([77, { reason: 'role' }]);
  const send = ['command', 'send', '--by', 'operator:desk-7', '--config', bench.dir.file('command.yaml')];
  expect((await runLatchkey([...send, GATEWAY, 'open', 'compartment=A2'])).code).toBe(77);
  expect(bench.tap.channels).toEqual([1]);
  expect(await act(CHIEF, codeOf(CHIEF), 'resume')).toMatchObject([0, { result: 'resumed' }]);
  const sent = await runLatchkey([...send, GATEWAY, 'open', 'compartment=A2']);
  expect([sent.code, sent.out]).toEqual([0, expect.stringContaining('executed: opened')]);
  expect((await runLatchkey([...send, GATEWAY, 'recount'])).out).toContain('refused: verb');
  expect(bench.tap.channels).toEqual([1, 2]);
});

async function journal(): Promise<readonly CustodyEvent[]> {
  const entries: CustodyEvent[] = [];
  await ask('tail', { lines: 100_000 }, (line) => entries.push(JSON.parse(String(line)) as CustodyEvent));
  return entries;
}

test('the journal names who did it, and holds no code', async () => {
  const entries = await journal();
  const acts = entries
    .filter(({ type }) => type === 'console.acted')
    .map(({ actor, data }) => [actor?.ref, data['result']]);
  expect(acts).toEqual([
    ['opener', 'opened'],
    ['stopper', 'stopped'],
    ['late', 'refused'],
    ['eager', 'refused'],
    [CHIEF, 'resumed'],
  ]);
  const refused = entries.filter(({ type }) => type === 'access.refused');
  expect(refused).toMatchObject([
    { actor: { ref: 'opener' }, data: { method: 'totp', reason: expect.stringMatching(/^(used|wrong)_code$/) } },
  ]);
  // As a word: numbers of the journal may hold six digits that are the same by chance.
  const words = new Set(JSON.stringify(entries).match(/"[^"]*"/g));
  const said = [...daemon.lines(), ...daemon.lines('err')].join('\n');
  expect(typed.length).toBeGreaterThan(5);
  for (const code of typed) {
    expect(words.has(`"${code}"`)).toBe(false);
    expect(said).not.toContain(`"${code}"`);
  }
});

test('a daemon killed while it keeps a photo takes it again, tells it once, and gives it out to the byte', async () => {
  const hash = createHash('sha256').update(PNG);
  const sha256 = hash.copy().digest('hex');
  const half = bench.dir.file('data', 'photos', `${sha256}.photo.tmp`);
  const inject = ['rename:signal=SIGKILL:when=1'];
  const trap = { inject, trace: ['rename'], paths: [half], logFile: bench.dir.file('trap') };
  const fault = await sabotage(daemon.pid, trap);
  writeFileSync(bench.dir.file('drop', 'a.png.part'), PNG);
  renameSync(bench.dir.file('drop', 'a.png.part'), bench.dir.file('drop', 'a.png'));
  await daemon.exit();
  await fault.stop();
  expect([existsSync(half), existsSync(bench.dir.file('drop', 'a.png'))]).toEqual([true, true]);
  for (const name of DOORS) bench.site.shut(name);
  await start();
  await until('it is taken over', () => !existsSync(bench.dir.file('drop', 'a.png')));
  const photos = (await journal()).filter(({ type }) => type === 'photo.captured');
  expect(photos).toMatchObject([{ device: 'eye', data: { sha256: hash.digest('base64url') } }]);
  expect(photos[0]?.data).not.toHaveProperty('kept');
  const out = bench.dir.file('a.png');
  const given = await runLatchkey(['photo', sha256, '--out', out, '--config', bench.dir.file('gateway.yaml')]);
  expect([given.code, readFileSync(out).equals(PNG)]).toEqual([0, true]);
  expect(readdirSync(bench.dir.file('data', 'photos')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});
