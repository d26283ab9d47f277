import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { describe, expect, test, vi } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { BlindWindow } from '../../../src/edge/journal/blind-window.ts';
import { DiskReserve } from '../../../src/edge/journal/disk-reserve.ts';
import { DiskRoom, withRoom } from '../../../src/edge/journal/disk-room.ts';
import { classOf } from '../../../src/edge/journal/event-class.ts';
import { guardBody } from '../../../src/evidence/event/guard.ts';
import { EVENT_TYPES } from '../../../src/evidence/event/vocabulary.ts';
import {
  draft,
  fill,
  forever,
  newDatabase,
  openDatabase,
  settingsWith,
  soon,
  temporaryDirectory,
  writerOn,
} from './support.ts';

/** Connections by file, so that a test can bound a file as a full disk would. */
const connections = vi.hoisted(() => new Map<string, Database.Database>());

vi.mock(import('../../../src/edge/journal/sqlite-file.ts'), async (original) => {
  const actual = await original();
  return {
    ...actual,
    openFile: (path: string, mode: 'write' | 'read') => {
      const connection = actual.openFile(path, mode);
      connections.set(path, connection);
      return connection;
    },
  };
});

/** From now on the file may grow by this many pages only; SQLite answers SQLITE_FULL beyond, as for ENOSPC. */
function boundFile(path: string, morePages: number): void {
  const connection = connections.get(path);
  const pages = Number(connection?.pragma('page_count', { simple: true }));
  connection?.pragma(`max_page_count = ${pages + morePages}`);
}

interface RoomBench {
  readonly room: DiskRoom;
  readonly scheduler: ManualScheduler;
  readonly figures: { used: number; free: number };
  readonly levels: string[];
  readonly reserve: string;
}

const MIB = 1_048_576;

function roomWith(used: number, free: number): RoomBench {
  const directory = temporaryDirectory();
  const scheduler = new ManualScheduler();
  const figures = { used, free };
  const levels: string[] = [];
  const room = new DiskRoom({
    directory,
    settings: settingsWith({ size_max_mib: 100, free_min_mib: 1, reserve_mib: 1 }),
    scheduler,
    logger: silentLogger,
    metrics: new MemoryMetrics(),
    usedBytes: () => figures.used,
    freeBytes: () => figures.free,
  });
  room.onLevel((level) => levels.push(level));
  room.start();
  return { room, scheduler, figures, levels, reserve: join(directory, 'reserve') };
}

