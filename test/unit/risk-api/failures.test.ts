/** What callers see when a room fails, takes too long, or is asked too often: a problem, and nothing of the inside. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRiskApi } from '../../../src/risk/api/http-api.ts';
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

  test('an address that guesses waits, and its good token with it', async () => {
    const settings = settingsOf(bench.dir, { failed_logins_per_minute: 3 });
    const { handle } = createRiskApi({ ...bench.parts, settings });
    const ask = async (address: string, token?: string): Promise<number> =>
      (await bench.look('GET', '/v1/holds', await handle(request('/v1/holds', token), address))).status;
    expect([await ask('a', 'x.y.z'), await ask('a', 'x.y.z'), await ask('a', 'x.y.z')]).toEqual([401, 401, 401]);
    expect([await ask('a', 'x.y.z'), await ask('a'), await ask('b')]).toEqual([429, 429, 200]);
  });

  test('an address that asks too often is told so by the same problem', async () => {
    const { tooMany } = createRiskApi(bench.parts);
    expect(await tooMany().json()).toMatchObject({ code: 'too_many_requests', status: 429 });
  });
});

test('every problem of failures was met', () => {
  expectMet(bench, 'failures');
});
