/** One-time tokens: 32 random bytes for one gateway each; the service keeps their hashes. */
import { createHash, randomBytes } from 'node:crypto';
import { base64url, unbase64url } from '../../base/bytes.ts';
import type { TokenRow } from './store.ts';

const TOKEN_BYTES = 32;

export interface NewToken {
  readonly gateway: string;
  /** Shown once, to whoever installs the box. */
  readonly token: string;
  readonly row: TokenRow;
}

export function newToken(gateway: string, expiresMs: number): NewToken {
  const token = base64url(Uint8Array.from(randomBytes(TOKEN_BYTES)));
  return { gateway, token, row: { hash: tokenHash(token), gateway, expiresMs } };
}

/** Whether it could be one. What is not is not looked up. */
export function isTokenText(text: string): boolean {
  return text.length === 43 && unbase64url(text)?.length === TOKEN_BYTES;
}

/** A token has 256 random bits: a plain hash hides it as well as a slow one. */
export function tokenHash(token: string): string {
  return createHash('sha256').update(`latchkey/enrolment-token/v1\n${token}`).digest('hex');
}
