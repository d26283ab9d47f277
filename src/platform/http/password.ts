/**
 * Passwords as scrypt hashes (RFC 7914) in PHC text, `$scrypt$ln=14,r=8,p=5$SALT$HASH`: one line of a file of this user
 * alone.
 *
 * Hashing is synchronous, since the pool of threads belongs to the whole process: whoever serves people beside something
 * that must not wait does so in a thread of its own.
 */
import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';
import { base64, unbase64, utf8, utf8Text } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { readOwnFile } from '../own-file.ts';

/** 16 MiB and five passes: as much work as OWASP asks for, in memory that a small box has. */
const COST = { ln: 14, r: 8, p: 5 } as const;
const LN_MAX = 17;
const MEMORY_BYTES_MAX = 160 * 1_048_576;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const FILE_BYTES_MAX = 512;
export const PASSWORD_CHARS_MIN = 10;
/** Longer ones are refused before anything is computed of them. */
export const PASSWORD_CHARS_MAX = 256;

export interface PasswordHash {
  /** As it stands in the file. */
  readonly text: string;
  readonly ln: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

export function hashPassword(password: string, cost: Pick<PasswordHash, 'ln' | 'r' | 'p'> = COST): PasswordHash {
  const salt = Uint8Array.from(randomBytes(SALT_BYTES));
  const hash = derive(password, { ...cost, salt }, HASH_BYTES);
  const text = `$scrypt$ln=${cost.ln},r=${cost.r},p=${cost.p}$${unpadded(salt)}$${unpadded(hash)}`;
  return { text, ...cost, salt, hash };
}

/** What no password fits, and takes as long to find out. */
export function nobodyHash(): PasswordHash {
  const salt = Uint8Array.from(randomBytes(SALT_BYTES));
  return { text: '', ...COST, salt, hash: Uint8Array.from(randomBytes(HASH_BYTES)) };
}

/** `weak`: a hash that is cheaper to guess than those that are made here. */
export function parsePasswordHash(text: string): Result<PasswordHash, 'shape' | 'weak' | 'costly'> {
  const found = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{1,86})\$([A-Za-z0-9+/]{1,86})$/.exec(
    text,
  );
  const [, ln = '', r = '', p = '', saltText = '', hashText = ''] = found ?? [];
  const salt = bytesOf(saltText);
  const hash = bytesOf(hashText);
  if (found === null || salt === undefined || hash === undefined) {
    return refuse('shape', 'expected one line of the form $scrypt$ln=14,r=8,p=5$SALT$HASH');
  }
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  const isWeak = 2 ** cost.ln * cost.r * cost.p < 2 ** COST.ln * COST.r || salt.length < 8 || hash.length < 16;
  if (isWeak) return refuse('weak', 'expected at least ln=14, r=8, a salt of 8 bytes and a hash of 16');
  if (cost.ln > LN_MAX || 128 * 2 ** cost.ln * cost.r > MEMORY_BYTES_MAX || cost.p > 16) {
    return refuse('costly', `expected at most ln=${LN_MAX}, p=16 and ${MEMORY_BYTES_MAX / 1_048_576} MiB`);
  }
  return accept({ text, ...cost, salt, hash });
}

/** Throws KEY_PERMISSIONS or CONFIG_UNREADABLE, as `readOwnFile` does; what is in it may be refused. */
export function readPasswordHash(path: string): Result<PasswordHash, 'shape' | 'weak' | 'costly'> {
  return parsePasswordHash((utf8Text(readOwnFile(path, FILE_BYTES_MAX)) ?? '').trimEnd());
}

export function isPassword(password: string, of: PasswordHash): boolean {
  return timingSafeEqual(derive(password, of, of.hash.length), of.hash);
}

type Costs = Pick<PasswordHash, 'ln' | 'r' | 'p' | 'salt'>;

function derive(password: string, { ln, r, p, salt }: Costs, sizeBytes: number): Uint8Array {
  // The same letters typed on another keyboard may be other code points.
  const bytes = utf8(password.normalize('NFC'));
  return Uint8Array.from(scryptSync(bytes, salt, sizeBytes, { N: 2 ** ln, r, p, maxmem: 2 * MEMORY_BYTES_MAX }));
}

function unpadded(bytes: Uint8Array): string {
  return base64(bytes).replace(/=+$/, '');
}

function bytesOf(text: string): Uint8Array | undefined {
  return unbase64(text.padEnd(Math.ceil(text.length / 4) * 4, '='));
}