describe('a full file', () => {
  test('a disk that fills within a second is looked at in between, after so many bytes of events', () => {
    const { room, figures, levels } = roomWith(10 * MIB, 90 * MIB);
    figures.used = 99 * MIB;
    room.wrote(200_000);
    expect(levels).toEqual([]);
    room.wrote(100_000);
    expect(levels).toEqual(['custody']);
    figures.used = 10 * MIB;
    room.wrote(200_000);
    expect(levels).toEqual(['custody']);
    room.wrote(100_000);
    expect(levels).toEqual(['custody', 'ok']);
  });

  test('is a state: what is queued waits, new events are refused and counted, and it goes on by itself', async () => {
    const observe = () => draft().observed;
    const { database, writer, scheduler, states } = writerOn(newDatabase(), { observe });
    writer.append(draft());
    await writer.flush(forever);
    boundFile(database.path, 5);
    let appended = 1;
    while (writer.state === 'open') {
      for (let i = 0; i < 100; i += 1) if (writer.append(draft({ urgent: true })) === 'queued') appended += 1;
      await soon(() => writer.waiting === 0 || writer.state === 'full');
    }
    expect(writer.append(draft())).toBe('refused');
    const stored = database.size();
    expect(stored).toBeGreaterThan(0);
    expect(database.verifyRange(0, stored)).toMatchObject({ ok: true, size: stored });
    scheduler.advance(60_000);
    await soon(() => writer.state === 'full');
    boundFile(database.path, 10_000);
    scheduler.advance(60_000);
    await soon(() => writer.state === 'open' && writer.waiting === 0);
    expect(states).toEqual(['full', 'open']);
    expect(database.size()).toBe(appended + 1);
    expect(database.verifyRange(0, appended + 1)).toMatchObject({ ok: true });
    const last = [...database.leaves(appended, appended + 1)][0];
    expect(JSON.parse(Buffer.from(last?.leaf ?? []).toString())).toMatchObject({
      type: 'exception.reported',
      data: { blind: { cause: 'disk_full', events: 1 } },
    });
  });

  test('leaves nothing of a failed commit behind, and the handle goes on', () => {
    const database = newDatabase();
    fill(database, [100]);
    boundFile(database.path, 0);
    expect(() => fill(database, [250, 250, 250])).toThrow(expect.objectContaining({ code: 'JOURNAL_FULL' }));
    const size = database.size();
    expect(database.failed()).toBe(false);
    boundFile(database.path, 1_000);
    fill(database, [10]);
    database.close();
    expect(openDatabase(database.path).verifyRange(0, size + 10)).toMatchObject({ ok: true, size: size + 10 });
  });

  test('the reserve is given up for the last records, which are then stored', async () => {
    const { room, figures, reserve } = roomWith(MIB, 500 * MIB);
    const { database, writer } = writerOn(newDatabase(), { room });
    const commit = database.commit.bind(database);
    const giveUp = vi.spyOn(database, 'commit');
    giveUp.mockImplementation((each) => {
      if (!existsSync(reserve)) return commit(each);
      boundFile(database.path, 0);
      try {
        commit({ ...each });
      } finally {
        boundFile(database.path, 1_000);
      }
    });
    expect(statSync(reserve).size).toBe(MIB);
    for (let i = 0; i < 500; i += 1) writer.append(draft());
    figures.free = 0;
    await writer.flush(forever);
    expect(database.size()).toBe(500);
    expect(existsSync(reserve)).toBe(false);
    expect(room.level).toBe('custody');
    expect(writer.append(draft())).toBe('refused');
    expect(writer.append(draft({ body: { type: 'gateway.stopped', data: { reason: 'signal' } } }))).toBe('queued');
    room.stop();
  });
});

