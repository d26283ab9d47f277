/** The command line as its users meet it: from the build, as a process. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runToEnd } from '../../../simulators/demo/child-process.ts';
import { ERRORS } from '../../../src/base/errors.ts';
import { settingsSchemaText } from '../../../src/cli/commands/config-schema.ts';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { helpCommand } from '../../../src/cli/help.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import { mainPath, runLatchkey, startLatchkey } from '../../support/child.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { TestLog } from '../../support/test-log.ts';
import { until } from '../../support/until.ts';

const root = resolve(import.meta.dirname, '../../..');
const dir = makeTempDir('cli');
afterAll(() => dir.remove());

function fileOf(name: string, text: string): string {
  const path = dir.file(name);
  writeFileSync(path, text);
  return path;
}

describe('help', () => {
  test('names every command, and each has a text of its own with all its options', async () => {
    const overview = await runLatchkey(['help']);
    expect(overview.code).toBe(0);
    for (const command of COMMANDS) {
      expect(overview.out).toContain(`  ${command.name} `);
      const own = helpCommand(command);
      expect(own).toContain(command.summary);
      for (const option of Object.keys(command.options)) expect(own).toContain(`--${option}`);
    }
    // What the process prints is that text, for commands of one word and of two.
    for (const name of ['run', 'journal export', 'command make']) {
      const command = COMMANDS.find((one) => one.name === name);
      const own = await runLatchkey(['help', ...name.split(' ')]);
      expect(own.out.trim()).toBe(command && helpCommand(command));
    }
  });

  test('tells every exit code of the table', async () => {
    const { out } = await runLatchkey(['help', 'exit-codes']);
    for (const [code, row] of Object.entries(ERRORS)) expect(out).toContain(`${row.exitCode}\t${code}:`);
  });

  test('the help of a command is there however it is asked for', async () => {
    const asked = await runLatchkey(['journal', 'export', '--help']);
    const helped = await runLatchkey(['help', 'journal', 'export']);
    expect(asked.out).toBe(helped.out);
  });
});

test.for([
  ['help', 'journal'],
  ['journal', '--help'],
  ['journal', 'help'],
])('a word with which several commands begin has a help of its own: %j', async (args) => {
  const { code, out } = await runLatchkey(args);
  expect(code).toBe(0);
  expect(out).toContain('  journal export ');
  expect(out).not.toContain('  status ');
});

describe('wrong usage', () => {
  test.for([
    [['tail', '--lines', '-5'], "Option '--lines' argument is ambiguous. Run"],
    [['frobnicate'], 'there is no command "latchkey frobnicate"'],
    [['journal'], 'did you mean "latchkey journal export" or "latchkey journal check" or "latchkey journal rotate"'],
    [['status', '--colour'], "Unknown option '--colour'"],
    [['ports', 'now'], 'latchkey: ports: expected no arguments, found 1 argument. Run'],
    [['config', 'check'], 'expected FILE..., found 0'],
    [['tail', '--config', join(root, 'config/gateway.yaml'), '--lines', 'ten'], 'expected a whole number, found "ten"'],
    [['simulate'], 'option --site is needed'],
  ] as const)('%j is exit code 64 and says why', async ([args, why]) => {
    const { code, err } = await runLatchkey(args);
    expect(err).toContain(why);
    expect(code).toBe(64);
    expect(err).not.toContain('at file:');
  });
});

describe('config', () => {
  test('the examples are accepted', async () => {
    const kinds = ['gateway', 'command', 'enrolments', 'receive', 'risk', 'site'];
    const files = [...kinds.map((kind) => `${kind}.yaml`), 'policy.json'].map((name) => join(root, 'config', name));
    const { code, out } = await runLatchkey(['config', 'check', ...files]);
    expect(out).toContain('sound (policy)');
    expect(out).toContain('sound (gateway)');
    expect(out).toContain('sound (command)');
    expect(out).toContain('sound (receive)');
    expect(out).toContain('sound (site)');
    expect(code).toBe(0);
  });

  test.for(['gateway', 'command', 'receive', 'risk', 'site'])('the JSON Schema of %s in config/ is fresh', (kind) => {
    expect(readFileSync(join(root, `config/${kind}.schema.json`), 'utf8')).toBe(settingsSchemaText(kind));
  });

  test('a file that cannot be read keeps no other from being checked', async () => {
    const [missing, sound] = [dir.file('not-there.yaml'), join(root, 'config/gateway.yaml')];
    const { code, out } = await runLatchkey(['config', 'check', missing, sound]);
    expect(out).toMatch(/the file: expected a settings file that this user can read, found .*ENOENT/);
    expect(out).toContain(`${sound}: sound (gateway)`);
    expect(code).toBe(ERRORS.CONFIG_INVALID.exitCode);
  });

  test('all problems come at once, and nothing starts half', async () => {
    const bad = fileOf(
      'bad.yaml',
      [
        'gateway: {id: GW, operator_domain: lockers, data_dir: relative}',
        'keys: tpm',
        'mqtt: {url: "http://broker"}',
        'references: {kind: clear, keys_dir: /x}',
        'colour: red',
        'ports: [{name: a, link: {kind: serial, path: /dev/null}, devices: [{driver: xor_8a80, name: b, address: 900}]}]',
        'custody: {compartments: [{name: A1, device: nobody, channel: 1}]}',
      ].join('\n'),
    );
    const checked = await runLatchkey(['config', 'check', bad, '--json']);
    expect(checked.code).toBe(ERRORS.CONFIG_INVALID.exitCode);
    const { files } = JSON.parse(checked.out) as {
      files: { problems: { path: string; found: string; expected: string }[] }[];
    };
    const paths = files[0]?.problems.map((problem) => problem.path) ?? [];
    for (const path of [
      'gateway.id',
      'gateway.operator_domain',
      'gateway.data_dir',
      'keys',
      'mqtt.url',
      'references.keys_dir',
      'colour',
      'ports[0].devices[0].address',
    ]) {
      expect(paths).toContain(path);
    }
    const started = await runLatchkey(['run', '--config', bad]);
    expect(started.code).toBe(ERRORS.CONFIG_INVALID.exitCode);
    for (const path of paths) expect(started.err).toContain(path);
  });

  test('a trust policy is known by its content or by name, and has its problems told like any file', async () => {
    const bad = fileOf('policy.json', '{"v":1,"v":2,"logs":[{"vkey":"x"},{}],"trust":"all"}');
    const checked = await runLatchkey(['config', 'check', bad, '--json']);
    expect(checked.code).toBe(ERRORS.CONFIG_INVALID.exitCode);
    const [file] = (JSON.parse(checked.out) as { files: { kind: string; problems: { path: string }[] }[] }).files;
    expect(file?.kind).toBe('policy');
    const paths = ['v', 'trust', 'v', 'logs[0].vkey', 'logs[1].vkey'];
    expect(file?.problems.map((problem) => problem.path)).toEqual(paths);
    for (const problem of file?.problems ?? []) expect(Object.keys(problem)).toEqual(['path', 'found', 'expected']);
    const none = await runLatchkey(['config', 'check', '--kind', 'policy', fileOf('none.json', 'logs: []')]);
    expect(none.code).toBe(ERRORS.CONFIG_INVALID.exitCode);
    expect(none.out).toContain('the file: expected one JSON object');
    const other = await runLatchkey(['config', 'check', '--kind', 'police', bad]);
    expect([other.code, other.err]).toEqual([
      64,
      expect.stringContaining('gateway, enrolments, risk, receive, site, policy'),
    ]);
  });
});

const GATEWAY = `gateway: {id: gw-1, operator_domain: lockers.example, data_dir: ${dir.path}/none}\nkeys: software\nmqtt: {url: "mqtt://127.0.0.1:1"}\nreferences: {kind: clear}\n`;

describe('commands for a gateway that does not run', () => {
  const config = (): string => fileOf('gateway.yaml', GATEWAY);

  test('status, and a tail that follows, say that nobody answers', async () => {
    for (const command of [['status'], ['tail', '--follow']]) {
      const { code, err } = await runLatchkey([...command, '--config', config()]);
      expect([code, err]).toEqual([ERRORS.SOCKET_REFUSED.exitCode, expect.stringContaining('SOCKET_REFUSED')]);
    }
  });

  test('export, check and tail look for the journal, and say that there is none', async () => {
    for (const command of [['journal', 'export'], ['journal', 'check'], ['tail']]) {
      const { code, err } = await runLatchkey([...command, '--config', config()]);
      expect([code, err]).toEqual([ERRORS.JOURNAL_MISSING.exitCode, expect.stringContaining('JOURNAL_MISSING')]);
    }
  });

  test('run says in plain words that the data folder belongs to somebody else', async () => {
    const locked = dir.file('locked');
    mkdirSync(locked, { mode: 0o000 });
    const settings = fileOf(
      'locked.yaml',
      `gateway: {id: gw-1, operator_domain: lockers.example, data_dir: ${locked}}\nkeys: software\nmqtt: {url: "mqtt://127.0.0.1:1"}\nreferences: {kind: clear}\n`,
    );
    chmodSync(dir.path, 0o755);
    // Root may enter any folder: then the daemon runs as nobody.
    const asNobody = process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--clear-groups'] : [];
    const [command = '', ...args] = [...asNobody, process.execPath, mainPath(), 'run', '--config', settings];
    const { code, err } = await runToEnd(command, args);
    expect([code, err]).toEqual([ERRORS.JOURNAL_IO.exitCode, expect.stringContaining('to be a folder of this user')]);
  });
});

describe('a gateway that runs', () => {
  const config = fileOf(
    'running.yaml',
    `gateway: {id: gw-1, operator_domain: lockers.example, data_dir: ${dir.file('data')}}\nkeys: software\nmqtt: {url: "mqtt://127.0.0.1:1"}\nreferences: {kind: clear}\nstop_wait_s: 0\n`,
  );
  const ask = (...args: readonly string[]) => runLatchkey([...args, '--config', config]);

  /** Rotation and erasure, first offline, then through a gateway that runs. */
  async function actOnJournal(firstVkey: string): Promise<void> {
    const offline = await ask('journal', 'rotate', '--json');
    expect([offline.code, offline.out]).toEqual([0, expect.stringContaining(firstVkey)]);
    const { old, next } = JSON.parse(offline.out) as Record<'old' | 'next', { origin: string; vkey: string }>;
    expect([old.vkey, next.origin]).toEqual([firstVkey, expect.stringContaining('gw-1/2-')]);
    expect((await ask('tail')).out).toContain('gateway.stopped');
    const nobody = await ask('journal', 'erase', '--ref', 'nobody', '--yes');
    expect([nobody.code, nobody.out]).toEqual([0, expect.stringContaining('no entry')]);
    expect((await ask('journal', 'erase', '--entries', '1')).code).toBe(ERRORS.USAGE.exitCode);
    const daemon = startLatchkey(['run', '--config', config]);
    await daemon.line('the gateway runs');
    // The start tells no crash, although the run before it was a command.
    expect((await ask('tail', '--json', '--lines', '100')).out).toContain('"clean":true');
    const online = await ask('journal', 'rotate');
    expect([online.code, online.out]).toEqual([0, expect.stringContaining(next.vkey)]);
    expect(online.out).toMatch(/opened {2}lockers\.example\/gw-1\/3-/);
    expect(online.out).toContain('successor statement');
    const { log } = JSON.parse((await ask('status', '--json')).out) as { log: { vkey: string } };
    expect(online.out).toContain(log.vkey);
    const asked = await ask('journal', 'erase', '--ref', 'nobody', '--json');
    expect(JSON.parse(asked.out)).toMatchObject({ outcome: 'found', logs: [] });
    await daemon.stop('SIGTERM');
    const check = await ask('journal', 'check');
    expect([check.code, check.out.match(/: sound/g)?.length]).toEqual([0, 3]);
  }

  test('answers on its socket; the same commands work offline after it; what they export verifies', async () => {
    const daemon = startLatchkey(['run', '--config', config]);
    await daemon.line('the gateway runs');
    const status = await ask('status', '--json');
    // The broker is not there, and healthy means that receipts move.
    expect(status.code).toBe(ERRORS.SOCKET_REFUSED.exitCode);
    const { log, problems } = JSON.parse(status.out) as { log: { vkey: string; entries: number }; problems: string[] };
    expect(problems.join()).toContain('the broker is not connected');
    expect((await ask('status')).out).toContain(log.vkey);
    expect((await ask('tail', '--lines', '100')).out).toContain('gateway.started');
    const lines = (await ask('tail', '--json')).out.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { n: number }).n)).toEqual(lines.map((_, n) => n));
    expect((await ask('journal', 'check')).out).toContain('sound');
    const online = dir.file('online.ndjson');
    expect((await ask('journal', 'export', '--out', online)).code).toBe(0);
    const second = await runLatchkey(['run', '--config', config]);
    expect([second.code, second.err]).toEqual([ERRORS.JOURNAL_BUSY.exitCode, expect.stringContaining('JOURNAL_BUSY')]);
    await daemon.stop('SIGTERM');
    expect((await ask('tail', '--json', '--lines', '3')).out.trimEnd().split('\n')).toHaveLength(3);
    const offline = dir.file('offline.ndjson');
    expect((await ask('journal', 'export', '--out', offline)).code).toBe(0);
    expect((await ask('journal', 'check')).code).toBe(0);
    for (const file of [online, offline]) {
      const verified = await runLatchkey(['verify', file, '--vkey', log.vkey, '--json']);
      expect([verified.code, verified.out]).toEqual([0, expect.stringContaining('"outcome":"verified"')]);
    }
    await actOnJournal(log.vkey);
    const foreign = await ask('journal', 'export', '--log', 'lockers.example/gw-1/9-00000000');
    expect(foreign.code).toBe(ERRORS.JOURNAL_MISSING.exitCode);
  });
});

