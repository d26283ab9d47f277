/**
 * Every command of README.md and of the pages of first steps is run: here, in the order of the page, in an empty folder; or
 * by the test that the table below names, which is looked at for it. A command that is neither fails.
 */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { Child, runToEnd } from '../../../simulators/demo/child-process.ts';
import { keptPort } from '../../../simulators/kept-port.ts';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { mainPath } from '../../support/child.ts';
import { startPostgres } from '../../support/postgres.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const root = resolve(import.meta.dirname, '../../..');
const TECHNICIAN = 'src/cli/FIRST-STEPS-TECHNICIAN.md';
const OPERATOR = 'src/cli/FIRST-STEPS-OPERATOR.md';
const RISK = 'src/cli/FIRST-STEPS-RISK.md';
const POSTGRES = 'src/cli/FIRST-STEPS-POSTGRES.md';
const PAGES = ['README.md', TECHNICIAN, OPERATOR, RISK, POSTGRES, 'src/cli/FAULTS.md'];
/** In this order, in one folder. */
const RUN_HERE = [TECHNICIAN, OPERATOR, RISK, 'README.md'];
/** With a server of its own, and its folder in the place of this one. */
const ETC = '/etc/latchkey/';

/** The whole build is what `npm test` runs first, and the demo is a test of its own. */
const NPM = ['package.json', 'node test/prepare.mjs test && npm run --silent build'] as const;
const ACT = 'test/process/at-the-box.test.ts';
const FLEET = 'test/integration/enrolment/commands.test.ts';
const DESK = 'test/integration/risk/commands.test.ts';
const RIG = 'test/process/support/rig.ts';
const SEVERAL = 'test/unit/evidence-verify/verify-command.test.ts';

