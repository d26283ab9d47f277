/**
 * The whole circle, as processes: token, enrolment, anchors, a rotation that the AK vouches for, policy, verdict. And
 * nothing secret of it in any output, file or export.
 */
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { connectAsync } from 'mqtt';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { GatewayStatus } from '../../src/edge/gateway/status.ts';
import { serviceVkey } from '../../src/edge/keys/enrolment-file.ts';
import { readPolicyFile } from '../../src/edge/keys/policy-authority.ts';
import { PCR_Extend } from '../../src/edge/tpm/commands/pcr.ts';
import type { LogFinding, Verdict } from '../../src/evidence/verify/verdict.ts';
import { isAttestedStatement } from '../../src/evidence/wire/attested-successor.ts';
import { verifyEnrolmentRecord } from '../../src/evidence/wire/enrolment.ts';
import { type Enrolment, parseEnrolment } from '../../src/evidence/wire/messages.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { nodeTpmCrypto } from '../../src/platform/tpm-crypto.ts';
import { TPM_ALG } from '../../src/tpm2/algorithms.ts';
import { runLatchkey } from '../support/child.ts';
import { startTestService, type TestService } from '../support/enrolment-service.ts';
import { secretsBelow, secretsIn, spellingsOf } from '../support/secret-search.ts';
import { testBox, testClient } from '../support/tpm-box.ts';
import { until } from '../support/until.ts';
import { anchored, makeTpmRig, type TpmRig } from './support/tpm-rig.ts';

let box: TpmRig;
let service: TestService;
let token = '';
let gateway = '';
/** Everything that a process said. */
const said: string[] = [];
/** Everything that left the box as a file. */
const exported: string[] = [];

const config = (): string => box.rig.dir.file('gateway.yaml');

async function latchkey(...args: readonly string[]): Promise<{ readonly code: number | null; readonly out: string }> {
  const { code, out, err } = await runLatchkey(args);
  said.push(out, err);
  return { code, out: `${out}${code === 0 ? '' : err}` };
}

async function enroll(...more: readonly string[]) {
  const asked = ['--config', config(), '--service', service.url, '--service-key', service.key];
  const { code, out } = await latchkey('enroll', ...asked, '--json', ...more);
  expect(code, out).toBe(0);
  return JSON.parse(out) as { state: string; class: string; log: string; record: string; told?: number };
}

beforeAll(async () => {
  box = await makeTpmRig({ board: true });
  const { vendor } = box.tpm;
  const roots = { emulated: [vendor.rootPath, vendor.issuerPath] };
  service = await startTestService(box.dir.file('service'), { roots });
  await box.rig.gateway.stop();
  said.push(...box.rig.gateway.lines('out'), ...box.rig.gateway.lines('err'));
});

afterAll(async () => {
  await service.stop();
  await box.close();
});

/** The retained message, as soon as it is as wanted. */
async function retained(wanted: (enrolment: Enrolment) => boolean = () => true): Promise<Enrolment> {
  const client = await connectAsync(`mqtt://127.0.0.1:${box.rig.broker.port}`);
  let found: Enrolment | undefined;
  client.on('message', (_topic, bytes) => {
    const parsed = parseEnrolment(Uint8Array.from(bytes));
    if (parsed.ok && wanted(parsed.value)) found = parsed.value;
  });
  try {
    await client.subscribeAsync(`latchkey/v1/+/${gateway}/enrolment`);
    await until('the retained enrolment is as wanted', () => found !== undefined, 60_000);
    if (found === undefined) throw new Error('seen a moment ago');
    return found;
  } finally {
    await client.endAsync(true);
  }
}

/** What the verifier says of a log under a policy. */
async function verdictUnder(policy: string, origin: string): Promise<{ verdict: Verdict; log: LogFinding }> {
  const [out, file] = [box.dir.file('export.ndjson'), box.dir.file('policy.json')];
  writeFileSync(file, policy);
  const done = await latchkey('journal', 'export', '--config', config(), '--log', origin, '--out', out);
  expect(done.code, done.out).toBe(0);
  exported.push(out);
  const { out: text } = await latchkey('verify', out, '--policy', file, '--json');
  const verdict = JSON.parse(text) as Verdict;
  const [log] = verdict.logs;
  if (log === undefined) throw new Error(text);
  return { verdict, log };
}

