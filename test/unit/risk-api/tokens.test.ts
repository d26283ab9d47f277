/** Which tokens count: whole ones of this service, of a key that counts, for as long as they say. */
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeClientSecret } from '../../../src/risk/api/clients.ts';
import { createRiskApi, type RiskApi } from '../../../src/risk/api/http-api.ts';
import { forgetPreviousKey, rotateTokenKey, TokenKeys } from '../../../src/risk/api/token-keys.ts';
import { mintToken } from '../../../src/risk/api/tokens.ts';
import { API_NAME, ApiBench, expectMet, settingsOf } from '../../support/risk-api.ts';
import { fakeRooms } from '../../support/risk-api-rooms.ts';

let bench: ApiBench;
beforeAll(async () => {
  bench = await ApiBench.start({ rooms: fakeRooms() });
});
afterAll(() => bench?.stop());

describe('a token is refused', () => {
  const seconds = (): number => Math.floor(bench.clock.wallMs() / 1_000);
  const claims = () => ({
    iss: API_NAME,
    aud: API_NAME,
    sub: 'test',
    role: 'auditor',
    iat: seconds(),
    exp: seconds() + 900,
    jti: 'AAAAAAAAAAAAAAAA',
  });
  const header = () => ({ alg: 'EdDSA', typ: 'at+jwt', kid: bench.keys.kid });
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = (head: object, body: object, sign = (bytes: Uint8Array) => bench.keys.sign(bytes)): string => {
    const text = `${part(head)}.${part(body)}`;
    return `${text}.${Buffer.from(sign(Buffer.from(text))).toString('base64url')}`;
  };
  const stranger = generateKeyPairSync('ed25519').privateKey;
  const codeOf = async (token: string): Promise<unknown> => {
    const { status, body, headers } = await bench.ask('/v1/holds', { token });
    if (status === 401) expect(headers.get('www-authenticate')).toContain('error="invalid_token"');
    return status === 200 ? 200 : body.code;
  };

  test('unless it is whole', async () => {
    expect(await codeOf(signed(header(), claims()))).toBe(200);
  });

  test.for<[string, () => string]>([
    ['of no algorithm', () => `${part({ ...header(), alg: 'none' })}.${part(claims())}.`],
    ['of no algorithm, with a signature', () => signed({ ...header(), alg: 'none' }, claims())],
    [
      'whose key is the public key as a secret',
      () => {
        const text = `${part({ ...header(), alg: 'HS256' })}.${part(claims())}`;
        return `${text}.${createHmac('sha256', bench.keys.kid).update(text).digest('base64url')}`;
      },
    ],
    ['of another key under our name', () => signed(header(), claims(), (bytes) => sign(null, bytes, stranger))],
    ['of a key that nobody knows', () => signed({ ...header(), kid: '0000000000000000' }, claims())],
    ['of no key', () => signed({ alg: 'EdDSA', typ: 'at+jwt' }, claims())],
    [
      'that brings its own key',
      () =>
        signed(
          { ...header(), kid: undefined, jwk: generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }) },
          claims(),
          (bytes) => sign(null, bytes, stranger),
        ),
    ],
    ['of another kind', () => signed({ ...header(), typ: 'JWT' }, claims())],
    ['with a header that must be understood', () => signed({ ...header(), crit: ['x'], x: 1 }, claims())],
    ['for another service', () => signed(header(), { ...claims(), aud: 'another.example' })],
    ['for several services', () => signed(header(), { ...claims(), aud: [API_NAME, 'another.example'] })],
    ['of another service', () => signed(header(), { ...claims(), iss: 'another.example' })],
    ['that lives too long', () => signed(header(), { ...claims(), exp: seconds() + 901 })],
    ['without an end', () => signed(header(), { ...claims(), exp: undefined })],
    ['from the future', () => signed(header(), { ...claims(), iat: seconds() + 60, exp: seconds() + 600 })],
    ['that begins later', () => signed(header(), { ...claims(), nbf: seconds() + 60 })],
    ['of a role that there is not', () => signed(header(), { ...claims(), role: 'root' })],
    ['of two roles', () => signed(header(), { ...claims(), role: ['auditor', 'merchant'] })],
    ['with a claim that nobody knows', () => signed(header(), { ...claims(), admin: true })],
    [
      'whose claims were changed',
      () => signed(header(), claims()).replace(/\.[^.]+\./, `.${part({ ...claims(), sub: 'other' })}.`),
    ],
    ['without its signature', () => signed(header(), claims()).replace(/[^.]+$/, '')],
    ['that is too long', () => `${signed(header(), claims())}${'A'.repeat(2_048)}`],
  ])('%s', async ([, make]) => {
    expect(await codeOf(make())).toBe('token_invalid');
  });

  test('when its time is over, also one that was believed before', async () => {
    const token = bench.token('auditor', 'late');
    expect(await codeOf(token)).toBe(200);
    bench.clock.advance(900_000);
    expect(await codeOf(token)).toBe('token_expired');
    expect(await codeOf(signed(header(), { ...claims(), iat: seconds() - 100, exp: seconds() - 1 }))).toBe(
      'token_expired',
    );
  });

  test('of another scheme, or without one', async () => {
    for (const authorization of ['Basic eDp5', 'Bearer', 'Bearer a b', bench.token('auditor')]) {
      expect((await bench.ask('/v1/holds', { headers: { authorization } })).body.code).toBe('unauthenticated');
    }
  });
});

