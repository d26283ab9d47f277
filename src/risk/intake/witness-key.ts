/**
 * The receiver's own key, with which it cosigns what it has stored: an Ed25519 witness key (C2SP type 0x04) in a file of
 * three lines, mode 0600, made at the first start.
 *
 *     latchkey-witness-key v1
 *     lockers.example/receiver-1
 *     <base64 of the 32-byte seed>
 *
 * It signs one kind of bytes: those that begin with `cosignature/v1\n`.
 */
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import { constants } from 'node:fs';
import { link, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { base64, unbase64, utf8, utf8Text } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { cosignature, cosignatureMessage } from '../../evidence/log/cosignature.ts';
import { isKeyName } from '../../evidence/log/key-name.ts';
import { type NoteSignature, type Vkey, witnessVkey } from '../../evidence/log/note.ts';
import { makeDirectory, syncDirectory, writeFileDurably } from '../../platform/durable-file.ts';

const VERSION_LINE = 'latchkey-witness-key v1';
const FILE_BYTES_MAX = 1_024;
const SEED_BYTES = 32;
/** PKCS#8 of an Ed25519 seed (RFC 8410 section 7): these bytes, then the seed. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

export interface WitnessKey {
  readonly vkey: Vkey;
  /** The signature line over a checkpoint text at that time (POSIX seconds). */
  cosign(checkpointText: string, timestampS: number): NoteSignature;
}

/**
 * The key in that file, made when the file is not there (`made`). Throws KEY_PERMISSIONS when others may read it,
 * KEY_LOST when it holds no key, CONFIG_INVALID when it is the key of another name.
 */
export async function openWitnessKey(
  crypto: EvidenceCrypto,
  path: string,
  name: string,
): Promise<{ readonly key: WitnessKey; readonly made: boolean }> {
  if (!isKeyName(name)) throw new LatchkeyError('CONFIG_INVALID', 'the witness name is empty or holds a space or plus');
  const made = await makeKeyFile(path, name);
  const found = await readKeyFile(path);
  if (found.name !== name) {
    throw new LatchkeyError('CONFIG_INVALID', `${path}: expected the key of ${name}, found that of ${found.name}`);
  }
  const { seed } = found;
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
  seed.fill(0);
  return { key: witnessKey(crypto, name, privateKey), made };
}

/** Makes the file unless there is one. Two processes that try at once end up with one key: the name is linked, not moved. */
async function makeKeyFile(path: string, name: string): Promise<boolean> {
  if ((await stat(path).catch(() => undefined)) !== undefined) return false;
  const fresh = `${path}.${randomBytes(8).toString('hex')}`;
  await makeDirectory(dirname(path));
  await writeFileDurably(fresh, utf8(`${VERSION_LINE}\n${name}\n${base64(randomBytes(SEED_BYTES))}\n`));
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

function witnessKey(crypto: EvidenceCrypto, name: string, privateKey: KeyObject): WitnessKey {
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const vkey = witnessVkey(crypto, name, new Uint8Array(spki.subarray(-32)));
  return {
    vkey,
    cosign: (text, timestampS) =>
      cosignature(vkey, timestampS, new Uint8Array(sign(null, cosignatureMessage(text, timestampS), privateKey))),
  };
}

async function readKeyFile(path: string): Promise<{ readonly name: string; readonly seed: Uint8Array }> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    throw new LatchkeyError('KEY_PERMISSIONS', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  });
  try {
    const stat = await handle.stat();
    if (!stat.isFile() || stat.uid !== process.getuid?.() || (stat.mode & 0o077) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
      throw new LatchkeyError('KEY_PERMISSIONS', `${path}: expected a file of this user with mode 0600, found ${mode}`);
    }
    const bytes = new Uint8Array(FILE_BYTES_MAX);
    const { bytesRead } = await handle.read(bytes, 0, FILE_BYTES_MAX, 0);
    const lines = utf8Text(bytes.subarray(0, bytesRead))?.split('\n') ?? [];
    bytes.fill(0);
    const [version, name = '', seedText = '', end] = lines;
    const seed = unbase64(seedText);
    if (lines.length !== 4 || version !== VERSION_LINE || end !== '' || seed?.length !== SEED_BYTES) {
      throw new LatchkeyError('KEY_LOST', `${path}: expected a witness key of three lines, found something else`);
    }
    return { name, seed };
  } finally {
    await handle.close();
  }
}