async function running(): Promise<GatewayStatus> {
  return box.rig.statusUntil('the daemon answers', () => true);
}

/** The same records, had a maker of chips vouched for this TPM: what the level then is rests on the anchors alone. */
const asHardware = (policy: string): string => policy.replaceAll('"class": "emulated"', '"class": "hardware"');

test('token, enrolment, policy, anchors, verdict: A0 for a TPM that can be copied, A2 for a chip', async () => {
  const { rig } = box;
  const file = box.dir.file('token');
  gateway = rig.gatewayData.split('/').at(-1) ?? '';
  token = await service.token(gateway);
  writeFileSync(file, `gw-other,${'A'.repeat(43)}\n${gateway},${token}\n`, { mode: 0o600 });
  const enrolled = await enroll('--token-file', file);
  expect(enrolled).toMatchObject({ state: 'enrolled', class: 'emulated', new: true });
  await rig.startGateway();
  const before = await anchored(rig, 0);
  rig.visit('a1');
  await anchored(rig, before + 1);
  await rig.settle();
  const { log } = await running();
  const policy = await service.policy(gateway);
  const emulated = await verdictUnder(policy, log.origin);
  expect(emulated.verdict.outcome).toBe('verified');
  expect(emulated.log.level).toBe('A0');
  expect(emulated.log.whyNotHigher.join()).toContain('emulated');
  const hardware = await verdictUnder(asHardware(policy), log.origin);
  expect(hardware.verdict.outcome).toBe('verified');
  expect(hardware.log).toMatchObject({ level: 'A2', anchors: { refused: [], continuity: [] } });
  const { record } = await retained();
  const vkey = serviceVkey(nodeCrypto, service.key);
  const verified = record && vkey && verifyEnrolmentRecord(nodeCrypto, record, vkey);
  expect(verified).toMatchObject({ ok: true, value: { gateway } });
});

test('the AK vouches for a rotated log: it is delivered, and keeps the level without another token', async () => {
  const { rig } = box;
  const first = (await running()).log;
  const policy = await service.policy(gateway);
  expect((await latchkey('journal', 'rotate', '--config', config())).code).toBe(0);
  await rig.statusUntil('the next log is open', ({ log }) => log.origin !== first.origin);
  const { successors } = await retained((enrolment) => enrolment.successors.some(isAttestedStatement));
  await rig.settle();
  const { log } = await running();
  const before = await anchored(rig, 0);
  rig.visit('a2');
  await anchored(rig, before + 1);
  await rig.settle();
  const attested = successors.filter(isAttestedStatement);
  const byLog = successors.filter((each) => !isAttestedStatement(each));
  const withStatements = (statements: readonly unknown[]): string =>
    asHardware(JSON.stringify({ ...JSON.parse(policy), successors: statements }, undefined, 2));
  const json = (envelope: (typeof successors)[number]) => ({
    payload: Buffer.from(envelope.payload).toString('base64'),
    payloadType: envelope.payloadType,
    signatures: envelope.signatures.map(({ keyid, sig }) => ({ keyid, sig: Buffer.from(sig).toString('base64') })),
  });
  // The old policy names the first log alone: with the AK's word the level goes on, with the log key's it does not.
  const kept = await verdictUnder(withStatements(attested.map(json)), log.origin);
  expect(kept.verdict.outcome).toBe('verified');
  expect(kept.log.level).toBe('A2');
  const lost = await verdictUnder(withStatements(byLog.map(json)), log.origin);
  expect(lost.log.level).toBe('A0');
  await rig.gateway.stop();
  said.push(...rig.gateway.lines('out'), ...rig.gateway.lines('err'));
  expect(await enroll()).toMatchObject({ state: 'enrolled', new: false, told: 2 });
  const state = await service.state(gateway);
  expect(state.logs.get(log.origin)).toMatchObject({ vouchedBy: 'ak', isContested: false });
  const exportedPolicy = await verdictUnder(asHardware(await service.policy(gateway)), log.origin);
  expect(exportedPolicy.log.level).toBe('A2');
});

