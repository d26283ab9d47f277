/**
 * A log key as a file: `<number>-<tag>.key`, mode 0600, owned by this user, complete under its name or not there at all.
 *
 * Three lines, so that a person can see what it is without being able to confuse it with anything else:
 *
 *     latchkey-log-key v1
 *     lockers.example/gw-0001/1-9f2c01aa
 *     <base64 of the 32-byte Ed25519 seed>
 *
 * The seed alone is kept (RFC 8032 derives the rest), and the origin's tag must be that of the key it gives.
 */
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { base64, unbase64, utf8, utf8Text } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { syncDirectory, writeFileDurably } from '../../platform/durable-file.ts';

const VERSION_LINE = 'latchkey-log-key v1';
const SEED_BYTES = 32;
/** Version, origin (at most 120 bytes) and seed stay far below this. */
const FILE_BYTES_MAX = 1_024;

export interface KeyFile {
  readonly origin: string;
  readonly seed: Uint8Array;
}

/** Durable when it resolves, and complete under its name or not there. */
export async function writeKeyFile(path: string, key: KeyFile): Promise<void> {
  const text = utf8(`${VERSION_LINE}\n${key.origin}\n${base64(key.seed)}\n`);
  try {
    await writeFileDurably(path, text);
  } finally {
    text.fill(0);
  }
}

/**
 * The key in that file. Throws KEY_LOST when it is not there or is not a key file, KEY_PERMISSIONS when it is not this
 * user's alone, KEY_LOCKED when it cannot be read for another reason (the disk may come back).
 */
export function readKeyFile(path: string): KeyFile {
  const bytes = readOwnFile(path);
  try {
    const lines = utf8Text(bytes)?.split('\n');
    const seed = unbase64(lines?.[2] ?? '');
    if (lines?.length !== 4 || lines[0] !== VERSION_LINE || lines[3] !== '' || seed?.length !== SEED_BYTES) {
      throw new LatchkeyError('KEY_LOST', `${path} should hold a log key of three lines and does not`);
    }
    return { origin: lines[1] ?? '', seed };
  } finally {
    bytes.fill(0);
  }
}

/**
 * Overwrites and unlinks, durably; a file that is gone is done. On flash the overwriting may miss the old cells: what
 * counts is that the key is no longer reachable by name, and full-disk encryption covers the rest.
 */
export async function destroyKeyFile(path: string): Promise<void> {
  try {
    const descriptor = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW);
    try {
      const zeros = new Uint8Array(Math.min(fstatSync(descriptor).size, FILE_BYTES_MAX));
      for (let at = 0; at < zeros.length; ) at += writeSync(descriptor, zeros, at, zeros.length - at, at);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  rmSync(path, { force: true });
  await syncDirectory(dirname(path));
}

function readOwnFile(path: string): Uint8Array {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    throw readFailure(path, error);
  }
  try {
    const stat = fstatSync(descriptor);
    const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
    if (!stat.isFile() || stat.uid !== process.getuid?.() || (stat.mode & 0o077) !== 0) {
      throw new LatchkeyError(
        'KEY_PERMISSIONS',
        `${path} should be a file of user ${process.getuid?.()} with mode 0600; found user ${stat.uid}, mode ${mode}`,
      );
    }
    const buffer = new Uint8Array(FILE_BYTES_MAX);
    return buffer.subarray(0, readSync(descriptor, buffer, 0, FILE_BYTES_MAX, 0));
  } catch (error) {
    throw error instanceof LatchkeyError ? error : readFailure(path, error);
  } finally {
    closeSync(descriptor);
  }
}

function readFailure(path: string, error: unknown): LatchkeyError {
  const code = codeOf(error);
  if (code === 'ENOENT') return new LatchkeyError('KEY_LOST', `${path} is not there`, { cause: error });
  if (code === 'EACCES' || code === 'EPERM' || code === 'ELOOP') {
    return new LatchkeyError(
      'KEY_PERMISSIONS',
      `${path} should be a file that this user can read: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
  return new LatchkeyError('KEY_LOCKED', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
