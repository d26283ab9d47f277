/**
 * The one secret of access on this box: 32 random bytes, of which the pepper of stored codes and the key that opens
 * sealed grants are derived (HKDF-SHA-256, RFC 5869).
 *
 * A file of three lines, mode 0600, beside the log keys:
 *
 *     latchkey-access-key v1
 *     gw-0001
 *     <base64 of the 32 bytes>
 */
import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { base64, unbase64, utf8, utf8Text } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { isMissing, makeDirectory, writeFileDurably } from '../../platform/durable-file.ts';

const SECRET_BYTES = 32;
const FILE_BYTES_MAX = 1_024;
const VERSION_LINE = 'latchkey-access-key v1';
/** PKCS#8 of an X25519 key (RFC 8410 section 7): these bytes, then the key. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');

export interface BoxSecret {
  /** Salt of every stored code. */
  readonly pepper: Uint8Array;
  /** Opens what a service sealed for this box (platform/sealed-box.ts). */
  readonly privateKey: KeyObject;
  /** Raw X25519 public key, 32 bytes: it stands in `gateway.started`. */
  readonly publicKey: Uint8Array;
}

/** Made at the first call. Throws KEY_PERMISSIONS, KEY_LOST when the file holds something else, ACCESS_STORE. */
export async function openBoxSecret(path: string, gatewayId: string): Promise<BoxSecret> {
  const found = readSecret(path, gatewayId) ?? (await makeSecret(path, gatewayId));
  try {
    return derive(found);
  } finally {
    found.fill(0);
  }
}

function derive(secret: Uint8Array): BoxSecret {
  const part = (info: string): Uint8Array =>
    new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), utf8(`latchkey/access/v1\n${info}`), SECRET_BYTES));
  const seed = part('sealed-grants');
  const der = Buffer.concat([PKCS8_PREFIX, seed]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  seed.fill(0);
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return { pepper: part('pepper'), privateKey, publicKey: Uint8Array.from(spki.subarray(-SECRET_BYTES)) };
}

async function makeSecret(path: string, gatewayId: string): Promise<Uint8Array> {
  const secret = new Uint8Array(randomBytes(SECRET_BYTES));
  try {
    await makeDirectory(dirname(path));
    await writeFileDurably(path, utf8(`${VERSION_LINE}\n${gatewayId}\n${base64(secret)}\n`));
    return secret;
  } catch (error) {
    throw new LatchkeyError('ACCESS_STORE', `cannot make ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function readSecret(path: string, gatewayId: string): Uint8Array | undefined {
  const bytes = readOwnFile(path);
  if (bytes === undefined) return undefined;
  const lines = utf8Text(bytes)?.split('\n') ?? [];
  bytes.fill(0);
  const secret = unbase64(lines[2] ?? '');
  if (lines.length !== 4 || lines[0] !== VERSION_LINE || lines[3] !== '' || secret?.length !== SECRET_BYTES) {
    throw new LatchkeyError('KEY_LOST', `${path}: expected an access key of three lines, found something else`);
  }
  if (lines[1] !== gatewayId) {
    throw new LatchkeyError('CONFIG_INVALID', `${path}: expected the access key of ${gatewayId}, found ${lines[1]}'s`);
  }
  return secret;
}

function readOwnFile(path: string): Uint8Array | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new LatchkeyError('KEY_PERMISSIONS', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
  try {
    const found = fstatSync(descriptor);
    if (!found.isFile() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0) {
      const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
      throw new LatchkeyError('KEY_PERMISSIONS', `${path}: expected a file of this user with mode 0600, found ${mode}`);
    }
    const bytes = new Uint8Array(FILE_BYTES_MAX);
    return bytes.subarray(0, readSync(descriptor, bytes, 0, FILE_BYTES_MAX, 0));
  } finally {
    closeSync(descriptor);
  }
}
