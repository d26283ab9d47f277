/** The files of a connection, each of them wrong in each way: what is told, and that nothing of a secret is. */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { utf8Text } from '../../../src/base/bytes.ts';
import { readCredentialFiles } from '../../../src/platform/mqtt/credential-files.ts';
import { mqttSettingsSchema } from '../../../src/platform/mqtt/settings.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { type IssuedCertificate, makeAuthority, type TestAuthority } from '../../support/test-authority.ts';

const SECRET = 'open sesame';

let dir: TempDir;
let authority: TestAuthority;
let own: IssuedCertificate;

beforeAll(() => {
  dir = makeTempDir('credential-files');
  authority = makeAuthority(dir.path, 'ours');
  own = authority.issue('gw-0001');
});
afterAll(() => dir.remove());

function read(files: Readonly<Record<string, string>>) {
  const username = files['password_file'] === undefined ? {} : { username: 'gw-0001' };
  return readCredentialFiles(mqttSettingsSchema.parse({ url: 'mqtts://broker.example', ...username, ...files }));
}

function file(name: string, content: string | Uint8Array, mode = 0o600): string {
  const path = dir.file(name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

async function failure(files: Readonly<Record<string, string>>): Promise<string> {
  const error = await read(files).then(
    () => new Error('it was accepted'),
    (reason: Error & { code: string }) => reason,
  );
  const text = `${'code' in error ? error.code : ''} ${error.message}`;
  expect(text).not.toContain(SECRET);
  return text.replaceAll(`${dir.path}/`, '');
}

test('sound files are read: the first line of the password, certificates and key as they are', async () => {
  const password_file = file('password', `${SECRET}\r\nsecond line\n`);
  const { certPath: cert_file, keyPath: key_file } = own;
  const read1 = await read({ password_file, ca_file: authority.caPath, cert_file, key_file });
  expect(utf8Text(new Uint8Array(read1.password ?? []))).toBe(SECRET);
  expect(read1.ca).toEqual(readFileSync(authority.caPath));
  expect([read1.cert, read1.key]).toEqual([readFileSync(cert_file), readFileSync(key_file)]);
  expect(await read({})).toEqual({ password: undefined, ca: undefined, cert: undefined, key: undefined });
});

test('a file that is not there, a folder, a FIFO and a huge file are named', async () => {
  mkdirSync(dir.file('folder'));
  execFileSync('mkfifo', ['-m', '600', dir.file('fifo')]);
  const rows = [
    [{ password_file: dir.file('none') }, 'password_file: expected a readable file at none, found ENOENT'],
    [{ ca_file: dir.file('folder') }, 'ca_file: expected a file of at most 1048576 bytes at folder, found no file'],
    [
      { password_file: dir.file('fifo') },
      'password_file: expected a file of at most 1048576 bytes at fifo, found no file',
    ],
    [
      { ca_file: file('huge', new Uint8Array(1_048_577)) },
      'ca_file: expected a file of at most 1048576 bytes at huge, found 1048577 bytes',
    ],
  ] as const;
  for (const [files, message] of rows) expect(await failure(files)).toBe(`CONFIG_UNREADABLE ${message}`);
});

test.each([0o644, 0o640, 0o604, 0o660])('a secret of ours with mode %o is refused', async (mode) => {
  const password_file = file('loose', SECRET, mode);
  expect(await failure({ password_file })).toMatch(
    /^KEY_PERMISSIONS password_file: .* mode 0600.*, found user \d+, mode 06/,
  );
  const key_file = dir.file('loose.key');
  copyFileSync(own.keyPath, key_file);
  chmodSync(key_file, mode);
  expect(await failure({ cert_file: own.certPath, key_file })).toMatch(/^KEY_PERMISSIONS key_file: /);
});

test.runIf(process.getuid?.() === 0)('a secret of another user is refused', async () => {
  const password_file = file('foreign', SECRET, 0o600);
  chownSync(password_file, 65_534, 65_534);
  expect(await failure({ password_file })).toMatch(/^KEY_PERMISSIONS .* found user 65534, mode 0600$/);
});

test('a password that is empty or too long is told, not sent', async () => {
  const expected = 'CONFIG_INVALID password_file: expected a password of 1 to 65535 bytes in the first line at';
  expect(await failure({ password_file: file('empty', '') })).toBe(`${expected} empty, found an empty line`);
  expect(await failure({ password_file: file('blank', '\nx\n') })).toBe(`${expected} blank, found an empty line`);
  expect(await failure({ password_file: file('long', 'x'.repeat(65_536)) })).toBe(
    `${expected} long, found 65536 bytes`,
  );
});

test('certificates that are none, or damaged, are told', async () => {
  const expected = 'CONFIG_INVALID ca_file: expected certificates in PEM at';
  expect(await failure({ ca_file: own.keyPath })).toBe(`${expected} ours/gw-0001.key, found none`);
  const damaged = readFileSync(authority.caPath, 'utf8').replace(/\nM...../, '\nAAAAAA');
  const both = `${readFileSync(own.certPath, 'utf8')}${damaged}`;
  expect(await failure({ ca_file: file('damaged', both) })).toContain(
    `${expected} damaged, found certificate 2 damaged`,
  );
  expect(await failure({ cert_file: own.keyPath, key_file: own.keyPath })).toContain(
    'cert_file: expected certificates',
  );
});

test('a key that is none, encrypted, or of another certificate is told', async () => {
  const { certPath: cert_file, keyPath } = own;
  const expected = 'CONFIG_INVALID key_file: expected a private key in PEM, not encrypted at';
  const fail = (key_file: string) => failure({ cert_file, key_file });
  expect(await fail(file('no.key', SECRET))).toBe(`${expected} no.key, found none`);
  const locked = dir.file('locked.key');
  execFileSync('openssl', ['pkey', '-in', keyPath, '-aes256', '-passout', `pass:${SECRET}`, '-out', locked]);
  chmodSync(locked, 0o600);
  expect(await fail(locked)).toContain('locked.key, found an encrypted one');
  const other = authority.issue('gw-0002');
  expect(await fail(other.keyPath)).toBe(
    'CONFIG_INVALID key_file: expected the key of the first certificate in ours/gw-0001.pem at ours/gw-0002.key, found another one',
  );
});
