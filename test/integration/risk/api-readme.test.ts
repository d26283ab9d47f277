/** The README of the API does what it says: its lines with curl are run as they stand there. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeClientSecret } from '../../../src/risk/api/clients.ts';
import { ROLE_DUTIES } from '../../../src/risk/api/roles.ts';
import { ApiBench, BUNDLE } from '../../support/risk-api.ts';
import { realRooms } from '../../support/risk-api-rooms.ts';

const run = promisify(execFile);
const LIMIT_MS = 60_000;
const text = readFileSync(join(import.meta.dirname, '../../../src/risk/api/README.md'), 'utf8');
const lines = text
  .split('\n')
  .filter((line) => line.startsWith('    '))
  .map((line) => line.trim());
const client = makeClientSecret();
const rooms = realRooms();
let bench: ApiBench;

beforeAll(async () => {
  const clients = [{ id: 'shop', secret_sha256: client.sha256, roles: ['merchant' as const] }];
  bench = await ApiBench.start({ rooms: rooms.make, clients });
  await rooms.capture(50_000, 'r-7f3c');
}, 120_000);
afterAll(() => bench?.stop());

async function shell(line: string, env: Readonly<Record<string, string>>): Promise<string> {
  const { PATH = '/usr/bin:/bin' } = process.env;
  const { stdout } = await run('/bin/sh', ['-c', line], {
    env: { PATH, URL: bench.server.url, ...env },
    timeout: LIMIT_MS,
    cwd: bench.dir.path,
  });
  return stdout;
}

test('its table of roles is that of the code', () => {
  const rows = [...text.matchAll(/^\| (\w+) \| (.+) \|$/gm)].map(([, role, duty]) => [role, duty]);
  expect(Object.fromEntries(rows.filter(([role]) => role !== 'role'))).toEqual(ROLE_DUTIES);
});

test('its lines give what they say', async () => {
  const [login = '', ask = '', ...reads] = lines;
  const TOKEN = (await shell(`${login}; printf %s "$TOKEN"`, { CLIENT: `shop:${client.secret}` })).trim();
  const NOW = new Date(bench.clock.wallMs()).toISOString();
  const [, now = ''] = /`NOW=(.*?)`/.exec(text) ?? [];
  expect((await shell(`printf %s "${now}"`, {})).replaceAll(/[0-9]/g, '0')).toBe(NOW.replaceAll(/[0-9]/g, '0'));
  const decided = JSON.parse(await shell(ask, { TOKEN, NOW }));
  expect(decided).toMatchObject({ refund_id: 'r-7f3c', outcome: 'PAY', pay_now: true });
  bench.clock.advance(1_000);
  const env = {
    TOKEN,
    DECISION: decided.decision_id,
    AUDITOR: bench.token('auditor'),
    ANALYST: bench.token('analyst'),
  };
  const answers: string[] = [];
  for (const line of reads) answers.push(await shell(line, env));
  expect(reads).toHaveLength(10);
  const [again, told, replay, ledger, bundle, kept, holds, rates, byOperator, ready] = answers;
  expect(JSON.parse(again ?? '')).toEqual(decided);
  expect(JSON.parse(told ?? '').rules.length).toBeGreaterThan(10);
  expect(JSON.parse(replay ?? '')).toEqual({ same: true, decision: decided });
  expect(JSON.parse(ledger ?? '').timeline_total).toBe(3);
  expect(bundle).toBe('');
  expect(new Uint8Array(readFileSync(bench.dir.file('bundle.ndjson')))).toEqual(BUNDLE);
  expect(kept).toBe('');
  expect(new Uint8Array(readFileSync(bench.dir.file('r-7f3c.ndjson')))).toEqual(BUNDLE);
  expect(JSON.parse(holds ?? '')).toEqual({ holds: [] });
  expect(JSON.parse(rates ?? '')).toMatchObject({ refunds: 1 });
  expect(JSON.parse(byOperator ?? '')).toMatchObject({ groups: [{ name: 'desk-7', refunds: 1 }], groups_total: 1 });
  expect(JSON.parse(ready ?? '')).toMatchObject({ status: 'pass' });
}, 120_000);
