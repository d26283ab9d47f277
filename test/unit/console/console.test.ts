/** People at the box: a code counts once, wrong ones lock out, and nothing of it is undone by a restart. */
import { chmodSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { FAILURES_MAX } from '../../../src/edge/console/attempts.ts';
import { ConsoleRoom, LOCKED_MS } from '../../../src/edge/console/console.ts';
import { consoleSettingsSchema } from '../../../src/edge/console/settings.ts';
import { TICKET_MS } from '../../../src/edge/console/tickets.ts';
import type { ActAnswer } from '../../../src/edge/contracts/console-view.ts';
import type { Doors, OpenRequest } from '../../../src/edge/contracts/doors.ts';
import { consoleAct } from '../../../src/edge/gateway/console-act.ts';
import type { EventBody } from '../../../src/evidence/event/event.ts';
import { guardBody } from '../../../src/evidence/event/guard.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';

/** RFC 6238 appendix B, SHA-1: the secret in base32, and codes of 8 digits at these times, of which the last 6 are ours. */
const RFC_SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const RFC_CODES = [
  [59, '94287082'],
  [1_111_111_109, '07081804'],
  [1_111_111_111, '14050471'],
  [1_234_567_890, '89005924'],
  [2_000_000_000, '69279037'],
] as const;
const NOW_S = 1_234_567_890;
const CODE = '005924';

let dir: TempDir;
let scheduler: ManualScheduler;
let bodies: EventBody[];
let opened: OpenRequest[];

beforeEach(() => {
  dir = makeTempDir('console');
  scheduler = new ManualScheduler(NOW_S * 1_000);
  bodies = [];
  opened = [];
  writeFileSync(dir.file('tech.totp'), `${RFC_SECRET}\n`, { mode: 0o600 });
  writeFileSync(dir.file('admin.totp'), `${RFC_SECRET}\n`, { mode: 0o600 });
});
afterEach(() => dir.remove());

function room(): ConsoleRoom {
  const settings = consoleSettingsSchema.parse({
    people: [
      { name: 'tech-7', role: 'technician', totp_file: dir.file('tech.totp') },
      { name: 'boss', role: 'administrator', totp_file: dir.file('admin.totp') },
    ],
  });
  const doors: Doors = {
    open: async (request) => {
      opened.push(request);
      return { kind: 'opened', tookMs: 7 };
    },
    stopPick: async () => undefined,
    resume: async () => undefined,
    recount: async () => 3,
    status: () => ({ opening: [], open: 0, openMax: 1 }),
  };
  return new ConsoleRoom({
    settings,
    attemptsPath: dir.file('attempts.json'),
    doors,
    maintenance: { begin: () => undefined, end: () => false },
    newId: () => new Uint8Array(16),
    appender: {
      append: ({ body }) => {
        bodies.push(body);
        return 'queued';
      },
      flush: async () => undefined,
    },
    observer: {
      observe: () => ({ wallMs: scheduler.wallMs(), upMs: scheduler.monotonicMs(), clock: { src: 'ntp' } }),
    },
    scheduler,
    logger: silentLogger,
    metrics: new MemoryMetrics(),
  });
}

type Asked = Readonly<Record<string, unknown>>;

function act(console: ConsoleRoom, more: Asked = {}): Promise<ActAnswer> {
  const { verb = 'open' } = more;
  const place = verb === 'open' ? { compartment: 'A1' } : {};
  const whole = { verb, person: 'tech-7', code: CODE, ...place, ...more };
  return console.act(consoleAct(whole), new AbortController().signal);
}

test.each(RFC_CODES)('the code of RFC 6238 at %i s opens, once, with its actor in the journal', async (atS, code) => {
  scheduler.stepWall((atS - NOW_S) * 1_000);
  const console = room();
  expect(await act(console, { code: code.slice(2) })).toEqual({ result: 'opened', tookMs: 7 });
  expect(opened).toMatchObject([{ compartment: 'A1', cause: 'console', actor: { kind: 'technician', ref: 'tech-7' } }]);
  expect(bodies).toEqual([
    {
      actor: { kind: 'technician', ref: 'tech-7' },
      data: { action: 'open', result: 'opened', target: 'A1' },
      type: 'console.acted',
    },
  ]);
  expect(await act(console, { code: code.slice(2) })).toMatchObject({ result: 'refused' });
  expect(opened).toHaveLength(1);
});

describe('a code that was used', () => {
  test('opens nothing after a restart', async () => {
    await act(room());
    expect(await act(room())).toEqual({ result: 'refused', reason: 'unknown_person_or_code' });
    expect(opened).toHaveLength(1);
    expect(bodies.at(-1)).toMatchObject({ type: 'access.refused', data: { reason: 'used_code', attempts: 1 } });
  });

  test('nor does one of an earlier step, nor two at once', async () => {
    const console = room();
    const both = await Promise.all([act(console), act(console)]);
    expect(both.map(({ result }) => result).sort()).toEqual(['opened', 'refused']);
    scheduler.stepWall(-30_000);
    expect(await act(console)).toMatchObject({ result: 'refused' });
    expect(opened).toHaveLength(1);
  });

  test('a file that cannot be read means that everybody waits', async () => {
    writeFileSync(dir.file('attempts.json'), '{"v":1,');
    const console = room();
    expect(await act(console)).toEqual({ result: 'refused', reason: 'locked' });
    scheduler.advance(LOCKED_MS);
    scheduler.stepWall(-LOCKED_MS);
    expect(await act(console)).toMatchObject({ result: 'opened' });
  });
});

test('wrong codes lock the person out, over a restart too, and the right one is not even looked at', async () => {
  let console = room();
  for (let i = 0; i < FAILURES_MAX; i += 1) await act(console, { code: '000000' });
  expect(bodies.map(({ data }) => data['attempts'])).toEqual([1, 2, 3, 4, 5]);
  expect(bodies.at(-1)).toMatchObject({ type: 'access.refused', data: { locked_ms: LOCKED_MS, reason: 'wrong_code' } });
  expect(await act(console)).toEqual({ result: 'refused', reason: 'locked' });
  console = room();
  scheduler.advance(LOCKED_MS - 1);
  scheduler.stepWall(1 - LOCKED_MS);
  expect(await act(console)).toEqual({ result: 'refused', reason: 'locked' });
  // What is refused for being locked fills no log.
  expect(bodies).toHaveLength(FAILURES_MAX);
  // Another person is not locked out with him.
  expect(await act(console, { person: 'boss' })).toMatchObject({ result: 'opened' });
  scheduler.advance(1);
  scheduler.stepWall(-1);
  expect(await act(console)).toMatchObject({ result: 'opened' });
});

test('only an administrator resumes', async () => {
  const console = room();
  expect(await act(console, { verb: 'resume' })).toEqual({ result: 'refused', reason: 'role' });
  expect(await act(console, { verb: 'resume', person: 'boss' })).toEqual({ result: 'resumed' });
  expect(bodies.map(({ data }) => data['result'])).toEqual(['refused', 'resumed']);
});

test('a person who is not there is answered like a wrong code', async () => {
  const wrong = await act(room(), { code: '123456' });
  expect(await act(room(), { person: 'nobody' })).toEqual(wrong);
  expect(opened).toEqual([]);
});

test('a secret that others may read opens nothing', async () => {
  chmodSync(dir.file('tech.totp'), 0o644);
  await expect(act(room())).rejects.toMatchObject({ code: 'KEY_PERMISSIONS' });
  expect(opened).toEqual([]);
});

test('every entry fits the vocabulary and holds no code', async () => {
  const console = room();
  await act(console);
  await act(console, { code: '111111' });
  await act(console, { verb: 'recount', person: 'boss' });
  for (const body of bodies) expect(guardBody(body).withheld).toEqual([]);
  expect(JSON.stringify(bodies)).not.toContain(CODE);
});

describe('a ticket', () => {
  test('lets its person act for five minutes without a further code, and nobody else, nor after a restart', async () => {
    const console = room();
    const elevated = await console.elevate('tech-7', CODE);
    if (elevated.result !== 'elevated') throw new Error(elevated.reason);
    const { ticket, for_s: forS } = elevated;
    expect(forS * 1_000).toBe(TICKET_MS);
    const proof = { code: undefined, ticket };
    expect(await act(console, proof)).toMatchObject({ result: 'opened' });
    expect(await act(console, { ...proof, verb: 'recount' })).toMatchObject({ result: 'counted' });
    const refused = { result: 'refused', reason: 'second_factor' };
    expect(await act(console, { ...proof, person: 'boss' })).toEqual(refused);
    expect(await act(room(), proof)).toEqual(refused);
    scheduler.advance(TICKET_MS);
    expect(await act(console, proof)).toEqual(refused);
    expect(opened).toHaveLength(1);
    expect(JSON.stringify(bodies)).not.toContain(ticket);
  });

  test('is given for a code that is right and new alone', async () => {
    const console = room();
    const refused = { result: 'refused', reason: 'unknown_person_or_code' };
    expect(await console.elevate('tech-7', '000000')).toEqual(refused);
    expect(await console.elevate('tech-7', CODE)).toMatchObject({ result: 'elevated' });
    expect(await console.elevate('tech-7', CODE)).toEqual(refused);
    expect(await console.elevate('nobody', CODE)).toEqual(refused);
  });

  test('stands before a walk, whose outcome and actor are recorded', async () => {
    const console = room();
    const walk = (ticket: string) =>
      console.walk('tech-7', ticket, { verb: 'commission', target: 'A1' }, async () => ({
        answer: 7,
        result: 'commissioned',
      }));
    await expect(walk('no such ticket')).rejects.toMatchObject({ code: 'KEY_PERMISSIONS' });
    const elevated = await console.elevate('tech-7', CODE);
    expect(await walk('ticket' in elevated ? elevated.ticket : '')).toBe(7);
    expect(bodies).toMatchObject([
      { actor: { ref: 'tech-7' }, data: { action: 'commission', result: 'commissioned', target: 'A1' } },
    ]);
    for (const body of bodies) expect(guardBody(body).withheld).toEqual([]);
  });
});

test('a maintenance window begins and ends under the name of who asked for it', async () => {
  const console = room();
  const elevated = await console.elevate('tech-7', CODE);
  const proof = { code: undefined, ticket: 'ticket' in elevated ? elevated.ticket : '' };
  const asked = { verb: 'maintain', compartments: ['A1', 'A2', 'A1'], minutes: 30 };
  expect(await act(console, { ...proof, ...asked })).toEqual({ result: 'opened' });
  expect(await act(console, { ...proof, verb: 'end_maintenance', id: 'w-1' })).toEqual({
    result: 'refused',
    reason: 'unknown_window',
  });
  expect(bodies.map(({ actor, data }) => [actor?.ref, data['action'], data['target']])).toEqual([
    ['tech-7', 'maintain', 'A1 A2'],
    ['tech-7', 'end_maintenance', 'w-1'],
  ]);
});
