import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import type { Signer } from '../../../src/edge/contracts/signer.ts';
import { SoftwareKeyStore } from '../../../src/edge/keys/software-key-store.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'latchkey-keys-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const directory = (): string => join(root, 'data', 'keys');
const keys = (): Promise<SoftwareKeyStore> => SoftwareKeyStore.open(directory(), nodeCrypto);
const create = async (number = 1): Promise<Signer> => (await keys()).create('lockers.example', 'gw-0001', number);
const open = async (origin: string): Promise<Signer> => (await keys()).open(origin);
const list = async (): Promise<readonly string[]> => (await keys()).list();
const onlyFile = (): string => join(directory(), readdirSync(directory())[0] ?? 'none');

async function codeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return 'resolved';
  } catch (error) {
    return error instanceof LatchkeyError ? error.code : String(error);
  }
}

test('a key is one file of this user alone, in a directory of this user alone, whatever the umask', async () => {
  const before = process.umask(0);
  try {
    const { origin } = await create();
    expect(readdirSync(directory())).toEqual([`${origin.split('/')[2]}.key`]);
    expect(statSync(onlyFile()).mode & 0o777).toBe(0o600);
    expect(statSync(directory()).mode & 0o777).toBe(0o700);
  } finally {
    process.umask(before);
  }
});

test('a key that others may read, write or run is refused by name, in opening and in listing', async () => {
  const { origin } = await create();
  for (const bit of [0o040, 0o020, 0o010, 0o004, 0o002, 0o001]) {
    chmodSync(onlyFile(), 0o600 | bit);
    expect(await codeOf(() => open(origin))).toBe('KEY_PERMISSIONS');
    expect(await codeOf(() => list())).toBe('KEY_PERMISSIONS');
  }
  chmodSync(onlyFile(), 0o600);
  expect(await codeOf(() => open(origin))).toBe('resolved');
});

test('a symbolic link in place of the key is refused', async () => {
  const { origin } = await create();
  const path = onlyFile();
  linkSync(path, join(root, 'elsewhere'));
  rmSync(path);
  symlinkSync(join(root, 'elsewhere'), path);
  expect(await codeOf(() => open(origin))).toBe('KEY_PERMISSIONS');
});

test('a damaged key file is a lost key: cut, emptied, of another version, of another log', async () => {
  const { origin } = await create();
  const other = await create(2);
  const path = join(directory(), `${origin.split('/')[2]}.key`);
  const whole = readFileSync(path, 'utf8');
  const foreign = readFileSync(join(directory(), `${other.origin.split('/')[2]}.key`), 'utf8');
  const [version, name, seed] = whole.split('\n');
  const damaged = [
    '',
    whole.slice(0, -1),
    whole.replace(' v1', ' v2'),
    `${whole}\n`,
    `${version}\n${name}\n${seed?.slice(4)}\n`,
    foreign,
    `${version}\n${name}\n${foreign.split('\n')[2]}\n`,
  ];
  for (const text of damaged) {
    writeFileSync(path, text);
    expect(await codeOf(() => open(origin))).toBe('KEY_LOST');
  }
  expect(await list()).toContain(other.origin);
  writeFileSync(path, whole);
  expect(await codeOf(() => open(origin))).toBe('resolved');
});

test('destroying overwrites the seed before the name goes', async () => {
  const { origin } = await create();
  linkSync(onlyFile(), join(root, 'second-name'));
  await (await keys()).destroy(origin);
  expect(readdirSync(directory())).toEqual([]);
  const left = readFileSync(join(root, 'second-name'));
  expect(left.length).toBeGreaterThan(32);
  expect(left.every((byte) => byte === 0)).toBe(true);
});

test('what a crash left of a key that was never complete is swept away and never listed', async () => {
  const { origin } = await create();
  writeFileSync(join(directory(), '2-00000000.key.tmp'), readFileSync(onlyFile()));
  expect(await list()).toEqual([origin]);
  await create(3);
  expect(readdirSync(directory()).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

test('OpenSSL reads the seed as the key that signs', async () => {
  const signer = await create();
  const seed = Buffer.from(readFileSync(onlyFile(), 'utf8').split('\n')[2] ?? '', 'base64');
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  writeFileSync(join(root, 'key.der'), der);
  const text = `${signer.origin}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n`;
  writeFileSync(join(root, 'text'), text);
  const openssl = ['pkeyutl', '-sign', '-rawin', '-inkey', join(root, 'key.der'), '-keyform', 'DER'];
  const signature = execFileSync('openssl', [...openssl, '-in', join(root, 'text')]);
  expect(Buffer.from(await signer.signCheckpoint(text))).toEqual(signature);
});
