/** `latchkey doctor --bundle`: what a technician hands over. Secrets lie in every place; none is in the archive. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { Child } from '../../../simulators/demo/child-process.ts';
import { siteSchema } from '../../../simulators/site/settings.ts';
import { parseStep } from '../../../simulators/site/steps.ts';
import { type Site, startSite } from '../../../simulators/site.ts';
import { utf8 } from '../../../src/base/bytes.ts';
import { KEPT_TEXTS, keepSettings } from '../../../src/cli/doctor/bundle-settings.ts';
import { keepStatus, scrubber } from '../../../src/cli/doctor/bundle-words.ts';
import { examine } from '../../../src/cli/doctor/examine.ts';
import { bundleFiles, FILE_BYTES_MAX, writeBundle } from '../../../src/cli/doctor/support-bundle.ts';
import { startBroker, type TestBroker } from '../../support/broker.ts';
import { runLatchkey, startLatchkey } from '../../support/child.ts';
import { secretsBelow, secretsIn } from '../../support/secret-search.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const signal = new AbortController().signal;
const text = (): string => `s3cr-${randomBytes(12).toString('hex')}`;
const base32 = (): string => [...randomBytes(32)].map((byte) => BASE32[byte % 32]).join('');

const planted = {
  password: text(),
  environment: text(),
  logLine: text(),
  authenticator: base32(),
  parcelKey: randomBytes(32).toString('hex'),
  camera: text(),
  comment: text(),
};
const dir = makeTempDir('bundle');
const config = dir.file('gateway.yaml');
let broker: TestBroker;
let site: Site;
let gateway: Child;
/** As the journal names it. */
let parcel = '';

beforeAll(async () => {
  broker = await startBroker({ users: { 'gw-1': planted.password } });
  site = await startSite({
    site: siteSchema.parse({ name: 'bundle', lines: [{ name: 'desk', tcp: {}, scanner: {} }] }),
  });
  const file = (name: string, content: string): string => {
    writeFileSync(dir.file(name), `${content}\n`, { mode: 0o600 });
    return dir.file(name);
  };
  mkdirSync(dir.file('reference-keys'), { mode: 0o700 });
  file('reference-keys/2026-01.key', planted.parcelKey);
  const [host = '', port = ''] = site.address('desk').split(':');
  const settings = {
    gateway: { id: 'gw-1', operator_domain: 'lockers.example', data_dir: dir.file('data') },
    keys: 'software',
    mqtt: {
      url: broker.url,
      protocol: '3.1.1',
      username: 'gw-1',
      password_file: file('password', planted.password),
    },
    references: { kind: 'clear' },
    console: { people: [{ name: 'tech-7', role: 'technician', totp_file: file('totp', planted.authenticator) }] },
    photos: {
      sources: [
        { name: 'eye-1', kind: 'http', url: 'http://127.0.0.1:9/', authorization_file: file('camera', planted.camera) },
      ],
    },
    ports: [
      {
        name: 'desk',
        link: { kind: 'tcp', host, port: Number(port) },
        devices: [{ name: 'desk-1', driver: 'text_scanner' }],
      },
    ],
  };
  file('gateway.yaml', `# ${planted.comment}\n${stringify(settings)}`);
  gateway = startLatchkey(['run', '--config', config], { env: { BROKER_TOKEN: planted.environment } });
  await gateway.line('the gateway runs');
  file('data/gateway.log', `{"level":"info","msg":"login with ${planted.logLine}"}`);
  const tail = startLatchkey(['tail', '--config', config, '--follow', '--json', '--lines', '100']);
  try {
    // Said again and again until the line to the scanner is up.
    const step = parseStep('scan desk sscc 12');
    if (!step.ok || step.value.do !== 'scan') throw new Error('a scan');
    const { label } = step.value;
    const scanning = setInterval(() => site.scan('desk', label), 200);
    const line = await tail.line('"parcel"').finally(() => clearInterval(scanning));
    parcel = (JSON.parse(line) as { parcel: { ref: string } }).parcel.ref;
  } finally {
    await tail.stop('SIGINT');
  }
});

afterAll(async () => {
  await gateway.stop('SIGKILL');
  await site.close();
  await broker.stop();
  dir.remove();
});

