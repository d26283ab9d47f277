/** The API as its callers meet it: each endpoint by each role, refusals by their codes, and answers that stay the same. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeClientSecret } from '../../../src/risk/api/clients.ts';
import type { Endpoint } from '../../../src/risk/api/endpoint.ts';
import { ENDPOINTS } from '../../../src/risk/api/endpoints.ts';
import { ROLES } from '../../../src/risk/api/roles.ts';
import { ApiBench, BUNDLE, expectMet, pathOf, RECALLER, type Reply } from '../../support/risk-api.ts';
import { ALIKE, realRooms } from '../../support/risk-api-rooms.ts';
import { PARCEL } from '../../unit/ledger/support.ts';

const known = makeClientSecret();
const rooms = realRooms();
const alike = (id: string) => ({ parcel_refs: [`${ALIKE}${id}`] });
const CAPTURED = 5_000_000;
let bench: ApiBench;
let decisionId = '';
let holdId = '';

beforeAll(async () => {
  const clients = [{ id: 'shop', secret_sha256: known.sha256, roles: ['merchant' as const] }];
  bench = await ApiBench.start({ rooms: rooms.make, clients });
  await rooms.capture(CAPTURED, 'r-paid', 'r-held', 'r-settled');
  const paid = await bench.decide('k-paid', bench.request('r-paid'));
  expect(paid.body).toMatchObject({ outcome: 'PAY', pay_now: true });
  decisionId = paid.body.decision_id;
  const held = await bench.decide(
    'k-held',
    bench.request('r-held', { parcel_refs: ['k1.unknown'], amount_minor: 9_000 }),
  );
  expect(held.body).toMatchObject({ outcome: 'HOLD', pay_now: false });
  const { holds } = (await bench.ask('/v1/holds', { role: 'operator' })).body;
  holdId = holds[0].hold_id;
}, 120_000);
afterAll(() => bench?.stop());

interface Example {
  readonly names?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const JSON_TYPE = { 'content-type': 'application/json' };
const FORM_TYPE = { 'content-type': 'application/x-www-form-urlencoded' };
const form = (members: Readonly<Record<string, string>>): string => new URLSearchParams(members).toString();
const settlement = {
  reference: 'psp-1',
  amount_minor: 8_000,
  currency: 'USD',
  settled_at: '2026-11-22T12:00:00.000Z',
};

/** A request to each endpoint that an admitted role gets 200 for. */
const EXAMPLES: Readonly<Record<string, () => Example>> = {
  decideRefund: () => ({
    headers: { ...JSON_TYPE, 'idempotency-key': 'k-paid' },
    body: JSON.stringify(bench.request('r-paid')),
  }),
  getDecision: () => ({ names: { id: decisionId } }),
  explainDecision: () => ({ names: { id: decisionId } }),
  replayDecision: () => ({ names: { id: decisionId } }),
  confirmSettlement: () => ({ names: { id: 'r-paid' }, headers: JSON_TYPE, body: JSON.stringify(settlement) }),
  getParcelLedger: () => ({ names: { ref: PARCEL.ref } }),
  getParcelBundle: () => ({ names: { ref: PARCEL.ref } }),
  getRefundBundle: () => ({ names: { id: 'r-paid' } }),
  keepRefundBundle: () => ({ names: { id: 'r-held' }, headers: JSON_TYPE, body: '{"kept_as":"vault/r-held"}' }),
  getParcelEpcis: () => ({ names: { ref: PARCEL.ref } }),
  getCustodyRates: () => ({}),
  getCustodyRatesBy: () => ({ names: { by: 'locker' } }),
  listHolds: () => ({}),
  getHold: () => ({ names: { id: holdId } }),
  getToken: () => ({
    headers: FORM_TYPE,
    body: form({ grant_type: 'client_credentials', client_id: 'shop', client_secret: known.secret }),
  }),
  isAlive: () => ({}),
  isReady: () => ({}),
  getMetrics: () => ({}),
};

