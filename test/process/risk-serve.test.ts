/**
 * The risk service on PostgreSQL as one process, and the commands beside it as others: a secret of a client becomes a token, a
 * token an answer; a key that was changed and taken away ends its tokens; a signal ends the service.
 */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { Child } from '../../simulators/demo/child-process.ts';
import { keptPort } from '../../simulators/kept-port.ts';
import { formatVkey } from '../../src/evidence/log/note.ts';
import { startBroker, type TestBroker } from '../support/broker.ts';
import { runLatchkey, startLatchkey } from '../support/child.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { TestLog } from '../support/test-log.ts';

const LIMIT_MS = 240_000;
const WAIT_MS = 100_000;
const dir = makeTempDir('risk-serve');
const config = dir.file('risk.yaml');
let broker: TestBroker;
let postgres: Postgres;
let service: Child | undefined;
let url = '';
let secret = '';

beforeAll(async () => {
  postgres = await startPostgres();
  broker = await startBroker();
  url = `http://127.0.0.1:${await keptPort()}`;
  writeFileSync(dir.file('database.url'), `${await postgres.database('served')}\n`, { mode: 0o600 });
  writeFileSync(
    dir.file('policy.json'),
    JSON.stringify({ v: 1, logs: [{ vkey: formatVkey(new TestLog('served').vkey) }] }),
  );
  const made = JSON.parse((await latchkey('risk', 'client', '--json')).out);
  ({ secret } = made);
  writeFileSync(
    config,
    stringify({
      data_dir: dir.file('data'),
      database: { postgres: { url_file: dir.file('database.url') } },
      receipts: { name: 'refunds.example/receipts' },
      policy: dir.file('policy.json'),
      mqtt: { url: broker.url, protocol: '3.1.1' },
      api: {
        name: 'refunds.example/risk',
        http: { port: Number(new URL(url).port) },
        clients: [{ id: 'shop', secret_sha256: made.secret_sha256, roles: ['merchant', 'operator'] }],
      },
    }),
  );
}, LIMIT_MS);

afterAll(async () => {
  await stopped();
  await broker?.stop();
  await postgres?.stop();
  dir.remove();
});

async function latchkey(...args: readonly string[]): Promise<{ readonly out: string; readonly code: number | null }> {
  const done = await runLatchkey(args, { limitMs: WAIT_MS });
  expect(done.code, done.err).toBe(0);
  return done;
}

async function served(): Promise<void> {
  service = startLatchkey(['risk', 'serve', '--config', config]);
  await service.line('the risk service runs', WAIT_MS);
}

async function stopped(): Promise<number | null | undefined> {
  const running = service;
  service = undefined;
  return (await running?.stop('SIGTERM', WAIT_MS))?.code;
}

async function tokenFor(scope: string, given = secret): Promise<{ readonly status: number; readonly token: string }> {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: 'shop',
    client_secret: given,
    scope,
  });
  const answer = await fetch(`${url}/v1/tokens`, { method: 'POST', body });
  return { status: answer.status, token: ((await answer.json()) as { access_token?: string }).access_token ?? '' };
}

async function holds(token: string): Promise<readonly [number, { code?: string; holds?: { refund_id: string }[] }]> {
  const answer = await fetch(`${url}/v1/holds`, { headers: { authorization: `Bearer ${token}` } });
  return [answer.status, (await answer.json()) as object];
}

test(
  'a secret becomes a token and a token an answer, which outlives the process; a key that was taken away counts no longer',
  async () => {
    await served();
    expect((await tokenFor('merchant', 'x'.repeat(43))).status).toBe(401);
    const merchant = await tokenFor('merchant');
    const request = {
      refund_id: 'r-1',
      kind: 'return',
      parcel_refs: ['k1.AAAAAAAAAAAAAAAAAAAAAA'],
      amount_minor: 8_000,
      currency: 'USD',
      operator: 'desk-7',
      requested_at: new Date().toISOString(),
      payment_ref: 'pay-1',
    };
    const asked = await fetch(`${url}/v1/refund-decisions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${merchant.token}`,
        'idempotency-key': 'k-1',
        'content-type': 'application/json',
      },
      body: JSON.stringify(request),
    });
    // Nothing is known of the payment: a hold, and no payment.
    expect([asked.status, await asked.json()]).toMatchObject([200, { outcome: 'HOLD', pay_now: false }]);
    const old = (await tokenFor('operator')).token;
    const [status, { holds: kept = [] }] = await holds(old);
    expect([status, kept.map(({ refund_id }) => refund_id)]).toEqual([200, ['r-1']]);
    await latchkey('risk', 'token-key', 'rotate', '--config', config);
    expect(await stopped()).toBe(0);

    await served();
    expect((await holds(old))[0]).toBe(200);
    const fresh = (await tokenFor('operator')).token;
    await latchkey('risk', 'token-key', 'forget', '--config', config);
    expect(await stopped()).toBe(0);

    await served();
    expect(await holds(old)).toMatchObject([401, { code: 'token_invalid' }]);
    expect(await holds(fresh)).toMatchObject([200, { holds: [{ refund_id: 'r-1' }] }]);
    const { out } = await latchkey('risk', 'holds', '--config', config, '--json');
    expect(JSON.parse(out).holds).toMatchObject([{ refund_id: 'r-1', state: 'open' }]);
    expect(await stopped()).toBe(0);
  },
  LIMIT_MS,
);
