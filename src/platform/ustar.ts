/**
 * A tar archive in the "ustar" interchange format (POSIX.1-2017, pax, "ustar Interchange Format"): written of a few small
 * files, and read where this project or its build wrote it.
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
const DIRECTORY = 0x35;

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

export type TarEntry =
  | { readonly kind: 'directory'; readonly name: string }
  | { readonly kind: 'file'; readonly name: string; readonly bytes: Uint8Array };

/**
 * Files and directories in their order, by names below the archive's root. Throws at whatever is none of both, leads out
 * of the root, or is cut off.
 */
export function* ustarEntries(archive: Uint8Array): Generator<TarEntry> {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.length);
  for (let at = 0; bytes.length - at >= BLOCK_BYTES; ) {
    const header = bytes.subarray(at, at + BLOCK_BYTES);
    // The first of the two blocks of zeros.
    if (header[0] === 0) return;
    const name = nameIn(header);
    const size = sizeIn(header, name);
    at += BLOCK_BYTES;
    if (bytes.length - at < size) break;
    if (header[156] === DIRECTORY) yield { kind: 'directory', name };
    else if (header[156] === REGULAR_FILE) yield { kind: 'file', name, bytes: bytes.subarray(at, at + size) };
    else throw new Error(`${name}: expected a file or a directory, found type ${header[156]}`);
    at += Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
  }
  throw new Error('the archive is cut off');
}

function nameIn(header: Buffer): string {
  const parts = [textIn(header, 345, 155), textIn(header, 0, NAME_BYTES_MAX)];
  const steps = parts.flatMap((part) => part.split('/')).filter((step) => step !== '' && step !== '.');
  if (steps.length === 0 || steps.includes('..')) throw new Error(`a name that leads nowhere: ${parts.join('/')}`);
  return steps.join('/');
}

function sizeIn(header: Buffer, name: string): number {
  const digits = textIn(header, 124, 12).trim();
  if (!/^[0-7]+$/.test(digits)) throw new Error(`${name}: expected an octal size, found ${JSON.stringify(digits)}`);
  return Number.parseInt(digits, 8);
}

/** Up to the first zero. */
function textIn(header: Buffer, from: number, width: number): string {
  const field = header.subarray(from, from + width);
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end < 0 ? width : end);
}

/** Digits, and a closing zero. */
function octal(header: Buffer, at: number, width: number, value: number): void {
  header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1');
}
