/** The room of doors with a journal, a line and a custody that do what the test says. */
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import type { OpenOutcome, OpenRequest } from '../../../src/edge/contracts/doors.ts';
import { DoorsRoom } from '../../../src/edge/doors/doors.ts';
import type { FrameAnswer } from '../../../src/edge/doors/machine.ts';
import { doorsSettingsSchema } from '../../../src/edge/doors/settings.ts';
import type { EventBody } from '../../../src/evidence/event/event.ts';
import { guardBody } from '../../../src/evidence/event/guard.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

const settings = doorsSettingsSchema.parse({});
const actor = { kind: 'operator', ref: 'desk-7' } as const;

class Site {
  readonly scheduler = new ManualScheduler();
  /** What happened, in order. */
  readonly steps: string[] = [];
  readonly bodies: EventBody[] = [];
  saved: string | undefined;
  door: 'open' | 'shut' | 'unknown' = 'shut';
  unread = false;
  distrusted = false;
  maintained = false;
  flush: () => Promise<void> = async () => undefined;
  unlock: (signal: AbortSignal) => Promise<FrameAnswer> = async () => this.sent();
  readonly #dir: TempDir;

  constructor(dir: TempDir) {
    this.#dir = dir;
  }

  sent(): FrameAnswer {
    return { kind: 'sent', sentUpMs: this.scheduler.monotonicMs(), reply: 'none_expected' };
  }

  get stopPath(): string {
    return this.#dir.file('stop-pick.json');
  }

  start(): DoorsRoom {
    const room = new DoorsRoom({
      settings,
      doors: [{ name: 'A1', device: 'board-1', channel: 1, commissioned: true }],
      appender: {
        append: ({ body }) => {
          this.steps.push(body.type);
          this.bodies.push(body);
          return 'queued';
        },
        flush: async () => {
          await this.flush();
          this.steps.push('durable');
        },
      },
      store: {
        load: () => this.saved,
        save: (text) => {
          this.steps.push('saved');
          this.saved = text;
        },
      },
      stopPath: this.stopPath,
      unlock: (_device, _channel, signal) => {
        this.steps.push('frame');
        return this.unlock(signal);
      },
      seen: () => [
        {
          name: 'A1',
          door: this.distrusted ? 'unknown' : this.door,
          ...(this.unread && { unread: true as const }),
          ...(this.distrusted && { distrusted: true as const }),
        },
      ],
      isMaintained: () => this.maintained,
      expect: () => void this.steps.push('expected'),
      recount: () => 1,
      observer: { observe: () => ({ wallMs: 0, upMs: this.scheduler.monotonicMs(), clock: { src: 'none' } }) },
      scheduler: this.scheduler,
      logger: silentLogger,
      metrics: new MemoryMetrics(),
    });
    room.start();
    room.heard({ type: 'device.found', device: 'board-1', data: {} });
    return room;
  }

  /** Custody saw it open. */
  open(room: DoorsRoom): void {
    const at = this.scheduler.monotonicMs();
    this.door = 'open';
    room.heard({ type: 'door.opened', compartment: 'A1', seen: { from_ms: 0, to_ms: at }, data: {} });
  }
}

const request = (nth: number): OpenRequest => ({
  id: new Uint8Array(16).fill(nth),
  compartment: 'A1',
  actor,
  cause: 'command',
});
const never = new AbortController().signal;

let dir: TempDir;
let site: Site;
beforeEach(() => {
  dir = makeTempDir('doors');
  site = new Site(dir);
});
afterEach(() => dir.remove());

test('the intent is durable, then custody expects the door, then the frame leaves', async () => {
  const room = site.start();
  const outcome = room.open(request(1), never);
  await until('the frame leaves', () => site.steps.includes('frame'));
  site.scheduler.advance(80);
  await Promise.resolve();
  site.open(room);
  expect(await outcome).toEqual({ kind: 'opened', tookMs: 80 });
  expect(site.steps).toEqual(['unlock.intended', 'saved', 'durable', 'expected', 'frame', 'unlock.ended', 'saved']);
  for (const body of site.bodies) {
    expect(body.actor).toEqual(actor);
    expect(guardBody(body).withheld).toEqual([]);
  }
});

