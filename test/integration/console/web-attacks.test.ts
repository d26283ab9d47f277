/** The page's server against whoever is not, or not yet, or no longer, allowed: by session, role, origin, host and rate. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { consoleSettingsSchema } from '../../../src/edge/console/settings.ts';
import { CSP } from '../../../src/edge/console/web/console-web.ts';
import { ENDPOINTS } from '../../../src/edge/console/web/endpoints.ts';
import type { ConsoleRole } from '../../../src/edge/contracts/console-view.ts';
import { codeOf, PASSWORD, PEOPLE } from '../../support/console-bench.ts';
import { codeIn, type Page, sessionCookie, WebBench } from '../../support/console-web.ts';
import { until } from '../../support/until.ts';

const SESSION_S = 600;
const IDLE_S = 120;
const ROLES: readonly ConsoleRole[] = ['viewer', 'technician', 'administrator'];
const BODIES: Readonly<Record<string, unknown>> = {
  '/api/sign-in': { person: 'viewer-1', password: PASSWORD },
  '/api/second-factor': { code: '123456' },
  '/api/act': { verb: 'open', compartment: 'A1' },
  '/api/commission': { compartments: ['A1'] },
  '/api/pair': { device: 'board-1' },
};
/** What changes the session is asked last. */
const LAST = ['/api/second-factor', '/api/sign-out'];

let bench: WebBench;

beforeAll(() => {
  bench = new WebBench({ web: { session_s: SESSION_S, idle_s: IDLE_S } });
});
afterAll(() => bench?.close());

function personOf(role: ConsoleRole): string {
  return Object.entries(PEOPLE).find(([, each]) => each === role)?.[0] ?? '';
}

async function statusOf(path: string, method: string, who?: Page): Promise<number> {
  const response =
    method === 'GET'
      ? await bench.ask(path, { headers: { cookie: who?.cookie } })
      : await bench.post(path, BODIES[path] ?? {}, who);
  await response.body?.cancel();
  return response.status;
}

const table = [...ENDPOINTS].sort((a, b) => LAST.indexOf(a.path) - LAST.indexOf(b.path));

describe('every endpoint by every role, as the table of the server has them', () => {
  test.each(table)(
    '$method $path answers nobody who is not signed in, but to sign in',
    async ({ method, path, access }) => {
      expect(await statusOf(path, method)).toBe(access === 'public' ? 200 : 401);
      const forged: Page = { cookie: `latchkey_session=${'A'.repeat(43)}`, csrf: 'A'.repeat(43) };
      expect(await statusOf(path, method, forged)).toBe(access === 'public' ? 200 : 401);
    },
  );

  test.each(ROLES)('%s', async (role) => {
    const plain = await bench.page(personOf(role));
    const shown = await bench.elevated(personOf(role));
    for (const endpoint of table) {
      const { path, method, access } = endpoint;
      if (access === 'public') continue;
      const isAllowed = access.includes(role);
      const needsFactor = endpoint.factor || (path === '/api/second-factor' && role === 'viewer');
      expect([path, await statusOf(path, method, plain)]).toEqual([path, isAllowed && !needsFactor ? 200 : 403]);
      const hasFactor = role !== 'viewer' || !needsFactor;
      expect([path, await statusOf(path, method, shown)]).toEqual([path, isAllowed && hasFactor ? 200 : 403]);
    }
    bench.scheduler.advance(60_000);
  });

  test('resuming is for administrators alone, also for a technician who showed a code', async () => {
    const technician = await bench.elevated('tech-1');
    const asked = bench.asked.length;
    expect(await codeIn(await bench.post('/api/act', { verb: 'resume' }, technician))).toBe('role');
    expect(bench.asked).toHaveLength(asked);
    const chief = await bench.elevated('chief-1');
    expect((await bench.post('/api/act', { verb: 'resume' }, chief)).status).toBe(200);
    expect(bench.asked.at(-1)).toEqual(['act', 'chief-1', 'ticket of chief-1', { verb: 'resume' }]);
    bench.scheduler.advance(60_000);
  });

  test('an act that the daemon does not believe asks for a code again', async () => {
    const page = await bench.elevated('tech-2');
    bench.refuseTickets = true;
    expect(await codeIn(await bench.post('/api/act', { verb: 'recount' }, page))).toBe('second_factor');
    bench.refuseTickets = false;
    expect(await codeIn(await bench.post('/api/act', { verb: 'recount' }, page))).toBe('second_factor');
    bench.scheduler.advance(60_000);
  });

  test('a code counts for five minutes, and for its session alone', async () => {
    const page = await bench.elevated('tech-1');
    const other = await bench.page('tech-1');
    expect(await codeIn(await bench.post('/api/act', { verb: 'recount' }, other))).toBe('second_factor');
    for (let i = 0; i < 4; i += 1) {
      bench.scheduler.advance(60_000);
      expect((await bench.post('/api/act', { verb: 'recount' }, page)).status).toBe(200);
    }
    bench.scheduler.advance(60_000);
    expect(await codeIn(await bench.post('/api/act', { verb: 'recount' }, page))).toBe('second_factor');
    bench.scheduler.advance(60_000);
  });
});

