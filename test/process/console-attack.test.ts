/**
 * The console of a running daemon under attack: the daemon goes on recording every event, and the page's thread keeps its
 * bounds.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ConsoleBench, PASSWORD } from '../support/console-bench.ts';
import { DOORS } from '../support/opening-bench.ts';

const REQUEST_TIMEOUT_S = 2;
const CONNECTIONS = 64;
const STREAMS = 24;
const PER_PERSON = 12;
const ROUNDS_MIN = 4;
const ROUNDS_MAX = 200;
const ANSWERS_MIN = 50;

let bench: ConsoleBench;

beforeAll(async () => {
  bench = await ConsoleBench.make({
    request_timeout_s: REQUEST_TIMEOUT_S,
    connections: CONNECTIONS,
    streams: STREAMS,
    streams_per_person: PER_PERSON,
  });
  await bench.start();
});
afterAll(() => bench?.close());

function raw(): Socket {
  const { hostname, port } = new URL(bench.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  return socket;
}

/** What the server says to these bytes, until it or we end. */
function said(text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = raw();
    let all = '';
    socket.on('data', (chunk) => {
      all += chunk.toString();
    });
    socket.on('close', () => resolve(all));
    socket.write(text);
  });
}

const HOST = (): string => new URL(bench.url).host;

test('paths that climb, as they come over the wire, find nothing of the disk', async () => {
  const paths = [
    '/../../../../etc/passwd',
    '/..%2f..%2f..%2fetc/passwd',
    '/assets/../../package.json',
    '/%00',
    '//etc/passwd',
  ];
  for (const path of paths) {
    const answer = await said(`GET ${path} HTTP/1.1\r\nhost: ${HOST()}\r\nconnection: close\r\n\r\n`);
    expect([path, answer]).toEqual([path, expect.stringMatching(/^HTTP\/1\.1 (400|404|503) /)]);
    expect(answer).not.toMatch(/root:|"version"/);
  }
});

test('a request that never becomes whole is cut off, also one that sends a byte at a time', async () => {
  const began = performance.now();
  const head = `POST /api/sign-in HTTP/1.1\r\nhost: ${HOST()}\r\ncontent-type: application/json\r\n`;
  const socket = raw();
  const dripped = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  socket.write(head);
  const dripping = setInterval(() => socket.write('x'), 200);
  const body = said(`${head}content-length: 100\r\n\r\n{`);
  await Promise.all([dripped, body]);
  clearInterval(dripping);
  expect(performance.now() - began).toBeGreaterThan(REQUEST_TIMEOUT_S * 500);
});

test('headers and bodies beyond the bounds are refused', async () => {
  const big = await said(`GET / HTTP/1.1\r\nhost: ${HOST()}\r\nx-a: ${'a'.repeat(20_000)}\r\n\r\n`);
  expect(big).toMatch(/^HTTP\/1\.1 431 /);
  const visitor = bench.visitor();
  const body = { person: 'viewer-1', password: 'a'.repeat(1_000_000) };
  const answer = await visitor.ask('POST', '/api/sign-in', body).catch(() => undefined);
  expect(answer?.status ?? 413).toBe(413);
});

test('of 200 streams as many are open as may be, the others are told so, and closing gives them back', async () => {
  const [viewer, chief] = [await bench.signedIn('viewer-1'), await bench.signedIn('chief-1')];
  const leave = new AbortController();
  const statuses: number[] = [];
  for (let i = 0; i < 100; i += 1) {
    for (const who of [viewer, chief]) {
      const response = await who.raw('GET', '/api/live', undefined, {}, leave.signal);
      if (response.status !== 200) await response.body?.cancel();
      statuses.push(response.status);
    }
  }
  expect(statuses.filter((status) => status === 200)).toHaveLength(STREAMS);
  expect(statuses.filter((status) => status === 503)).toHaveLength(200 - STREAMS);
  leave.abort();
  let status = 0;
  const again = new AbortController();
  for (const endMs = performance.now() + 30_000; status !== 200 && performance.now() < endMs; ) {
    const response = await viewer.raw('GET', '/api/live', undefined, {}, again.signal);
    status = response.status;
    if (status !== 200) await response.body?.cancel();
  }
  again.abort();
  expect(status).toBe(200);
});

/** Threads of the daemon by name, with their niceness. */
function niceness(): ReadonlyMap<string, number> {
  const tasks = `/proc/${bench.daemon.pid}/task`;
  return new Map(
    readdirSync(tasks).map((tid) => {
      const stat = readFileSync(`${tasks}/${tid}/stat`, 'latin1');
      // proc(5): field 19, counted behind the name in brackets.
      return [tid, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])];
    }),
  );
}

test('its thread stands behind all others of the daemon', () => {
  const threads = niceness();
  // Whatever the tests themselves are started with.
  const own = threads.get(String(bench.daemon.pid)) ?? Number.NaN;
  expect([...threads.values()].filter((nice) => nice !== own)).toEqual([Math.min(19, own + 10)]);
});

test('under a flood of requests, sign-ins and slow connections every event of the doors is recorded, in order', async () => {
  const stop = new AbortController();
  const visitor = await bench.signedIn('viewer-1');
  const known = await bench.signedIn('chief-1');
  let answered = 0;
  const flood = async (ask: () => Promise<Response>): Promise<void> => {
    while (!stop.signal.aborted) {
      await ask().then(
        async (response) => {
          answered += 1;
          await response.arrayBuffer();
        },
        () => undefined,
      );
    }
  };
  const body = { person: 'tech-1', password: `${PASSWORD} no` };
  const floods = [
    ...new Array(6).fill(() => visitor.raw('GET', '/api/journal?limit=200', undefined, {}, stop.signal)),
    ...new Array(6).fill(() => visitor.raw('GET', '/', undefined, {}, stop.signal)),
    ...new Array(6).fill(() => bench.visitor().raw('POST', '/api/sign-in', body, {}, stop.signal)),
  ].map(flood);
  const slow = Array.from({ length: 30 }, raw);
  for (const socket of slow) socket.write('GET / HTTP/1.1\r\nhost');

  const before = (await bench.journal()).length;
  let rounds = 0;
  const moves = (entries: readonly { readonly compartment?: string; readonly type: string }[]) =>
    DOORS.map((name) =>
      entries.filter(({ compartment, type }) => compartment === name && /^door\./.test(type)).map(({ type }) => type),
    );
  for (; rounds < ROUNDS_MIN || (answered < ANSWERS_MIN && rounds < ROUNDS_MAX); rounds += 1) {
    for (const name of DOORS) bench.bench.site.open(name);
    await bench.untilDoors('open');
    for (const name of DOORS) bench.bench.site.shut(name);
    await bench.untilDoors('shut');
  }
  const asked = answered;
  stop.abort();
  await Promise.all(floods);
  for (const socket of slow) socket.destroy();
  expect(asked).toBeGreaterThanOrEqual(ANSWERS_MIN);
  const entries = (await bench.journal()).slice(before);
  const cycle = ['door.opened', 'door.closed'];
  expect(moves(entries)).toEqual(DOORS.map(() => Array.from({ length: rounds }, () => cycle).flat()));
  // Whoever was here before is not kept out by it.
  expect((await known.signIn('chief-1')).status).toBe(200);
});
