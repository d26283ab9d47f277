/** The service over real HTTP and real files: a whole enrolment, whoever abuses it, and what it never says. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyEnrolmentRecord } from '../../../src/evidence/wire/enrolment.ts';
import { envelopeOf } from '../../../src/evidence/wire/envelope.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { FileEnrolmentStore } from '../../../src/risk/enrolment/file-store.ts';
import type { Challenge } from '../../../src/risk/enrolment/messages.ts';
import { keyOf, serveEnrolments } from '../../../src/risk/enrolment/serve.ts';
import { type EnrolmentSettings, enrolmentSettingsSchema } from '../../../src/risk/enrolment/settings.ts';
import { newToken } from '../../../src/risk/enrolment/tokens.ts';
import { TestBox } from '../../support/test-box.ts';
import { LogLines, makeVendors, type Vendors } from '../../unit/enrolment/bench.ts';

let vendors: Vendors;
const running: (() => Promise<void>)[] = [];

beforeAll(() => {
  vendors = makeVendors();
});

afterAll(async () => {
  for (const stop of running) await stop();
  vendors.dir.remove();
});

let services = 0;

async function serve(http: object = {}, dataDir?: string) {
  services += 1;
  const settings: EnrolmentSettings = enrolmentSettingsSchema.parse({
    data_dir: dataDir ?? vendors.dir.file(`data-${services}`),
    name: 'enrolment.lockers.example',
    http: { port: 0, requests_per_minute: 10_000, ...http },
    operator_domains: ['lockers.example'],
    classes: ['hardware', 'software'],
    ek_roots: vendors.dir.file('roots'),
  });
  const log = new LogLines();
  const abort = new AbortController();
  let ready: (url: string) => void = () => undefined;
  const url = new Promise<string>((resolve) => {
    ready = resolve;
  });
  const done = serveEnrolments(settings, { logger: log, onReady: ready }, abort.signal);
  const stop = async (): Promise<void> => {
    abort.abort();
    await done;
  };
  running.push(stop);
  const store = await FileEnrolmentStore.open(settings.data_dir);
  return {
    settings,
    log,
    stop,
    url: await Promise.race([url, done.then(() => 'stopped')]),
    async token(gateway: string) {
      const made = newToken(gateway, Date.now() + 600_000);
      await store.addTokens([made.row]);
      return made.token;
    },
  };
}

async function post(url: string, body: unknown, token?: string) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(url, {
    method: 'POST',
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, text: await response.text() };
}

const reasonOf = (text: string): string => (JSON.parse(text) as { error: { reason: string } }).error.reason;

async function enrolOver(url: string, token: string, box: TestBox) {
  const begun = await post(`${url}/v1/enrolments`, box.request(), token);
  expect(begun.status).toBe(200);
  const challenge = JSON.parse(begun.text) as Challenge;
  const step = `${url}/v1/enrolments/${box.gateway}/${challenge.id}`;
  const answer = box.answer(challenge);
  return { challenge, step, answer, outcome: await post(step, answer) };
}

test('a box enrols over HTTP, and finds its record again when the answer was lost', async () => {
  const service = await serve();
  const box = vendors.certified(new TestBox('gw-0001'));
  const token = await service.token('gw-0001');
  const { step, answer, outcome } = await enrolOver(service.url, token, box);
  expect(outcome.status).toBe(200);
  const { record } = JSON.parse(outcome.text) as { record: unknown };
  const envelope = envelopeOf(record);
  const { key } = await keyOf(service.settings);
  expect(envelope && verifyEnrolmentRecord(nodeCrypto, envelope, key.vkey)).toMatchObject({
    ok: true,
    value: { class: 'hardware' },
  });
  const again = await post(step, answer);
  expect([again.status, reasonOf(again.text)]).toEqual([409, 'challenge_used']);
  expect(await (await fetch(step)).text()).toBe(outcome.text);
  // A service that starts anew knows it as well.
  await service.stop();
  const next = await serve({}, service.settings.data_dir);
  const later = await fetch(step.replace(service.url, next.url));
  expect(await later.text()).toBe(outcome.text);
  const used = await post(`${next.url}/v1/enrolments`, box.request(), token);
  expect([used.status, reasonOf(used.text)]).toEqual([409, 'token_used']);
});

describe('who abuses it', () => {
  test('with too large a body hears so, announced or not, and costs no memory', async () => {
    const { url, token } = await serve();
    const big = 'x'.repeat(100_000);
    const announced = await post(`${url}/v1/enrolments`, big, await token('gw-0001'));
    expect([announced.status, reasonOf(announced.text)]).toEqual([413, 'too_large']);
    const stream = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(16_384)),
    });
    const endless = await fetch(`${url}/v1/successors`, {
      method: 'POST',
      body: stream,
      duplex: 'half',
    } as RequestInit).then(
      (response) => response.status,
      () => 'cut',
    );
    expect([413, 'cut']).toContain(endless);
    expect((await post(`${url}/v1/enrolments`, {})).status).toBe(401);
  });

  test('by sending slowly is cut off', async () => {
    const { url } = await serve({ request_timeout_s: 1 });
    const { port } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write('POST /v1/enrolments HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{');
    const received = await new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (bytes) => {
        text += bytes.toString();
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(text));
    });
    expect(received === '' || received.startsWith('HTTP/1.1 4')).toBe(true);
    expect((await post(`${url}/v1/enrolments`, {})).status).toBe(401);
  });

  test('by asking too often waits', async () => {
    const { url } = await serve({ requests_per_minute: 5 });
    const answers: string[] = [];
    for (let i = 0; i < 30; i += 1) answers.push(reasonOf((await post(`${url}/v1/enrolments`, {})).text));
    expect(answers.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => 'token_missing'));
    expect(answers).toContain('too_many_requests');
  });

  test('by other paths and methods finds nothing', async () => {
    const { url } = await serve();
    for (const path of ['/', '/v1/enrolments/../../etc/passwd', '/v1/enrolments/gw-0001/%2e%2e', '/v1/gateways']) {
      expect((await fetch(`${url}${path}`)).status).toBe(404);
    }
    expect((await fetch(`${url}/v1/enrolments`, { method: 'DELETE' })).status).toBe(404);
    expect(reasonOf((await post(`${url}/v1/enrolments/GW/${'A'.repeat(22)}`, 'no json')).text)).toBe('body');
  });
});

test('neither tokens nor secrets stand in the log, in answers to others, or on the disk', async () => {
  const service = await serve();
  const box = vendors.certified(new TestBox('gw-0001'));
  const token = await service.token('gw-0001');
  const wrong = 'w'.repeat(43);
  const answers = [await post(`${service.url}/v1/enrolments`, box.request(), wrong)];
  const spoiled = await post(
    `${service.url}/v1/enrolments`,
    box.request({ srk_name: `000b${'00'.repeat(32)}` }),
    token,
  );
  const { challenge, outcome } = await enrolOver(service.url, token, box);
  answers.push(spoiled, outcome, await post(`${service.url}/v1/enrolments`, box.request(), token));
  await service.stop();
  const secret = Buffer.from(box.activate(challenge));
  const hidden = [token, wrong, secret.toString('base64'), secret.toString('hex'), secret.toString('base64url')];
  const texts = [...service.log.lines, ...answers.map(({ text }) => text), ...filesUnder(service.settings.data_dir)];
  expect(texts.length).toBeGreaterThan(8);
  // The search finds what is there: in the log, in an answer, on the disk.
  service.log.info({ token }, 'planted');
  writeFileSync(join(service.settings.data_dir, 'planted'), secret.toString('base64'));
  const planted = [...service.log.lines, ...filesUnder(service.settings.data_dir)];
  expect(planted.filter((text) => hidden.some((each) => text.includes(each)))).toHaveLength(2);
  expect(texts.filter((text) => hidden.some((each) => text.includes(each)))).toEqual([]);
});

function filesUnder(path: string): readonly string[] {
  const names = readdirSync(path, { recursive: true }).map((name) => join(path, String(name)));
  return names.filter((name) => statSync(name).isFile()).map((name) => readFileSync(name, 'latin1'));
}

describe('beyond this machine', () => {
  test('it speaks TLS or does not start', () => {
    const at = (http: object) => enrolmentSettingsSchema.shape.http.safeParse({ port: 1, ...http }).success;
    expect(at({ host: '127.0.0.1' })).toBe(true);
    expect(at({ host: '::1' })).toBe(true);
    for (const host of ['0.0.0.0', '::', '192.0.2.1', '1270.0.0.1']) expect(at({ host })).toBe(false);
    expect(at({ host: '0.0.0.0', tls: { cert_file: '/c', key_file: '/k' } })).toBe(true);
  });

  test('with a certificate it answers over TLS', async () => {
    const [certFile, keyFile] = [vendors.dir.file('tls.crt'), vendors.dir.file('tls.key')];
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '9'];
    const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
    execFileSync('openssl', [...args, ...name, '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' });
    const { url } = await serve({ tls: { cert_file: certFile, key_file: keyFile } });
    expect(url).toMatch(/^https:/);
    const status = await new Promise((resolve, reject) => {
      const ask = httpsRequest(`${url}/v1/enrolments`, { method: 'POST', ca: readFileSync(certFile) }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      ask.on('error', reject);
      ask.end('{}');
    });
    expect(status).toBe(401);
  });
});
