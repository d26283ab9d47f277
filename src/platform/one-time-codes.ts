/**
 * Time-based one-time codes (RFC 6238: SHA-1, 6 digits, 30 s) from a secret in a file of this user alone.
 *
 * A code counts for its time step and its neighbours; which steps were used already is for the caller to keep.
 */
import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { Secret, TOTP } from 'otpauth';
import { utf8, utf8Text } from '../base/bytes.ts';
import { LatchkeyError, messageOf } from '../base/errors.ts';
import { readOwnFile } from './own-file.ts';

const PERIOD_S = 30;
const DIGITS = 6;
/** Steps before and after the present one. */
const WINDOW = 1;
const SECRET_BYTES = 20;
const SECRET_BYTES_MIN = 16;
const FILE_BYTES_MAX = 1_024;

export interface CodeChecker {
  /** The time step that the code is of, or undefined when it is of none that counts at this wall time. */
  stepOf(code: string, wallMs: number): number | undefined;
}

/** Throws KEY_PERMISSIONS when the file is not this user's alone, CONFIG_INVALID when it holds no secret. */
export async function openCodeChecker(path: string): Promise<CodeChecker> {
  const secret = readSecret(path);
  const totp = new TOTP({ secret, digits: DIGITS, period: PERIOD_S });
  return {
    stepOf: (code, wallMs) => {
      if (!/^[0-9]{6}$/.test(code) || wallMs < 0) return undefined;
      const delta = totp.validate({ token: code, timestamp: wallMs, window: WINDOW });
      return delta === null ? undefined : Math.floor(wallMs / (PERIOD_S * 1_000)) + delta;
    },
  };
}

export interface NewSecret {
  /** Content of the file: the secret in base32 and a newline. */
  readonly text: string;
  /** For an authenticator: as a link, or drawn as a square. */
  readonly uri: string;
}

export function makeSecret(issuer: string, label: string): NewSecret {
  const secret = new Secret({ buffer: Uint8Array.from(randomBytes(SECRET_BYTES)).buffer });
  const totp = new TOTP({ issuer, label, secret, digits: DIGITS, period: PERIOD_S });
  return { text: `${secret.base32}\n`, uri: totp.toString() };
}

/** Writes it for this user alone; never over a file that is there. Throws OUTPUT_UNWRITABLE. */
export async function writeSecret(path: string, text: string): Promise<void> {
  try {
    const handle = await open(path, 'wx', 0o600);
    try {
      await handle.writeFile(utf8(text));
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new LatchkeyError('OUTPUT_UNWRITABLE', `cannot write ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function readSecret(path: string): Secret {
  const bytes = readOwnFile(path, FILE_BYTES_MAX);
  const text = utf8Text(bytes)?.trim() ?? '';
  bytes.fill(0);
  const isBase32 = /^[A-Z2-7]+=*$/.test(text);
  const secret = isBase32 ? Secret.fromBase32(text) : undefined;
  if (secret === undefined || secret.buffer.byteLength < SECRET_BYTES_MIN) {
    const expected = `a secret of at least ${SECRET_BYTES_MIN} bytes in base32`;
    throw new LatchkeyError('CONFIG_INVALID', `${path}: expected ${expected}, as "latchkey console secret" makes it`);
  }
  return secret;
}
