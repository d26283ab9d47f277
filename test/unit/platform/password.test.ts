/** Passwords as scrypt hashes: other hands' vectors fit, other passwords do not, and cheap hashes are refused. */
import { chmodSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  hashPassword,
  isPassword,
  nobodyHash,
  parsePasswordHash,
  readPasswordHash,
} from '../../../src/platform/http/password.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

/** RFC 7914 section 12: N=16384, r=8, p=1, 64 bytes. */
const RFC_HASH =
  '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887';
const unpadded = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replace(/=+$/, '');
const RFC_TEXT = `$scrypt$ln=14,r=8,p=1$${unpadded(Buffer.from('SodiumChloride'))}$${unpadded(Buffer.from(RFC_HASH, 'hex'))}`;

test('the vector of RFC 7914 fits its password alone', () => {
  const parsed = parsePasswordHash(RFC_TEXT);
  if (!parsed.ok) throw new Error(parsed.detail);
  expect(isPassword('pleaseletmein', parsed.value)).toBe(true);
  expect(isPassword('pleaseletmeout', parsed.value)).toBe(false);
});

test('what is made fits, with letters typed as other code points too, and twice is two texts', () => {
  const made = hashPassword('Größe ist alles');
  expect(made.text).toMatch(/^\$scrypt\$ln=14,r=8,p=5\$[^$]{22}\$[^$]{43}$/);
  expect(isPassword('Größe ist alles'.normalize('NFD'), made)).toBe(true);
  expect(hashPassword('Größe ist alles', { ln: 14, r: 8, p: 1 }).text).not.toBe(made.text);
  expect(isPassword('', nobodyHash())).toBe(false);
});

test.each([
  ['shape', 'correct horse battery'],
  ['shape', RFC_TEXT.replace('scrypt', 'argon2id')],
  ['shape', `${RFC_TEXT}\n${RFC_TEXT}`],
  ['weak', RFC_TEXT.replace('ln=14', 'ln=10')],
  ['weak', RFC_TEXT.replace(/\$[^$]*\$([^$]*)$/, '$QUE$$$1')],
  ['costly', RFC_TEXT.replace('ln=14', 'ln=20')],
  ['costly', RFC_TEXT.replace('p=1', 'p=99')],
])('%s: %s', (reason, text) => {
  expect(parsePasswordHash(text)).toMatchObject({ ok: false, reason });
});

test('a file that others may read is not used', () => {
  const dir = makeTempDir('password');
  const path = dir.file('a.password');
  writeFileSync(path, `${RFC_TEXT}\n`, { mode: 0o600 });
  expect(readPasswordHash(path)).toMatchObject({ ok: true, value: { text: RFC_TEXT } });
  chmodSync(path, 0o640);
  expect(() => readPasswordHash(path)).toThrow(expect.objectContaining({ code: 'KEY_PERMISSIONS' }));
  dir.remove();
});