/** Unpacked by another hand. */
function unpack(path: string, name: string): string {
  mkdirSync(dir.file(name));
  execFileSync('tar', ['xzf', path, '-C', dir.file(name)]);
  return dir.file(name, 'latchkey-support');
}

function secretBytes(secrets: Readonly<Record<string, string>>): Readonly<Record<string, Uint8Array>> {
  return Object.fromEntries(Object.entries(secrets).map(([name, secret]) => [name, utf8(secret)]));
}

describe('beside a running gateway', () => {
  test('the archive tells what a technician needs, and no secret of any place', async () => {
    const path = dir.file('support.tar.gz');
    const { code, out } = await runLatchkey(['doctor', '--config', config, '--json', '--bundle', path], {
      env: { BROKER_TOKEN: planted.environment },
    });
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ bundle: { path, bytes: statSync(path).size } });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const folder = unpack(path, 'running');
    const names = readdirSync(folder).sort();
    expect(names).toEqual([
      'MANIFEST.txt',
      'about.json',
      'doctor.json',
      'entries.json',
      'metrics.json',
      'settings.json',
      'status.json',
    ]);
    const secrets = secretBytes({ ...planted, parcel });
    // Each lies where it belongs, or the search would find nothing of anything.
    const sources = secretsBelow(dir.path, secrets).map((found) => found.split(': ').at(-1));
    const inFiles = Object.keys(secrets).filter((name) => name !== 'environment');
    expect([...new Set(sources)].sort()).toEqual(inFiles.sort());
    const environ = readFileSync(`/proc/${gateway.pid}/environ`);
    expect(secretsIn(environ, secrets)).toEqual(['environment']);
    expect(secretsBelow(folder, secrets)).toEqual([]);

    const read = (name: string): unknown => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8'));
    expect(read('about.json')).toMatchObject({ node: process.version, platform: 'linux' });
    expect(read('settings.json')).toMatchObject({
      gateway: { id: 'gw-1', data_dir: dir.file('data') },
      mqtt: { url: broker.url, password_file: dir.file('password') },
      ports: [{ name: 'desk', devices: [{ name: 'desk-1', driver: 'text_scanner' }] }],
    });
    expect(read('status.json')).toMatchObject({
      gateway: 'gw-1',
      lines: [{ port: 'desk', state: 'open', devices: [{ name: 'desk-1', state: expect.stringMatching(/^[a-z]+$/) }] }],
    });
    expect(read('metrics.json')).toEqual(
      expect.arrayContaining([{ name: expect.any(String), labels: expect.any(Object), value: expect.any(Number) }]),
    );
    const entries = read('entries.json') as { newest: number; counts: Record<string, number> };
    expect(entries.counts).toMatchObject({ 'gateway.started': 1 });
    expect(Object.values(entries.counts).reduce((sum, count) => sum + count, 0)).toBe(entries.newest);
    const manifest = readFileSync(`${folder}/MANIFEST.txt`, 'utf8');
    for (const name of names.slice(1))
      expect(manifest).toContain(`${name} (${statSync(`${folder}/${name}`).size} bytes): `);
  });

  test('an archive that is there stays as it is', async () => {
    const path = dir.file('mine.tar.gz');
    writeFileSync(path, 'mine');
    const { code, err } = await runLatchkey(['doctor', '--config', config, '--bundle', path]);
    expect([code, err]).toEqual([73, expect.stringContaining('is not overwritten')]);
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });
});

