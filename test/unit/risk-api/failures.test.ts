/** What callers see when a room fails, takes too long, or is asked too often: a problem, and nothing of the inside. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeClientSecret } from '../../../src/risk/api/clients.ts';
import { createRiskApi, serveRiskApi } from '../../../src/risk/api/http-api.ts';
import type { ApiParts } from '../../../src/risk/api/parts.ts';
import { ApiBench, expectMet, type Reply, settingsOf } from '../../support/risk-api.ts';
import { fakeRooms } from '../../support/risk-api-rooms.ts';
import { PARCEL } from '../ledger/support.ts';

let bench: ApiBench;
beforeAll(async () => {
  bench = await ApiBench.start({ rooms: fakeRooms() });
});
afterAll(() => bench?.stop());

describe('when something is wrong', () => {
  const request = (path: string, token = bench.token('auditor')): Request =>
    new Request(`http://127.0.0.1${path}`, { headers: { authorization: `Bearer ${token}` } });
  async function askWith(more: Partial<ApiParts>, path: string): Promise<Reply> {
    const { handle } = createRiskApi({ ...bench.parts, ...more });
    return bench.look('GET', path, await handle(request(path), '127.0.0.1'));
  }
  const failing = (error: Error): ApiParts['ledger'] => ({ ledger: () => Promise.reject(error) });
  /** All but its signature is ours, and no two are the same. */
  const forged = (at: number): string =>
    `${bench.token('auditor').replace(/[^.]+$/, '')}${String(at).padStart(86, 'A')}`;
  const guesses = { failed_logins_per_minute: 3 };
  const LEDGER = `/v1/parcels/${PARCEL.ref}/ledger`;

  test('a database that is away is 503, and a defect 500, without what happened inside', async () => {
    const away = Object.assign(new Error('connect ECONNREFUSED secret-host'), { code: 'ECONNREFUSED' });
    const down = await askWith({ ledger: failing(away) }, LEDGER);
    expect([down.status, down.body.code, down.headers.get('retry-after')]).toEqual([503, 'unavailable', '2']);
    const defect = await askWith({ ledger: failing(new TypeError('x is not a function')) }, LEDGER);
    expect([defect.status, defect.body.code]).toEqual([500, 'internal']);
    expect(down.text + defect.text).not.toMatch(/secret-host|not a function|node_modules|\.ts/);
  });

  test('an answer that takes too long is given up, and its work is told so', async () => {
    let aborted = false;
    const bundles: ApiParts['bundles'] = {
      ofParcel: (_, signal) =>
        new Promise(() => {
          signal.addEventListener('abort', () => {
            aborted = true;
          });
        }),
      ofRefund: async () => undefined,
    };
    const settings = settingsOf(bench.dir, { answer_timeout_s: 1 });
    const { status, body } = await askWith({ bundles, settings }, `/v1/parcels/${PARCEL.ref}/bundle`);
    expect([status, body.code, aborted]).toEqual([503, 'timed_out', true]);
  });

  test('readiness says which part fails, and nothing more', async () => {
    const health = { ready: async () => [{ name: 'database', ok: false, detail: 'password of latchkey' }] };
    const { status, text } = await askWith({ health }, '/readyz');
    expect([status, JSON.parse(text)]).toEqual([503, { status: 'fail', checks: [{ name: 'database', ok: false }] }]);
  });

  test('a subject that asks too often waits, and others do not', async () => {
    const settings = settingsOf(bench.dir, { subject_requests_per_minute: 2 });
    const { handle } = createRiskApi({ ...bench.parts, settings });
    const ask = async (subject: string): Promise<Reply> =>
      bench.look('GET', '/v1/holds', await handle(request('/v1/holds', bench.token('auditor', subject)), 'here'));
    expect([(await ask('one')).status, (await ask('one')).status]).toEqual([200, 200]);
    const third = await ask('one');
    expect([third.status, third.body.code, third.headers.get('retry-after')]).toEqual([429, 'too_many_requests', '60']);
    expect((await ask('two')).status).toBe(200);
    bench.clock.advance(60_000);
    expect((await ask('one')).status).toBe(200);
  });

  test('an address whose tokens are refused keeps waiting none that is right, known, made here or new', async () => {
    const { handle } = createRiskApi({ ...bench.parts, settings: settingsOf(bench.dir, guesses) });
    const ask = async (token?: string): Promise<number> =>
      (await bench.look('GET', '/v1/holds', await handle(request('/v1/holds', token), 'proxy'))).status;
    const known = bench.token('auditor', 'known');
    expect(await ask(known)).toBe(200);
    const statuses = await Promise.all(Array.from({ length: 20 }, (_, at) => ask(forged(at))));
    expect(new Set(statuses)).toEqual(new Set([401]));
    expect([await ask(known), await ask(bench.token('auditor', 'new'))]).toEqual([200, 200]);
  });

  test('signatures of tokens from addresses that were refused are checked at a bounded rate, all together', async () => {
    const { handle } = createRiskApi({ ...bench.parts, settings: settingsOf(bench.dir, guesses) });
    const ask = async (token: string, address: string): Promise<number> =>
      (await handle(request('/v1/holds', token), address)).status;
    const known = bench.token('auditor', 'known');
    expect(await ask(known, 'proxy')).toBe(200);
    const statuses = new Map<number, number>();
    for (let at = 0; at < 300; at += 1) {
      const status = await ask(forged(at), at % 2 === 0 ? 'proxy' : 'other');
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    // Three refusals of each of the two addresses are free.
    expect([statuses.get(401), statuses.get(429)]).toEqual([206, 94]);
    // What says of itself that it is none needs no check.
    expect(await ask('x.y.z', 'proxy')).toBe(401);
    expect(await ask(known, 'proxy')).toBe(200);
    expect([
      await ask(bench.token('auditor', 'new'), 'proxy'),
      await ask(bench.token('auditor', 'new'), 'third'),
    ]).toEqual([429, 200]);
    bench.clock.advance(1_000);
    expect(await ask(bench.token('auditor', 'newer'), 'proxy')).toBe(200);
  });

  describe('secrets', () => {
    const { secret, sha256 } = makeClientSecret();
    const clients = [{ id: 'shop', secret_sha256: sha256, roles: ['auditor' as const] }];
    const form = (client_id: string, client_secret: string): Request =>
      new Request('http://127.0.0.1/v1/tokens', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ grant_type: 'client_credentials', client_id, client_secret }).toString(),
      });
    const wrong = makeClientSecret().secret;

    test('whoever guesses them waits, by address and by client, and the right one never does', async () => {
      const { handle } = createRiskApi({ ...bench.parts, settings: settingsOf(bench.dir, { ...guesses, clients }) });
      const ask = async (id: string, given: string, address: string): Promise<number> =>
        (await bench.look('POST', '/v1/tokens', await handle(form(id, given), address))).status;
      const guessed = [];
      for (let at = 0; at < 4; at += 1) guessed.push(await ask(`nobody-${at}`, wrong, 'proxy'));
      expect(guessed).toEqual([401, 401, 401, 429]);
      // From many addresses, for one client: also for one that there is not.
      for (const id of ['shop', 'shap']) {
        const apart = [];
        for (let at = 0; at < 4; at += 1) apart.push(await ask(id, wrong, `${id}-${at}`));
        expect(apart).toEqual([401, 401, 401, 429]);
      }
      expect([await ask('shop', secret, 'proxy'), await ask('shop', secret, 'elsewhere')]).toEqual([200, 200]);
      expect(bench.logger.text.match(/many wrong secrets for a client/g)).toHaveLength(1);
      bench.clock.advance(60_000);
      expect(await ask('shop', wrong, 'proxy')).toBe(401);
    });

    test('a client that asks for tokens without end waits', async () => {
      const settings = settingsOf(bench.dir, { clients, subject_requests_per_minute: 2 });
      const { handle } = createRiskApi({ ...bench.parts, settings });
      const statuses = [];
      for (let at = 0; at < 3; at += 1) statuses.push((await handle(form('shop', secret), 'here')).status);
      expect(statuses).toEqual([200, 200, 429]);
    });

    test('of an address that asks too often, right secrets and tokens alone are answered', async () => {
      const settings = settingsOf(bench.dir, { clients }, 120, { requests_per_minute: 1 });
      const server = await serveRiskApi({ ...bench.parts, settings });
      const ask = (path: string, init?: RequestInit): Promise<Response> => fetch(`${server.url}${path}`, init);
      expect((await ask('/healthz')).status).toBe(200);
      const paths = ['/healthz', '/readyz', '/openapi.json', '/v1/holds', '/nothing'];
      for (const path of paths) expect((await ask(path)).status).toBe(429);
      // A header that proves nothing helps nobody.
      const headers = { authorization: 'Bearer x.y.z' };
      const marked = await Promise.all(paths.map(async (path) => (await ask(path, { headers })).status));
      expect(marked).toEqual([429, 429, 429, 401, 404]);
      const { method, body } = form('shop', secret);
      const type = { 'content-type': 'application/x-www-form-urlencoded' };
      const granted = await ask('/v1/tokens', { method, headers: type, body, duplex: 'half' } as RequestInit);
      const { access_token } = (await granted.json()) as { readonly access_token: string };
      const asked = await ask('/v1/holds', { headers: { authorization: `Bearer ${access_token}` } });
      expect([granted.status, asked.status]).toEqual([200, 200]);
      await server.close();
    });
  });

  test('an address that asks too often is told so by the same problem', async () => {
    const { tooMany } = createRiskApi(bench.parts);
    expect(await tooMany().json()).toMatchObject({ code: 'too_many_requests', status: 429 });
  });
});

test('every problem of failures was met', () => {
  expectMet(bench, 'failures');
});