describe('nothing leaves', () => {
  test.each([
    ['when the intent cannot be recorded', 'JOURNAL_IO'],
    ['when the disk is full', 'JOURNAL_FULL'],
  ] as const)('%s', async (_when, code) => {
    site.flush = () => Promise.reject(new LatchkeyError(code, 'away'));
    expect(await site.start().open(request(1), never)).toEqual({ kind: 'refused', reason: 'recording_stopped' });
    expect(site.bodies.at(-1)).toMatchObject({ type: 'unlock.ended', data: { result: 'not_sent' } });
    expect(site.steps).not.toContain('frame');
  });

  test('when stop_pick comes while it is recorded', async () => {
    const room = site.start();
    site.flush = () => room.stopPick(actor);
    expect(await room.open(request(1), never)).toEqual({ kind: 'refused', reason: 'stopped' });
    expect(site.steps).not.toContain('frame');
  });

  test('when the board does not answer, or was not heard yet', async () => {
    const room = site.start();
    room.heard({ type: 'device.lost', device: 'board-1', data: {} });
    expect(await room.open(request(1), never)).toEqual({ kind: 'refused', reason: 'board_away' });
    expect(site.steps).toEqual([]);
  });

  test('when the board answers, and cannot read this lock', async () => {
    const room = site.start();
    site.unread = true;
    expect(await room.open(request(1), never)).toEqual({ kind: 'refused', reason: 'board_away' });
    site.unread = false;
    site.flush = async () => {
      site.unread = true;
    };
    expect(await room.open(request(2), never)).toEqual({ kind: 'refused', reason: 'board_away' });
    expect(site.steps).not.toContain('frame');
  });

  test('when the caller gave up, or the gateway stops', async () => {
    const room = site.start();
    const caller = new AbortController();
    site.flush = async () => caller.abort();
    expect(await room.open(request(1), caller.signal)).toEqual({ kind: 'refused', reason: 'stopped' });
    site.flush = async () => room.stop();
    expect(await room.open(request(2), never)).toEqual({ kind: 'refused', reason: 'stopped' });
    expect(await room.open(request(3), never)).toEqual({ kind: 'refused', reason: 'stopped' });
    expect(site.steps).not.toContain('frame');
  });
});

test('an intent that the run before left is ended, and neither sent nor taken again', async () => {
  site.unlock = () => new Promise(() => undefined);
  void site.start().open(request(1), never);
  await until('the frame leaves', () => site.steps.includes('frame'));
  const cut = site.bodies.at(-1);
  site.steps.length = 0;
  const again = site.start();
  expect(site.bodies.at(-1)).toMatchObject({
    type: 'unlock.ended',
    compartment: 'A1',
    actor,
    data: { id: cut?.data['id'], result: 'unverified', reason: 'restarted' },
  });
  expect(await again.open(request(1), never)).toEqual({ kind: 'refused', reason: 'repeated_id' });
  // And it is ended once.
  site.steps.length = 0;
  site.start();
  expect(site.steps).toEqual([]);
});

