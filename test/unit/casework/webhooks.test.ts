/** Signed webhooks: the vectors of the Standard Webhooks libraries, secrets in files, and a server that misbehaves. */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { isEndpoint } from '../../../src/platform/http/endpoint.ts';
import { readWebhookSecret, signWebhook, webhookSigner } from '../../../src/risk/casework/webhook-secrets.ts';
import { webhooksSchema } from '../../../src/risk/casework/webhook-settings.ts';
import { WebhookSink } from '../../../src/risk/casework/webhook-sink.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

/** From the tests of its JavaScript and Go libraries. */
const ID = 'msg_p5jXN8AQM9LWM0D4loKWxJek';
const BODY = '{"test": 2432232314}';
const AT_S = 1_614_265_330;
const HMAC = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const HMAC_SIGNATURE = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=';
const ED25519 = 'whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=';
const ED25519_SIGNATURE =
  'v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==';

const dir = makeTempDir('webhooks');
const never = new AbortController().signal;
type Answer = (request: IncomingMessage, response: ServerResponse) => void;
let answer: Answer = (_, response) => response.end();
let heard: { readonly url: string; readonly headers: IncomingMessage['headers']; readonly body: string }[] = [];
let server: Server;
let origin = '';

beforeAll(async () => {
  mkdirSync(dir.path, { recursive: true });
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => void chunks.push(chunk));
    request.on('end', () => {
      heard.push({ url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() });
      answer(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  dir.remove();
});

function secretFile(name: string, text: string, mode = 0o600): string {
  writeFileSync(dir.file(name), `${text}\n`, { mode });
  chmodSync(dir.file(name), mode);
  return dir.file(name);
}

function sinkOf(more: { readonly secret_files?: readonly string[]; readonly timeout_s?: number } = {}): WebhookSink {
  const secret_files = more.secret_files ?? [secretFile('one', HMAC)];
  const endpoints = webhooksSchema.parse([
    { name: 'payments', url: `${origin}/hook`, actions: ['pay'], ...more, secret_files },
  ]);
  heard = [];
  return new WebhookSink({ endpoints, clock: new ManualScheduler(AT_S * 1_000 + 999) });
}

const PAY = { key: ID, action: 'pay', body: BODY } as const;

describe('a signature', () => {
  test('is that of the other libraries, by each secret', () => {
    const signers = [HMAC, ED25519].flatMap((secret) => webhookSigner(secret) ?? []);
    expect(signWebhook(signers, ID, AT_S, BODY)).toEqual({
      'webhook-id': ID,
      'webhook-timestamp': String(AT_S),
      'webhook-signature': `${HMAC_SIGNATURE} ${ED25519_SIGNATURE}`,
    });
  });

  test.for(['', 'whsec_', 'whsec_c2hvcnQ=', HMAC.slice(6), `${ED25519}AAAA`, 'whpk_VEVTVA=='])(
    'is made by no secret like %j',
    (text) => {
      expect(webhookSigner(text)).toBeUndefined();
    },
  );

  test('is made by no file that others may read, that is a link, or that holds something else', async () => {
    await expect(readWebhookSecret(secretFile('open', HMAC, 0o640))).rejects.toMatchObject({ code: 'KEY_PERMISSIONS' });
    symlinkSync(secretFile('target', HMAC), dir.file('link'));
    await expect(readWebhookSecret(dir.file('link'))).rejects.toMatchObject({ code: 'KEY_PERMISSIONS' });
    const refused = readWebhookSecret(secretFile('else', 'whsec_secret-of-somebody'));
    await expect(refused).rejects.toMatchObject({ code: 'KEY_LOST' });
    await expect(refused).rejects.not.toThrow(/secret-of-somebody/);
  });
});

describe('an endpoint', () => {
  test.for([
    ['https://pay.example/hook', true],
    ['http://127.0.0.1:8080/hook', true],
    ['http://localhost/hook', true],
    ['http://pay.example/hook', false],
    ['http://10.0.0.1/hook', false],
    ['https://user:word@pay.example/', false],
    ['https://pay.example/#part', false],
    ['file:///etc/passwd', false],
    ['pay.example', false],
  ] as const)('%s: %s', ([url, good]) => {
    expect(isEndpoint(url)).toBe(good);
  });

  test('stands in a queue of its own', () => {
    const one = { url: 'https://a.example/', secret_files: [secretFile('one', HMAC)] };
    const endpoints = webhooksSchema.parse([
      { ...one, name: 'payments', actions: ['pay', 'deny'] },
      { ...one, name: 'tickets', actions: ['ticket'] },
    ]);
    const { places, actions } = new WebhookSink({ endpoints, clock: new ManualScheduler(0) });
    expect(places).toEqual([['pay', 'deny'], ['ticket']]);
    expect(actions).toEqual(['pay', 'deny', 'ticket']);
  });

  test('takes no action that another takes', () => {
    const one = { name: 'a', url: 'https://a.example/', actions: ['pay'], secret_files: ['/a'] };
    expect(webhooksSchema.safeParse([one, { ...one, name: 'b' }]).success).toBe(false);
    expect(webhooksSchema.safeParse([one, { ...one, name: 'b', actions: ['ticket'] }]).success).toBe(true);
  });
});

describe('a command', () => {
  test('is sent whole and signed, with its key', async () => {
    answer = (_, response) => response.writeHead(202).end('thanks');
    expect(await sinkOf().deliver(PAY, never)).toEqual({ taken: true, said: 'payments: HTTP 202' });
    expect(heard).toMatchObject([
      {
        url: '/hook',
        body: BODY,
        headers: {
          'webhook-id': ID,
          'webhook-timestamp': String(AT_S),
          'webhook-signature': HMAC_SIGNATURE,
          'idempotency-key': ID,
          'content-type': 'application/json',
        },
      },
    ]);
  });

  test('is signed by both secrets while one is changed, and by the new one alone after, without a restart', async () => {
    answer = (_, response) => response.end();
    const old = secretFile('rotating', HMAC);
    const sink = sinkOf({ secret_files: [secretFile('next', ED25519), old] });
    await sink.deliver(PAY, never);
    writeFileSync(old, `${ED25519}\n`);
    await sink.deliver(PAY, never);
    expect(heard.map(({ headers }) => headers['webhook-signature'])).toEqual([
      `${ED25519_SIGNATURE} ${HMAC_SIGNATURE}`,
      `${ED25519_SIGNATURE} ${ED25519_SIGNATURE}`,
    ]);
  });

  test('that is refused says when it may be tried again', async () => {
    answer = (_, response) => response.writeHead(503, { 'retry-after': '7' }).end();
    expect(await sinkOf().deliver(PAY, never)).toEqual({
      taken: false,
      said: 'payments: HTTP 503',
      retryAfterMs: 7_000,
    });
  });

  test('follows no redirect', async () => {
    answer = (_, response) => response.writeHead(307, { location: `${origin}/elsewhere` }).end();
    expect(await sinkOf().deliver(PAY, never)).toEqual({ taken: false, said: 'payments: HTTP 307' });
    expect(heard.map(({ url }) => url)).toEqual(['/hook']);
  });

  test('to a server that switches protocols is not taken, and is waited for no longer', async () => {
    answer = (_, response) => response.writeHead(101, { connection: 'upgrade', upgrade: 'other' }).end();
    const said = 'payments: the connection ended without an answer';
    expect(await sinkOf().deliver(PAY, never)).toEqual({ taken: false, said });
  });

  test('reads no more of an answer than its bound, and waits no longer than its limit', async () => {
    answer = (_, response) => {
      response.writeHead(500);
      const more = (): void => {
        if (!response.destroyed) response.write(Buffer.alloc(65_536), () => setImmediate(more));
      };
      more();
      response.on('error', () => undefined);
    };
    expect(await sinkOf().deliver(PAY, never)).toEqual({ taken: false, said: 'payments: HTTP 500' });
    answer = () => undefined;
    expect(await sinkOf({ timeout_s: 1 }).deliver(PAY, never)).toEqual({
      taken: false,
      said: 'payments: no answer in time',
    });
  });

  test('ends with the service, and says nothing then', async () => {
    const stop = new AbortController();
    answer = () => stop.abort(new Error('the service stops'));
    await expect(sinkOf().deliver(PAY, stop.signal)).rejects.toThrow('the service stops');
  });

  test('that nobody takes, or whose server is away, is not taken', async () => {
    expect(await sinkOf().deliver({ ...PAY, action: 'ticket' }, never)).toMatchObject({ taken: false });
    const [endpoint] = webhooksSchema.parse([
      { name: 'gone', url: 'http://127.0.0.1:9/', actions: ['pay'], secret_files: [secretFile('gone', HMAC)] },
    ]);
    const endpoints = endpoint === undefined ? [] : [endpoint];
    const sink = new WebhookSink({ endpoints, clock: new ManualScheduler() });
    expect(await sink.deliver(PAY, never)).toMatchObject({ taken: false, said: expect.stringMatching(/^gone: /) });
  });
});
