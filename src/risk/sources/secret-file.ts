/** Secrets of sources: one in the first line of a file that nobody else may read. Messages name the file, never what is in it. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { unbase64 } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';

const FILE_BYTES_MAX = 4_096;
const TEXT_BYTES_MIN = 16;
const TEXT_BYTES_MAX = 512;
/** Standard Webhooks 1.0.0, "Signature scheme": 192 to 512 bits. */
const STANDARD_BYTES_MIN = 24;
const STANDARD_BYTES_MAX = 64;
const STANDARD_PREFIX = 'whsec_';

/** Rejects with CONFIG_UNREADABLE, KEY_PERMISSIONS or CONFIG_INVALID. */
export async function readTextSecret(path: string): Promise<Uint8Array> {
  const line = await readLine(path);
  if (line.length >= TEXT_BYTES_MIN && line.length <= TEXT_BYTES_MAX) return line;
  const expected = `a secret of ${TEXT_BYTES_MIN} to ${TEXT_BYTES_MAX} bytes in the first line`;
  throw new LatchkeyError('CONFIG_INVALID', `${path}: expected ${expected}, found ${line.length} bytes`);
}

/** `whsec_` and base64, as Standard Webhooks writes them. Rejects like `readTextSecret`. */
export async function readStandardSecret(path: string): Promise<Uint8Array> {
  const text = Buffer.from(await readLine(path)).toString('latin1');
  const key = text.startsWith(STANDARD_PREFIX) ? unbase64(text.slice(STANDARD_PREFIX.length)) : undefined;
  if (key !== undefined && key.length >= STANDARD_BYTES_MIN && key.length <= STANDARD_BYTES_MAX) return key;
  const expected = `${STANDARD_PREFIX} and base64 of ${STANDARD_BYTES_MIN} to ${STANDARD_BYTES_MAX} bytes`;
  throw new LatchkeyError('CONFIG_INVALID', `${path}: expected ${expected} in the first line, found something else`);
}

async function readLine(path: string): Promise<Uint8Array> {
  let file: FileHandle | undefined;
  try {
    // Without O_NONBLOCK a FIFO at this place would hold the start for ever.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { uid, mode, size, ...stat } = await file.stat().then((found) => ({
      uid: found.uid,
      mode: found.mode,
      size: found.size,
      isFile: found.isFile(),
    }));
    if (!stat.isFile || size > FILE_BYTES_MAX) {
      throw new LatchkeyError('CONFIG_UNREADABLE', `${path}: expected a file of at most ${FILE_BYTES_MAX} bytes`);
    }
    checkOwner(path, uid, mode);
    const bytes = await file.readFile();
    const end = bytes.indexOf(0x0a);
    const line = end === -1 ? bytes : bytes.subarray(0, end);
    return Uint8Array.from(line.at(-1) === 0x0d ? line.subarray(0, -1) : line);
  } catch (error) {
    if (error instanceof LatchkeyError) throw error;
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new LatchkeyError('CONFIG_UNREADABLE', `expected a readable secret at ${path}, found ${why}`);
  } finally {
    await file?.close().catch(() => undefined);
  }
}

/** Ours with mode 0600, or root's that our group may read: so systemd (LoadCredential) and packages hand secrets over. */
function checkOwner(path: string, uid: number, mode: number): void {
  const ours = uid === process.getuid?.();
  if ((ours && (mode & 0o077) === 0) || (!ours && uid === 0 && (mode & 0o037) === 0)) return;
  const found = `user ${uid}, mode ${(mode & 0o777).toString(8).padStart(4, '0')}`;
  throw new LatchkeyError('KEY_PERMISSIONS', `${path}: expected a file of this user with mode 0600, found ${found}`);
}
