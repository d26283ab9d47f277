/**
 * A tar archive of a few small files, in the "ustar" interchange format (POSIX.1-2017, pax, "ustar Interchange Format").
 *
 * A hundred lines of a format that does not change, for which a library with streams of its own would be a guest too many.
 */
import { assert } from '../base/assert.ts';

export interface TarFile {
  /** ASCII, at most 100 bytes: no prefix is used. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

const BLOCK_BYTES = 512;
const NAME_BYTES_MAX = 100;
/** Eleven octal digits. */
const SIZE_MAX = 8 ** 11 - 1;
const MODE = 0o600;
const REGULAR_FILE = 0x30;

export function ustarOf(files: readonly TarFile[], modifiedS: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { name, bytes } of files) {
    parts.push(headerOf(name, bytes.length, modifiedS), bytes);
    parts.push(new Uint8Array((BLOCK_BYTES - (bytes.length % BLOCK_BYTES)) % BLOCK_BYTES));
  }
  // The end is two blocks of zeros.
  parts.push(new Uint8Array(2 * BLOCK_BYTES));
  return Buffer.concat(parts);
}

function headerOf(name: string, size: number, modifiedS: number): Uint8Array {
  assert(/^[\x21-\x7e]+$/.test(name) && name.length <= NAME_BYTES_MAX, `a name that ustar holds, not ${name}`);
  assert(size <= SIZE_MAX, 'a size that ustar holds');
  const header = Buffer.alloc(BLOCK_BYTES);
  header.write(name, 0, 'latin1');
  octal(header, 100, 8, MODE);
  octal(header, 108, 8, 0);
  octal(header, 116, 8, 0);
  octal(header, 124, 12, size);
  octal(header, 136, 12, modifiedS);
  header.fill(0x20, 148, 156);
  header[156] = REGULAR_FILE;
  header.write('ustar\x0000', 257, 'latin1');
  // The sum of all bytes, with spaces in the place of the sum itself.
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/** Digits, and a closing zero. */
function octal(header: Buffer, at: number, width: number, value: number): void {
  header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1');
}
