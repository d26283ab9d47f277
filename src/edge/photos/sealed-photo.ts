/**
 * A stored photo: a header line that tells what it is, then nonce, ciphertext and tag of AES-256-GCM. Pure.
 *
 *     latchkey-photo v1 image/jpeg 48211 2026-11-22T09:00:00.123Z\n
 *
 * Header and the SHA-256 of the image are authenticated with it, so a file opens under its own name only, and a header that
 * was changed opens nothing. The nonce is random: one key makes far fewer than 2^32 of them.
 */

import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { concatBytes, equalBytes, utf8, utf8Text } from '../../base/bytes.ts';
import { wallText } from '../../base/clock.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { readTime } from '../../base/wall-time.ts';
import type { Photo, PhotoMediaType } from '../contracts/photos.ts';

export const PHOTO_KEY_BYTES = 32;
export const HEADER_BYTES_MAX = 96;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER = /^latchkey-photo v1 (image\/(?:jpeg|png|webp)) (\d{1,9}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\n/;

export interface PhotoHeader {
  readonly mediaType: PhotoMediaType;
  readonly sizeBytes: number;
  readonly keptAtMs: number;
  readonly headerBytes: number;
}

export function sealPhoto(key: Uint8Array, photo: Photo, keptAtMs: number): Uint8Array {
  const header = utf8(`latchkey-photo v1 ${photo.mediaType} ${photo.bytes.length} ${wallText(keptAtMs)}\n`);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(concatBytes(header, photo.sha256));
  const sealed = Buffer.concat([cipher.update(photo.bytes), cipher.final()]);
  return concatBytes(header, nonce, sealed, cipher.getAuthTag());
}

/** Of the first bytes of a file. */
export function readHeader(bytes: Uint8Array): PhotoHeader | undefined {
  const match = HEADER.exec(utf8Text(asciiStart(bytes)) ?? '');
  if (match === null) return undefined;
  const [line, mediaType, size, keptAt = ''] = match;
  const keptAtMs = readTime(keptAt);
  if (keptAtMs === undefined) return undefined;
  return { mediaType: mediaType as PhotoMediaType, sizeBytes: Number(size), keptAtMs, headerBytes: line.length };
}

/** The image, when it is the one of that hash to the last bit. */
export function openPhoto(key: Uint8Array, sha256: Uint8Array, file: Uint8Array): Result<Photo, 'damaged'> {
  const header = readHeader(file);
  if (header === undefined) return refuse('damaged', 'its header is none');
  const { headerBytes, mediaType, sizeBytes } = header;
  if (file.length !== headerBytes + NONCE_BYTES + sizeBytes + TAG_BYTES)
    return refuse('damaged', 'its size is another');
  const nonce = file.subarray(headerBytes, headerBytes + NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(concatBytes(file.subarray(0, headerBytes), sha256));
  decipher.setAuthTag(file.subarray(file.length - TAG_BYTES));
  try {
    const sealed = file.subarray(headerBytes + NONCE_BYTES, file.length - TAG_BYTES);
    const bytes = new Uint8Array(Buffer.concat([decipher.update(sealed), decipher.final()]));
    const isSame = equalBytes(new Uint8Array(createHash('sha256').update(bytes).digest()), sha256);
    return isSame ? accept({ sha256, mediaType, bytes }) : refuse('damaged', 'its hash is another');
  } catch {
    // Node throws for a tag that does not fit.
    return refuse('damaged', 'its seal is broken, or it was sealed with another key');
  }
}

function asciiStart(bytes: Uint8Array): Uint8Array {
  const end = bytes.subarray(0, HEADER_BYTES_MAX).indexOf(0x0a);
  return end === -1 ? new Uint8Array(0) : bytes.subarray(0, end + 1);
}
