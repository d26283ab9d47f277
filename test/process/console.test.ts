/** The console of a running daemon, over HTTP: people sign in, look, show a code, and act; the journal says who did what. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ConsoleView, JournalPage, SessionView, WalkLine } from '../../src/edge/contracts/console-view.ts';
import { ConsoleBench, type Visitor } from '../support/console-bench.ts';
import { DOORS, GATEWAY, RAW_DOOR } from '../support/opening-bench.ts';
import { until } from '../support/until.ts';

let bench: ConsoleBench;

beforeAll(async () => {
  // Nothing but the gateway lets the first door open: if it opens otherwise, it is forced.
  const compartments = [...DOORS, RAW_DOOR].map((name, i) => {
    const commissioned = name === RAW_DOOR ? {} : { polarity: 'closed_is_1', controlled: name === 'A1' };
    return { name, device: 'board-1', channel: i + 1, ...commissioned };
  });
  bench = await ConsoleBench.make({}, { custody: { compartments } });
  await bench.start();
});
afterAll(() => bench?.close());

/** Events of the stream as they come, until it ends or is left. */
async function listen(response: Response, hear: (event: string, value: unknown) => void): Promise<void> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const next = await reader?.read();
    if (next === undefined || next.done) return;
    rest += next.value;
    const whole = rest.split('\n\n');
    rest = whole.pop() ?? '';
    for (const each of whole) {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(each) ?? [];
      if (event !== undefined) hear(event, JSON.parse(data ?? 'null'));
    }
  }
}

