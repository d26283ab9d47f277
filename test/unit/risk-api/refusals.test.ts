/** What the API refuses, in a request as in what goes before it, each by its code. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeClientSecret } from '../../../src/risk/api/clients.ts';
import { serveRiskApi } from '../../../src/risk/api/http-api.ts';
import { ROLES } from '../../../src/risk/api/roles.ts';
import { ApiBench, expectMet, type Reply, settingsOf } from '../../support/risk-api.ts';
import { fakeRooms } from '../../support/risk-api-rooms.ts';
import { PARCEL } from '../ledger/support.ts';

const known = makeClientSecret();
const twoRoles = makeClientSecret();
const JSON_TYPE = { 'content-type': 'application/json' };
const FORM_TYPE = { 'content-type': 'application/x-www-form-urlencoded' };
const form = (members: Readonly<Record<string, string>>): string => new URLSearchParams(members).toString();
let bench: ApiBench;
beforeAll(async () => {
  bench = await ApiBench.start({
    rooms: fakeRooms(),
    clients: [
      { id: 'shop', secret_sha256: known.sha256, roles: ['merchant'] },
      { id: 'ops', secret_sha256: twoRoles.sha256, roles: ['operator', 'metrics'] },
    ],
  });
});
afterAll(() => bench?.stop());

describe('tokens for secrets', () => {
  const ask = (
    members: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Reply> =>
    bench.ask('/v1/tokens', { method: 'POST', headers: { ...FORM_TYPE, ...headers }, body: form(members) });
  const basic = (id: string, secret: string) => ({
    authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
  });
  const grant_type = 'client_credentials';

  test('a client gets one with Basic or in the form, for a role that it has', async () => {
    const { body } = await ask({ grant_type }, basic('shop', known.secret));
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 900, scope: 'merchant' });
    expect((await bench.ask(`/v1/refund-decisions/d-${'0'.repeat(32)}`, { token: body.access_token })).status).toBe(
      404,
    );
    expect((await bench.ask('/v1/holds', { token: body.access_token })).body.code).toBe('forbidden');
    const ops = await ask({ grant_type, scope: 'metrics', client_id: 'ops', client_secret: twoRoles.secret });
    expect((await bench.ask('/metrics', { token: ops.body.access_token })).text).toContain('latchkey_up 1');
  });

  test.for([
    [
      'another grant',
      { grant_type: 'password' },
      basic('shop', known.secret),
      'unsupported_grant',
      'unsupported_grant_type',
    ],
    ['another secret', { grant_type }, basic('shop', twoRoles.secret), 'client_refused', 'invalid_client'],
    ['a hash for a secret', { grant_type }, basic('shop', known.sha256), 'client_refused', 'invalid_client'],
    ['nobody', { grant_type }, basic('nobody', known.secret), 'client_refused', 'invalid_client'],
    ['no secret', { grant_type }, {}, 'client_refused', 'invalid_client'],
    [
      'a secret given twice',
      { grant_type, client_id: 'shop', client_secret: known.secret },
      basic('shop', known.secret),
      'client_refused',
      'invalid_client',
    ],
    [
      'a role that it has not',
      { grant_type, scope: 'auditor' },
      basic('shop', known.secret),
      'scope_refused',
      'invalid_scope',
    ],
    ['two roles and no choice', { grant_type }, basic('ops', twoRoles.secret), 'scope_refused', 'invalid_scope'],
    ['no grant at all', {}, basic('shop', known.secret), 'invalid_body', undefined],
  ] as const)('%s is refused', async ([, members, headers, code, oauth]) => {
    const { body } = await ask(members, headers);
    expect([body.code, body.error]).toEqual([code, oauth]);
  });
});

describe('what may not come', () => {
  const good = (): object => bench.request('r-bad');
  test.for([
    ['a card number as a reference', { payment_ref: '4111-1111-1111-1111' }, 422, 'card_number'],
    ['a card number in a name', { 4111111111111111: 1 }, 422, 'card_number'],
    ['a card number as a number', { amount_minor: 4111111111111111 }, 422, 'card_number'],
    ['a mail address', { operator: 'jane.doe@shop.example' }, 422, 'personal_data'],
    ['a member too many', { note: 'x' }, 422, 'invalid_body'],
    ['an amount of nothing', { amount_minor: 0 }, 422, 'invalid_body'],
    ['an amount with a fraction', { amount_minor: 1.5 }, 422, 'invalid_body'],
    ['a currency that there is not', { currency: 'UDS' }, 422, 'invalid_body'],
    ['a kind that there is not', { kind: 'gift' }, 422, 'invalid_body'],
    ['a day for a time', { requested_at: '2026-11-22' }, 422, 'invalid_body'],
    ['a time without milliseconds', { requested_at: '2026-11-22T09:00:00Z' }, 422, 'invalid_body'],
    ['a name with a space', { refund_id: 'r 1' }, 422, 'invalid_body'],
  ] as const)('%s', async ([, more, status, code]) => {
    const reply = await bench.decide('k-bad', { ...good(), ...more });
    expect([reply.status, reply.body.code]).toEqual([status, code]);
    expect(reply.text).not.toMatch(/4111|jane/);
  });

  test('a time that is none is told what one looks like', async () => {
    const asked = await bench.decide('k-time', { ...good(), requested_at: '2026-11-22T09:00:00Z' });
    expect(asked.body.errors).toEqual([
      { at: '/requested_at', expected: 'a time with milliseconds, like 2026-11-22T09:00:00.000Z' },
    ]);
    const rates = await bench.ask('/v1/metrics/custody?from=2026-11-22', { role: 'metrics' });
    expect(rates.body.errors).toEqual([{ at: '/from', expected: 'a time like 2026-11-22T09:00:00Z' }]);
  });

  test.for([
    ['no key', {}, 400, 'idempotency_key_missing'],
    ['an empty key', { 'idempotency-key': '""' }, 400, 'idempotency_key_invalid'],
    ['a long key', { 'idempotency-key': 'k'.repeat(121) }, 400, 'idempotency_key_invalid'],
    ['a card number for a key', { 'idempotency-key': '4111111111111111' }, 422, 'card_number'],
    ['a one-time code for a key', { 'idempotency-key': '481516' }, 400, 'idempotency_key_invalid'],
    ['a telephone number for a key', { 'idempotency-key': '+4917012345678' }, 400, 'idempotency_key_invalid'],
    ['another type', { 'idempotency-key': 'k', 'content-type': 'text/plain' }, 415, 'unsupported_media_type'],
  ] as const)('%s', async ([, headers, status, code]) => {
    const reply = await bench.post('/v1/refund-decisions', 'merchant', good(), headers);
    expect([reply.status, reply.body.code]).toEqual([status, code]);
  });

  test.for(['481516', '48-15-16', '+4917012345678'])('%s where a reference is kept', async (text) => {
    const settlement = {
      reference: text,
      amount_minor: 1,
      currency: 'USD',
      settled_at: new Date(bench.clock.wallMs()).toISOString(),
    };
    const settled = await bench.post('/v1/refunds/r-bad/settlement', 'payments', settlement, {});
    const kept = await bench.post('/v1/refunds/r-bad/bundle', 'analyst', { kept_as: text }, {});
    for (const { status, body, text: answer } of [settled, kept]) {
      expect([status, body.code]).toEqual([422, 'invalid_body']);
      expect(answer).not.toContain(text);
    }
  });

  test.for([
    ['half of a body', '{"refund_id":', 400, 'malformed_json'],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 400, 'malformed_json'],
    ['nothing', '', 400, 'malformed_json'],
    ['an amount twice', '{"amount_minor":1,"amount_minor":8000}', 422, 'invalid_body'],
    ['a list', '[]', 422, 'invalid_body'],
    ['null', 'null', 422, 'invalid_body'],
    ['depth without end', `${'['.repeat(16_000)}${']'.repeat(16_000)}`, 422, 'invalid_body'],
    ['a level more than any body has', `${'['.repeat(17)}4111111111111111${']'.repeat(17)}`, 422, 'invalid_body'],
    ['the deepest that is looked through', `${'['.repeat(16)}4111111111111111${']'.repeat(16)}`, 422, 'card_number'],
    ['a text longer than any', `{"a":"${'x'.repeat(1_025)}"}`, 422, 'invalid_body'],
    ['a long text with a card number', `{"a":"${'x '.repeat(500)}4111111111111111"}`, 422, 'card_number'],
    ['too much', `"${'x'.repeat(32_768)}"`, 413, 'too_large'],
  ] as const)('%s', async ([, body, status, code]) => {
    const headers = { ...JSON_TYPE, 'idempotency-key': 'k-body' };
    const reply = await bench.ask('/v1/refund-decisions', { role: 'merchant', method: 'POST', headers, body });
    expect([reply.status, reply.body.code]).toEqual([status, code]);
  });

  test('a parameter that there is not is said of the query, and a member that there is not of the body', async () => {
    const query = await bench.ask('/v1/holds?page=2', { role: 'operator' });
    expect(query.body.detail).toBe('the query: no other parameters than those of its schema');
    const headers = { ...JSON_TYPE, 'idempotency-key': 'k-member' };
    const body = JSON.stringify({ page: 2 });
    const asked = await bench.ask('/v1/refund-decisions', { role: 'merchant', method: 'POST', headers, body });
    expect(asked.body.detail).toContain('the body: no other members than those of its schema');
  });

  test.for([
    ['/v1/holds?limit=0', 'invalid_query'],
    ['/v1/holds?limit=201', 'invalid_query'],
    ['/v1/holds?limit=2&limit=3', 'invalid_query'],
    ['/v1/holds?page=2', 'invalid_query'],
    ['/v1/holds?cursor=%00', 'invalid_query'],
    ['/v1/holds?cursor=second-page', 'invalid_query'],
    ['/v1/holds/a?x=1', 'invalid_query'],
    [`/v1/parcels/${PARCEL.ref}/ledger?limit=1e3`, 'invalid_query'],
    ['/v1/metrics/custody?from=yesterday', 'invalid_query'],
    ['/v1/refund-decisions/d-1', 'invalid_path'],
    ['/v1/parcels/%20/ledger', 'invalid_path'],
    ['/v1/parcels/%ff/ledger', 'not_found'],
    ['/v1/parcels/4111111111111111/ledger', 'card_number'],
    ['/v1/parcels/%2e%2e%2f%2e%2e%2fetc%2fpasswd/ledger', 'not_found'],
    ['/v1/parcels/%252e%252e/ledger', 'not_found'],
  ] as const)('%s gives %s', async ([path, code]) => {
    expect((await bench.ask(path, { role: 'auditor' })).body.code).toBe(code);
  });

  test.for([
    '/v1/../v1/nothing',
    '/V1/holds',
    '/v1/holds/',
    '//v1/holds',
    '/v1//holds',
    '/v1/parcels//ledger',
    '/v1/parcels/a/b/ledger',
    '/v1/holds%2f..',
    '/v1/%00',
    '/',
  ])('there is nothing at %s', async (path) => {
    expect(await rawStatus(`GET ${path} HTTP/1.1`)).toMatch(/^404 /);
  });

  test('what there is not, is not there for anybody', async () => {
    for (const role of [undefined, ...ROLES]) {
      const { status, body } = await bench.ask('/v1/nothing', role === undefined ? {} : { role });
      expect([status, body.code]).toEqual([404, 'no_such_path']);
    }
  });

  test('another method is refused with those that there are', async () => {
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const reply = await bench.ask('/v1/refund-decisions', { method, role: 'merchant' });
      expect([reply.status, reply.body.code, reply.headers.get('allow')]).toEqual([405, 'method_not_allowed', 'POST']);
    }
  });

  test('another method at the document is refused with the one that there is', async () => {
    const reply = await bench.ask('/openapi.json', { role: 'merchant', method: 'POST' });
    expect([reply.status, reply.body.code, reply.headers.get('allow')]).toEqual([405, 'method_not_allowed', 'GET']);
  });

  test('headers too large, a host that is none, and what is no HTTP leave the service answering', async () => {
    expect(await rawStatus('GET /healthz HTTP/1.1', [`x-long: ${'x'.repeat(9_000)}`])).toMatch(/^431 /);
    expect(await rawStatus('GET /healthz HTTP/1.1', [], 'a b c')).toMatch(/^400 /);
    expect(await rawStatus('NONSENSE')).toMatch(/^400 /);
    expect((await bench.ask('/healthz')).status).toBe(200);
  });

  const hidden = '0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n';
  test.for<[string, readonly string[]]>([
    ['two lengths of one request', ['content-length: 4', 'content-length: 60']],
    ['a length and pieces', ['content-length: 4', 'transfer-encoding: chunked']],
    ['pieces written in another way', ['transfer-encoding: xchunked']],
    ['a length that is none', ['content-length: +4']],
    ['a name of a header with a space', ['content-length : 4']],
    ['a header over two lines', ['x-one: a', ' b', 'content-length: 4']],
    ['a line that ends without its return', ['x-one: a\nx-two: b', 'content-length: 4']],
  ])('%s, by which another request could be hidden, is no request', async ([, headers]) => {
    const type = 'content-type: application/x-www-form-urlencoded';
    const text = await raw('POST /v1/tokens HTTP/1.1', [type, ...headers], hidden);
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });

  test('a client that sends no end of its request is cut off', async () => {
    const settings = settingsOf(bench.dir, {}, 1);
    const server = await serveRiskApi({ ...bench.parts, settings });
    const head = [
      'content-type: application/json',
      'content-length: 100',
      'idempotency-key: slow',
      `authorization: Bearer ${bench.token('merchant')}`,
    ];
    const answer = await raw('POST /v1/refund-decisions HTTP/1.1', head, '{"refund_id":', '127.0.0.1', server.port);
    await server.close();
    expect(answer).not.toMatch(/^HTTP\/1\.1 2/);
  }, 120_000);
});

/** As it is written, since a client of the platform mends paths before it sends them. */
function raw(
  line: string,
  headers: readonly string[] = [],
  body = '',
  host = '127.0.0.1',
  port = bench.server.port,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? resolve(text) : reject(error)));
    socket.on('close', () => resolve(text));
    const close = body === '' ? ['connection: close'] : [];
    socket.write(`${[line, `host: ${host}`, ...close, ...headers].join('\r\n')}\r\n\r\n${body}`);
  });
}

async function rawStatus(line: string, headers: readonly string[] = [], host?: string): Promise<string> {
  const text = await raw(line, headers, '', host);
  return /^HTTP\/1\.1 (\d{3} )/.exec(text)?.[1] ?? text.slice(0, 60);
}

test('every problem of requests was met', () => {
  expectMet(bench, 'refusals');
});