/** What another test runs: its file, and the place in it that does. */
const ELSEWHERE: Readonly<Record<string, readonly [file: string, place: string]>> = {
  'npm install && npm run demo': ['test/integration/simulators/demo.test.ts', "[MAIN, '--json']"],
  'npm install && npm run build': NPM,
  'curl -s http://127.0.0.1:9464/readyz': ['test/process/monitoring.test.ts', '/readyz`'],
  'latchkey probe /dev/serial/by-id/ADAPTER': ['test/integration/ports/probe.test.ts', 'await probeCommand('],
  'latchkey init --config gateway.yaml': ['test/integration/cli/doctor-running.test.ts', "startLatchkey(['init'"],
  'latchkey commission --config gateway.yaml': [
    'test/process/commission.test.ts',
    "startLatchkey(['commission', '--config'",
  ],
  'latchkey doctor --config gateway.yaml': [
    'test/integration/cli/doctor-bundle.test.ts',
    "['doctor', '--config', config",
  ],
  'latchkey open A01 --as tech-7 --config gateway.yaml': [ACT, "codeOf('opener')"],
  'latchkey simulate tpm --dir tpm': ['test/integration/cli/simulate-tpm.test.ts', "['simulate', 'tpm', '--dir'"],
  'latchkey receive --config receive.yaml --show-key': [
    RIG,
    "['receive', '--config', dir.file('receive.yaml'), '--show-key']",
  ],
  'latchkey receive --config receive.yaml': [RIG, "['receive', '--config', this.dir.file('receive.yaml')]"],
  'latchkey status --config gateway.yaml': [
    'test/integration/cli/doctor-running.test.ts',
    "['status', '--watch', '--config', config]",
  ],
  'latchkey enrolments tokens --prefix gw- --count 1000 --config enrolments.yaml > tokens.csv': [
    FLEET,
    "latchkey('tokens', '--prefix', 'gw-', '--count'",
  ],
  'latchkey enrolments serve --config enrolments.yaml': [FLEET, "startLatchkey(['enrolments', 'serve', '--config'"],
  'latchkey enrolments policy --config enrolments.yaml > policy.json': [FLEET, "latchkey('policy')"],
  'latchkey enrolments records --config enrolments.yaml > records': [FLEET, "latchkey('records'"],
  'latchkey tpm show --config gateway.yaml': ['test/process/enrolment.test.ts', "latchkey('tpm', 'show', '--config'"],
  'latchkey enroll --config gateway.yaml --service https://HOST --service-key KEY --token-file FILE': [
    'test/process/enrolment.test.ts',
    "latchkey('enroll', ...asked",
  ],
  'latchkey command key --config command.yaml': [ACT, "['command', 'key', '--config'"],
  'latchkey command send gw-0001 open compartment=A01 --by operator:desk-7 --config command.yaml': [
    ACT,
    "['command', 'send', '--by', 'operator:desk-7'",
  ],
  'latchkey journal check --config gateway.yaml': ['test/integration/cli/cli.test.ts', "ask('journal', 'check')"],
  'latchkey verify export.ndjson --policy policy.json': [
    'test/process/support/tpm-rig.ts',
    "['verify', out, '--policy', policy",
  ],
  'latchkey verify export.ndjson --policy service.json --enrolment records': [
    'test/integration/cli/verify-beside.test.ts',
    "verify('--enrolment', dir.file('enrolment')",
  ],
  'latchkey risk ledger PARCEL export.ndjson --policy policy.json --claims claims.json': [
    'test/unit/ledger/command.test.ts',
    'run([PARCEL.ref, exported], { policy, claims',
  ],
  'latchkey risk decide facts.json': ['test/unit/decision/command.test.ts', 'run(file, { json: true })'],
  'latchkey risk import payments payments.json --config receive.yaml': [
    DESK,
    "run(riskImportCommand, ['payments', payments]",
  ],
  'latchkey risk refund request.json --config receive.yaml': [
    DESK,
    "run(riskRefundCommand, [dir.file('request.json')]",
  ],
  'latchkey risk replay DECISION --config receive.yaml': [DESK, 'run(riskReplayCommand, [decision.decision_id]'],
  'latchkey epcis export.ndjson --policy policy.json > events.jsonld': [SEVERAL, 'run(epcisCommand,'],
  'latchkey risk holds --config risk.yaml': [DESK, 'run(riskHoldsCommand, [])'],
  "latchkey risk hold-release HOLD --actor ana --reason 'seen by the warehouse' --config risk.yaml": [
    DESK,
    'run(riskHoldReleaseCommand, [paid], { actor, reason })',
  ],
  "latchkey risk erase --parcel REF --reason 'asked for by its subject' --config risk.yaml": [
    DESK,
    'run(riskEraseCommand, [], name)',
  ],
  'latchkey risk patterns run --config risk.yaml': [DESK, 'run(riskPatternsCommand, [])'],
  'latchkey risk retention run --config risk.yaml': [DESK, 'run(riskRetentionCommand, [])'],
};

/** Commands that stay, and the line that says that they are ready. */
const STAYING: Readonly<Record<string, string>> = {
  'latchkey simulate --ui --with-gateway --write-config sim/gateway.yaml': 'page: http://127.0.0.1',
  'latchkey risk --embedded --data-dir "$PWD/risk"': 'the risk service runs',
  // As far as it comes without a broker.
  'latchkey risk serve --config /etc/latchkey/risk.yaml': 'the receiver runs',
};
/** Where another exit code than 0 is an answer: of the doctor, when this machine's clock follows nobody. */
const SOUND_OR_NOT = [0, 1];
const EXITS: Readonly<Record<string, readonly number[]>> = {
  'latchkey doctor --config sim/gateway.yaml': SOUND_OR_NOT,
  'latchkey doctor --config sim/gateway.yaml --bundle support.tar.gz': SOUND_OR_NOT,
  'latchkey verify changed.ndjson --vkey "$(cat log.vkey)"': [1],
};
/** What is so only after a moment on a machine that is held up: the first receipts of a gateway. */
const SOON: Readonly<Record<string, string>> = {
  'latchkey status --config sim/gateway.yaml': 'sim-six-doors: healthy',
};
const SOON_MS = 60_000;

