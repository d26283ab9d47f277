/**
 * The files that a connection needs: whom to believe and who we are. Read at each attempt, so that a renewed certificate
 * or password needs no restart, and checked before the network is touched, so that what is wrong is told by name.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { MqttSettings } from './settings.ts';

const FILE_BYTES_MAX = 1024 * 1024;
/** MQTT 5.0 section 1.5.6: binary data has a length of two bytes. */
const PASSWORD_BYTES_MAX = 65_535;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

type FileSetting = 'password_file' | 'ca_file' | 'cert_file' | 'key_file';

export interface CredentialFiles {
  readonly password: Buffer | undefined;
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

/**
 * Rejects with CONFIG_UNREADABLE, with KEY_PERMISSIONS when others may read a secret, with CONFIG_INVALID when a file
 * does not hold what it should. Messages name the setting and the file and never what is in it.
 */
export async function readCredentialFiles(settings: MqttSettings): Promise<CredentialFiles> {
  const secret = { password: await read('password_file', settings, true), key: await read('key_file', settings, true) };
  const files = { ca: await read('ca_file', settings, false), cert: await read('cert_file', settings, false) };
  if (files.ca !== undefined) certificates('ca_file', settings, files.ca);
  if (files.cert !== undefined && secret.key !== undefined) checkPair(settings, files.cert, secret.key);
  const password = secret.password === undefined ? undefined : passwordIn(settings, secret.password);
  return { ...files, key: secret.key, password };
}

async function read(setting: FileSetting, settings: MqttSettings, secret: boolean): Promise<Buffer | undefined> {
  const path = settings[setting];
  if (path === undefined) return undefined;
  let file: FileHandle | undefined;
  try {
    // Without O_NONBLOCK a FIFO at this place would hold the attempt for ever.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > FILE_BYTES_MAX) {
      const found = stat.isFile() ? `${stat.size} bytes` : 'no file';
      throw new LatchkeyError(
        'CONFIG_UNREADABLE',
        `${setting}: expected a file of at most ${FILE_BYTES_MAX} bytes at ${path}, found ${found}`,
      );
    }
    if (secret) checkOwner(setting, path, stat);
    return await file.readFile();
  } catch (error) {
    if (error instanceof LatchkeyError) throw error;
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new LatchkeyError('CONFIG_UNREADABLE', `${setting}: expected a readable file at ${path}, found ${why}`);
  } finally {
    await file?.close().catch(() => undefined);
  }
}

/** Ours with mode 0600, or root's that our group may read: so systemd (LoadCredential) and packages hand secrets over. */
function checkOwner(setting: FileSetting, path: string, { uid, mode }: Stats): void {
  const ours = uid === process.getuid?.();
  if ((ours && (mode & 0o077) === 0) || (!ours && uid === 0 && (mode & 0o037) === 0)) return;
  const found = `user ${uid}, mode ${(mode & 0o777).toString(8).padStart(4, '0')}`;
  throw new LatchkeyError(
    'KEY_PERMISSIONS',
    `${setting}: expected ${path} to be of user ${process.getuid?.()} with mode 0600, or of root with mode 0640, found ${found}`,
  );
}

function passwordIn(settings: MqttSettings, bytes: Buffer): Buffer {
  const end = bytes.indexOf(0x0a);
  const line = end === -1 ? bytes : bytes.subarray(0, end);
  const password = line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
  if (password.length > 0 && password.length <= PASSWORD_BYTES_MAX) return password;
  const found = password.length === 0 ? 'an empty line' : `${password.length} bytes`;
  throw wrong('password_file', settings, `a password of 1 to ${PASSWORD_BYTES_MAX} bytes in the first line`, found);
}

function certificates(setting: FileSetting, settings: MqttSettings, bytes: Buffer): readonly X509Certificate[] {
  const blocks = bytes.toString('latin1').match(CERTIFICATE) ?? [];
  if (blocks.length === 0) throw wrong(setting, settings, 'certificates in PEM', 'none');
  return blocks.map((block, i) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw wrong(setting, settings, 'certificates in PEM', `certificate ${i + 1} damaged (${messageOf(error)})`);
    }
  });
}

function checkPair(settings: MqttSettings, cert: Buffer, keyBytes: Buffer): void {
  const [own] = certificates('cert_file', settings, cert);
  let key: KeyObject;
  try {
    key = createPrivateKey(keyBytes);
  } catch {
    // OpenSSL's own words tell less, and may repeat what stands in the file.
    const encrypted = /ENCRYPTED/.test(keyBytes.toString('latin1'));
    throw wrong('key_file', settings, 'a private key in PEM, not encrypted', encrypted ? 'an encrypted one' : 'none');
  }
  if (own?.checkPrivateKey(key) === true) return;
  throw wrong('key_file', settings, `the key of the first certificate in ${settings.cert_file}`, 'another one');
}

function wrong(setting: FileSetting, settings: MqttSettings, expected: string, found: string): LatchkeyError {
  return new LatchkeyError(
    'CONFIG_INVALID',
    `${setting}: expected ${expected} at ${settings[setting]}, found ${found}`,
  );
}