describe('a page of somebody else', () => {
  test('that has a browser send a request is refused by origin, by its words, and by the header that it does not know', async () => {
    const page = await bench.page('tech-1');
    const sent = bench.asked.length;
    const post = async (headers: Readonly<Record<string, string | undefined>>) =>
      codeIn(await bench.post('/api/second-factor', { code: '123456' }, page, headers));
    expect(await post({ origin: 'https://evil.example' })).toBe('wrong_origin');
    expect(await post({ origin: 'null' })).toBe('wrong_origin');
    expect(await post({ 'sec-fetch-site': 'cross-site' })).toBe('wrong_origin');
    expect(await post({ 'sec-fetch-site': 'same-site' })).toBe('wrong_origin');
    expect(await post({ 'x-latchkey-csrf': undefined })).toBe('csrf');
    expect(await post({ 'x-latchkey-csrf': 'A'.repeat(43) })).toBe('csrf');
    expect(await post({ 'content-type': 'text/plain' })).toBe('unsupported_media_type');
    expect(await post({ 'content-type': 'application/x-www-form-urlencoded' })).toBe('unsupported_media_type');
    expect(bench.asked).toHaveLength(sent);
    expect((await bench.post('/api/second-factor', { code: '123456' }, page)).status).toBe(200);
  });

  test('cannot sign a browser in, either', async () => {
    const said = { person: 'viewer-1', password: PASSWORD };
    expect(await codeIn(await bench.post('/api/sign-in', said, undefined, { origin: 'https://evil.example' }))).toBe(
      'wrong_origin',
    );
    expect(await codeIn(await bench.post('/api/sign-in', said, undefined, { 'content-type': 'text/plain' }))).toBe(
      'unsupported_media_type',
    );
  });

  test('whose name was pointed here (DNS rebinding) is asked for another host, and gets nothing', async () => {
    const page = await bench.page('viewer-1');
    for (const host of [
      'evil.example',
      'evil.example:8080',
      '10.0.0.7:8080',
      '127.0.0.1.evil.example',
      '',
      'a b',
      '[::1',
    ]) {
      const response = await bench.ask('/api/session', { headers: { cookie: page.cookie, host } });
      expect([host, response.status]).toEqual([host, 421]);
    }
    for (const host of ['localhost:8080', '127.0.0.1', '127.0.0.1:9']) {
      expect((await bench.ask('/api/session', { headers: { cookie: page.cookie, host } })).status).toBe(200);
    }
  });

  test('a name of the settings is ours, whoever listens on all addresses has all of them', async () => {
    const tls = { cert_file: '/etc/latchkey/cert.pem', key_file: '/etc/latchkey/key.pem' };
    const other = new WebBench({ web: { host: '0.0.0.0', tls, names: ['locker.example'] } });
    const statuses = async (host: string) => (await other.ask('/api/session', { headers: { host } })).status;
    expect(await statuses('locker.example:8443')).toBe(401);
    expect(await statuses('192.168.1.20')).toBe(401);
    expect(await statuses('[fe80::1]:8443')).toBe(401);
    expect(await statuses('other.example')).toBe(421);
    other.close();
  });
});