test('simulate takes hands from a pipe, in order, and stays when they end', async () => {
  const site = fileOf(
    'site.yaml',
    'name: yard\nlines: [{name: far, tcp: {}, family: xor_8a80, boards: [{name: far, address: 1}]}]\n',
  );
  const child = startLatchkey(['simulate', '--site', site]);
  child.write('open far.1\nput far.1\nstatus\nwait 200\nshut far.1\nbreak far.1\nopen far.2\nstatus\n');
  child.endInput();
  await child.line('open doors: far.2');
  expect(child.lines().filter((line) => line.startsWith('open doors'))).toEqual([
    'open doors: far.1',
    'open doors: far.2',
  ]);
  expect(child.lines('err').join('\n')).toContain('expected open|shut');
  expect(child.running).toBe(true);
  await child.stop('SIGTERM');
});

test('verify needs no native code', async () => {
  const file = fileOf('nothing.ndjson', 'no evidence\n');
  const vkey = 'lockers.example/gw-0001/1-746d6f68+16ffdca4+AQWc0K+SHsefNYdEsjLWOl68Rl7HOLJlW9ZwwbZYrofj';
  const { code, out, err } = await runLatchkey(['verify', file, '--vkey', vkey], {
    env: { NODE_OPTIONS: '--no-addons' },
  });
  expect([code, err]).toEqual([1, '']);
  expect(out).toContain('REFUTED');
});