/** Lines of code blocks, fenced for the shell or indented; a comment after two spaces is none of the command. */
function commandsOf(page: string): readonly string[] {
  const text = readFileSync(join(root, page), 'utf8');
  const fenced = [...text.matchAll(/^```(?:sh|bash|shell|console)\n(.*?)^```$/gms)].flatMap(([, block = '']) =>
    block.split('\n'),
  );
  const indented = text.split('\n').filter((line) => /^ {4}\S/.test(line));
  return [...fenced, ...indented]
    .map((line) =>
      line
        .replace(/\s+# .*$/, '')
        .trim()
        .replace(/^\$ /, ''),
    )
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.replace(/^node dist\/src\/cli\/main\.js /, 'latchkey '));
}

const dir = makeTempDir('readme');
const staying: Child[] = [];
afterAll(async () => {
  for (const child of staying) await child.stop('SIGTERM');
  dir.remove();
});

/** As the alias of the pages makes it. */
const ALIAS = 'alias latchkey="node $PWD/dist/src/cli/main.js"';
const LATCHKEY = `"${process.execPath}" "${mainPath()}"`;

async function runOne(command: string, apiPort: number): Promise<string> {
  // The pages' port may be somebody's on this machine. All else stays as a reader types it.
  const own = command.replaceAll(/(127\.0\.0\.1:|\{ port: )8480\b/g, `$1${apiPort}`).replaceAll(ETC, dir.file('etc/'));
  const ready = STAYING[command];
  if (ready === undefined) {
    const script = `latchkey() { ${LATCHKEY} "$@"; }\n${own}`;
    const soon = SOON[command] ?? '';
    const endMs = performance.now() + SOON_MS;
    for (;;) {
      const { code, out, err } = await runToEnd('sh', ['-c', script], { cwd: dir.path });
      if (!out.includes(soon) && performance.now() < endMs) continue;
      expect([EXITS[command] ?? [0], command, err]).toEqual([expect.arrayContaining([code]), command, err]);
      return out;
    }
  }
  // The process itself, and no shell around it, is what is stopped.
  const child = new Child('sh', ['-c', own.replace(/^latchkey/, `exec ${LATCHKEY}`)], { cwd: dir.path });
  staying.push(child);
  return child.line(ready);
}

test('every command is run here, or by the test that the table names', () => {
  const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { bin: object };
  expect(packageJson.bin).toEqual({ latchkey: 'dist/src/cli/main.js' });
  const all = new Set(PAGES.flatMap(commandsOf));
  const here = [...RUN_HERE, POSTGRES].flatMap(commandsOf);
  const untested = [...all].filter((line) => !Object.hasOwn(ELSEWHERE, line) && !here.includes(line) && line !== ALIAS);
  expect(untested).toEqual([]);
  expect(Object.keys({ ...ELSEWHERE, ...STAYING, ...EXITS, ...SOON }).filter((line) => !all.has(line))).toEqual([]);
  for (const [line, [file, place]] of Object.entries(ELSEWHERE)) {
    expect([line, readFileSync(join(root, file), 'utf8').includes(place)]).toEqual([line, true]);
  }
});

test('a command in a sentence is one, with options that it has', () => {
  const names = COMMANDS.map(({ name }) => name).sort((a, b) => b.length - a.length);
  let count = 0;
  const odd = PAGES.flatMap((page) => {
    const said = [...readFileSync(join(root, page), 'utf8').matchAll(/[`"]latchkey ([a-z][^`"]*)[`"]/g)];
    count += said.length;
    return said.flatMap(([, words = '']) => {
      // A family of commands is named as a whole, too.
      if (words === 'help' || names.some((each) => each.startsWith(`${words} `))) return [];
      const name = names.find((each) => words === each || words.startsWith(`${each} `));
      const options = Object.keys(COMMANDS.find((each) => each.name === name)?.options ?? {});
      const unknown = [...words.matchAll(/--([a-z-]+)/g)].filter(([, option = '']) => !options.includes(option));
      return name === undefined || unknown.length > 0 ? [`${page}: latchkey ${words}`] : [];
    });
  });
  expect(odd).toEqual([]);
  expect(count).toBeGreaterThan(15);
});

test('the pages of first steps do what they say, from a simulated wall to a refuted file', async () => {
  symlinkSync(join(root, 'config'), dir.file('config'));
  const apiPort = await keptPort();
  const said = new Map<string, string>();
  for (const command of RUN_HERE.flatMap(commandsOf)) {
    // What stays since an earlier page is there.
    if (command === ALIAS || Object.hasOwn(ELSEWHERE, command) || (said.has(command) && STAYING[command])) continue;
    said.set(command, await runOne(command, apiPort));
  }
  const of = (start: string): string => [...said].find(([command]) => command.startsWith(start))?.[1] ?? '';
  expect(of('latchkey status --config sim')).toContain('sim-six-doors: healthy');
  expect(of('latchkey tail')).toContain('gateway.started');
  expect(of('latchkey doctor --config sim/gateway.yaml')).toMatch(
    /receipts +receivers that store: 1; \d+ of \d+ entries/,
  );
  expect(of('tar xzOf')).toContain('Not in it: keys, passwords');
  expect(of('latchkey decode')).toContain('reply status, address 1');
  expect(of('latchkey config check')).toContain('sound (gateway)');
  expect(of('latchkey verify export.ndjson --vkey')).toContain('VERIFIED');
  expect(of('latchkey verify changed.ndjson')).toContain('REFUTED');
  expect(JSON.parse(of('curl'))).toHaveProperty('openapi');
  expect(of('latchkey risk token').split('.')).toHaveLength(3);
});

/** The rest as in config/risk.yaml, but for what no test has: a broker, and logs that somebody believes. */
function serviceSettings(page: string): object {
  const { policy, ...rest } = parse(readFileSync(join(root, 'config/risk.yaml'), 'utf8')) as Record<string, object>;
  const own = parse(/```yaml\n([^`]+)```/.exec(page)?.[1]?.replaceAll(ETC, dir.file('etc/')) ?? '') as object;
  expect(policy).toBe(`${ETC}policy.json`);
  const http = { port: 0 };
  const here = { data_dir: dir.file('service'), trust_first_use: true, mqtt: { url: 'mqtt://127.0.0.1:1' } };
  return { ...rest, ...here, api: { ...rest['api'], http }, ...own };
}

test('the page of PostgreSQL does what it says, from an empty server to a service and an emptied table', async () => {
  const page = readFileSync(join(root, POSTGRES), 'utf8');
  const server = await startPostgres();
  try {
    const admin = new pg.Client({ connectionString: await server.database('administrator') });
    await admin.connect();
    for (const statement of (/```sql\n([^`]+)```/.exec(page)?.[1] ?? '').split(';')) await admin.query(statement);
    await admin.end();
    const address = (await server.database('unused')).replace('/unused', '/latchkey');
    mkdirSync(dir.file('etc'));
    const write = (name: string, text: string) => writeFileSync(dir.file('etc', name), text, { mode: 0o600 });
    for (const login of ['service', 'owner'])
      write(`${login}.url`, `${address.replace('latchkey@', `latchkey_${login}@`)}\n`);
    const settings = stringify(serviceSettings(page));
    write('risk.yaml', settings);
    write('owner.yaml', settings.replace('service.url', 'owner.url'));
    const said: string[] = [];
    for (const command of commandsOf(POSTGRES)) said.push(await runOne(command, 0));
    expect(said).toHaveLength(3);
    expect(said[0]).toMatch(/^the database is of this version; \d+ migrations ran, up to 0/);
    expect(said[2]).toMatch(/^gone: /m);
    await staying.pop()?.stop('SIGTERM');
  } finally {
    await server.stop();
  }
});

test('every file and every place that the pages name is there', () => {
  for (const page of PAGES) {
    const text = readFileSync(join(root, page), 'utf8');
    const links = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, link = '']) => link);
    for (const link of links) {
      if (/^https?:/.test(link)) continue;
      expect([page, link, existsSync(join(root, dirname(page), link))]).toEqual([page, link, true]);
    }
  }
});