describe('a session', () => {
  test('begins with a token that nobody chose, and the one before is over', async () => {
    const fixed = `latchkey_session=${'B'.repeat(43)}`;
    const said = { person: 'viewer-1', password: PASSWORD };
    const first = await bench.post('/api/sign-in', said, undefined, { cookie: fixed });
    const cookie = sessionCookie(first);
    expect(cookie).toMatch(/^latchkey_session=[A-Za-z0-9_-]{43}$/);
    expect(cookie).not.toBe(fixed);
    expect((await bench.ask('/api/session', { headers: { cookie: fixed } })).status).toBe(401);
    const second = await bench.post('/api/sign-in', said, undefined, { cookie });
    expect((await bench.ask('/api/session', { headers: { cookie } })).status).toBe(401);
    const next = sessionCookie(second);
    expect((await bench.ask('/api/session', { headers: { cookie: next } })).status).toBe(200);
  });

  test('has a cookie that no script reads and no other site sends, and under TLS no other wire', async () => {
    const said = { person: 'viewer-1', password: PASSWORD };
    const response = await bench.post('/api/sign-in', said);
    for (const line of response.headers.getSetCookie()) expect(line).toMatch(/; HttpOnly; SameSite=Strict$/);
    const tls = { cert_file: '/etc/latchkey/cert.pem', key_file: '/etc/latchkey/key.pem' };
    const secure = new WebBench({ web: { tls } });
    const lines = (await secure.post('/api/sign-in', said)).headers.getSetCookie();
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line).toMatch(/; Secure$/);
    secure.close();
  });

  test('ends by idleness, which looking on does not put off, and by age whatever is done', async () => {
    const idle = await bench.page('viewer-1');
    const live = await bench.ask('/api/live', { headers: { cookie: idle.cookie } });
    const reader = live.body?.getReader();
    bench.scheduler.advance((IDLE_S - 1) * 1_000);
    expect((await bench.ask('/api/session', { headers: { cookie: idle.cookie } })).status).toBe(200);
    bench.scheduler.advance(2_000);
    expect((await bench.ask('/api/session', { headers: { cookie: idle.cookie } })).status).toBe(401);
    let told = '';
    for (let next = await reader?.read(); next?.done === false; next = await reader?.read()) {
      told += new TextDecoder().decode(next.value as Uint8Array);
    }
    expect(told).toContain('event: ended');

    const busy = await bench.page('viewer-1');
    const alive = () => bench.ask('/api/journal', { headers: { cookie: busy.cookie } });
    for (let passedS = 0; passedS + 60 < SESSION_S; passedS += 60) {
      bench.scheduler.advance(60_000);
      expect((await alive()).status).toBe(200);
    }
    bench.scheduler.advance(60_000);
    expect((await alive()).status).toBe(401);
  });

  test('is over when its person signs out, for its streams too', async () => {
    const page = await bench.page('viewer-1');
    const live = await bench.ask('/api/live', { headers: { cookie: page.cookie } });
    const said = await bench.post('/api/sign-out', {}, page);
    expect(said.headers.getSetCookie().join()).toContain('Max-Age=0');
    expect(await live.text()).toContain('event: ended');
    expect((await bench.ask('/api/session', { headers: { cookie: page.cookie } })).status).toBe(401);
  });

  test('is over for an act that waits for its turn, too', async () => {
    const [page, other] = [await bench.elevated('tech-1'), await bench.elevated('tech-1')];
    let release: () => void = () => undefined;
    bench.actsHeld = new Promise((resolve) => {
      release = resolve;
    });
    const acts = () => bench.asked.filter(([verb]) => verb === 'act').length;
    const before = acts();
    const running = ['A1', 'A2'].map((compartment) => bench.post('/api/act', { verb: 'open', compartment }, other));
    await until('two acts at the daemon', () => acts() === before + 2);
    const waiting = bench.post('/api/act', { verb: 'open', compartment: 'A3' }, page);
    // Its body is read by then: what is asked after it is answered after it.
    await bench.post('/api/act', { verb: 'none' }, page);
    await bench.post('/api/sign-out', {}, page);
    release();
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await waiting).status).toBe(401);
    expect(acts()).toBe(before + 2);
    bench.actsHeld = Promise.resolve();
  });

  test('of one person is one of eight: the oldest gives way, others stay', async () => {
    const other = await bench.page('tech-2');
    const pages: Page[] = [];
    for (let i = 0; i < 9; i += 1) {
      pages.push(await bench.page('viewer-1'));
    }
    const statuses = await Promise.all(
      [...pages, other].map(async ({ cookie }) => (await bench.ask('/api/session', { headers: { cookie } })).status),
    );
    expect(statuses).toEqual([401, ...new Array(9).fill(200)]);
  });
});