describe('a door whose walk contradicts its settings', () => {
  const by = (kind: OpenRequest['actor']['kind'], nth: number): OpenRequest => ({
    ...request(nth),
    actor: { kind, ref: 'somebody' },
  });

  test('is opened for nobody, and in a maintenance window for whoever works there', async () => {
    site.distrusted = true;
    const room = site.start();
    for (const [nth, kind] of (['operator', 'technician', 'courier', 'recipient'] as const).entries()) {
      expect(await room.open(by(kind, nth), never)).toEqual({ kind: 'refused', reason: 'polarity_contradicted' });
    }
    site.maintained = true;
    for (const [nth, kind] of (['courier', 'recipient'] as const).entries()) {
      expect(await room.open(by(kind, 10 + nth), never)).toEqual({ kind: 'refused', reason: 'polarity_contradicted' });
    }
    expect(site.steps).toEqual([]);
    const unverified = { kind: 'unverified', reason: 'polarity_contradicted' };
    expect(await room.open(by('technician', 20), never)).toEqual(unverified);
    expect(await room.open(by('operator', 21), never)).toEqual(unverified);
    expect(site.steps.filter((step) => step === 'frame')).toHaveLength(2);
  });

  test('is not opened when the window ends, or its walk is recorded, while the intent is written', async () => {
    const room = site.start();
    site.flush = async () => {
      site.distrusted = true;
      site.maintained = false;
    };
    expect(await room.open(by('technician', 1), never)).toEqual({ kind: 'refused', reason: 'polarity_contradicted' });
    site.maintained = true;
    expect(await room.open(by('technician', 2), never)).toEqual({ kind: 'refused', reason: 'polarity_contradicted' });
    expect(site.steps).not.toContain('frame');
  });

  test('whose board does not answer is not opened for anybody', async () => {
    site.distrusted = true;
    site.maintained = true;
    const room = site.start();
    room.heard({ type: 'device.lost', device: 'board-1', data: {} });
    expect(await room.open(by('technician', 1), never)).toEqual({ kind: 'refused', reason: 'board_away' });
  });
});

describe('rates over a restart', () => {
  /** Opens it as often as one compartment may be within a minute. */
  async function openAll(room: DoorsRoom): Promise<void> {
    for (let nth = 1; nth <= settings.per_minute.compartment; nth += 1) {
      site.door = 'shut';
      const outcome = room.open(request(nth), never);
      await until('the frame leaves', () => site.steps.includes('frame'));
      site.steps.length = 0;
      await Promise.resolve();
      site.open(room);
      expect(await outcome).toMatchObject({ kind: 'opened' });
    }
    site.door = 'shut';
  }

  test('a restart gives none of them back, whatever ended the run before', async () => {
    const room = site.start();
    await openAll(room);
    expect(await room.open(request(98), never)).toEqual({ kind: 'refused', reason: 'rate' });
    const killed = site.start();
    expect(await killed.open(request(99), never)).toEqual({ kind: 'refused', reason: 'rate' });
    killed.stop();
    site.scheduler.advance(30_000);
    expect(await site.start().open(request(100), never)).toEqual({ kind: 'refused', reason: 'rate' });
  });

  test('they are over a minute after a restart, and a quiet minute before it leaves nothing to wait for', async () => {
    const room = site.start();
    await openAll(room);
    const again = site.start();
    site.scheduler.advance(59_000);
    expect(await again.open(request(98), never)).toEqual({ kind: 'refused', reason: 'rate' });
    site.scheduler.advance(1_000);
    const late = again.open(request(99), never);
    await until('the frame leaves', () => site.steps.includes('frame'));
    await Promise.resolve();
    site.open(again);
    expect(await late).toMatchObject({ kind: 'opened' });
    site.scheduler.advance(60_000);
    expect(JSON.parse(site.saved ?? '{}')).toMatchObject({ openings: [], pending: [] });
  });

  test('what version 0.1 saved is read, with no opening in it', async () => {
    const id = 'AQEBAQEBAQEBAQEBAQEBAQ';
    site.saved = JSON.stringify({ v: 1, pending: [{ id, compartment: 'A1', actor }], recent: [] });
    site.start();
    expect(site.bodies).toMatchObject([{ type: 'unlock.ended', data: { id, reason: 'restarted' } }]);
  });
});

test('a second caller with an id that is on its way is refused, and the first has its answer', async () => {
  const room = site.start();
  const first = room.open(request(1), never);
  expect(await room.open(request(1), never)).toEqual({ kind: 'refused', reason: 'repeated_id' });
  await until('the frame leaves', () => site.steps.includes('frame'));
  await Promise.resolve();
  site.open(room);
  expect(await first).toMatchObject({ kind: 'opened' });
  expect(site.steps.filter((step) => step === 'frame')).toHaveLength(1);
});