describe('settings that are wrong', () => {
  const wrong = {
    url: text(),
    pasted: text(),
    unknown: text(),
    name: text(),
    signer: base32(),
    number: '8317204465912077',
    query: text(),
    element: text(),
  };
  const raw = {
    gateway: { id: 'gw-1', operator_domain: 'lockers.example', data_dir: dir.file('nowhere') },
    keys: 'software',
    mqtt: {
      url: `mqtts://gw-1:${wrong.url}@broker.example:8883`,
      username: 'gw-1',
      // The password itself, where the name of its file belongs.
      password_file: wrong.pasted,
      password: wrong.unknown,
      client_id: Number(wrong.number),
      [`password:${wrong.name}`]: null,
    },
    commands: { keys: [{ vkey: `PRIVATE ${wrong.signer}`, doors: true }] },
    photos: {
      sources: [{ name: 'eye-1', kind: 'http', url: `http://127.0.0.1:9/snap?token=${wrong.query}` }],
      extra: [wrong.element],
    },
    receivers: wrong.element,
    references: { kind: 'clear' },
  };

  test('leave no secret either: not from an address, not from the wrong member, not in what was found there', async () => {
    const path = dir.file('wrong.yaml');
    writeFileSync(path, stringify(raw));
    const examination = await examine({ configPath: path, signal });
    const secrets = secretBytes(wrong);
    expect(secretsIn(readFileSync(path), secrets)).toEqual(Object.keys(wrong));
    // The doctor may show a technician at the box more than what leaves it.
    expect(secretsIn(utf8(JSON.stringify(examination.checks)), secrets)).not.toEqual([]);
    const files = await bundleFiles({ examination, signal, nowMs: 0 });
    for (const { name, bytes } of files) expect([name, secretsIn(bytes, secrets)]).toEqual([name, []]);
    const all = files.map(({ bytes }) => Buffer.from(bytes).toString()).join('\n');
    expect(all).toContain('broker.example:8883');
    expect(all).toContain('mqtt.password_file');
    expect(all).toContain('mqtt.(not in the schema)');
  });

  test('of which nothing is YAML are left out, and so is the line that is wrong', async () => {
    const path = dir.file('broken.yaml');
    writeFileSync(path, `mqtt:\n  password: "${wrong.unknown}\n bad`);
    const examination = await examine({ configPath: path, signal });
    const files = await bundleFiles({ examination, signal, nowMs: 0 });
    const secrets = secretBytes(wrong);
    expect(secretsIn(readFileSync(path), secrets)).toEqual(['unknown']);
    for (const { name, bytes } of files) expect([name, secretsIn(bytes, secrets)]).toEqual([name, []]);
  });
});

test('without settings there is an archive too, and what it could not read is said', async () => {
  const examination = await examine({ configPath: dir.file('missing.yaml'), signal });
  const written = await writeBundle(dir.file('missing.tar.gz'), { examination, signal, nowMs: 0 });
  const folder = unpack(written.path, 'without');
  expect(readFileSync(`${folder}/MANIFEST.txt`, 'utf8')).toContain('No gateway answered');
  expect(readFileSync(`${folder}/settings.json`, 'utf8')).toContain('not_read');
});

test('every text that is kept stands in the schema, and one that is not in the table is withheld', () => {
  const { knownNames, settings } = keepSettings({ prefix: 'latchkey', access: { scanned: [{ prefix: '%%OPEN' }] } });
  for (const path of Object.keys(KEPT_TEXTS)) {
    for (const name of path.replaceAll('[]', '').split('.')) expect(knownNames).toContain(name);
  }
  expect(settings).toEqual({ prefix: 'latchkey', access: { scanned: [{ prefix: '[withheld]' }] } });
});

test('of a status nothing is kept whose member is not known', () => {
  const scrub = scrubber(new Set(['hunter2-hunter2']));
  const status = {
    gateway: 'gw-1',
    scanned: '340123450000000123',
    lines: [{ port: 'desk', reason: 'asked http://u:p@h/x?y=z for hunter2-hunter2', held: 2 }],
    deep: { text: ['a parcel'] },
  };
  expect(keepStatus(status, scrub)).toEqual({
    gateway: 'gw-1',
    scanned: '[withheld]',
    lines: [{ port: 'desk', reason: 'asked http://[withheld]@h/x?[withheld] for [withheld]', held: 2 }],
    deep: { text: ['[withheld]'] },
  });
});

test('a file that would be too large is left out by name', async () => {
  const examination = await examine({ configPath: dir.file('missing.yaml'), signal });
  const check = { name: 'port:x', ok: false, found: 'x'.repeat(2_000), remedy: 'y' };
  const many = { ...examination, checks: Array.from({ length: 600 }, () => check) };
  const files = await bundleFiles({ examination: many, signal, nowMs: 0 });
  expect(files.map(({ name }) => name)).not.toContain('latchkey-support/doctor.json');
  const manifest = Buffer.from(files[0]?.bytes ?? []).toString();
  expect(manifest).toMatch(new RegExp(`doctor.json: left out, since it would be \\d+ bytes and ${FILE_BYTES_MAX}`));
});
