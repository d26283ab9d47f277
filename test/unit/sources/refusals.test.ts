/** Webhooks that are refused before anything of a source is asked: another method or path, and a body that says two things. */
import { expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { messageSchema, parseBody } from '../../../src/risk/sources/body.ts';
import { sourceRoutes } from '../../../src/risk/sources/http.ts';

const nobody = { bodyBytesMax: () => undefined, take: () => Promise.reject(new Error('nobody asks')) };

test.for([
  ['/v1/sources/carrier-1', 'GET', 405, 'method_not_allowed'],
  ['/v1/sources/carrier-1', 'PUT', 405, 'method_not_allowed'],
  ['/v1/sources/carrier-1', 'POST', 404, 'unknown_source'],
  ['/v1/sources/carrier-1/', 'POST', 404, 'unknown_source'],
  ['/v1/sources/', 'GET', 404, 'unknown_source'],
] as const)('%s by %s is refused in the form of all refusals', async ([path, method, status, reason]) => {
  const refused = await sourceRoutes(nobody, silentLogger).request(path, { method });
  expect(refused.status).toBe(status);
  expect(await refused.json()).toMatchObject({ error: { reason } });
  expect(refused.headers.get('allow')).toBe(status === 405 ? 'POST' : null);
  expect(refused.headers.get('x-content-type-options')).toBe('nosniff');
});

test('what the document says of a message is what is taken', () => {
  const timestamp = '2026-11-22T12:00:00.000Z';
  const sound = { type: 'delivered', timestamp, data: { parcel: 'k1.A', geofence: 'inside' } };
  const messages: readonly (readonly [taken: boolean, message: object])[] = [
    [true, sound],
    [true, { ...sound, id: 'evt_1' }],
    [false, { ...sound, type: 'lost' }],
    [false, { ...sound, data: { parcel: 'k1.A', geofence: 'near' } }],
    [false, { ...sound, data: { ...sound.data, remark: 'x' } }],
    [false, { ...sound, timestamp: 'today' }],
    [false, { ...sound, more: 1 }],
  ];
  for (const [taken, message] of messages) {
    expect(messageSchema.safeParse(message).success, JSON.stringify(message)).toBe(taken);
    expect(parseBody('carrier', utf8(JSON.stringify(message))).ok, JSON.stringify(message)).toBe(taken);
  }
});

test('an amount that stands there twice is none', () => {
  const data = '{"payment_ref":"pay-1","currency":"EUR","amount_minor":1,"amount_minor":9000}';
  const body = `{"type":"payment.captured","timestamp":"2026-11-22T12:00:00.000Z","data":${data}}`;
  expect(parseBody('payment', utf8(body))).toMatchObject({ ok: false, reason: 'not_json' });
  const once = body.replace('"amount_minor":1,', '');
  expect(parseBody('payment', utf8(once))).toMatchObject({
    ok: true,
    value: { fact: { fact: { amount_minor: 9_000 } } },
  });
});
