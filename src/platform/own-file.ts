/** Reads a small secret file that must belong to this user alone. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { LatchkeyError, messageOf } from '../base/errors.ts';

/**
 * At most `bytesMax` bytes from its beginning. Throws KEY_PERMISSIONS when the file is not this user's alone, and
 * CONFIG_UNREADABLE. Without the thread pool, which a worker shares with everybody else in the process.
 */
export function readOwnFile(path: string, bytesMax: number): Uint8Array {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(descriptor);
      const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
      if (!stat.isFile() || stat.uid !== process.getuid?.() || (stat.mode & 0o077) !== 0) {
        const expected = `${path} should be a file of user ${process.getuid?.()} with mode 0600`;
        throw new LatchkeyError('KEY_PERMISSIONS', `${expected}; found user ${stat.uid}, mode ${mode}`);
      }
      const buffer = new Uint8Array(bytesMax);
      return buffer.subarray(0, readSync(descriptor, buffer, 0, bytesMax, 0));
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (error instanceof LatchkeyError) throw error;
    throw new LatchkeyError('CONFIG_UNREADABLE', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}
