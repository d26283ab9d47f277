/**
 * Valid requests, damaged: whatever comes, the answer is one that the document names, and never a defect. What is not
 * damaged in what counts is decided; the rest is refused for each reason that a body can have.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRiskApi } from '../../../src/risk/api/http-api.ts';
import type { RefundRequest } from '../../../src/risk/casework/refund-request.ts';
import { mutate, Random } from '../../support/mutate.ts';
import { ApiBench } from '../../support/risk-api.ts';
import { fakeRooms } from '../../support/risk-api-rooms.ts';

const ROUNDS = 900;
const asked: RefundRequest[] = [];
let bench: ApiBench;
beforeAll(async () => {
  bench = await ApiBench.start({ rooms: fakeRooms(asked) });
});
afterAll(() => bench?.stop());

const STRANGE = [
  null,
  true,
  -1,
  1.5,
  1e21,
  '',
  ' ',
  'x'.repeat(121),
  '4111 1111 1111 1111',
  4111111111111111,
  'a@b.example',
  [],
  {},
  ['4111111111111111'],
  'USD',
  '\u0000',
  '2026-02-30T00:00:00.000Z',
];

/** Another value for one member, or one member more. */
function swapped(random: Random, input: Uint8Array): Uint8Array {
  const body: Record<string, unknown> = JSON.parse(new TextDecoder().decode(input));
  const names = [...Object.keys(body), 'note'];
  body[names[random.below(names.length)] ?? ''] = STRANGE[random.below(STRANGE.length)];
  return new TextEncoder().encode(JSON.stringify(body));
}

test('bodies', async () => {
  const api = createRiskApi(bench.parts);
  const random = new Random(5);
  const utf8 = new TextEncoder();
  const valid = [
    bench.request('r-fuzz'),
    bench.request('r-2', { kind: 'not_received', recall: true, parcel_refs: [] }),
    bench.request('r-3', { destination: 'other', payment_ref: 'tok_4242' }),
  ].map((one) => utf8.encode(JSON.stringify(one)));
  const others = [
    ...valid,
    utf8.encode('"4111111111111111"'),
    utf8.encode('"a@b.example"'),
    new Uint8Array([0xff, 0xfe]),
  ];
  const seen = new Map<string, number>();
  const token = bench.token('merchant');
  for (let i = 0; i < ROUNDS; i += 1) {
    const input = valid[i % valid.length] ?? new Uint8Array();
    const body = i % 50 === 0 ? input : i % 2 === 0 ? swapped(random, input) : mutate(random, input, others);
    const request = new Request('http://127.0.0.1/v1/refund-decisions', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': `k-${i}` },
      body: Uint8Array.from(body),
    });
    const reply = await bench.look('POST', '/v1/refund-decisions', await api.handle(request, '127.0.0.1'));
    const what = reply.status === 200 ? 'decided' : reply.body.code;
    seen.set(what, (seen.get(what) ?? 0) + 1);
  }
  expect([...seen.keys()].sort()).toEqual(
    ['card_number', 'decided', 'invalid_body', 'malformed_json', 'personal_data', 'recall_forbidden'].sort(),
  );
  expect(seen.get('decided')).toBe(asked.length);
  for (const { parcel_refs, amount_minor, refund_id } of asked) {
    expect(amount_minor).toBeGreaterThan(0);
    expect(refund_id).toMatch(/^[\x21-\x7e]{1,120}$/);
    expect(parcel_refs.length).toBeLessThanOrEqual(64);
  }
}, 120_000);

test('paths, queries and headers', async () => {
  const api = createRiskApi(bench.parts);
  const random = new Random(6);
  const utf8 = new TextEncoder();
  const paths = [
    '/v1/holds?limit=2&state=open',
    '/v1/parcels/k1.A/ledger?from=0&limit=3',
    '/v1/metrics/custody?from=2026-11-22T00:00:00Z',
  ];
  const statuses = new Set<number>();
  for (let i = 0; i < 600; i += 1) {
    const path = paths[i % paths.length] ?? '/';
    const bytes =
      i % 20 === 0
        ? utf8.encode(path)
        : mutate(
            random,
            utf8.encode(path),
            paths.map((one) => utf8.encode(one)),
          );
    const text = `/${Buffer.from(bytes).toString('latin1').replace(/^\/+/, '')}`;
    if (!URL.canParse(text, 'http://127.0.0.1')) continue;
    const url = new URL(text, 'http://127.0.0.1');
    const request = new Request(url, { headers: { authorization: `Bearer ${bench.token('auditor')}` } });
    const response = await api.handle(request, '127.0.0.1');
    await response.text();
    statuses.add(response.status);
  }
  expect([...statuses].filter((status) => status >= 500)).toEqual([]);
  expect([...statuses].sort()).toEqual([200, 400, 404]);
}, 120_000);