test('guessing passwords: slow from one address, while a browser that is known still gets in', async () => {
  const other = new WebBench();
  const right = { person: 'tech-1', password: PASSWORD };
  const first = await other.post('/api/sign-in', right);
  const known = first.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ');
  const guess = async (n: number): Promise<number> =>
    (await other.post('/api/sign-in', { person: 'tech-1', password: `guess number ${n}` })).status;
  const statuses: number[] = [];
  for (let n = 0; n < 30; n += 1) statuses.push(await guess(n));
  expect(statuses.filter((status) => status === 401)).toHaveLength(10);
  expect(statuses.slice(10)).toEqual(new Array(20).fill(429));
  // The right one is not looked at either, from a browser that nobody knows, ...
  expect((await other.post('/api/sign-in', right)).status).toBe(429);
  // ... and whoever was here before, or is elsewhere, or waits, is not kept out.
  expect((await other.post('/api/sign-in', right, undefined, { cookie: known })).status).toBe(200);
  const body = JSON.stringify(right);
  const headers = { 'content-type': 'application/json' };
  expect((await other.ask('/api/sign-in', { method: 'POST', body, headers, address: '10.0.0.9' })).status).toBe(200);
  other.scheduler.advance(60_000);
  expect((await other.post('/api/sign-in', right)).status).toBe(200);
  // The cookie of one person is no other person's.
  for (let n = 0; n < 12; n += 1) await guess(n);
  const chief = { ...right, person: 'chief-1' };
  expect((await other.post('/api/sign-in', chief, undefined, { cookie: known })).status).toBe(429);
  other.close();
});

test('whoever is not known is answered like a wrong password', async () => {
  const other = new WebBench();
  const texts = await Promise.all(
    ['tech-1', 'nobody-here'].map(async (person) => {
      const response = await other.post('/api/sign-in', { person, password: 'guess number one' });
      return [response.status, await response.text()];
    }),
  );
  expect(texts[0]).toEqual(texts[1]);
  other.close();
});

test('no log line holds a password, a code, a token or a ticket', async () => {
  const code = codeOf(bench.dir.file('tech-1.totp'));
  const page = await bench.page('tech-1');
  await bench.post('/api/second-factor', { code }, page);
  await bench.post('/api/sign-in', { person: 'tech-1', password: `${PASSWORD}!` });
  const token = page.cookie.split('=')[1] ?? '';
  expect(token).toHaveLength(43);
  expect(bench.logged.length).toBeGreaterThan(3);
  const all = bench.logged.join('\n');
  for (const secret of [PASSWORD, code, token, page.csrf, 'ticket of', '$scrypt$']) expect(all).not.toContain(secret);
});