test('a technician signs in, sees the wall, opens a door with a code, and the journal names both', async () => {
  const visitor = await bench.signedIn('tech-1');
  const { body } = await visitor.ask('GET', '/api/session');
  expect(body).toMatchObject({ person: 'tech-1', role: 'technician', elevatedForS: 0 } satisfies Partial<SessionView>);

  const heard: [string, unknown][] = [];
  const leave = new AbortController();
  const stream = await visitor.raw('GET', '/api/live', undefined, {}, leave.signal);
  expect([stream.status, stream.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  const listening = listen(stream, (event, value) => heard.push([event, value])).catch(() => undefined);
  const views = () => heard.flatMap(([event, value]) => (event === 'view' ? [value as ConsoleView] : []));
  await until('a view', () => views().length > 0);
  expect(views()[0]).toMatchObject({ gateway: GATEWAY, assurance: 'A0' });
  expect(views()[0]?.compartments.map(({ name, door }) => [name, door])).toEqual([
    ...DOORS.map((name) => [name, 'shut']),
    ['A4', 'unknown'],
  ]);

  const asked = { verb: 'open', compartment: 'A1' };
  expect(await visitor.ask('POST', '/api/act', asked)).toMatchObject({
    status: 403,
    body: { type: 'urn:latchkey:problem:second_factor' },
  });
  const code = bench.code('tech-1');
  expect(await visitor.ask('POST', '/api/second-factor', { code })).toMatchObject({ status: 200 });
  expect(await visitor.ask('POST', '/api/act', asked)).toMatchObject({ status: 200, body: { result: 'opened' } });
  await until('the open door is shown', () => views().at(-1)?.compartments[0]?.door === 'open');
  await until('the entry is told', () => JSON.stringify(heard).includes('console.acted'));
  leave.abort();
  await listening;

  const page = (await visitor.ask('GET', '/api/journal?limit=200')).body as JournalPage;
  const acted = page.entries.find(({ type }) => type === 'console.acted');
  expect(acted?.actor).toEqual({ kind: 'technician', ref: 'tech-1' });
  expect(acted?.event).toMatchObject({ data: { action: 'open', result: 'opened', target: 'A1' } });
  expect(page.entries[0]?.n).toBe(page.size - 1);
  const before = (await visitor.ask('GET', `/api/journal?limit=2&before=${page.size - 1}`)).body as JournalPage;
  expect(before.entries.map(({ n }) => n)).toEqual([page.size - 2, page.size - 3]);
  expect(bench.daemon.lines('err').join('\n')).not.toContain(`"${code}"`);
});

/** Lines of a walk as they come, until its stream ends or is left. */
async function walk(response: Response, hear: (line: WalkLine) => void): Promise<void> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const next = await reader?.read();
    if (next === undefined || next.done) return;
    const lines = (rest + next.value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') hear(JSON.parse(line) as WalkLine);
  }
}

test('doors are commissioned over HTTP: what to do at each step, the end of each door, and both in the journal', async () => {
  const { site } = bench.bench;
  site.shut('A1');
  await bench.untilDoors('shut');
  const path = '/api/commission';
  const asked = { compartments: [RAW_DOOR, 'A2'] };
  const refused = { status: 403, body: { type: expect.stringMatching(/:(role|second_factor)$/) } };
  expect(await (await bench.signedIn('viewer-1')).ask('POST', path, asked)).toMatchObject(refused);
  expect(await (await bench.signedIn('chief-1')).ask('POST', path, asked)).toMatchObject(refused);

  const visitor = await bench.elevated('chief-1');
  const heard: string[] = [];
  const ends: unknown[] = [];
  const hands = (line: WalkLine): void => {
    if (!('step' in line)) return void ends.push(line);
    const { compartment, step, verdict } = line.step as Readonly<Record<string, string>>;
    const said = `${compartment} ${step ?? verdict}`;
    if (said === heard.at(-1)) return;
    heard.push(said);
    if (step === 'open') site.open(compartment ?? '');
    if (step === 'close') site.shut(compartment ?? '');
  };
  const stream = await visitor.raw('POST', path, asked);
  expect([stream.status, stream.headers.get('content-type')]).toEqual([200, 'application/x-ndjson']);
  await walk(stream, hands);
  const steps = ['looking', 'open', 'close', 'commissioned'];
  expect(heard).toEqual([...steps.map((step) => `${RAW_DOOR} ${step}`), ...steps.map((step) => `A2 ${step}`)]);
  expect(ends).toEqual([{ done: { doors: 2 } }]);

  // Who leaves ends the walk, and the next one finds the door free.
  const leave = new AbortController();
  const left = await visitor.raw('POST', path, { compartments: ['A3'] }, {}, leave.signal);
  await walk(left, () => leave.abort()).catch(() => undefined);
  const ofDoors = async (): Promise<readonly unknown[]> => {
    const { entries } = (await visitor.ask('GET', '/api/journal?limit=200')).body as JournalPage;
    return entries.flatMap(({ type, actor, event, compartment }) => {
      const { data } = event as { readonly data: Readonly<Record<string, unknown>> };
      if (type === 'device.commissioned') return [[compartment, data['polarity']]];
      return data['action'] === 'commission' ? [[data['target'], data['result'], actor?.ref]] : [];
    });
  };
  const written = [
    [RAW_DOOR, 'closed_is_1'],
    [RAW_DOOR, 'commissioned', 'chief-1'],
    ['A2', 'closed_is_1'],
    ['A2', 'commissioned', 'chief-1'],
    ['A3', 'failed', 'chief-1'],
  ];
  let seen: readonly unknown[] = [];
  const endMs = performance.now() + 60_000;
  while (seen.length < written.length && performance.now() < endMs) seen = await ofDoors();
  expect([...seen].reverse()).toEqual(written);
  expect(await bench.ask('commissioned')).toMatchObject([
    { compartment: 'A1' },
    { compartment: 'A2', polarity: 'closed_is_1', at: expect.anything() },
    { compartment: 'A3' },
    { compartment: RAW_DOOR, polarity: 'closed_is_1', at: expect.anything() },
  ]);
});

/** What the page would find wrong now: of the first view of a new stream. */
async function found(visitor: Visitor): Promise<readonly string[]> {
  const leave = new AbortController();
  const stream = await visitor.raw('GET', '/api/live', undefined, {}, leave.signal);
  let view: ConsoleView | undefined;
  const hear = (event: string, value: unknown): void => {
    if (event === 'view') view ??= value as ConsoleView;
  };
  const listening = listen(stream, hear).catch(() => undefined);
  await until('a view', () => view !== undefined);
  leave.abort();
  await listening;
  return (view?.findings ?? []).map(({ text }) => text);
}

async function untilFound(what: RegExp): Promise<void> {
  const visitor = await bench.signedIn('viewer-1');
  const endMs = performance.now() + 60_000;
  for (;;) {
    const texts = (await found(visitor)).join('\n');
    if (what.test(texts)) return;
    if (performance.now() > endMs) throw new Error(`not found: ${what} in ${texts}`);
  }
}

test('a forced door is told after its log was ended and the daemon was killed, until somebody has counted', async () => {
  bench.bench.site.shut('A1');
  await bench.untilDoors('shut');
  bench.bench.site.open('A1');
  await untilFound(/^the door of A1 was forced .* ago, and is not seen shut since$/m);
  bench.bench.site.shut('A1');
  await bench.untilDoors('shut');
  // The entry stands in a log that nobody looks at any more.
  await bench.ask('rotate');
  await bench.daemon.stop('SIGKILL');
  await bench.start();
  await untilFound(/^the door of A1 was forced before this start, and is shut again$/m);

  const answer = await bench.ask('act', { person: 'tech-2', code: bench.code('tech-2'), verb: 'recount' });
  expect(answer).toMatchObject({ result: 'counted' });
  expect(await found(await bench.signedIn('viewer-1'))).not.toContainEqual(expect.stringMatching(/forced/));
});
