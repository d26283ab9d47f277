/**
 * The key of the stored photos: 32 random bytes, made once, kept as the log keys are. With a TPM it lies sealed beside the
 * photos, and only that TPM in an approved state gives it back; without one it is a file of mode 0600.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { z } from 'zod';
import { base64, unbase64, utf8, utf8Text } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { isMissing, writeFileDurably } from '../../platform/durable-file.ts';
import { PHOTO_KEY_BYTES } from './sealed-photo.ts';

const FILE_BYTES_MAX = 8_192;
const PLAIN_LINE = 'latchkey-photo-key v1';

export interface SealedBytes {
  readonly privateBlob: Uint8Array;
  readonly publicArea: Uint8Array;
}

/** A TPM's part. Both reject with a LatchkeyError while it is away. */
export interface Sealer {
  seal(secret: Uint8Array): Promise<SealedBytes>;
  unseal(sealed: SealedBytes): Promise<Uint8Array>;
}

const sealedSchema = z.strictObject({ v: z.literal(1), private: z.string().max(4_096), public: z.string().max(4_096) });

/**
 * The key at that path, made when nothing is there. Rejects with KEY_LOST when the file is no key, KEY_PERMISSIONS when
 * others may read it, KEY_LOCKED when it cannot be read or made, and as the sealer does.
 */
export async function openPhotoKey(path: string, sealer: Sealer | undefined): Promise<Uint8Array> {
  const found = await readOwn(path);
  if (found === undefined) return await makeKey(path, sealer);
  const key = sealer === undefined ? plainKey(found) : await unsealKey(found, sealer);
  if (key?.length === PHOTO_KEY_BYTES) return key;
  throw new LatchkeyError('KEY_LOST', `${path}: expected the key of the photos, found something else`);
}

async function makeKey(path: string, sealer: Sealer | undefined): Promise<Uint8Array> {
  const key = new Uint8Array(randomBytes(PHOTO_KEY_BYTES));
  const text = sealer === undefined ? `${PLAIN_LINE}\n${base64(key)}\n` : await sealedText(key, sealer);
  try {
    await writeFileDurably(path, utf8(text));
  } catch (error) {
    throw new LatchkeyError('KEY_LOCKED', `${path} cannot be written: ${messageOf(error)}`, { cause: error });
  }
  return key;
}

async function sealedText(key: Uint8Array, sealer: Sealer): Promise<string> {
  const { privateBlob, publicArea } = await sealer.seal(key);
  return `${JSON.stringify({ v: 1, private: base64(privateBlob), public: base64(publicArea) })}\n`;
}

function plainKey(file: Uint8Array): Uint8Array | undefined {
  const lines = utf8Text(file)?.split('\n') ?? [];
  return lines.length === 3 && lines[0] === PLAIN_LINE ? unbase64(lines[1] ?? '') : undefined;
}

async function unsealKey(file: Uint8Array, sealer: Sealer): Promise<Uint8Array | undefined> {
  const parsed = sealedSchema.safeParse(jsonOf(utf8Text(file) ?? ''));
  if (!parsed.success) return undefined;
  const privateBlob = unbase64(parsed.data.private);
  const publicArea = unbase64(parsed.data.public);
  return privateBlob === undefined || publicArea === undefined
    ? undefined
    : await sealer.unseal({ privateBlob, publicArea });
}

/** Undefined when it is not there. */
async function readOwn(path: string): Promise<Uint8Array | undefined> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw new LatchkeyError('KEY_LOCKED', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  });
  if (handle === undefined) return undefined;
  try {
    const { uid, mode, size } = await handle.stat();
    if (uid !== process.getuid?.() || (mode & 0o077) !== 0) {
      throw new LatchkeyError('KEY_PERMISSIONS', `${path}: expected a file of this user with mode 0600`);
    }
    const bytes = new Uint8Array(Math.min(size, FILE_BYTES_MAX));
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