test('decode shows what an export says, needs no native code, and stops where it is none', async () => {
  const log = new TestLog('decode');
  for (let n = 0; n < 5; n += 1) {
    const event = { v: 1, log: log.origin, n, salt: 'AAAAAAAAAAAAAAAAAAAAAA', at: '2026-11-22T09:00:00.000Z' } as const;
    log.append(encodeLeaf({ ...event, clock: { src: 'none' }, boot: 1, up_ms: n, type: 'door.opened', data: {} }));
  }
  const env = { NODE_OPTIONS: '--no-addons' };
  const file = fileOf('decode.ndjson', Buffer.from(log.export(3)).toString());
  const plain = await runLatchkey(['decode', file], { env });
  expect(plain.code).toBe(0);
  expect(plain.out.match(/door\.opened/g)).toHaveLength(5);
  expect(plain.out).toContain('entries 3 to 4 of 5');
  expect(plain.err).toContain('5 entries in 2 batches, nothing verified');
  const json = await runLatchkey(['decode', file, '--json'], { env });
  expect(
    json.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).n),
  ).toEqual([0, 1, 2, 3, 4]);
  const cut = fileOf('cut.ndjson', readFileSync(file, 'utf8').slice(0, -40));
  expect(await runLatchkey(['decode', cut])).toMatchObject({
    code: 2,
    err: expect.stringContaining('after 3 entries'),
  });
  for (const other of [fileOf('empty.ndjson', ''), fileOf('other.ndjson', '{"a":1}\n')]) {
    expect((await runLatchkey(['decode', other])).code).toBe(2);
  }
});

