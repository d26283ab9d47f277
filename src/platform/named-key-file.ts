/**
 * An Ed25519 key with a name, in a file of three lines, mode 0600, made at the first start:
 *
 *     latchkey-<kind>-key v1
 *     lockers.example/receiver-1
 *     <base64 of the 32-byte seed>
 */
import { createPrivateKey, createPublicKey, randomBytes, sign } from 'node:crypto';
import { constants } from 'node:fs';
import { link, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { base64, unbase64, utf8, utf8Text } from '../base/bytes.ts';
import { LatchkeyError, messageOf } from '../base/errors.ts';
import { makeDirectory, syncDirectory, writeFileDurably } from './durable-file.ts';

const FILE_BYTES_MAX = 1_024;
const SEED_BYTES = 32;
/** PKCS#8 of an Ed25519 seed (RFC 8410 section 7): these bytes, then the seed. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

export interface NamedKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Ed25519 over the whole message. */
  sign(message: Uint8Array): Uint8Array;
  /** The file was not there. */
  readonly made: boolean;
}

export interface NamedKeyPlace {
  readonly path: string;
  readonly name: string;
  /** `witness`, `enrolment`: a key of one kind is never taken for another. */
  readonly kind: string;
}

/**
 * Throws KEY_PERMISSIONS when others may read it, KEY_LOST when it holds no key, CONFIG_INVALID when it is another's,
 * STORE_IO when it cannot be made.
 */
export async function openNamedKey(place: NamedKeyPlace): Promise<NamedKey> {
  const { path, name, kind } = place;
  const made = await makeKeyFile(place);
  const found = await readKeyFile(path, kind);
  if (found.name !== name) {
    throw new LatchkeyError('CONFIG_INVALID', `${path}: expected the key of ${name}, found that of ${found.name}`);
  }
  const { seed } = found;
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
  seed.fill(0);
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return {
    publicKey: Uint8Array.from(spki.subarray(-32)),
    sign: (message) => Uint8Array.from(sign(null, message, privateKey)),
    made,
  };
}

function versionLine(kind: string): string {
  return `latchkey-${kind}-key v1`;
}

/** Makes the file unless there is one. Two processes that try at once end up with one key: the name is linked, not moved. */
async function makeKeyFile({ path, name, kind }: NamedKeyPlace): Promise<boolean> {
  if ((await stat(path).catch(() => undefined)) !== undefined) return false;
  const fresh = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    await makeDirectory(dirname(path));
    await writeFileDurably(fresh, utf8(`${versionLine(kind)}\n${name}\n${base64(randomBytes(SEED_BYTES))}\n`));
    return await linkOnce(fresh, path);
  } catch (error) {
    throw new LatchkeyError('STORE_IO', `cannot make the key ${path}: ${messageOf(error)}`, { cause: error });
  }
}

async function linkOnce(fresh: string, path: string): Promise<boolean> {
  try {
    await link(fresh, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(fresh, { force: true });
    await syncDirectory(dirname(path));
  }
}

async function readKeyFile(path: string, kind: string): Promise<{ readonly name: string; readonly seed: Uint8Array }> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    throw new LatchkeyError('KEY_PERMISSIONS', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  });
  try {
    const found = await handle.stat();
    if (!found.isFile() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0) {
      const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
      throw new LatchkeyError('KEY_PERMISSIONS', `${path}: expected a file of this user with mode 0600, found ${mode}`);
    }
    const bytes = new Uint8Array(FILE_BYTES_MAX);
    const { bytesRead } = await handle.read(bytes, 0, FILE_BYTES_MAX, 0);
    const lines = utf8Text(bytes.subarray(0, bytesRead))?.split('\n') ?? [];
    bytes.fill(0);
    const [version, name = '', seedText = '', end] = lines;
    const seed = unbase64(seedText);
    if (lines.length !== 4 || version !== versionLine(kind) || end !== '' || seed?.length !== SEED_BYTES) {
      throw new LatchkeyError('KEY_LOST', `${path}: expected a ${kind} key of three lines, found something else`);
    }
    return { name, seed };
  } finally {
    await handle.close();
  }
}
