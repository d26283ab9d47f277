import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { tpmLogin } from '../../../src/edge/gateway/tpm-login.ts';

const NOW_MS = Date.UTC(2026, 10, 22, 9, 0, 0);
const DAY_S = 86_400;
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

interface Token {
  readonly username: string;
  readonly validForMs: number | undefined;
  readonly header: unknown;
  readonly claims: { readonly iat?: number; readonly exp: number; readonly aud?: string };
  readonly isSigned: boolean;
}

async function tokenAt(wallMs: number, lastSeenMs?: number, audience?: string): Promise<Token> {
  const source = tpmLogin({
    gateway: 'gw-0001',
    settings: { lifetime_s: 3_600, audience },
    signLogin: async (bytes) => sign('sha256', bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' }),
    clock: { wallMs: () => wallMs },
    lastSeenMs,
  });
  const { username, password, validForMs } = await source(new AbortController().signal);
  // Taken apart by hand, and verified by OpenSSL: RFC 7515 section 5.2.
  const [header = '', claims = '', signature = ''] = Buffer.from(password).toString('latin1').split('.');
  const parsed = (text: string): unknown => JSON.parse(Buffer.from(text, 'base64url').toString());
  const key = { key: createPublicKey(privateKey), dsaEncoding: 'ieee-p1363' as const };
  const isSigned = verify('sha256', Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, 'base64url'));
  return { username, validForMs, header: parsed(header), claims: parsed(claims) as Token['claims'], isSigned };
}

describe("the TPM's login at the broker", () => {
  test('is an ES256 token in the name of the gateway that lives as long as the settings say', async () => {
    const { username, validForMs, header, claims, isSigned } = await tokenAt(NOW_MS);
    expect({ username, validForMs, header, isSigned }).toEqual({
      username: 'gw-0001',
      validForMs: 3_600_000,
      header: { alg: 'ES256', typ: 'JWT' },
      isSigned: true,
    });
    expect(claims).toEqual({
      sub: 'gw-0001',
      username: 'gw-0001',
      iat: NOW_MS / 1_000,
      exp: NOW_MS / 1_000 + 3_600,
    });
  });

  test('names an audience only when the settings do', async () => {
    expect((await tokenAt(NOW_MS, undefined, 'broker.example')).claims.aud).toBe('broker.example');
    expect((await tokenAt(NOW_MS)).claims).not.toHaveProperty('aud');
  });

  test('is made with a clock that was never set: it counts from the newest time known, and claims no time of making', async () => {
    const { claims, validForMs, isSigned } = await tokenAt(12_345, NOW_MS);
    expect(isSigned).toBe(true);
    expect(claims).not.toHaveProperty('iat');
    expect(claims.exp).toBe(NOW_MS / 1_000 + 400 * DAY_S);
    // An ordinary one takes its place as soon as an ordinary one would have expired.
    expect(validForMs).toBe(3_600_000);
  });

  test('is made on a box that never ran and has no clock', async () => {
    const { claims } = await tokenAt(0);
    expect(claims.exp).toBeGreaterThan(Date.UTC(2027, 0, 1) / 1_000);
  });
});
