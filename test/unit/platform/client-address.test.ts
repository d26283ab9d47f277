/** Whose request it is where proxies stand between, and who can make that somebody else's. */
import { request as httpRequest } from 'node:http';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { ClientAddress, canonicalAddress, isNetwork } from '../../../src/platform/http/client-address.ts';
import { startHttp } from '../../../src/platform/http/server.ts';
import { httpSettingsSchema } from '../../../src/platform/http/settings.ts';
import { TextLogger } from '../intake/harness.ts';

const PROXIES = ['10.0.0.0/8', '192.0.2.7', '2001:db8:1::/48', '::1'];
const behind = new ClientAddress({ trusted_proxies: PROXIES, forwarded_header: 'x-forwarded-for' });
const behindRfc = new ClientAddress({ trusted_proxies: PROXIES, forwarded_header: 'forwarded' });
const told = (client: ClientAddress, peer: string, headers: Record<string, string>): string => {
  const found = client.of(peer, new Headers(headers));
  return found.ok ? found.value : found.reason;
};
const xff = (peer: string, header: string): string => told(behind, peer, { 'x-forwarded-for': header });

describe('the client is', () => {
  test.for([
    ['the peer, whatever an untrusted one says', '198.51.100.9', '203.0.113.1', '198.51.100.9'],
    ['the one that a trusted proxy heard', '10.1.2.3', '203.0.113.1', '203.0.113.1'],
    ['the same over IPv6 sockets', '::ffff:10.1.2.3', '203.0.113.1', '203.0.113.1'],
    ['not whom the client itself named', '10.1.2.3', '203.0.113.66, 203.0.113.1', '203.0.113.1'],
    ['not a trusted one that the client named', '10.1.2.3', '10.9.9.9,203.0.113.1', '203.0.113.1'],
    ['behind a chain of trusted proxies', '10.1.2.3', '6.6.6.6, 203.0.113.1, 192.0.2.7, 10.200.0.1', '203.0.113.1'],
    ['the last untrusted of a chain', '10.1.2.3', '203.0.113.1, 192.0.2.8, 10.200.0.1', '192.0.2.8'],
    ['the farthest proxy where all are trusted', '10.1.2.3', '192.0.2.7, 10.200.0.1', '192.0.2.7'],
    ['of IPv6, in one spelling', '2001:db8:1::5', '2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['IPv4 where it is written as IPv6', '::1', '::FFFF:203.0.113.1', '203.0.113.1'],
    ['IPv4 where that is written in hex', '::1', '0:0:0:0:0:ffff:cb00:7101', '203.0.113.1'],
    ['behind a proxy that is named in IPv6 as IPv4', '::1', '203.0.113.1, ::ffff:10.0.0.1', '203.0.113.1'],
    ['the same with its port', '10.1.2.3', '203.0.113.1:51234', '203.0.113.1'],
    ['the same with its port in IPv6', '10.1.2.3', '[2001:db8::1]:443, [2001:db8:1::2]', '2001:db8::1'],
    ['whatever nonsense stands left of it', '10.1.2.3', '"; unknown, 203.0.113.1', '203.0.113.1'],
    ['the neighbour on the link, without its zone', 'fe80::1%eth0', '203.0.113.1', 'fe80::1'],
  ] as const)('%s', ([, peer, header, expected]) => {
    expect(xff(peer, header)).toBe(expected);
  });

  test('the proxy itself, where it names nobody', () => {
    expect(told(behind, '10.1.2.3', {})).toBe('10.1.2.3');
    expect(told(behind, '10.1.2.3', { forwarded: 'for=203.0.113.1' })).toBe('10.1.2.3');
    expect(told(behindRfc, '10.1.2.3', { 'x-forwarded-for': '203.0.113.1' })).toBe('10.1.2.3');
  });

  test('the peer where no proxy is trusted', () => {
    const alone = new ClientAddress({ trusted_proxies: [], forwarded_header: 'x-forwarded-for' });
    expect(told(alone, '127.0.0.1', { 'x-forwarded-for': '203.0.113.1' })).toBe('127.0.0.1');
  });

  test('as RFC 7239 section 4 writes it', () => {
    const cases: readonly [string, string][] = [
      ['for=192.0.2.43, for=198.51.100.17', '198.51.100.17'],
      ['For="[2001:db8:cafe::17]:4711"', '2001:db8:cafe::17'],
      ['for=192.0.2.60;proto=http;by=203.0.113.43', '192.0.2.60'],
      ['for=203.0.113.1;host="a,b;for=6.6.6.6"', '203.0.113.1'],
      ['host="x;for=6.6.6.6,for=7.7.7.7";for="203.0.113.1:8080", for=10.0.0.1', '203.0.113.1'],
    ];
    for (const [header, expected] of cases) expect(told(behindRfc, '10.1.2.3', { forwarded: header })).toBe(expected);
  });

  test('the last one that the proxy added, whatever came before it', () => {
    const words = fc.array(fc.constantFrom('10.0.0.1', '::1', ',', ' ', '"', ';', 'for=', '6.6.6.6', 'x'), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(words, (before) => {
        const client = before.join('').trim();
        expect(xff('10.1.2.3', `${client}, 203.0.113.1`)).toBe('203.0.113.1');
        expect(['203.0.113.1', 'forwarded_for']).toContain(
          told(behindRfc, '10.1.2.3', { forwarded: `${client}, for=203.0.113.1` }),
        );
      }),
    );
  });
});

describe('a header that a trusted proxy hands on is refused', () => {
  test.for([
    '',
    'unknown',
    '203.0.113.1,',
    '203.0.113',
    '203.0.113.256',
    '0313.0.113.1',
    '[203.0.113.1]',
    '[2001:db8::1',
    '2001:db8::1%eth0',
    '203.0.113.1:x',
    '203.0.113.1, 192.0.2.7, unknown, 10.0.0.1',
    'shop.example',
    '203.0.113.1 10.0.0.1',
    new Array(17).fill('10.0.0.1').join(','),
  ])('%s', (header) => {
    expect(xff('10.1.2.3', header)).toBe('forwarded_for');
    expect(xff('198.51.100.9', header)).toBe('198.51.100.9');
  });

  test.for([
    '203.0.113.1',
    'for=unknown',
    'for=_hidden',
    'for=2001:db8::1',
    'by=203.0.113.1',
    'for=203.0.113.1;for=10.0.0.1',
    'for="6.6.6.6, for=203.0.113.1',
    'for=6.6.6.6;x=", for="[2001:db8::1]"',
    'for=203.0.113.1;',
  ])('%s as RFC 7239 writes none', (header) => {
    expect(told(behindRfc, '10.1.2.3', { forwarded: header })).toBe('forwarded_for');
  });
});

test('settings name addresses and networks, and never all of them', () => {
  for (const text of ['127.0.0.1', '::1', '10.0.0.0/8', '2001:db8::/32', 'fe80::/10'])
    expect([text, isNetwork(text)]).toEqual([text, true]);
  for (const text of [
    '',
    '0.0.0.0/0',
    '::/0',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '::/129',
    'proxy',
    '10.0.0',
    '::ffff:10.0.0.0/104',
    'fe80::1%eth0',
  ]) {
    expect([text, isNetwork(text)]).toEqual([text, false]);
  }
  expect(httpSettingsSchema.safeParse({ port: 0, trusted_proxies: ['0.0.0.0/0'] }).success).toBe(false);
  expect([canonicalAddress('::ffff:1.2.3.4'), canonicalAddress('1.2.3'), canonicalAddress('1::2%e')]).toEqual([
    '1.2.3.4',
    undefined,
    undefined,
  ]);
});

test('a server counts each client behind its proxy by itself, and refuses what names nobody', async () => {
  const settings = httpSettingsSchema.parse({ port: 0, requests_per_minute: 2, trusted_proxies: ['127.0.0.1'] });
  const server = await startHttp({
    settings,
    handle: (_, address) => new Response(address),
    tooMany: (_, address) => new Response(address, { status: 429 }),
    clock: new ManualScheduler(),
    logger: new TextLogger(),
  });
  const ask = (headers: Record<string, string | string[]>): Promise<readonly [number | undefined, string]> =>
    new Promise((resolve, reject) => {
      const asked = httpRequest({ host: '127.0.0.1', port: server.port, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve([response.statusCode, text]));
      });
      asked.on('error', reject);
      asked.end();
    });
  const from = (address: string) => ask({ 'x-forwarded-for': address });
  for (const status of [200, 200, 429]) expect(await from('203.0.113.1')).toEqual([status, '203.0.113.1']);
  expect(await from('203.0.113.2')).toEqual([200, '203.0.113.2']);
  // One subscriber has a whole /64, and the header may stand there twice.
  for (const [at, status] of [200, 200, 429].entries()) {
    expect(await ask({ 'x-forwarded-for': ['6.6.6.6', `2001:DB8:0:1::${at}`] })).toEqual([status, '2001:db8:0:1']);
  }
  expect(await from('somebody')).toEqual([400, expect.stringContaining('expected the address of who asked')]);
  expect(await ask({})).toEqual([200, '127.0.0.1']);
  await server.close();
});