function askAs(endpoint: Endpoint, role: (typeof ROLES)[number] | undefined): Promise<Reply> {
  const { names = {}, headers, body } = EXAMPLES[endpoint.id]?.() ?? {};
  return bench.ask(pathOf(endpoint, names), {
    method: endpoint.method,
    ...(role !== undefined && {
      token: bench.token(role, endpoint.id === 'decideRefund' ? 'test-merchant' : `by-${role}`),
    }),
    ...(headers !== undefined && { headers }),
    ...(body !== undefined && { body }),
  });
}

describe('every endpoint by every role', () => {
  test('each endpoint has an example, and each example an endpoint', () => {
    expect(Object.keys(EXAMPLES).sort()).toEqual(ENDPOINTS.map(({ id }) => id).sort());
    expect(ENDPOINTS.length).toBeGreaterThan(14);
  });

  test.for(ENDPOINTS.map((one) => [one.id, one] as const))(
    '%s answers whom its row names, and nobody else',
    async ([, endpoint]) => {
      const isOpen = endpoint.access === 'public';
      const nobody = await askAs(endpoint, undefined);
      expect([nobody.status, nobody.body?.code]).toEqual(isOpen ? [200, undefined] : [401, 'unauthenticated']);
      for (const role of ROLES) {
        const { status, body, headers } = await askAs(endpoint, isOpen ? undefined : role);
        const admitted = isOpen || endpoint.access.includes(role);
        expect([role, status, body?.code]).toEqual(admitted ? [role, 200, body?.code] : [role, 403, 'forbidden']);
        expect(headers.get('cache-control')).toBe('no-store');
        expect(headers.get('x-content-type-options')).toBe('nosniff');
        expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
      }
    },
  );

  test('each role may do something, and none may do everything', () => {
    for (const role of ROLES) {
      const may = ENDPOINTS.filter(({ access }) => access !== 'public' && access.includes(role));
      expect(may.length, role).toBeGreaterThan(0);
      expect(may.length, role).toBeLessThan(ENDPOINTS.filter(({ access }) => access !== 'public').length);
    }
  });
});