test('a line that never answers ends an opening as unverified', async () => {
  site.unlock = () => new Promise(() => undefined);
  const room = site.start();
  const outcome: Promise<OpenOutcome> = room.open(request(1), never);
  await until('the frame leaves', () => site.steps.includes('frame'));
  site.scheduler.advance(15_001);
  expect(await outcome).toEqual({ kind: 'unverified', reason: 'no_answer' });
});

describe('stop_pick', () => {
  test('is in force over restarts until resume', async () => {
    await site.start().stopPick(actor);
    const room = site.start();
    expect(room.status().stopped).toEqual({ by: 'operator desk-7', reason: 'asked' });
    expect(await room.open(request(1), never)).toEqual({ kind: 'refused', reason: 'stopped' });
    await room.resume(actor);
    expect(site.start().status().stopped).toBeUndefined();
  });

  test('is in force when its file cannot be read', async () => {
    writeFileSync(site.stopPath, 'stopped: no');
    const room = site.start();
    expect(room.status().stopped).toEqual({ by: '', reason: 'unreadable' });
    expect(await room.open(request(1), never)).toEqual({ kind: 'refused', reason: 'stopped' });
  });

  test('that cannot be written holds for this run, and a resume that cannot be written ends nothing', async () => {
    const room = site.start();
    dir.remove();
    await expect(room.stopPick(actor)).rejects.toMatchObject({ code: 'JOURNAL_IO' });
    await expect(room.resume(actor)).rejects.toMatchObject({ code: 'JOURNAL_IO' });
    expect(await room.open(request(1), never)).toEqual({ kind: 'refused', reason: 'stopped' });
  });
});

describe('a frame that waits for its line', () => {
  /** A line that is busy: it holds the frame until it is taken back, and says so for certain. */
  const waiting = (signal: AbortSignal): Promise<FrameAnswer> =>
    new Promise((resolve) =>
      signal.addEventListener('abort', () => resolve({ kind: 'not_sent', reason: 'stopped' }), { once: true }),
    );

  test('is taken back by stop_pick', async () => {
    site.unlock = waiting;
    const room = site.start();
    const outcome = room.open(request(1), never);
    await until('the line has it', () => site.steps.includes('frame'));
    await room.stopPick(actor);
    expect(await outcome).toEqual({ kind: 'refused', reason: 'stopped' });
  });

  test('is taken back when its request ends', async () => {
    site.unlock = waiting;
    const outcome = site.start().open({ ...request(1), untilUpMs: site.scheduler.monotonicMs() + 2_000 }, never);
    await until('the line has it', () => site.steps.includes('frame'));
    site.scheduler.advance(2_001);
    expect(await outcome).toEqual({ kind: 'refused', reason: 'too_late' });
    expect(site.bodies.at(-1)).toMatchObject({
      type: 'unlock.ended',
      data: { reason: 'too_late', result: 'not_sent' },
    });
  });

  test('is taken back when nothing was heard of it for too long, and its end stays unverified', async () => {
    let taken = false;
    site.unlock = (signal) => {
      signal.addEventListener('abort', () => {
        taken = true;
      });
      return waiting(signal);
    };
    const outcome = site.start().open(request(1), never);
    await until('the line has it', () => site.steps.includes('frame'));
    site.scheduler.advance(20_000);
    expect(await outcome).toEqual({ kind: 'unverified', reason: 'no_answer' });
    expect(taken).toBe(true);
  });
});

test('stop_pick that comes while a resume is written has the last word, in this run and in the next', async () => {
  const room = site.start();
  await room.stopPick(actor);
  await Promise.all([room.resume(actor), room.stopPick(actor)]);
  expect(room.status().stopped).toBeDefined();
  expect(await room.open(request(1), never)).toEqual({ kind: 'refused', reason: 'stopped' });
  expect(site.start().status().stopped).toBeDefined();
  await Promise.all([room.stopPick(actor), room.resume(actor)]);
  expect(room.status().stopped).toBeUndefined();
  expect(site.start().status().stopped).toBeUndefined();
});