describe('what is no request of a page', () => {
  let page: Page | undefined;
  test.each([
    ['no JSON', '{"verb":'],
    ['a list', '[]'],
    ['another member', '{"verb":"open","compartment":"A1","force":true}'],
    ['a name with a slash', '{"verb":"open","compartment":"../A1"}'],
    ['a verb that is none', '{"verb":"constructor"}'],
    ['no minutes', '{"verb":"maintain","compartments":[],"minutes":0}'],
    ['too many compartments', JSON.stringify({ verb: 'maintain', compartments: new Array(17).fill('A1'), minutes: 5 })],
  ])('%s is refused before the daemon hears of it', async (_, body) => {
    page ??= await bench.elevated('tech-2');
    const asked = bench.asked.length;
    expect((await bench.post('/api/act', body, page)).status).toBe(400);
    expect(bench.asked).toHaveLength(asked);
  });

  test('a body of 16 KiB and more is not read', async () => {
    const page = await bench.elevated('tech-2');
    const body = JSON.stringify({ verb: 'open', compartment: 'A'.repeat(17_000) });
    expect((await bench.post('/api/act', body, page)).status).toBe(413);
  });

  test('a method that a path does not have, and a path that is none', async () => {
    const got = await bench.ask('/api/act');
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await bench.ask('/api/nothing')).status).toBe(404);
    expect((await bench.ask('/', { method: 'DELETE' })).status).toBe(405);
  });
});

test('no path reaches the disk: files come out of a table, and what is not in it is not there', async () => {
  const html = { bytes: Uint8Array.from(Buffer.from('<p>page')), type: 'text/html', etag: '"e"', isImmutable: false };
  const other = new WebBench({ files: new Map([['/', html]]) });
  expect(await (await other.ask('/')).text()).toBe('<p>page');
  expect((await other.ask('/', { headers: { 'if-none-match': '"e"' } })).status).toBe(304);
  for (const path of [
    '/../package.json',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/..%2f..%2fetc%2fpasswd',
    '/assets/',
    '//etc/passwd',
    '/__proto__',
    '/constructor',
    '/index.html%00.js',
  ]) {
    expect([path, (await other.ask(path)).status]).toEqual([path, 404]);
  }
  other.close();
});

test('every answer forbids scripts, frames and reads of other pages', async () => {
  for (const path of ['/', '/api/session', '/api/nothing']) {
    const { headers } = await bench.ask(path);
    expect(headers.get('content-security-policy')).toBe(CSP);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
    expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('cache-control')).toBe('no-store');
  }
  expect(CSP).not.toMatch(/unsafe|\*|http/);
});

test('a page that was not built is said so in words', async () => {
  const response = await bench.ask('/');
  expect([response.status, await response.text()]).toEqual([503, expect.stringContaining('the page is not built')]);
});

test('a person may have so many streams, and all persons together so many', async () => {
  const other = new WebBench({ web: { streams: 5, streams_per_person: 3 } });
  const [viewer, chief] = [await other.page('viewer-1'), await other.page('chief-1')];
  const open = async ({ cookie }: Page) => (await other.ask('/api/live', { headers: { cookie } })).status;
  const statuses: number[] = [];
  for (const who of [viewer, viewer, viewer, viewer, chief, chief, chief]) statuses.push(await open(who));
  expect(statuses).toEqual([200, 200, 200, 503, 200, 200, 503]);
  other.close();
});

test('settings without anybody who can sign in, or who acts without a second factor, are refused', () => {
  const person = { name: 'tech-1', role: 'technician', password_file: '/p' };
  expect(consoleSettingsSchema.safeParse({ people: [person] }).success).toBe(false);
  expect(consoleSettingsSchema.safeParse({ people: [{ ...person, role: 'viewer' }] }).success).toBe(true);
  const blind = { name: 'tech-1', role: 'technician', totp_file: '/t' };
  expect(consoleSettingsSchema.safeParse({ people: [blind] }).success).toBe(true);
  expect(consoleSettingsSchema.safeParse({ people: [blind], web: { port: 8080 } }).success).toBe(false);
});