test('a key that is changed still counts until the next change, or until it is taken away', async () => {
  const path = bench.dir.file('rotated', 'token.key');
  const handlers: RiskApi[] = [];
  const tokens: string[] = [];
  const readAgain = async (keys: TokenKeys): Promise<void> => {
    handlers.push(createRiskApi({ ...bench.parts, tokenKeys: keys }));
    tokens.push(mintToken(keys, { subject: 'test', role: 'auditor' }, 15, bench.clock.wallMs()));
  };
  const statuses = async (): Promise<readonly number[]> => {
    const { handle } = handlers.at(-1) ?? createRiskApi(bench.parts);
    const asked = tokens.map((token) => {
      const headers = { authorization: `Bearer ${token}` };
      return handle(new Request('http://127.0.0.1/v1/holds', { headers }), 'x');
    });
    return (await Promise.all(asked)).map(({ status }) => status);
  };
  await readAgain(await TokenKeys.open(path, API_NAME));
  expect(await statuses()).toEqual([200]);
  await readAgain(await rotateTokenKey(path, API_NAME));
  expect(await statuses()).toEqual([200, 200]);
  await readAgain(await rotateTokenKey(path, API_NAME));
  expect(await statuses()).toEqual([401, 200, 200]);
  await forgetPreviousKey(path);
  await readAgain(await TokenKeys.open(path, API_NAME));
  expect(await statuses()).toEqual([401, 401, 200, 200]);
});

test('tokens of a client end with its place in the settings, and with the role that it had there', async () => {
  const { secret, sha256 } = makeClientSecret();
  const started = (clients: object[]): RiskApi =>
    createRiskApi({ ...bench.parts, settings: settingsOf(bench.dir, { clients }) });
  const shop = { id: 'shop', secret_sha256: sha256, roles: ['auditor', 'merchant'] };
  const form = { grant_type: 'client_credentials', scope: 'auditor', client_id: 'shop', client_secret: secret };
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const body = new URLSearchParams(form).toString();
  const asked = new Request('http://127.0.0.1/v1/tokens', { method: 'POST', headers, body });
  const granted = await started([shop]).handle(asked, 'x');
  const { access_token } = (await granted.json()) as { readonly access_token: string };
  const statusOf = async ({ handle }: RiskApi, token: string): Promise<number> => {
    const asking = { headers: { authorization: `Bearer ${token}` } };
    return (await handle(new Request('http://127.0.0.1/v1/holds', asking), 'x')).status;
  };
  expect(await statusOf(started([shop]), access_token)).toBe(200);
  expect(await statusOf(started([{ ...shop, roles: ['merchant'] }]), access_token)).toBe(401);
  expect(await statusOf(started([]), access_token)).toBe(401);
  // Whoever may read the key makes tokens for whom he likes.
  expect(await statusOf(started([]), bench.token('auditor', 'shop'))).toBe(200);
});

test('every problem of tokens was met', () => {
  expectMet(bench, 'tokens');
});