test('tpm show and tpm approve: what is pinned, and a policy under which keys open', async () => {
  const shown = await latchkey('tpm', 'show', '--config', config(), '--json');
  expect(JSON.parse(shown.out)).toMatchObject({
    pinned: { agrees: true },
    permanent: { ownerAuthSet: true, lockoutAuthSet: true, disableClear: true },
    enrolment: { class: 'emulated' },
  });
  expect((await latchkey('tpm', 'show', '--config', config())).out).toMatch(/^pinned {5}this TPM$/m);
  const [key, policy] = [box.dir.file('authority.pem'), box.dir.file('pcr-policy.json')];
  writeFileSync(key, authorityPem());
  const approve = ['tpm', 'approve', '--config', config(), '--key', key, '--pcrs', '7,0,2,4', '--policy', policy];
  expect((await latchkey(...approve)).out).toContain('approved; 1 approvals');
  expect((await latchkey(...approve)).out).toContain('was approved before; 1 approvals');
  const authority = readPolicyFile(policy, nodeTpmCrypto);
  // A box that lost its files finds its keys in the TPM without the owner's authorisation, which it does not have.
  const client = testClient(box.tpm.address);
  try {
    const { store } = await testBox(client, box.dir.file('approved'), { authority });
    const signer = await store.create('lockers.example', 'gw-approved', 1);
    const again = await testBox(client, box.dir.file('approved'), { authority });
    expect((await again.store.open(signer.origin)).publicKey).toEqual(signer.publicKey);
    await client.run((unit) => PCR_Extend(unit, 7, [{ hashAlg: TPM_ALG.SHA256, digest: new Uint8Array(32) }]));
    const later = await testBox(client, box.dir.file('approved'), { authority });
    await expect(later.store.open(signer.origin)).rejects.toThrow(/none of 1 approvals/);
  } finally {
    await client.close();
  }
  expect((await latchkey(...approve.with(-1, key))).code).toBe(78);
  expect((await latchkey(...approve.with(7, '24'))).out).toContain('PCRs from 0 to 23');
});

test('nothing secret is in what processes said, in the files of the box, or in an export', async () => {
  const escrow = JSON.parse((await service.escrow(gateway)) ?? '{}') as { owner: string; lockout: string };
  const client = testClient(box.tpm.address);
  const { store } = await testBox(client, `${box.rig.gatewayData}/keys`);
  const [origin = ''] = await store.list();
  const seed = await store.unsealAside(store.sealed(origin));
  await client.close();
  const secrets = {
    token: Buffer.from(token),
    'token, decoded': Buffer.from(token, 'base64url'),
    owner: Buffer.from(escrow.owner, 'base64url'),
    lockout: Buffer.from(escrow.lockout, 'base64url'),
    seed: Buffer.from(seed.reveal()),
  };
  // First the search itself: it finds each secret in each spelling, whatever stands before it.
  for (const [name, secret] of Object.entries(secrets)) {
    const spellings = [secret, ...(['hex', 'base64', 'base64url'] as const).map((form) => secret.toString(form))];
    for (const planted of spellings) {
      writeFileSync(box.rig.gatewayData.concat('/planted'), Buffer.concat([Buffer.from('x'), Buffer.from(planted)]));
      expect(secretsBelow(box.rig.gatewayData, { [name]: secret })).toHaveLength(1);
    }
    const amid = Buffer.concat([Buffer.from('{"k":"'), secret, Buffer.from('"}')]).toString('base64');
    expect(secretsIn(Buffer.from(amid), { [name]: secret })).toEqual([name]);
    expect(spellingsOf(secret).length).toBeGreaterThan(6);
  }
  writeFileSync(box.rig.gatewayData.concat('/planted'), '');
  expect(said.join('\n').length).toBeGreaterThan(1_000);
  expect(exported.length).toBeGreaterThan(3);
  expect(secretsIn(Buffer.from(said.join('\n')), secrets)).toEqual([]);
  expect(secretsBelow(box.rig.gatewayData, secrets)).toEqual([]);
  const files = exported.map((path) => readFileSync(path));
  expect(secretsIn(Buffer.concat(files), secrets)).toEqual([]);
});

function authorityPem(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return String(privateKey.export({ format: 'pem', type: 'pkcs8' }));
}
