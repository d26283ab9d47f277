/** The commands as an operator meets them, as processes beside a running service. */
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Child } from '../../../simulators/demo/child-process.ts';
import { base64 } from '../../../src/base/bytes.ts';
import { parseEnrolmentFile } from '../../../src/evidence/verify/enrolled.ts';
import { parsePolicy } from '../../../src/evidence/verify/policy.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { seal, sealedBoxKey } from '../../../src/platform/sealed-box.ts';
import { type Challenge, escrowContext } from '../../../src/risk/enrolment/messages.ts';
import { runLatchkey, startLatchkey } from '../../support/child.ts';
import { TestBox } from '../../support/test-box.ts';
import { until } from '../../support/until.ts';
import { makeVendors, type Vendors } from '../../unit/enrolment/bench.ts';

let vendors: Vendors;
let child: Child;
let url = '';
const escrow = generateKeyPairSync('x25519');
const lines: string[] = [];
const config = (): string => vendors.dir.file('enrolments.yaml');

async function latchkey(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await runLatchkey(['enrolments', ...args, '--config', config()]);
  if (code !== 0) throw new Error(`exit code ${code}: ${err}`);
  return out;
}

beforeAll(async () => {
  vendors = makeVendors();
  const spki = escrow.publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
  const settings = [
    `data_dir: ${vendors.dir.file('data')}`,
    'name: enrolment.lockers.example',
    'http: { port: 0 }',
    'operator_domains: [lockers.example]',
    'classes: [hardware, software]',
    `ek_roots: ${vendors.dir.file('roots')}`,
    `escrow_key: ${spki}`,
  ];
  writeFileSync(config(), `${settings.join('\n')}\n`);
  child = startLatchkey(['enrolments', 'serve', '--config', config()], { onLine: (line) => lines.push(line) });
  await until('the service listens', () => lines.some((line) => line.includes('"url"')), 60_000);
  url = /"url":"([^"]+)"/.exec(lines.join('\n'))?.[1] ?? '';
});

afterAll(async () => {
  expect(await child.stop('SIGTERM', 60_000)).toMatchObject({ code: 0 });
  vendors.dir.remove();
});

async function enrol(box: TestBox, token: string) {
  const ask = async (path: string, body: unknown) => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    return (await response.json()) as Challenge & { state?: string };
  };
  const challenge = await ask('/v1/enrolments', box.request());
  const key = sealedBoxKey(Uint8Array.from(Buffer.from(challenge.escrow_key ?? '', 'base64')));
  if (key === undefined) throw new Error(JSON.stringify(challenge));
  const sealed = seal(key, escrowContext(box.gateway), Buffer.from('owner=1 lockout=2'));
  const answer = box.answer(challenge, {}, { escrow: base64(sealed) });
  const { state } = await ask(`/v1/enrolments/${box.gateway}/${challenge.id}`, answer);
  return { id: challenge.id, state };
}

test('tokens, an enrolment, a contradiction, a decision, a revocation, the policy', async () => {
  const tokens = new Map(
    (await latchkey('tokens', '--prefix', 'gw-', '--count', '3'))
      .trim()
      .split('\n')
      .map((line) => {
        const [gateway = '', token = ''] = line.split(',');
        return [gateway, token] as const;
      }),
  );
  expect([...tokens.keys()]).toEqual(['gw-0001', 'gw-0002', 'gw-0003']);
  const box = vendors.certified(new TestBox('gw-0001'));
  expect(await enrol(box, tokens.get('gw-0001') ?? '')).toMatchObject({ state: 'enrolled' });
  // The TPM turns up in another gateway.
  const moved = vendors.certified(new TestBox('gw-0002'));
  Object.assign(moved, { ak: box.ak });
  const { id, state } = await enrol(moved, tokens.get('gw-0002') ?? '');
  expect(state).toBe('pending');
  expect(await latchkey('list')).toContain(`WAITS ${id}: this AK is enrolled at another gateway`);
  expect(Object.keys(await policyLogs())).toEqual([box.log.vkey.name]);
  await latchkey('approve', 'gw-0002', id, '--by', 'A. Person', '--why', 'board was swapped');
  expect(Object.keys(await policyLogs())).toEqual([box.log.vkey.name, moved.log.vkey.name]);
  expect(await latchkey('show', 'gw-0002')).toContain('board was swapped');
  const records = await latchkey('records', 'gw-0001');
  expect(records.trim().split('\n')).toHaveLength(1);
  expect(parseEnrolmentFile(Buffer.from(records))).toMatchObject({ ok: true });
  expect(records).not.toContain(base64(box.ekCert).slice(0, 60));
  for (const command of ['show', 'records']) {
    await expect(latchkey(command, 'gw-0009')).rejects.toThrow(/exit code 2: .*ENROLMENT_UNKNOWN/s);
  }
  await latchkey('revoke', 'gw-0001', box.log.vkey.name, '--size', '0', '--by', 'A. Person');
  expect((await policyLogs())[box.log.vkey.name]).toMatchObject({ revokedAt: { size: 0 } });
  const keyFile = vendors.dir.file('escrow.pem');
  writeFileSync(keyFile, escrow.privateKey.export({ format: 'pem', type: 'pkcs8' }));
  expect(await latchkey('escrow', 'gw-0001', '--key', keyFile)).toBe('owner=1 lockout=2');
  const serviceKey = (await latchkey('serve', '--show-key')).trim();
  expect(lines.join('\n')).toContain(`latchkey enroll --service URL --service-key ${serviceKey} --token-file FILE`);
  for (const secret of tokens.values()) expect(lines.join('\n')).not.toContain(secret);
});

async function policyLogs() {
  const policy = parsePolicy(nodeCrypto, Buffer.from(await latchkey('policy')));
  if (!policy.ok) throw new Error(JSON.stringify(policy.problems));
  return Object.fromEntries(policy.value.logs);
}

test('a list of gateways becomes a list of tokens; what is no gateway becomes a refusal', async () => {
  const list = vendors.dir.file('gateways.txt');
  writeFileSync(list, '# Berlin\nbox-a\n\nbox-b\n');
  expect(await latchkey('tokens', '--gateways', list)).toMatch(/^box-a,[A-Za-z0-9_-]{43}\nbox-b,[A-Za-z0-9_-]{43}\n?$/);
  for (const text of ['box-a\nbox-a\n', 'Box\n', '\n']) {
    writeFileSync(list, text);
    await expect(latchkey('tokens', '--gateways', list)).rejects.toThrow('exit code 64');
  }
  await expect(latchkey('approve', 'gw-0001', 'A'.repeat(22), '--by', 'x')).rejects.toThrow('that waits');
  await expect(latchkey('revoke', 'gw-0001', 'x', '--by', 'x')).rejects.toThrow('--size is needed');
});