describe('room on the disk', () => {
  test('repeating events stop at 90 %, new custody at 97 %, and both come back a little below', () => {
    const { room, scheduler, figures, levels } = roomWith(50 * MIB, 500 * MIB);
    const admitted = (): readonly boolean[] => (['low', 'custody', 'last'] as const).map((each) => room.admits(each));
    const steps: readonly (readonly [number, readonly boolean[]])[] = [
      [89.9, [true, true, true]],
      [90, [false, true, true]],
      [96.9, [false, true, true]],
      [97, [false, false, true]],
      [96.1, [false, false, true]],
      [95.9, [false, true, true]],
      [89.5, [false, true, true]],
      [88.9, [true, true, true]],
    ];
    for (const [percent, expected] of steps) {
      figures.used = (percent / 100) * 100 * MIB;
      scheduler.advance(1_000);
      expect([percent, admitted()]).toEqual([percent, expected]);
    }
    expect(levels).toEqual(['low', 'custody', 'low', 'ok']);
    room.stop();
  });

  test('a disk that others fill counts like a journal that is too large', () => {
    const { room, scheduler, figures } = roomWith(10 * MIB, 500 * MIB);
    expect(room.level).toBe('ok');
    figures.free = 2 * MIB;
    scheduler.advance(1_000);
    expect(room.level).toBe('low');
    figures.free = 1 * MIB;
    scheduler.advance(1_000);
    expect(room.level).toBe('custody');
    room.stop();
  });

  test('a disk that answers nothing changes no level', () => {
    const { room, scheduler, figures } = roomWith(95 * MIB, 500 * MIB);
    Object.defineProperty(figures, 'free', {
      get: () => {
        throw new Error('EIO');
      },
    });
    scheduler.advance(5_000);
    expect(room.level).toBe('low');
    room.stop();
  });

  test('after the reserve is gone nothing is taken until a write works, and it is made again when there is room', () => {
    const { room, scheduler, figures, reserve, levels } = roomWith(10 * MIB, 500 * MIB);
    figures.free = 0;
    expect(room.foundFull()).toBe(true);
    expect(existsSync(reserve)).toBe(false);
    expect(room.foundFull()).toBe(false);
    expect(room.level).toBe('full');
    expect(room.admits('last')).toBe(false);
    room.foundRoom();
    expect(room.admits('last')).toBe(true);
    scheduler.advance(5_000);
    expect(room.level).toBe('custody');
    figures.free = 50 * MIB;
    scheduler.advance(1_000);
    expect(room.level).toBe('ok');
    expect(statSync(reserve).size).toBe(MIB);
    expect(levels).toEqual(['custody', 'full', 'custody', 'ok']);
    room.stop();
  });

  test('the reserve has its whole size or is not there', () => {
    const reserve = new DiskReserve(join(temporaryDirectory(), 'reserve'), 3 * MIB + 17);
    expect(reserve.release()).toBe(false);
    expect(reserve.make()).toBe(true);
    expect(statSync(reserve.path).size).toBe(3 * MIB + 17);
    expect(statSync(reserve.path).blocks * 512).toBeGreaterThanOrEqual(3 * MIB);
    expect(reserve.make()).toBe(true);
    expect(reserve.release()).toBe(true);
    expect(reserve.isThere).toBe(false);
    const nowhere = new DiskReserve(join(temporaryDirectory(), 'no', 'reserve'), MIB);
    expect(nowhere.make()).toBe(false);
  });

  test('every type of event has a class, and what ends an episode goes longest', () => {
    const classes = new Map(EVENT_TYPES.map((type) => [type, classOf(type)]));
    expect(classes.get('gateway.alive')).toBe('low');
    expect(classes.get('code.scanned')).toBe('custody');
    expect(classes.get('parcel.deposited')).toBe('last');
    expect(classOf('some.thing_new')).toBe('custody');
    expect(new Set(classes.values())).toEqual(new Set(['low', 'custody', 'last']));
  });
});

describe('a disk that is full at the start', () => {
  const full = () => Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });

  test('gives up the reserve also when it was a key file that found no room', async () => {
    const { room, reserve } = roomWith(0, 50 * MIB);
    const work = vi.fn<() => Promise<string>>().mockRejectedValueOnce(full()).mockResolvedValueOnce('opened');
    await expect(withRoom(room, work)).resolves.toBe('opened');
    expect(existsSync(reserve)).toBe(false);
    room.stop();
  });

  test('is JOURNAL_FULL when there is no reserve to give up, and no defect', async () => {
    const { room } = roomWith(0, 50 * MIB);
    const work = vi.fn<() => Promise<string>>().mockRejectedValue(full());
    await expect(withRoom(room, work)).rejects.toMatchObject({ code: 'JOURNAL_FULL' });
    expect(work).toHaveBeenCalledTimes(2);
    room.stop();
  });
});

describe('a blind window', () => {
  test('names at most 16 types, the most frequent first, and fits the vocabulary', () => {
    const blind = new BlindWindow();
    expect(blind.isEmpty).toBe(true);
    for (const [i, type] of EVENT_TYPES.slice(0, 20).entries()) {
      for (let n = 0; n <= i; n += 1) blind.count('disk_full', type, 1_000 + i);
    }
    blind.count('io_error', 'door.opened', 7);
    const bodies = blind.take();
    expect(blind.isEmpty).toBe(true);
    expect(bodies).toHaveLength(2);
    for (const body of bodies) expect(guardBody(body)).toEqual({ body, withheld: [] });
    const data = bodies[0]?.data as { readonly blind: { readonly by_type: readonly { readonly count: number }[] } };
    expect(data.blind).toMatchObject({
      cause: 'disk_full',
      events: 210,
      by_type_more: 4,
      from_up_ms: 1_000,
      to_up_ms: 1_019,
    });
    expect(data.blind.by_type.map(({ count }) => count)).toEqual([
      20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5,
    ]);
  });
});