test('an export never takes the place of what is no file', async () => {
  const [config, pipe] = [fileOf('export.yaml', GATEWAY), dir.file('pipe')];
  execFileSync('mkfifo', [pipe]);
  for (const out of [pipe, dir.path]) {
    const { code, err } = await runLatchkey(['journal', 'export', '--config', config, '--out', out]);
    expect([code, err]).toEqual([73, expect.stringContaining('something that is no file')]);
  }
});

test('verify without trust, or without a file, cannot tell', async () => {
  const file = fileOf('nothing.ndjson', 'no evidence\n');
  expect(await runLatchkey(['verify', file])).toMatchObject({ code: 2, err: expect.stringContaining('found neither') });
  const both = await runLatchkey(['verify', file, '--vkey', 'x', '--policy', 'y']);
  expect(both).toMatchObject({ code: 2, err: expect.stringContaining('found both') });
  expect((await runLatchkey(['verify', file, '--vkey', 'nonsense'])).code).toBe(2);
  expect((await runLatchkey(['verify', file, '--policy', dir.file('no-policy.json')])).code).toBe(2);
  expect((await runLatchkey(['verify', dir.file('no-file'), '--policy', file])).code).toBe(2);
});

test('a reader that closes early does not turn a refusal into a success', async () => {
  const file = fileOf('refuted.ndjson', 'no evidence\n');
  const vkey = 'lockers.example/gw-0001/1-746d6f68+16ffdca4+AQWc0K+SHsefNYdEsjLWOl68Rl7HOLJlW9ZwwbZYrofj';
  // The reader is gone before Node has started.
  const script = 'set -o pipefail; "$@" | :; echo "code $?"';
  const args = [process.execPath, mainPath(), 'verify', file, '--vkey', vkey];
  expect(await runToEnd('bash', ['-c', script, 'bash', ...args])).toMatchObject({ out: 'code 1', err: '' });
});

/** Where the links of a folder lead; those that went away meanwhile lead nowhere. */
function linksOf(folder: string): readonly string[] {
  return readdirSync(folder).map((name) => {
    try {
      return readlinkSync(join(folder, name));
    } catch {
      return '';
    }
  });
}

test.for(['SIGINT', 'SIGTERM'] as const)('verify of a pipe that says nothing ends at %s', async (signal) => {
  const pipe = dir.file(`silent-${signal}`);
  execFileSync('mkfifo', [pipe]);
  // A writer that holds the pipe open and writes nothing.
  const writer = openSync(pipe, constants.O_RDWR);
  const child = startLatchkey(['verify', pipe, '--policy', join(root, 'config/policy.json')]);
  try {
    await until('the pipe is being read', () => linksOf(`/proc/${child.pid}/fd`).includes(pipe));
    child.signal(signal);
    expect(await child.exit()).toEqual({ code: null, signal });
  } finally {
    closeSync(writer);
  }
});

test('ports answers on a machine without any', async () => {
  const { code, out } = await runLatchkey(['ports', '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toHaveProperty('ports');
});
