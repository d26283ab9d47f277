/** What a box and its service refuse each other, by name and with what to do; and an EK of the third template. */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSimulatedTpm, type SimulatedTpm, type TpmSnapshot } from '../../../simulators/tpm/tpm.ts';
import { base64url } from '../../../src/base/bytes.ts';
import { checkRecord } from '../../../src/edge/keys/enrolment-proof.ts';
import { TpmBox } from '../../../src/edge/keys/tpm-box.ts';
import { readIdentity } from '../../../src/edge/keys/tpm-identity.ts';
import { CreatePrimary } from '../../../src/edge/tpm/commands/object.ts';
import { permanent } from '../../../src/edge/tpm/entity.ts';
import type { Tpm } from '../../../src/edge/tpm/unit.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { TPM_RH } from '../../../src/tpm2/algorithms.ts';
import { EK_P256 } from '../../../src/tpm2/templates.ts';
import {
  boxSettings,
  type Changed,
  ENROLLING_GATEWAY,
  enrollBox,
  failureOf,
  type Passed,
  startMeddler,
  tpmKeys,
} from '../../support/enrolling-box.ts';
import { startTestService, type TestService } from '../../support/enrolment-service.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { makeAuthority } from '../../support/test-authority.ts';
import { EK_EXTENSIONS, TestCa } from '../../support/test-ca.ts';
import { testClient } from '../../support/tpm-box.ts';
import { tpm2 } from '../../support/tpm-tools.ts';

const GATEWAY = ENROLLING_GATEWAY;

let dir: TempDir;
let tpm: SimulatedTpm;
let fresh: TpmSnapshot;
let service: TestService;
let count = 0;

beforeAll(async () => {
  dir = makeTempDir('enrol-refused');
  tpm = await openSimulatedTpm({ dir: dir.file('chip') });
  fresh = tpm.snapshot();
  service = await startTestService(dir.file('service'), { roots: { emulated: rootsOf(tpm) } });
});

afterAll(async () => {
  await service.stop();
  await tpm.stop();
  dir.remove();
});

function rootsOf({ vendor }: SimulatedTpm): readonly string[] {
  return [vendor.rootPath, vendor.issuerPath];
}

async function freshBox() {
  count += 1;
  await tpm.restore(fresh);
  return boxSettings(dir.file(`box-${count}`), tpmKeys(tpm));
}

/** What the box says when the line to the service changes an answer. */
async function meddled(change: (passed: Passed) => Changed, at: Pick<TestService, 'url' | 'key' | 'token'> = service) {
  const settings = await freshBox();
  const line = await startMeddler(at, change);
  try {
    const token = await at.token(GATEWAY);
    return { said: await failureOf(enrollBox(settings, { url: line.url, key: at.key }, token)), token, settings };
  } finally {
    await line.close();
  }
}

const isStep = (step: 1 | 2, { path }: Passed): boolean => (path === '/v1/enrolments') === (step === 1);

test('a token that nobody gave out, one of another gateway', async () => {
  const settings = await freshBox();
  const wrong = base64url(new Uint8Array(32).fill(7));
  const said = await failureOf(enrollBox(settings, service, wrong));
  expect(said).toMatch(/\(token_wrong\).*ask whoever runs the service for a new token.*ENROLMENT_REFUSED/);
  const others = await failureOf(enrollBox(settings, service, await service.token('gw-0002')));
  expect(others).toMatch(/\(token_gateway\).*new token/);
});