describe('a decision', () => {
  test('is the same for the same key and body, and another body is refused', async () => {
    await rooms.capture(CAPTURED, 'r-again');
    const first = await bench.decide('k-again', bench.request('r-again', alike('again')));
    bench.clock.advance(60_000);
    const body = bench.request('r-again', {
      ...alike('again'),
      requested_at: new Date(bench.clock.wallMs() - 60_000).toISOString(),
    });
    const second = await bench.decide('k-again', body);
    expect(second.text).toBe(first.text);
    const other = await bench.decide('k-again', { ...body, amount_minor: 8_001 });
    expect([other.status, other.body.code]).toEqual([409, 'key_reused']);
    const elsewhere = await bench.decide('k-again-2', { ...body, amount_minor: 8_001 });
    expect([elsewhere.status, elsewhere.body.code]).toEqual([409, 'refund_known']);
    const paid = await bench.decide('k-again-3', body);
    expect([paid.status, paid.body.code]).toEqual([409, 'refund_closed']);
  });

  test('keys of two clients are not each other’s', async () => {
    await rooms.capture(CAPTURED, 'r-mine', 'r-theirs');
    const ask = (subject: string, id: string): Promise<Reply> =>
      bench.ask('/v1/refund-decisions', {
        token: bench.token('merchant', subject),
        method: 'POST',
        headers: { ...JSON_TYPE, 'idempotency-key': 'one-key' },
        body: JSON.stringify(bench.request(id)),
      });
    expect((await ask('shop-1', 'r-mine')).body.refund_id).toBe('r-mine');
    expect((await ask('shop-2', 'r-theirs')).body.refund_id).toBe('r-theirs');
  });

  test('of 16 third refunds at once, all but two are held', async () => {
    const ids = Array.from({ length: 16 }, (_, i) => `r-fast-${i}`);
    await rooms.capture(CAPTURED, ...ids);
    const answers = await Promise.all(
      ids.map((id) =>
        bench.decide(`k-${id}`, bench.request(id, { ...alike(id), operator: 'op-fast', amount_minor: 10_001 })),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 200));
    const held = answers.filter(({ body }) => body.reasons.some(({ code }: { code: string }) => code === 'R01'));
    expect(held).toHaveLength(14);
    expect(held.every(({ body }) => body.outcome === 'HOLD' && body.pay_now === false)).toBe(true);
    expect(answers.filter(({ body }) => body.pay_now)).toHaveLength(2);
  });

  test('is explained with every rule, fired or not, and with every contradiction', async () => {
    const { body } = await bench.ask(`/v1/refund-decisions/${decisionId}/explanation`, { role: 'analyst' });
    const r01 = body.rules.find(({ code }: { code: string }) => code === 'R01');
    expect(r01).toMatchObject({ fired: false, threshold: '3 over $100.00 in 24 h' });
    expect(r01.why).toMatch(/did not fire: seen was 0 refunds over \$100\.00/);
    expect(body.rules.map(({ code }: { code: string }) => code)).toContain('R16');
    expect(new Set(body.contradictions.map(({ code }: { code: string }) => code)).size).toBe(24);
    expect(body).toMatchObject({ replays: true, facts: { refund: { refund_id: 'r-paid' } } });
    const replay = await bench.ask(`/v1/refund-decisions/${decisionId}/replay`, { role: 'auditor' });
    expect(replay.body).toEqual({ same: true, decision: body.decision });
  });

  test('a merchant is not told where the thresholds are', async () => {
    const { text } = await bench.ask(`/v1/refund-decisions/${decisionId}`, { role: 'merchant' });
    expect(JSON.parse(text)).not.toHaveProperty('rules');
    expect(text).not.toContain('3 over $100.00');
  });

  test('that goods are recalled is believed from the subjects of the settings alone, in either way of saying it', async () => {
    await rooms.capture(CAPTURED, 'r-recall', 'r-recalled');
    const kind = bench.request('r-recall', { kind: 'recall', parcel_refs: [] });
    const member = bench.request('r-recalled', { recall: true, parcel_refs: ['k1.recalled'] });
    for (const request of [kind, member]) {
      const key = { 'content-type': 'application/json', 'idempotency-key': `k-${request.refund_id}` };
      const body = JSON.stringify(request);
      const asked = { method: 'POST', headers: key, body };
      const refused = await bench.ask('/v1/refund-decisions', { role: 'merchant', ...asked });
      expect([refused.status, refused.body.code]).toEqual([403, 'recall_forbidden']);
      // Nothing of it was kept, not even its key.
      const taken = await bench.ask('/v1/refund-decisions', { token: bench.token('merchant', RECALLER), ...asked });
      expect(taken.body).toMatchObject({ outcome: 'PAY', reasons: [{ code: 'recalled' }] });
    }
    const neither = bench.request('r-plain', { recall: false });
    expect((await bench.decide('k-plain', neither)).status).toBe(200);
  });

  test('asked for in the future is refused', async () => {
    const later = new Date(bench.clock.wallMs() + 3_600_000).toISOString();
    const { status, body } = await bench.decide('k-future', bench.request('r-future', { requested_at: later }));
    expect([status, body.code]).toEqual([422, 'requested_at']);
  });
});