test('a used token, a replayed answer, a second record for one log', async () => {
  const own = await startTestService(dir.file('used'), { roots: { emulated: rootsOf(tpm) } });
  const settings = await freshBox();
  const token = await own.token(GATEWAY);
  let answer: Passed | undefined;
  const line = await startMeddler(own, (passed) => {
    if (!isStep(1, passed)) answer = passed;
    return undefined;
  });
  await enrollBox(settings, { url: line.url, key: own.key }, token);
  await line.close();
  const again = await fetch(`${own.url}${answer?.path}`, { method: 'POST', body: answer?.request ?? '' });
  expect([again.status, await again.text()]).toEqual([409, expect.stringContaining('challenge_used')]);
  // The same box without its files: another log, and the token is spent.
  const copy = boxSettings(dir.file('copy'), tpmKeys(tpm));
  cpSync(join(settings.gateway.data_dir, 'keys', 'tpm.json'), join(copy.gateway.data_dir, 'keys', 'tpm.json'));
  expect(await failureOf(enrollBox(copy, own, token))).toMatch(/\(token_used\).*new token/);
  await own.stop();
});

test('a record of another exchange, replayed by whoever stands between', async () => {
  const first = await startTestService(dir.file('replay'), { roots: { emulated: rootsOf(tpm) }, escrow: false });
  let old = '';
  const kept = await startMeddler(first, (passed) => {
    if (!isStep(1, passed)) old = passed.body;
    return undefined;
  });
  const settings = await freshBox();
  await enrollBox(settings, { url: kept.url, key: first.key }, await first.token(GATEWAY));
  await kept.close();
  const { said } = await meddled((passed) => (isStep(1, passed) ? undefined : { status: 200, body: old }), first);
  expect(said).toMatch(/\(other_log\): the record is of log /);
  await first.stop();
});