describe('what is kept can be read', () => {
  test('a ledger in pages', async () => {
    const whole = await bench.ask(`/v1/parcels/${PARCEL.ref}/ledger`, { role: 'auditor' });
    expect(whole.body.facts).toMatchObject({ forward: { state: 'COLLECTED' }, return: { state: 'R_IN_LOCKER' } });
    expect(whole.body.timeline.map(({ ref }: { ref: string }) => ref)).toEqual(
      [1, 2, 3].map((n) => `${rooms.log.origin}#${n}`),
    );
    const page = await bench.ask(`/v1/parcels/${PARCEL.ref}/ledger?from=1&limit=1`, { role: 'auditor' });
    expect(page.body).toMatchObject({ timeline: [whole.body.timeline[1]], timeline_total: 3, next_from: 2 });
  });

  test('a bundle as its bytes', async () => {
    const { text, headers } = await bench.ask('/v1/refunds/r-paid/bundle', { role: 'auditor' });
    expect(new TextEncoder().encode(text)).toEqual(BUNDLE);
    expect(headers.get('content-type')).toBe('application/x-ndjson');
  });

  test('a bundle that an analyst takes to keep stops the evidence clock of its case; one that is only read does not', async () => {
    const decided = await bench.decide('k-kept', bench.request('r-kept', { parcel_refs: ['k1.unknown'] }));
    const caseOf = async () => {
      const path = `/v1/holds/h-${decided.body.decision_id.slice(2)}`;
      return (await bench.ask(path, { role: 'analyst' })).body.cases[0];
    };
    await bench.ask('/v1/refunds/r-kept/bundle', { role: 'analyst' });
    expect(await caseOf()).not.toHaveProperty('evidence_at_ms');
    const keep = { role: 'analyst', method: 'POST', headers: JSON_TYPE } as const;
    const nameless = await bench.ask('/v1/refunds/r-kept/bundle', { ...keep, body: '{}' });
    expect([nameless.status, nameless.body.code]).toEqual([422, 'invalid_body']);
    const unknown = await bench.ask('/v1/refunds/nobody/bundle', { ...keep, body: '{"kept_as":"v/1"}' });
    expect([unknown.status, unknown.body.code]).toEqual([404, 'not_found']);
    expect(await caseOf()).not.toHaveProperty('evidence_at_ms');
    const { text } = await bench.ask('/v1/refunds/r-kept/bundle', { ...keep, body: '{"kept_as":"v/1"}' });
    expect(new TextEncoder().encode(text)).toEqual(BUNDLE);
    expect(await caseOf()).toMatchObject({ evidence_at_ms: bench.clock.wallMs() });
  });

  test('holds in pages, each once', async () => {
    const all = (await bench.ask('/v1/holds?limit=200', { role: 'operator' })).body.holds;
    expect(all.length).toBeGreaterThan(3);
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const path: string = `/v1/holds?limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`;
      const { body } = await bench.ask(path, { role: 'operator' });
      expect(body.holds.length).toBeLessThanOrEqual(2);
      found.push(...body.holds.map(({ hold_id }: { hold_id: string }) => hold_id));
      cursor = body.next;
    } while (cursor !== undefined);
    expect(found).toEqual(all.map(({ hold_id }: { hold_id: string }) => hold_id));
    const open = (await bench.ask('/v1/holds?state=denied', { role: 'operator' })).body.holds;
    expect(open).toEqual([]);
  });

  test('what is not known is not found', async () => {
    const none = `d-${'0'.repeat(32)}`;
    const paths = [
      `/v1/refund-decisions/${none}`,
      `/v1/refund-decisions/${none}/explanation`,
      `/v1/refund-decisions/${none}/replay`,
      '/v1/parcels/k1.nobody/ledger',
      '/v1/parcels/k1.nobody/bundle',
      '/v1/parcels/k1.nobody/epcis',
      '/v1/refunds/nobody/bundle',
      '/v1/holds/nobody',
    ];
    for (const path of paths) {
      const { status, body } = await bench.ask(path, { role: 'auditor' });
      expect([path, status, body.code]).toEqual([path, 404, 'not_found']);
    }
  });

  test('rates count each refund once, by what was known when it was decided', async () => {
    const until = new Date(bench.clock.wallMs() + 1_000).toISOString();
    const { body } = await bench.ask(`/v1/metrics/custody?until=${until}`, { role: 'metrics' });
    const { delivery_proof, discrepancy, refunds, dispute_loss } = body;
    expect(refunds).toBeGreaterThan(18);
    expect(discrepancy.whole).toBe(refunds);
    // Of each parcel once: that of many refunds, the sixteen of those at once, and the one that was asked for again.
    expect(delivery_proof).toEqual({ part: 18, whole: 18, rate: 1 });
    expect(body.dispute).toMatchObject({ part: 0, rate: 0 });
    expect(dispute_loss).toEqual({ part: 0, whole: 0 });
    const before = await bench.ask('/v1/metrics/custody?from=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z', {
      role: 'metrics',
    });
    expect(before.body).toMatchObject({ refunds: 0, discrepancy: { part: 0, whole: 0 } });
    const long = await bench.ask('/v1/metrics/custody?from=2020-01-01T00:00:00Z', { role: 'metrics' });
    expect([long.status, long.body.code]).toEqual([400, 'invalid_query']);
  });
});