test('a record that another service signed, or nobody', async () => {
  const settings = await freshBox();
  const stranger = await startTestService(dir.file('stranger'), { roots: { emulated: rootsOf(tpm) } });
  const asked = { url: service.url, key: stranger.key };
  const said = await failureOf(enrollBox(settings, asked, await service.token(GATEWAY)));
  expect(said).toMatch(/\(key\).*not signed by the enrolment service's key.*--service-key/);
  expect(existsSync(join(settings.gateway.data_dir, 'keys', 'enrolment.json'))).toBe(false);
  await stranger.stop();
});

test('a challenge that was made for another box', async () => {
  const { said } = await meddled((passed) => {
    if (!isStep(1, passed)) return undefined;
    const body = JSON.parse(passed.body) as { credential: { id_object: string } };
    const bytes = Buffer.from(body.credential.id_object, 'base64');
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    body.credential.id_object = bytes.toString('base64');
    return { status: 200, body: JSON.stringify(body) };
  });
  expect(said).toMatch(/expected a challenge that this TPM can open; found one for another box, or an altered one/);
});

test('answers that are none, too long, or repeat the token', async () => {
  const nothing = await meddled(() => ({ status: 200, body: '<html>' }));
  expect(nothing.said).toMatch(/found what is not a challenge: is it one\?/);
  const long = await meddled(() => ({ status: 200, body: 'x'.repeat(300_000) }));
  expect(long.said).toMatch(/an answer of more than 262144 bytes.*SERVICE_UNREACHABLE/);
  const { token } = nothing;
  const error = { reason: 'token_wrong', detail: `nobody knows ${token}` };
  const settings = await freshBox();
  const line = await startMeddler(service, () => ({ status: 401, body: JSON.stringify({ error }) }));
  const said = await failureOf(enrollBox(settings, { url: line.url, key: service.key }, token));
  expect(said).toMatch(/\(token_wrong\): its words are not repeated/);
  await line.close();
});

test('a service that does not answer, and one that is not there', async () => {
  const settings = await freshBox();
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const asked = { service: { url, timeoutMs: 300 } };
  const token = await service.token(GATEWAY);
  expect(await failureOf(enrollBox(settings, service, token, asked))).toMatch(/within 300 ms; found none.*TIMED_OUT/);
  const stop = AbortSignal.timeout(2_000);
  const endless = { service: { url }, signal: stop };
  await expect(enrollBox(settings, service, token, endless)).rejects.toMatchObject({ name: 'TimeoutError' });
  expect(stop.aborted).toBe(true);
  silent.closeAllConnections();
  await new Promise<void>((resolve) => silent.close(() => resolve()));
  const gone = { service: { url } };
  expect(await failureOf(enrollBox(settings, service, token, gone))).toMatch(/ECONNREFUSED.*SERVICE_UNREACHABLE/);
});

test('a service whose certificate nobody vouches for; http to another machine', async () => {
  const authority = makeAuthority(dir.path, 'tls');
  const other = makeAuthority(dir.path, 'other');
  const { certPath, keyPath } = authority.issue('service', { names: 'IP:127.0.0.1' });
  const roots = { emulated: rootsOf(tpm) };
  const tls = { cert_file: certPath, key_file: keyPath };
  const safe = await startTestService(dir.file('tls-service'), { roots, tls });
  const settings = await freshBox();
  const token = await safe.token(GATEWAY);
  const unknown = await failureOf(enrollBox(settings, safe, token));
  expect(unknown).toMatch(/found: .*certificate.*SERVICE_UNREACHABLE/);
  expect(unknown).toContain('--ca');
  const read = (path: string) => ({ url: safe.url, ca: readFileSync(path, 'utf8') });
  const wrong = { service: read(other.caPath) };
  expect(await failureOf(enrollBox(settings, safe, token, wrong))).toMatch(/certificate.*SERVICE_UNREACHABLE/);
  const plain = { service: { url: 'http://192.0.2.1:8443' } };
  expect(await failureOf(enrollBox(settings, safe, token, plain))).toMatch(/http, which is only for a loopback/);
  const right = { service: read(authority.caPath) };
  expect(await enrollBox(settings, safe, token, right)).toMatchObject({ state: 'enrolled' });
  await safe.stop();
});

test('the TPM of another box, or one that was cleared', async () => {
  const own = await startTestService(dir.file('foreign'), { roots: { emulated: rootsOf(tpm) } });
  const settings = await freshBox();
  await failureOf(enrollBox(settings, own, base64url(new Uint8Array(32))));
  const other = await openSimulatedTpm({ dir: dir.file('other-chip'), vendorDir: tpm.vendor.dir });
  // Once empty, once with another box's keys at the same places.
  for (const _ of [1, 2]) {
    const moved = boxSettings(settings.gateway.data_dir, tpmKeys(other));
    const said = await failureOf(enrollBox(moved, own, await own.token(GATEWAY)));
    expect(said).toMatch(/found another one, or one that was cleared \(SRK, AK, .*TPM_MISSING/);
    await failureOf(enrollBox(boxSettings(dir.file('other-box'), tpmKeys(other)), own, base64url(new Uint8Array(32))));
  }
  await other.stop();
  await own.stop();
});

async function onTpm<T>(work: (unit: Tpm) => Promise<T>): Promise<T> {
  const client = testClient(tpm.address);
  return client.run(work).finally(() => client.close());
}

/** The TPM's own certificates away, and this one in the place of P-256's, in an index larger than it. */
async function plantCertificate(der: Uint8Array): Promise<void> {
  for (const index of ['0x1c00002', '0x1c00016']) await tpm2(tpm, 'nvundefine', '-Q', '-C', 'p', index);
  writeFileSync(dir.file('ek.der'), der);
  const attributes = 'authread|ownerread|ownerwrite|no_da';
  await tpm2(tpm, 'nvdefine', '-Q', '-C', 'o', '-s', '1024', '-a', attributes, '0x1c0000a');
  await tpm2(tpm, 'nvwrite', '-Q', '-C', 'o', '-i', dir.file('ek.der'), '0x1c0000a');
}

async function ekP256(): Promise<KeyObject> {
  const area = await onTpm(async (unit) => {
    const { object } = await CreatePrimary(unit, permanent(TPM_RH.ENDORSEMENT), EK_P256);
    if (object.area.type !== 'ecc') throw new Error('a key on a curve');
    return object.area;
  });
  const whole = (part: Uint8Array): string => Buffer.from(part).toString('hex').padStart(64, '0');
  const [x, y] = [whole(area.unique.x), whole(area.unique.y)].map((text) =>
    Buffer.from(text, 'hex').toString('base64url'),
  );
  return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' }, format: 'jwk' });
}

test('an EK of P-256 (template L-2), made anew by its template, enrols; a certificate of another key does not', async () => {
  const ca = new TestCa(dir);
  const root = ca.authority('Vendor Root');
  const certified = (publicKey: KeyObject) => ca.certificate({ publicKey, issuer: root, extensions: EK_EXTENSIONS });
  const own = await startTestService(dir.file('p256'), { roots: { emulated: [root.certFile] } });
  const settings = await freshBox();
  await plantCertificate(certified(await ekP256()));
  const done = await enrollBox(settings, own, await own.token(GATEWAY));
  expect(done).toMatchObject({ state: 'enrolled', stored: { record: { class: 'emulated' } } });
  const others = await freshBox();
  await plantCertificate(certified(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey));
  const said = await failureOf(enrollBox(others, own, await own.token(GATEWAY)));
  expect(said).toMatch(/found one that certifies another key \(P-256 at 0x1c0000a\).*TPM_MISSING/);
  await own.stop();
});

test('a certificate of a chip vendor in a TPM that another maker made', async () => {
  const ca = new TestCa(dir);
  const root = ca.authority('Chip Root');
  const own = await startTestService(dir.file('chip-root'), { roots: { hardware: [root.certFile] } });
  const settings = await freshBox();
  await plantCertificate(ca.certificate({ publicKey: await ekP256(), issuer: root, extensions: EK_EXTENSIONS }));
  const said = await failureOf(enrollBox(settings, own, await own.token(GATEWAY)));
  expect(said).toMatch(/\(properties\): what the TPM says of itself disagrees with its attest or its certificate/);
  await own.stop();
});

test('a vendor whom the service does not know', async () => {
  const own = await startTestService(dir.file('other-roots'), {
    roots: { hardware: [new TestCa(dir).authority('Another Vendor').certFile] },
  });
  const settings = await freshBox();
  const said = await failureOf(enrollBox(settings, own, await own.token(GATEWAY)));
  expect(said).toMatch(/\(chain_unknown\).*ek_roots/);
  await own.stop();
});

test('each thing that a record says of another box is named', async () => {
  const own = await startTestService(dir.file('record'), { roots: { emulated: rootsOf(tpm) } });
  const settings = await freshBox();
  const done = await enrollBox(settings, own, await own.token(GATEWAY));
  if (done.state !== 'enrolled') throw new Error(done.state);
  const { record } = done.stored;
  const identity = readIdentity(join(settings.gateway.data_dir, 'keys', 'tpm.json'), nodeTpmCrypto);
  if (identity === undefined) throw new Error('a provisioned box');
  const box = new TpmBox(testClient(tpm.address), identity, nodeCrypto);
  const { gateway, challenge: id } = record;
  const same = { gateway, log: record.log.name, id, box, sealed: record.tpm?.sealed };
  expect(checkRecord(record, same)).toMatchObject({ ok: true });
  const changes = {
    other_gateway: { gateway: 'gw-0002' },
    other_log: { log: 'lockers.example/gw-0001/9-00000000' },
    other_exchange: { id: 'A'.repeat(22) },
    other_class: { box: undefined },
    other_tpm: { sealed: '000b' },
  };
  for (const [reason, change] of Object.entries(changes)) {
    expect(checkRecord(record, { ...same, ...change })).toMatchObject({ ok: false, reason });
  }
  for (const name of ['ak', 'ak_name', 'counter', 'login', 'srk'] as const) {
    const facts = record.tpm && { tpm: { ...record.tpm, [name]: 'another' } };
    expect(checkRecord({ ...record, ...facts }, same)).toMatchObject({ ok: false, reason: 'other_tpm' });
  }
  await own.stop();
});