test('what contradicts the request alone is a discrepancy, and only a dispute that was lost is a loss', async () => {
  const rates = async (): Promise<Reply['body']> => {
    const until = new Date(bench.clock.wallMs() + 1_000).toISOString();
    return (await bench.ask(`/v1/metrics/custody?until=${until}`, { role: 'metrics' })).body;
  };
  const before = await rates();
  const names = ['r-claimed', 'r-phantom', 'r-open'];
  await rooms.capture(9_000, ...names);
  const claimed = await bench.decide('k-claimed', { ...bench.request('r-claimed'), kind: 'not_received' });
  const phantom = await bench.decide('k-phantom', { ...bench.request('r-phantom'), parcel_refs: ['k1.nobody'] });
  await bench.decide('k-open', bench.request('r-open'));
  const codes = ({ body }: Reply): readonly string[] => body.reasons.map(({ code }: { code: string }) => code);
  expect(codes(claimed)).toContain('C22');
  expect(codes(phantom)).toContain('C18');
  await rooms.dispute('r-claimed', 8_000, 'lost');
  await rooms.dispute('r-phantom', 8_000, 'won');
  await rooms.dispute('r-open', 8_000);
  const after = await rates();
  expect(after.refunds).toBe(before.refunds + 3);
  expect(after.discrepancy).toMatchObject({ part: before.discrepancy.part + 2, whole: after.refunds });
  expect(after.dispute.part).toBe(before.dispute.part + 2);
  expect(after.dispute_loss).toEqual({ part: 1, whole: 2, rate: 0.5 });
});

describe('a settlement', () => {
  test('is kept once, for what was ordered, and no more than that', async () => {
    const settle = (id: string, more: object): Promise<Reply> =>
      bench.post(`/v1/refunds/${id}/settlement`, 'payments', { ...settlement, ...more });
    expect((await bench.decide('k-settled', bench.request('r-settled', alike('settled')))).body.pay_now).toBe(true);
    const codes = async (id: string, more: object): Promise<unknown> => {
      const { status, body } = await settle(id, more);
      return status === 200 ? body : [status, body.code];
    };
    expect(await codes('r-nobody', { reference: 'psp-0' })).toEqual([404, 'not_found']);
    expect(await codes('r-held', { reference: 'psp-3', amount_minor: 9_000 })).toEqual([409, 'not_ordered']);
    expect(await codes('r-settled', { reference: 'psp-4', amount_minor: 8_001 })).toEqual([409, 'amount_differs']);
    const paid = { refund_id: 'r-settled', state: 'paid' };
    expect(await codes('r-settled', { reference: 'psp-2' })).toEqual(paid);
    expect(await codes('r-settled', { reference: 'psp-2' })).toEqual(paid);
    expect(await codes('r-settled', { reference: 'psp-5' })).toEqual([409, 'settled_before']);
    expect(await codes('r-again', { reference: 'psp-2' })).toEqual([409, 'reference_known']);
    // What was ordered before the bank's customer disputed it, and is confirmed after.
    await rooms.dispute('r-again', CAPTURED);
    expect(await codes('r-again', { reference: 'psp-6' })).toEqual([409, 'exceeds_captured']);
  });
});

test('nothing of a token, a secret, a reference or a body was logged', () => {
  const { text } = bench.logger;
  expect(text).toContain('"endpoint":"decideRefund"');
  const secrets = ['eyJ', known.secret, 'r-paid', PARCEL.ref, '41111111', 'jane', 'psp-'];
  expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
});

test('every problem that only a database brings about was met', () => {
  expectMet(bench, 'api');
});
